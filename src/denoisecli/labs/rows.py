"""The comparable parts of a run: what `compare` sets side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.clips import frames_as_channels
from denoisecli.scale import canvas_latents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.trace import Trace

LEAST_SIGMA = 1e-3  # below this, noise levels count as none
LEVELS, FRAMES = "noise level", "share of the way"


@dataclass(frozen=True)
class Rows:
    """The comparable parts of a run: rows (seeds, scales) of states.

    keys: (cfg, seed) of each row, as text. canvas: x_t ready for a decoder; guess: x̂₀; both (row, state, C, h, w), of
    clips each channel of each frame a channel.
    positions: log σ of each state, or a walk frame's share of the way; `clock` says which.
    """

    keys: tuple[tuple[str, str], ...]
    canvas: NDArray[Any]
    guess: NDArray[Any]
    sigmas: NDArray[np.float64]
    positions: NDArray[np.float64]
    clock: str


def sampled(trace: Trace) -> Rows:
    """Take the states of every row (seed, or scale and seed). Raises NotRecorded where the run has none."""
    arrays = (canvas_latents(trace), trace.x0, trace.x_t)
    canvas, guess, own = (_flat(frames_as_channels(array, trace.record)) for array in arrays)
    guess = np.concatenate([guess, own[:, -1:]], axis=1)
    sigmas = trace.sigmas.astype(np.float64)
    positions = np.log(np.maximum(sigmas, LEAST_SIGMA))
    return Rows(_keys(trace, len(canvas)), canvas, guess, sigmas, positions, LEVELS)


def frames(trace: Trace) -> Rows:
    """Take the frames of a walk for states: starting noise for canvas, result for guess."""
    canvas, guess = trace["x_T"][None], trace["final"][None]
    shares = np.linspace(0, 1, canvas.shape[1])
    return Rows((("", "frame"),), canvas, guess, np.zeros(len(shares)), shares, FRAMES)


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """Return (…, state, C, h, w) as (row, state, C, h, w)."""
    return array.reshape(-1, *array.shape[-4:])


def _keys(trace: Trace, count: int) -> tuple[tuple[str, str], ...]:
    runs = trace.record.get("runs") or []
    scales = trace.record.get("scales") or []
    each = max(1, count // max(1, len(scales)))
    labels = [str(scale.get("label")) for scale in scales for _ in range(each)]
    keys = []
    for row in range(count):
        run = runs[row] if row < len(runs) else {}
        cfg = labels[row] if row < len(labels) else _number(run.get("cfg"))
        seed = run.get("seed", row)
        keys.append((cfg, f"picture {row + 1}" if seed is None else f"seed {seed}"))
    return tuple(keys)


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else ""
