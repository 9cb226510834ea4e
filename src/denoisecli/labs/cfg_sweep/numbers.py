"""Numbers of a sweep for trace.json: each scale of each seed at every state, and how much alike the seeds come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli import metrics
from denoisecli.metrics import significant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.labs.pictures import Pictures
    from denoisecli.trace import Trace

    from .scales import SweptScale


def sweep_rows(trace: Trace, pictures: Pictures, scales: Sequence[SweptScale], seeds: Sequence[int]) -> list[Any]:
    """Return `runs` of a sweep, scale by scale and in each seed by seed, as the trace's first axis has them."""
    count = len(scales), len(seeds)
    columns = {
        "contrast": metrics.contrast(pictures.measured),
        "saturation": metrics.saturation(pictures.measured),
        "latent_std": trace.guesses.std(axis=(-3, -2, -1), dtype=np.float64),
        "guidance": guidance_size(trace),
    }
    apart = metrics.distances(trace.guesses.reshape(*count, *trace.guesses.shape[1:]))  # (scale, scale, seed, state)
    rows = metrics.measure(trace, pictures.measured, pictures.drawn_scale)
    for index, row in enumerate(rows):
        scale, seed = divmod(index, len(seeds))
        for k, state in enumerate(row["states"]):
            state |= {name: significant(values[index, k]) for name, values in columns.items()}
            state["scale"] = scales[scale].steps[k] if k < trace.steps else None
            state["distance_to_scales"] = [significant(value) for value in apart[scale, :, seed, k]]
    labels = [
        {"seed": seed, "cfg": scale.guide, "scale": index} for index, scale in enumerate(scales) for seed in seeds
    ]
    return [label | row for label, row in zip(labels, rows, strict=True)]


def guidance_size(trace: Trace) -> NDArray[np.float64]:
    """Return ‖cond − uncond‖ / √(C·h·w) of every step, (sample, state); NaN where the uncond half was not run."""
    size = np.full(trace.x_t.shape[:2], np.nan)
    if "eps_uncond" in trace:
        difference = metrics.rms(trace.eps_cond - trace.eps_uncond)
        size[:, :-1] = np.where(difference > 0, difference, np.nan)
    return size


def sameness_rows(trace: Trace, scales: Sequence[SweptScale], n_seeds: int) -> list[dict[str, Any]]:
    """Return one row a scale: how much the seeds' guesses are alike at each state; none where there is one seed."""
    if n_seeds < 2:
        return []
    guesses = trace.guesses.reshape(len(scales), n_seeds, *trace.guesses.shape[1:])
    return [
        {"cfg": scale.guide, "states": [significant(value) for value in metrics.sameness(stack)]}
        for scale, stack in zip(scales, guesses, strict=True)
    ]
