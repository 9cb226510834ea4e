"""On which scale a trace keeps its latents, and how to bring them to one brightness. NumPy only.

vp    x_t = √ᾱ·x0 + √(1−ᾱ)·ε     variance-preserving: DDIM, DDPM, PNDM, DPM++, UniPC, DEIS, LCM
ve    x_t = x0 + σ·ε              variance-exploding: Euler, Heun, LMS, DPM2
flow  x_t = (1−σ)·x0 + σ·ε        rectified flow: Stable Diffusion 3
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .trace import Trace

ScheduleKind = Literal["vp", "ve", "flow"]


def to_unit_variance(x_t: NDArray[Any], sigmas: NDArray[Any], kind: ScheduleKind) -> NDArray[Any]:
    """Return x_t on the scale that a decoder expects: ve is divided by √(1+σ²), the others are there already.

    x_t: (..., state, C, h, w); sigmas: (state,).
    Source: Karras et al. 2022, arXiv 2206.00364, table 1 (s(t) of VP against VE).
    """
    if kind != "ve":
        return x_t
    divisor = np.sqrt(1 + np.square(sigmas, dtype=np.float64)).astype(x_t.dtype)
    scaled: NDArray[Any] = x_t / divisor[:, None, None, None]
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
    """Return the trace's x_t ready to be decoded, (..., state, C, h, w)."""
    kind = trace.record.get("schedule_kind", "vp")
    return to_unit_variance(trace.x_t, trace.sigmas, kind) if kind == "ve" else trace.x_t
