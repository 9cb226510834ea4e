"""The noise levels that diffusers' schedulers run through, for Stable Diffusion 1, 2 and XL. NumPy alone.

Tested against diffusers' own `set_timesteps`; so other tools can be told levels without a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .comfyui_sigmas import Training

BY_TIMESTEP = ("DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "LCMScheduler")
MULTISTEP = ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler")
OFFSET = 1  # the first timestep of `leading`, as Stable Diffusion's scheduler configs have it


@dataclass(frozen=True)
class Way:
    """The levels of all states, (steps + 1,); start: what the unit noise is multiplied by, where x = x0 + σ·ε.

    scaled: whether the result is kept divided by √(1 + σ²). straight: whether each step goes to where the next
    begins; diffusers' DDIM goes a fixed number of timesteps instead.
    """

    sigmas: NDArray[np.float64]
    start: float
    scaled: bool
    straight: bool = True


def timesteps(class_name: str, spacing: str, steps: int, count: int = 1000) -> NDArray[np.float64]:
    """Return the timesteps that a scheduler evaluates at, falling."""
    if spacing == "trailing":
        return np.asarray(np.round(np.arange(count, 0, -count / steps)[:steps]) - 1, dtype=np.float64)
    if class_name in MULTISTEP:
        if spacing == "linspace":
            return np.linspace(0, count - 1, steps + 1).round()[::-1][:-1]
        return np.arange(0.0, steps + 1)[::-1][:-1] * (count // (steps + 1)) + OFFSET
    if spacing == "linspace":
        times = np.linspace(0, count - 1, steps)[::-1]
        return times.round() if class_name in BY_TIMESTEP else times
    return np.arange(0.0, steps)[::-1] * (count // steps) + OFFSET


def way(class_name: str, spacing: str, steps: int, *, karras: bool = False, to_zero: bool = True) -> Way:
    """Return the levels of a scheduler by its class in diffusers.

    karras: over all levels, whatever the spacing. to_zero: False where a multistep solver ends at the lowest level of
    training.
    """
    trained = Training.scaled_linear().sigmas
    times = timesteps(class_name, "linspace" if karras else spacing, steps)
    sigmas = np.interp(times, np.arange(len(trained)), trained)
    if karras:
        ends = trained[[0, -1]] if class_name in MULTISTEP else sigmas[[-1, 0]]
        low, high = (float(end) ** (1 / 7) for end in ends)
        sigmas = (high + np.linspace(0, 1, steps) * (low - high)) ** 7
    scaled = class_name in BY_TIMESTEP + MULTISTEP
    rooted = scaled or (spacing == "leading" and not karras)
    start = math.sqrt(1 + float(sigmas[0]) ** 2) if rooted else float(sigmas[0])
    last, straight = 0.0, True
    if class_name in BY_TIMESTEP:
        stride = len(trained) // steps
        targets = np.append(times[1:], times[-1] - stride)
        straight = bool(np.allclose(times - targets, stride))
        last = 0.0 if class_name == "DDPMScheduler" else float(trained[max(int(targets[-1]), 0)])
    elif class_name == "DEISMultistepScheduler" or not to_zero:
        last = float(trained[0])
    return Way(np.append(sigmas, last), start, scaled, straight)
