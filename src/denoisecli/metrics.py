"""Numbers on how a picture settles, from the latents alone.

Distances are relative: 0 is the final picture, 1 is as far as the final picture's own size. The guess's error is
split in the Fourier domain at LAYOUT_CYCLES cycles across the picture: slower waves are layout, faster ones detail.
A seed is committed at the first state from which the distance stays at or below a threshold (see docs/trace.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .clips import frames_as_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Drawn(Protocol):
    """Pictures (..., H, W, 3) uint8: an array, or anything of a shape that gives one picture for its place."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., H, W, 3)."""
        ...

    def __getitem__(self, place: tuple[int, ...], /) -> NDArray[np.uint8]:
        """Return the picture at this place, (H, W, 3)."""
        ...


LAYOUT_CYCLES = 4.0
LAYOUT_COMMITTED = 0.5
DETAIL_COMMITTED = 0.25


class States(Protocol):
    """What is measured of a Trace: `x_t` and `guesses` (seed, state, C, h, w), `timesteps` (state,), and its record.

    Of clips, (seed, state, C, f, h, w), each channel of each frame counts as a channel.
    """

    record: dict[str, Any]

    @property
    def x_t(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def guesses(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def timesteps(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def steps(self) -> int: ...  # noqa: D102
    def __contains__(self, name: str, /) -> bool: ...


def measure(
    trace: States,
    pictures: Drawn | None = None,
    drawn_scale: NDArray[np.float64] | None = None,
    *,
    x_norm: NDArray[Any] | None = None,
    guesses: NDArray[Any] | None = None,
) -> list[dict[str, Any]]:
    """Return one row a seed for `trace.json`: its states' numbers and where layout and detail were committed.

    pictures: the drawn guesses, (seed, state, H, W, 3), for the share of clipped pixels; without them it is null.
    drawn_scale: (seed, state), by how much each guess was scaled to be drawn, for the record.
    x_norm, guesses: (seed, state) and (seed, state, C, h, w), where the trace's own states are of several sizes.
    """
    x_norm = rms(frames_as_channels(trace.x_t, trace.record)) if x_norm is None else x_norm
    guesses = frames_as_channels(trace.guesses if guesses is None else guesses, trace.record).astype(np.float32)
    final = guesses[:, -1:]
    size = rms(final)
    change = np.diff(guesses, axis=1, prepend=guesses[:, :1])
    low, high = split_distance(guesses)
    columns = {
        "x_norm": x_norm,
        "x0_norm": rms(guesses),
        "x0_to_final": rms(guesses - final) / size,
        "x0_change": rms(change) / size,
        "low_freq_to_final": low,
        "high_freq_to_final": high,
    }
    shares = clipped(pictures) if pictures is not None else None
    if drawn_scale is not None:
        columns["drawn_scale"] = drawn_scale
    return [_row(trace, columns, shares, index) for index in range(len(guesses))]


def measured(trace: States) -> list[dict[str, Any]]:
    """Return the trace's runs, with the numbers of `measure` where it has states and nobody measured them yet."""
    runs: list[dict[str, Any]] = trace.record.get("runs", [])
    known = "x_t" in trace and "x0" in trace and frames_as_channels(trace.x_t, trace.record).ndim == 5
    if not known or any("states" in run for run in runs) or len(runs) != len(trace.x_t):
        return runs
    return [run | row for run, row in zip(runs, measure(trace), strict=True)]


def _row(trace: States, columns: dict[str, NDArray[Any]], shares: NDArray[Any] | None, index: int) -> dict[str, Any]:
    states = [
        {"index": k, "timestep": _number(trace.timesteps[k])}
        | {name: _number(values[index, k]) for name, values in columns.items()}
        | {"clipped": None if shares is None else _number(shares[index, k])}
        for k in range(trace.steps + 1)
    ]
    committed = {
        "layout": committed_at(columns["low_freq_to_final"][index], LAYOUT_COMMITTED),
        "detail": committed_at(columns["high_freq_to_final"][index], DETAIL_COMMITTED),
    }
    return {"states": states, "committed_at": committed}


def rms(latents: NDArray[Any]) -> NDArray[np.float32]:
    """Return the root mean square over (C, h, w) of latents (..., C, h, w); unit Gaussian noise has 1."""
    mean_square: NDArray[np.float32] = np.square(latents, dtype=np.float32).mean(axis=(-3, -2, -1))
    return np.sqrt(mean_square)


def picture_distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Return the root mean square difference of two pictures (H, W, 3), 0 to 1."""
    return float(np.sqrt(np.mean(np.square(a.astype(np.float32) - b), dtype=np.float64)) / 255)


def split_distance(guesses: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (seed, state) distances of guesses (seed, state, C, h, w) to the last one, in low and high waves.

    Each is ‖F(guess − final)‖ / ‖F(final)‖ within its band of spatial frequencies; the mean colour counts in the
    layout's numerator but not in what it is measured against, or a bright picture would seem settled at once.
    """
    cycles = cycles_across(guesses)
    layout = cycles < LAYOUT_CYCLES
    spectrum = np.fft.rfft2(guesses)
    power = np.square(np.abs(spectrum - spectrum[:, -1:]))
    final = np.square(np.abs(spectrum[:, -1:]))

    def distance(band: NDArray[np.bool_]) -> NDArray[np.float64]:
        against = (final * (band & (cycles > 0))).sum(axis=(-3, -2, -1))
        ratio: NDArray[np.float64] = (power * band).sum(axis=(-3, -2, -1)) / np.maximum(against, 1e-12)
        return np.sqrt(ratio)

    return distance(layout), distance(~layout)


def band_norms(latents: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ‖F(latents)‖ of (..., C, h, w) in low waves (layout) and in high ones (detail), each (...).

    By Parseval's theorem the squares of the two add up to the squared norm, times the h · w of an unscaled transform.
    """
    cycles = cycles_across(latents)
    layout = cycles < LAYOUT_CYCLES
    power = np.square(np.abs(np.fft.rfft2(latents)))
    twice = np.full(power.shape[-1], 2.0)  # rfft2 leaves out the mirrored half, all but its edges
    twice[0] = 1
    if latents.shape[-1] % 2 == 0:
        twice[-1] = 1
    low, high = ((power * twice * band).sum(axis=(-3, -2, -1)) for band in (layout, ~layout))
    return np.sqrt(low), np.sqrt(high)


def cycles_across(latents: NDArray[Any]) -> NDArray[np.float64]:
    """Return how many waves go across the picture, for each coefficient of `rfft2`, (h, w // 2 + 1)."""
    h, w = latents.shape[-2:]
    across: NDArray[np.float64] = np.hypot(np.fft.fftfreq(h)[:, None] * h, np.fft.rfftfreq(w)[None, :] * w)
    return across


def committed_at(distances: NDArray[Any], threshold: float) -> int:
    """Return the first state from which every distance is at or below `threshold`; the last state at the latest."""
    above = np.flatnonzero(np.asarray(distances) > threshold)
    return int(above[-1]) + 1 if len(above) else 0


def clipped(pictures: Drawn) -> NDArray[np.float64]:
    """Return the share of pixels with a channel at 0 or 255, over (H, W, 3) of pictures (..., H, W, 3)."""
    out = np.empty(pictures.shape[:-3])
    for place in np.ndindex(out.shape):  # one picture at a time: the whole array may be larger than memory
        picture = pictures[place]
        out[place] = ((picture == 0) | (picture == 255)).any(axis=-1).mean()
    return out


def contrast(pictures: Drawn) -> NDArray[np.float64]:
    """Return the RMS contrast over (H, W, 3) of pictures (..., H, W, 3): luma's standard deviation, 0 to 0.5.

    Source: Peli 1990, "Contrast in complex images"; luma of Rec. 709, in 0..1.
    """
    out = np.empty(pictures.shape[:-3])
    for place in np.ndindex(out.shape):
        out[place] = (pictures[place] @ np.array([0.2126, 0.7152, 0.0722], np.float32)).std() / 255
    return out


def saturation(pictures: Drawn) -> NDArray[np.float64]:
    """Return the mean of HSV's S = (max − min)/max over (H, W, 3) of pictures (..., H, W, 3); black counts as 0."""
    out = np.empty(pictures.shape[:-3])
    for place in np.ndindex(out.shape):
        high = pictures[place].max(axis=-1).astype(np.float32)
        low = pictures[place].min(axis=-1)
        out[place] = ((high - low) / np.maximum(high, 1)).mean()
    return out


def distances(latents: NDArray[Any]) -> NDArray[np.float32]:
    """Return how far apart latents (n, ..., C, h, w) are: (n, n, ...), ‖a − b‖ / √(C·h·w), in units of their values."""
    return np.stack([np.stack([rms(a - b) for b in latents]) for a in latents])


def sameness(latents: NDArray[Any]) -> NDArray[np.float64]:
    """Return how much alike n latents (n, ..., C, h, w) are, (...): the mean correlation over all pairs, −1 to 1.

    Each channel's own mean is taken off first, or pictures of one colour would count as alike.
    """
    flat = (latents - latents.mean(axis=(-2, -1), keepdims=True)).reshape(*latents.shape[:-3], -1)
    unit = flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-12)
    n = len(unit)
    total = np.square(unit.sum(axis=0, dtype=np.float64)).sum(axis=-1)  # all n² pairs, a vector with itself gives 1
    alike: NDArray[np.float64] = (total - n) / (n * (n - 1))
    return alike


def significant(value: Any, digits: int = 6) -> float | None:
    """Return a number as a record or a page keeps it: so many significant digits; None for none, infinities and NaN."""
    return float(f"{float(value):.{digits}g}") if value is not None and np.isfinite(value) else None


def _number(value: Any) -> float | int | None:
    """Return the same of six digits, whole numbers whole."""
    value = float(value)
    return int(value) if value.is_integer() and abs(value) < 1e15 else significant(value)
