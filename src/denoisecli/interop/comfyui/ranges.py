"""ComfyUI's ranges of a conditioning (ConditioningSetTimestepRange): shares of the training's timesteps, not of steps.

A conditioning acts in a step whose level lies between those of its two shares, both counted; the share p stands for the
timestep 999 · (1 − p). Source: ComfyUI's comfy/samplers.py (get_area_and_mult) and comfy/model_sampling.py
(percent_to_sigma).
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from denoisecli.process.comfyui_sigmas import Sigmas, Training

DIGITS = 4  # of a share: ComfyUI's page steps by a thousandth, its server takes any
Act = tuple[str, float, float]
"""A text, and the shares between which it acts."""


def level_of(share: float, training: Training) -> float:
    """Return the level that a share stands for."""
    if share <= 0:
        return math.inf
    return 0.0 if share >= 1 else training.sigma((1 - share) * (len(training.sigmas) - 1))


def acting(acts: Collection[Act], sigmas: Sigmas, training: Training) -> list[list[str]]:
    """Return the texts that act in each step, of the levels (steps + 1,) that a sampler goes through."""
    spans = [(text, level_of(start, training), level_of(end, training)) for text, start, end in acts]
    return [
        list(dict.fromkeys(text for text, high, low in spans if low <= sigma <= high)) for sigma in sigmas[:-1].tolist()
    ]


def share_between(before: float, behind: float, training: Training) -> float | None:
    """Return a share whose level lies between those of two steps; None where none of few digits does."""
    middle = math.sqrt(before * behind)
    whole = np.arange(len(training.sigmas))
    t = float(np.interp(math.log(middle), np.log(training.sigmas), whole))
    share = round(1 - t / (len(training.sigmas) - 1), DIGITS)
    return share if behind < level_of(share, training) < before else None
