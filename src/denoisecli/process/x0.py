"""The predicted clean latents x0 in each family: pure functions of x_t, the model's output and the noise level.

A sampler has steps + 1 states. State k has a timestep t, a noise level σ and a signal share ᾱ; the last state is the
result. x0 is what the model's output says about the clean latents, seen from state k. Arrays or tensors of any shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from denoisecli.scale import ScheduleKind


@dataclass(frozen=True)
class Level:
    """One state's noise level: t, σ and ᾱ."""

    timestep: float
    sigma: float
    alpha_bar: float

    @classmethod
    def of_sigma(cls, timestep: float, sigma: float, kind: ScheduleKind) -> Level:
        """Return the level at σ: ᾱ = 1/(1+σ²), and on a flow the ᾱ of the same signal-to-noise ratio."""
        if kind == "flow":
            return cls(timestep, sigma, (1 - sigma) ** 2 / ((1 - sigma) ** 2 + sigma**2))
        return cls(timestep, sigma, 1 / (1 + sigma**2))

    @classmethod
    def of_alpha_bar(cls, timestep: float, alpha_bar: float) -> Level:
        """Return the level at ᾱ: σ = √((1−ᾱ)/ᾱ); infinite where the schedule ends without any signal."""
        return cls(timestep, math.sqrt((1 - alpha_bar) / alpha_bar) if alpha_bar else math.inf, alpha_bar)

    @classmethod
    def of_angle(cls, angle: float) -> Level:
        """Return the level at a TrigFlow angle t in 0..π/2: x_t = cos t · x0 + sin t · z, so ᾱ = cos² t.

        Source: Lu & Song 2024, arXiv 2410.11081, section 4.
        """
        return cls.of_alpha_bar(angle, math.cos(angle) ** 2 if angle < math.pi / 2 else 0.0)


@dataclass(frozen=True)
class Levels:
    """The noise levels of all states, each (state,), float64."""

    timesteps: NDArray[np.float64]
    sigmas: NDArray[np.float64]
    alpha_bars: NDArray[np.float64]

    @classmethod
    def stack(cls, levels: list[Level]) -> Levels:
        """Return the levels as three arrays."""
        rows = np.array([(level.timestep, level.sigma, level.alpha_bar) for level in levels], dtype=np.float64)
        return cls(rows[:, 0], rows[:, 1], rows[:, 2])

    def __getitem__(self, some: slice) -> Levels:
        """Return those of some states."""
        return Levels(self.timesteps[some], self.sigmas[some], self.alpha_bars[some])


def x0_vp_eps(x_t: Any, eps: Any, alpha_bar: float) -> Any:
    """Return (x_t − √(1−ᾱ)·ε) / √ᾱ. Source: Ho et al. 2020, arXiv 2006.11239, eq. 15."""
    return (x_t - math.sqrt(1 - alpha_bar) * eps) / math.sqrt(alpha_bar)


def x0_vp_v(x_t: Any, v: Any, alpha_bar: float) -> Any:
    """Return √ᾱ·x_t − √(1−ᾱ)·v. Source: Salimans & Ho 2022, arXiv 2202.00512, appendix D.

    TrigFlow's cos t · x_t − sin t · v is the same.
    """
    return math.sqrt(alpha_bar) * x_t - math.sqrt(1 - alpha_bar) * v


def x0_ve_eps(x_t: Any, eps: Any, sigma: float) -> Any:
    """Return x_t − σ·ε. Source: Karras et al. 2022, arXiv 2206.00364, table 1 (c_skip 1, c_out −σ)."""
    return x_t - sigma * eps


def x0_ve_v(x_t: Any, v: Any, sigma: float) -> Any:
    """Return x_t/(σ²+1) − v·σ/√(σ²+1): `x0_vp_v` after x_t is brought to the VE scale, ᾱ = 1/(1+σ²)."""
    return x_t / (sigma**2 + 1) - v * (sigma / math.sqrt(sigma**2 + 1))


def x0_flow(x_t: Any, v: Any, sigma: float) -> Any:
    """Return x_t − σ·v, v = ε − x0. Source: Liu et al. 2022, arXiv 2209.03003."""
    return x_t - sigma * v


def x0_flow_eps(x_t: Any, eps: Any, sigma: float) -> Any:
    """Return (x_t − σ·ε) / (1 − σ): a model of ε on a flow's levels, x_t = (1 − σ)·x0 + σ·ε."""
    return (x_t - sigma * eps) / (1 - sigma)


def x0_flow_v(x_t: Any, v: Any, sigma: float) -> Any:
    """Return (1 − σ)·x_t − σ·v, as diffusers' solvers take a model of Salimans & Ho's v on a flow's levels."""
    return (1 - sigma) * x_t - sigma * v


_X0: dict[tuple[str, str], Callable[[Any, Any, Level], Any]] = {
    ("vp", "epsilon"): lambda x, out, at: x0_vp_eps(x, out, at.alpha_bar),
    ("vp", "v_prediction"): lambda x, out, at: x0_vp_v(x, out, at.alpha_bar),
    ("vp", "trigflow"): lambda x, out, at: x0_vp_v(x, out, at.alpha_bar),
    ("vp", "sample"): lambda _, out, __: out,
    ("ve", "epsilon"): lambda x, out, at: x0_ve_eps(x, out, at.sigma),
    ("ve", "v_prediction"): lambda x, out, at: x0_ve_v(x, out, at.sigma),
    ("ve", "sample"): lambda _, out, __: out,
    ("flow", "flow_prediction"): lambda x, out, at: x0_flow(x, out, at.sigma),
    ("flow", "epsilon"): lambda x, out, at: x0_flow_eps(x, out, at.sigma),
    ("flow", "v_prediction"): lambda x, out, at: x0_flow_v(x, out, at.sigma),
    ("flow", "sample"): lambda _, out, __: out,
    ("flow", "flow_reversed"): lambda x, out, at: x0_flow(x, -out, at.sigma),  # x0 − ε
}


def predicted_x0(kind: ScheduleKind, prediction_type: str, x_t: Any, output: Any, at: Level) -> Any:
    """Return x0 by the formula of the family. x_t, output: (n, C, h, w), the output already guided.

    Raises UsageError for a pair of schedule and prediction type that has none.
    """
    try:
        formula = _X0[kind, prediction_type]
    except KeyError:
        raise UsageError(
            f"There is no formula for the guess of a {prediction_type!r} model on a {kind} schedule."
        ) from None
    return formula(x_t, output, at)


def true_output(prediction_type: str, x0: Any, eps: Any, alpha_bar: float) -> Any:
    """Return what a model that knew x0 and ε would say at a level: predicted_x0 of it is x0."""
    if prediction_type == "sample":
        return x0
    if prediction_type == "flow_prediction":
        return eps - x0
    if prediction_type == "flow_reversed":
        return x0 - eps
    return eps if prediction_type == "epsilon" else math.sqrt(alpha_bar) * eps - math.sqrt(1 - alpha_bar) * x0
