"""Noise levels of a schedule, and the predicted clean latents x0 in each family.

A sampler has steps + 1 states. State k has a timestep t, a noise level σ and a signal share ᾱ; the last state is the
result. x0 is what the model's output says about the clean latents, seen from state k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from denoisecli.config.samplers import SAMPLERS
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


# The x0 formulas: pure functions of x_t, the model's output and the level. Arrays or tensors of any one shape.


def x0_vp_eps(x_t: Any, eps: Any, alpha_bar: float) -> Any:
    """Return (x_t − √(1−ᾱ)·ε) / √ᾱ. Source: Ho et al. 2020, arXiv 2006.11239, eq. 15."""
    return (x_t - math.sqrt(1 - alpha_bar) * eps) / math.sqrt(alpha_bar)


def x0_vp_v(x_t: Any, v: Any, alpha_bar: float) -> Any:
    """Return √ᾱ·x_t − √(1−ᾱ)·v. Source: Salimans & Ho 2022, arXiv 2202.00512, appendix D."""
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


_X0: dict[tuple[str, str], Callable[[Any, Any, Level], Any]] = {
    ("vp", "epsilon"): lambda x, out, at: x0_vp_eps(x, out, at.alpha_bar),
    ("vp", "v_prediction"): lambda x, out, at: x0_vp_v(x, out, at.alpha_bar),
    ("vp", "sample"): lambda _, out, __: out,
    ("ve", "epsilon"): lambda x, out, at: x0_ve_eps(x, out, at.sigma),
    ("ve", "v_prediction"): lambda x, out, at: x0_ve_v(x, out, at.sigma),
    ("ve", "sample"): lambda _, out, __: out,
    ("flow", "flow_prediction"): lambda x, out, at: x0_flow(x, out, at.sigma),
}


def predicted_x0(kind: ScheduleKind, prediction_type: str, x_t: Any, output: Any, at: Level) -> Any:
    """Return x0 by the formula of the family. x_t, output: (n, C, h, w), the output already guided."""
    try:
        formula = _X0[kind, prediction_type]
    except KeyError:
        raise UsageError(
            f"There is no formula for the guess of a {prediction_type!r} model on a {kind} schedule."
        ) from None
    return formula(x_t, output, at)


# What a diffusers scheduler says about itself


def kind_of(scheduler: Any) -> ScheduleKind:
    """Return the scale that the scheduler keeps x_t on: "vp", "ve" or "flow"."""
    config = scheduler.config
    if type(scheduler).__name__.startswith("FlowMatch") or config.get("prediction_type") == "flow_prediction":
        return "flow"
    return "ve" if _has_sigmas(scheduler) and float(scheduler.init_noise_sigma) != 1 else "vp"


def prediction_type_of(scheduler: Any) -> str:
    """Return what the model was trained to predict: epsilon, v_prediction, sample or flow_prediction."""
    default = "flow_prediction" if kind_of(scheduler) == "flow" else "epsilon"
    return str(scheduler.config.get("prediction_type", default))


def starts_step(scheduler: Any) -> bool:
    """Return whether the next evaluation opens a step, rather than refining the one that is open.

    Second-order samplers (Heun, DPM2) evaluate twice a step; PNDM repeats its second evaluation, or spends four on
    each of the first three steps (Runge-Kutta) where the config asks for that.
    """
    if hasattr(scheduler, "state_in_first_order"):
        return bool(scheduler.state_in_first_order)
    return _pndm_opens(scheduler, scheduler.counter) if _is_pndm(scheduler) else True


def level_now(scheduler: Any, timestep: Any) -> Level:
    """Return the level that the next evaluation sees. Call it before `step`, which moves the scheduler on."""
    if not _has_sigmas(scheduler):
        return _by_alpha_bar(float(timestep), float(scheduler.alphas_cumprod[int(timestep)]))
    index = next((i for i in (scheduler.step_index, scheduler.begin_index) if i is not None), None)
    if index is None:
        index = scheduler.index_for_timestep(timestep)
    return _by_sigma(float(timestep), float(scheduler.sigmas[index]), kind_of(scheduler))


def last_level(scheduler: Any) -> Level:
    """Return the level of the result: σ = 0, or what little noise the schedule leaves."""
    if _has_sigmas(scheduler):
        return _by_sigma(0.0, float(scheduler.sigmas[-1]), kind_of(scheduler))
    stride = scheduler.config.num_train_timesteps // max(scheduler.num_inference_steps or 1, 1)
    before = int(scheduler.timesteps[-1]) - stride
    final = getattr(scheduler, "final_alpha_cumprod", 1.0)
    return _by_alpha_bar(0.0, float(scheduler.alphas_cumprod[before] if before >= 0 else final))


def levels(scheduler: Any) -> Levels:
    """Return the levels of all steps + 1 states. The scheduler's `set_timesteps` has been called."""
    opening = _openings(scheduler)
    timesteps = [float(scheduler.timesteps[i]) for i in opening]
    if _has_sigmas(scheduler):
        kind = kind_of(scheduler)
        rows = [_by_sigma(t, float(scheduler.sigmas[i]), kind) for i, t in zip(opening, timesteps, strict=True)]
    else:
        rows = [_by_alpha_bar(t, float(scheduler.alphas_cumprod[int(t)])) for t in timesteps]
    return Levels.stack([*rows, last_level(scheduler)])


_CAME_FROM: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""The model's own config for each scheduler made here, so that one sampler's options do not stick to the next."""


def use_sampler(pipe: Any, name: str, spacing: str | None = None) -> None:
    """Put the sampler `name` into the pipe: the model's own schedule and prediction type, the named solver.

    spacing: which timesteps the steps take, "leading", "linspace" or "trailing"; None keeps the model's way. Karras
    and flow samplers choose their levels themselves.
    Raises UsageError for an unknown name, and where the model is of the other family.
    """
    import diffusers

    if name not in SAMPLERS:
        raise UsageError(f"There is no sampler {name!r}.", f"Choose one of: {', '.join(SAMPLERS)}.")
    sampler = SAMPLERS[name]
    if sampler.flow != (kind_of(pipe.scheduler) == "flow"):
        wants = "flow_euler" if not sampler.flow else "ddim"
        raise UsageError(f"The sampler {name!r} does not fit this model.", f"Choose {wants!r} for it.")
    if type(pipe).__name__ == "LatentConsistencyModelPipeline" and name != "lcm":
        raise UsageError(
            f"A latent consistency model is not sampled by {name!r}.", "Choose 'lcm' for it, and 4 to 8 steps."
        )
    scheduler_class = getattr(diffusers, sampler.class_name)
    config = _CAME_FROM.get(pipe.scheduler, pipe.scheduler.config)
    # Clipping to −1..1 is for pixels; some classes default to it, and a latent model's config may not say.
    options = dict(sampler.options)
    if spacing and sampler.spaced:
        options["timestep_spacing"] = spacing
    unclipped = {} if sampler.flow else {"clip_sample": False}
    pipe.scheduler = scheduler_class.from_config({**unclipped, **config}, **options)
    _CAME_FROM[pipe.scheduler] = config


def spacing_of(scheduler: Any) -> str | None:
    """Return how the scheduler spaces its timesteps: leading, linspace or trailing; None where it has no such way."""
    spacing = scheduler.config.get("timestep_spacing")
    return None if spacing is None else str(spacing)


def _by_sigma(timestep: float, sigma: float, kind: ScheduleKind) -> Level:
    """Return the level at σ: ᾱ = 1/(1+σ²), and on a flow the ᾱ of the same signal-to-noise ratio."""
    if kind == "flow":
        return Level(timestep, sigma, (1 - sigma) ** 2 / ((1 - sigma) ** 2 + sigma**2))
    return Level(timestep, sigma, 1 / (1 + sigma**2))


def _by_alpha_bar(timestep: float, alpha_bar: float) -> Level:
    """Return the level at ᾱ: σ = √((1−ᾱ)/ᾱ); infinite where the schedule ends without any signal."""
    return Level(timestep, math.sqrt((1 - alpha_bar) / alpha_bar) if alpha_bar else math.inf, alpha_bar)


def _has_sigmas(scheduler: Any) -> bool:
    return hasattr(scheduler, "sigmas")


def _is_pndm(scheduler: Any) -> bool:
    return hasattr(scheduler, "prk_timesteps")


def _pndm_opens(scheduler: Any, counter: int) -> bool:
    runge_kutta = 0 if scheduler.config.skip_prk_steps else len(scheduler.prk_timesteps)
    return counter % 4 == 0 if counter < runge_kutta else counter != 1


def _openings(scheduler: Any) -> list[int]:
    """Return the indices, among the scheduler's timesteps, of the evaluations that open a step."""
    every = range(len(scheduler.timesteps))
    if _is_pndm(scheduler):
        return [i for i in every if _pndm_opens(scheduler, i)]
    return list(every[:: scheduler.order])
