"""On which scale a trace keeps its latents, and how to bring them to one brightness. NumPy only.

vp    x_t = √ᾱ·x0 + √(1−ᾱ)·ε     variance-preserving: DDIM, DDPM, PNDM, DPM++, UniPC, DEIS, LCM
ve    x_t = x0 + σ·ε              variance-exploding: Euler, Heun, LMS, DPM2
flow  x_t = (1−σ)·x0 + σ·ε        rectified flow: Stable Diffusion 3
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .clips import frames_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from .trace import Trace

ScheduleKind = Literal["vp", "ve", "flow"]


def to_unit_variance(x_t: NDArray[Any], sigmas: NDArray[Any], kind: ScheduleKind, axes: int = 3) -> NDArray[Any]:
    """Return x_t on the scale that a decoder expects: ve is divided by √(1+σ²), the others are there already.

    x_t: (..., state, C, h, w), or (..., state, C, f, h, w) of clips; sigmas: (state,). axes: those of a state.
    Source: Karras et al. 2022, arXiv 2206.00364, table 1 (s(t) of VP against VE).
    """
    if kind != "ve":
        return x_t
    divisor = np.sqrt(1 + np.square(sigmas, dtype=np.float64)).astype(x_t.dtype)
    scaled: NDArray[Any] = x_t / divisor.reshape(-1, *[1] * axes)
    return scaled


RANGE = 0.99  # quantile of |latent| that a picture's range is told by: a few bright cells are no range
BEYOND = 1.25  # times the finished picture's range that a guess may reach and still be drawn as it is


def drawn_scale(guesses: NDArray[Any], final: NDArray[Any]) -> NDArray[np.float64]:
    """Return the factors (...) that bring guesses (..., C, h, w) into the range of a finished picture (C, h, w).

    1 for guesses that are inside, or less than BEYOND beyond; for others range(final) / range(guess), the range being
    the RANGE quantile of |latent|. A decoder has never seen what lies outside: it draws a blur of too high a contrast
    as blocks and hatching.
    """
    size = np.abs(guesses.astype(np.float32)).reshape(*guesses.shape[:-3], -1)
    size[np.isinf(size)] = np.nan  # no quantile lies between infinities
    reach = np.quantile(size, RANGE, axis=-1)
    own = float(np.quantile(np.abs(final.astype(np.float32)), RANGE))
    beyond = np.isfinite(reach) & (reach > BEYOND * own) & (own > 0)
    return np.where(beyond, own / np.where(beyond, reach, 1), 1.0)


def canvas_latents(trace: Trace) -> NDArray[Any]:
    """Return the trace's x_t ready to be decoded, (..., state, C, h, w), or (..., state, C, f, h, w) of clips."""
    kind, axes = trace.record.get("schedule_kind", "vp"), 4 if frames_of(trace.record) > 1 else 3
    return to_unit_variance(trace.x_t, trace.sigmas, kind, axes) if kind == "ve" else trace.x_t


def repeated(latents: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return latents (..., h, w) at a larger size, (height, width), their cells repeated: `as_sampled` has them back.

    So the states of a run that was enlarged on the way have the axes of one array, and nothing is made up or lost.
    """
    if latents.shape[-2:] == size:
        return latents
    rows, columns = (_nearest(few, many) for few, many in zip(latents.shape[-2:], size, strict=True))
    return latents[..., rows[:, None], columns]


def as_sampled(latents: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return latents (..., H, W) at the size (height, width) that they had before they were `repeated`."""
    if latents.shape[-2:] == size:
        return latents
    rows, columns = (
        np.searchsorted(_nearest(few, many), np.arange(few)) for few, many in zip(size, latents.shape[-2:], strict=True)
    )
    return latents[..., rows[:, None], columns]


def _nearest(few: int, many: int) -> NDArray[np.int64]:
    """Return for each of many cells the one of few in which its middle lies."""
    return (2 * np.arange(many) + 1) * few // (2 * many)


def enlarged(latents: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return latents (..., h, w) at a larger size, (height, width), as a hi-res phase enlarges a guess: bilinear."""
    if latents.shape[-2:] == size:
        return latents
    rows, columns = (_bilinear(few, many) for few, many in zip(latents.shape[-2:], size, strict=True))
    between: NDArray[Any] = rows.astype(latents.dtype) @ latents @ columns.T.astype(latents.dtype)
    return between


def _bilinear(few: int, many: int) -> NDArray[np.float64]:
    """Return the weights (many, few) with which cells are mixed, by the distance of their middles."""
    middles = np.clip((np.arange(many) + 0.5) * few / many - 0.5, 0, few - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(middles[:, None] - np.arange(few))))


def latent_sizes(trace: Trace) -> list[tuple[int, int]]:
    """Return the (height, width) that the latents of each state were sampled at: a phase may have enlarged them."""
    return sizes_told(trace.record, (trace.x_t.shape[-2], trace.x_t.shape[-1]), trace.steps)


def sizes_told(record: Mapping[str, Any], last: tuple[int, int], steps: int) -> list[tuple[int, int]]:
    """Return what a run's record says of the (height, width) of each state's latents. last: that of the last one."""
    found = [last] * (steps + 1)
    rows = [row for row in record.get("phases") or [] if row.get("size")]
    for row in rows:
        shares = (row["size"][1 - axis] / rows[-1]["size"][1 - axis] for axis in (0, 1))
        height, width = (max(1, min(side, round(side * share))) for side, share in zip(last, shares, strict=True))
        for state in range(row["first"], min(row["until"], steps)):
            found[state] = (height, width)
    return found


def of_one_size(sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[slice, tuple[int, int]]]:
    """Yield the stretches of states that were sampled at one size, and that size."""
    start = 0
    for size, group in groupby(sizes):
        length = len(list(group))
        yield slice(start, start + length), size
        start += length
