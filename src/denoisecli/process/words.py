"""What maps of words say: when each found its place, how much it gets, which share a place, which hardly speak.

Maps are attention probabilities, (..., h, w), as a trace holds them: (seed, step, word, h, w), a map for each step.
A word's place is its map thresholded as DAAM does it: scaled from its least to its most, then over THRESHOLD. Source:
Tang et al. 2023, "What the DAAM: Interpreting Stable Diffusion Using Cross Attention", and `daam` 0.2 (`expand_as`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.4
"""Of a map's range, from its least to its most: what lies above it is the word's place."""
FOUND = 0.6
"""Intersection over union with the final place: a word has found its place where it stays at or above this."""
SILENT = 0.4
"""Of the loudest word's peak: a word whose own peak stays below this everywhere hardly speaks."""

Maps = NDArray[Any]
Numbers = NDArray[np.float64]


def place(maps: Maps) -> NDArray[np.bool_]:
    """Return where each map (..., h, w) lies over the threshold; nowhere, where it is the same all over."""
    wide = np.asarray(maps, np.float32)
    low, high = wide.min(axis=(-2, -1), keepdims=True), wide.max(axis=(-2, -1), keepdims=True)
    found: NDArray[np.bool_] = wide - low > THRESHOLD * (high - low)
    return found


def overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Numbers:
    """Return the intersection over union of places (..., h, w); 0 where both are empty."""
    both = (first & second).sum(axis=(-2, -1))
    either = (first | second).sum(axis=(-2, -1))
    found: Numbers = np.divide(both, either, out=np.zeros(np.shape(both)), where=either > 0)
    return found


def found_at(maps: Maps) -> list[list[int | None]]:
    """Return, for each word, each seed's first step from which the place overlaps the final one by FOUND or more.

    maps: (seed, step, word, h, w), a video's (seed, step, word, f, h, w). The step's number is that of the state it
    starts from. None for a word that hardly speaks for that seed, or whose final map is the same all over: it has no
    place to find.
    """
    maps = maps.reshape(*maps.shape[:3], -1, maps.shape[-1])  # a video's frames, one under the other
    hushed = _hushed(maps)
    found: list[list[int | None]] = []
    for word, near in enumerate(nearness(maps)):
        stays = near >= FOUND
        there = [bool(steps[-1]) and not hushed[seed, word] for seed, steps in enumerate(stays)]
        since = [int(np.flatnonzero(~steps).max(initial=-1)) + 1 for steps in stays]
        found.append([state if has else None for state, has in zip(since, there, strict=True)])
    return found


def nearness(maps: Maps) -> Numbers:
    """Return the overlap of each step's place with the word's final one, (word, seed, step)."""
    found = []
    for of_seed in maps:
        places = place(of_seed)
        found.append(overlap(places, places[-1:]))
    near: Numbers = np.moveaxis(np.array(found), 2, 0)
    return near


def shares(maps: Maps) -> Numbers:
    """Return the share of all attention that each word gets, (word, seed, step): its map's mean over the picture."""
    steps = [[step.astype(np.float64).mean(axis=(-2, -1)) for step in of_seed] for of_seed in maps]
    found: Numbers = np.moveaxis(np.array(steps), 2, 0)
    return found


def peaks(maps: Maps) -> Numbers:
    """Return the most that each word gets at one place, (seed, word): the mean of the steps' largest values."""
    found: Numbers = np.asarray(maps).max(axis=(-2, -1)).astype(np.float64).mean(axis=1)
    return found


def strengths(maps: Maps) -> Numbers:
    """Return each word's peak as a share of the loudest word's, (seed, word), 0 to 1."""
    peak = peaks(maps)
    most = peak.max(axis=1, keepdims=True)
    found: Numbers = np.divide(peak, most, out=np.zeros_like(peak), where=most > 0)
    return found


def _hushed(maps: Maps) -> NDArray[np.bool_]:
    """Return which words hardly speak, (seed, word)."""
    found: NDArray[np.bool_] = strengths(maps) < SILENT
    return found


def silent(maps: Maps) -> list[bool]:
    """Return, for each word, whether it hardly speaks, as the mean over the seeds."""
    found: list[bool] = (strengths(maps).mean(axis=0) < SILENT).tolist()
    return found


def pairs(maps: Maps, most: int = 64) -> list[dict[str, Any]]:
    """Return the pairs of words that share a place most, at any step: at most `most` of those that share any.

    Each: `words` (their numbers), `overlap` (intersection over union of their places at each step, mean over seeds),
    `by_seed` (the last step's, for each seed) and `on`: which share of the first word's final place lies on the
    second's, and of the second's on the first's. An adjective whose place lies on another noun's leaks.
    """
    known = [word for word, hushed in enumerate(silent(maps)) if not hushed]
    seeds, steps = maps.shape[:2]
    shared = np.zeros((seeds, steps, len(known), len(known)))
    on = np.zeros((seeds, len(known), len(known)))
    for seed in range(seeds):
        for step in range(steps):
            flat = place(maps[seed, step, known]).reshape(len(known), -1).astype(np.float32)
            both, size = flat @ flat.T, flat.sum(axis=1)
            either = size[:, None] + size[None] - both
            shared[seed, step] = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
        on[seed] = np.divide(both, size[:, None], out=np.zeros_like(both), where=size[:, None] > 0)
    by_step = shared.mean(axis=0)
    first, second = np.triu_indices(len(known), 1)
    height = by_step[:, first, second].max(axis=0, initial=0)
    chosen = [k for k in np.argsort(-height, kind="stable")[:most] if height[k] > 0]
    return [
        {
            "words": [known[i], known[j]],
            "overlap": by_step[:, i, j].tolist(),
            "by_seed": shared[:, -1, i, j].tolist(),
            "on": [float(on[:, i, j].mean()), float(on[:, j, i].mean())],
        }
        for i, j in ((first[k], second[k]) for k in chosen)
    ]


def middle(found: list[int | None]) -> float | None:
    """Return the median state at which the seeds found a word's place; None where fewer than half of them did."""
    known = [state for state in found if state is not None]
    return float(np.median(known)) if 2 * len(known) > len(found) else None
