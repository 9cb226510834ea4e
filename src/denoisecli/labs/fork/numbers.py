"""What forks say: whose picture comes out, where that turns, and how sure that is. Pure functions of latents.

A is the run as it is, B the run changed from state 0. A fork's share of B is where its picture stands on the straight
way from A to B: (d_A² − d_B² + D²) / 2D², of its distances to the two and theirs from each other, held to 0 … 1. What
lies off the way (a picture that came out broken) speaks for neither. Layout and detail are measured apart
(`metrics.band_norms`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli.metrics import band_norms, significant

BANDS = ("layout", "detail")
DECIDED = 0.5
WINDOW = (0.9, 0.1)
RESAMPLES = 2000
INTERVAL = (2.5, 97.5)  # percent

Shares = dict[str, NDArray[np.float64]]
"""By band: B's share of every fork and seed, (at, seed)."""


def shares(final: NDArray[Any], kept: NDArray[Any], pure: NDArray[Any]) -> Shares:
    """Return B's share. final: (at, seed, C, h, w); kept, pure: A's and B's pictures, (seed, C, h, w), all latents.

    0 where A and B are one picture.
    """
    from_a, from_b, apart = (band_norms(difference) for difference in (final - kept, final - pure, pure - kept))
    found = {}
    for band, a, b, whole in zip(BANDS, from_a, from_b, apart, strict=True):
        way = np.broadcast_to(2 * whole**2, a.shape)
        along = np.divide(a**2 - b**2 + whole**2, way, out=np.zeros_like(a), where=way > 0)
        found[band] = np.clip(along, 0, 1)
    return found


def crossing(at: Sequence[int], share: NDArray[np.float64], steps: int, level: float) -> float | None:
    """Return the state at which a falling share (at,) comes to stay at or below `level`; None where it begins there.

    Between two forks the share is a straight line; behind the last one it falls to 0 at the finished picture.
    """
    states = np.array([*at, steps], dtype=np.float64)
    values = np.array([*share, 0.0])
    above = np.flatnonzero(values > level)
    if not len(above):
        return None
    before = int(above[-1])
    x, y = states[before : before + 2], values[before : before + 2]
    return float(x[0] + (y[0] - level) / (y[0] - y[1]) * (x[1] - x[0]))


def decided(at: Sequence[int], share: NDArray[np.float64], steps: int) -> tuple[float | None, list[float] | None]:
    """Return where B's mean share (at, seed) falls through one half, and the 95 % interval of that over the seeds.

    The interval is a percentile bootstrap: seeds are drawn anew with replacement. None for one seed. Source: Efron
    1979, "Bootstrap methods: another look at the jackknife".
    """
    middle = crossing(at, share.mean(axis=1), steps, DECIDED)
    seeds = share.shape[1]
    if seeds < 2 or middle is None:
        return middle, None
    draws = np.random.Generator(np.random.PCG64(0)).integers(0, seeds, (RESAMPLES, seeds))
    found = [crossing(at, share[:, draw].mean(axis=1), steps, DECIDED) for draw in draws]
    known = [value for value in found if value is not None]
    low, high = np.percentile(known, INTERVAL)
    return middle, [float(low), float(high)]


def record(at: Sequence[int], found: Shares, steps: int, pictures: NDArray[np.float64], asked: int) -> dict[str, Any]:
    """Return `forks` and `decided_at` of trace.json.

    pictures: how far each fork's picture is from A's, (at, seed), 0 to 1. asked: rows that the denoiser runs a step.
    """
    forks = [
        {
            "at": state,
            **{band: significant(found[band][k].mean()) for band in BANDS},
            "spread": {band: significant(found[band][k].std()) for band in BANDS},
            "by_seed": {band: [significant(value) for value in found[band][k]] for band in BANDS},
            "picture": significant(pictures[k].mean()),
            "evaluations": asked * (steps - state),
        }
        for k, state in enumerate(at)
    ]
    where = {band: decided(at, found[band], steps) for band in BANDS}
    edges = {band: [crossing(at, found[band].mean(axis=1), steps, level) for level in WINDOW] for band in BANDS}
    return {
        "forks": forks,
        "decided_at": {
            **{band: significant(where[band][0]) for band in BANDS},
            "interval": {
                band: where[band][1] and [significant(value) for value in where[band][1] or ()] for band in BANDS
            },
            "window": {band: [significant(value) for value in edges[band]] for band in BANDS},
        },
    }
