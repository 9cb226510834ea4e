"""Taps on a diffusers pipeline that fill a Trace. The pipeline stays in charge: no loop is copied.

Two taps see everything. `scheduler.step` is wrapped: its arguments are the guided output, t and the latents before
the step; its result holds the latents after it and, in many schedulers, the predicted x0. A forward hook on the
denoiser sees the conditional and unconditional halves before guidance mixes them. What the pipeline computes is
passed through untouched, so its result is the same bit for bit.
"""

from __future__ import annotations

import functools
import inspect
import math
import platform
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import SamplingError, UsageError
from ..trace import Trace
from .guidance import SteppedScale, guided, rescaled, scale_at, takes_scale_as_input
from .scheduler import (
    Level,
    Levels,
    kind_of,
    last_level,
    level_now,
    levels,
    predicted_x0,
    prediction_type_of,
    starts_step,
)
from .shared_rows import evaluate, row_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

# Schedulers whose step returns (x_prev, x0); for the others x0 comes from the formula of the family.
_GIVES_X0 = {
    "DDIMScheduler",
    "DDIMParallelScheduler",
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "DPMSolverSDEScheduler",
    "EDMEulerScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
}


@contextmanager
def record(
    pipe: Any,
    *,
    on_step: Callable[[int, int, NDArray[np.float32]], None] | None = None,
    scales: Sequence[float] | None = None,
    guidance_rescale: float = 0.0,
    seeds: Sequence[int] | None = None,
    stop_on_nan: bool = False,
) -> Iterator[Trace]:
    """Record every call of `pipe` made inside; the trace is filled on leaving.

    on_step: called as on_step(step, steps, x0) after each step, steps counted from 1, x0 (n, C, h, w).
    scales: one guidance scale for each sample of the batch, mixed here by the formula instead of by the pipeline,
        which turns guidance off at scales <= 1. Call the pipe with any guidance_scale > 1, so that it runs both halves.
        A SteppedScale has its own value in each step, and lets evaluations be left out that cannot matter.
    guidance_rescale: Lin et al.'s phi for these scales.
    seeds: noted in the trace's runs.
    stop_on_nan: raise SamplingError in the step where the latents stop being numbers.

    The pipe is left as it was, whatever happens inside. An exception passes through and leaves the trace empty.
    """
    trace = Trace()
    tape = _Tape(pipe, on_step, scales, guidance_rescale, seeds, stop_on_nan)
    denoiser = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    if denoiser is None:
        raise UsageError(f"{type(pipe).__name__} has neither a unet nor a transformer to record.")
    with (
        tapped(denoiser, "forward", tape.evaluate) if tape.thrifty else nullcontext(),
        tapped(pipe.scheduler, "set_timesteps", tape.begin),
        tapped(pipe.scheduler, "step", tape.step),
        _heard(denoiser, tape.hear),
    ):
        yield trace
    tape.fill(trace)


@contextmanager
def tapped(owner: Any, name: str, tap: Callable[..., Any]) -> Iterator[None]:
    """Put `tap(original, *args)` in the place of a method, under the original's signature, and take it off again.

    Pipelines read the signature to decide what to pass, so it has to survive.
    """
    before = vars(owner).get(name)
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return tap(original, *args, **kwargs)

    try:
        setattr(owner, name, wrapper)
        yield
    finally:
        if before is None:
            vars(owner).pop(name, None)
        else:
            setattr(owner, name, before)


@contextmanager
def _heard(module: Any, hear: Callable[[Any], None]) -> Iterator[None]:
    """Call `hear` with everything that the module returns."""
    hook = module.register_forward_hook(lambda _module, _args, output: hear(output))
    try:
        yield
    finally:
        hook.remove()


def _step_signature(scheduler: Any) -> inspect.Signature:
    """Return what `step` takes, by its class where a bare (*args, **kwargs) stands in its place."""
    told = inspect.signature(scheduler.step)
    if {"model_output", "timestep", "sample"} <= told.parameters.keys():
        return told
    return inspect.signature(functools.partial(type(scheduler).step, scheduler))


@dataclass
class _Run:
    """What one call of the pipeline left on the tape, step by step."""

    levels: list[Level] = field(default_factory=list)
    x_t: list[torch.Tensor] = field(default_factory=list)
    x0: list[torch.Tensor] = field(default_factory=list)
    eps_uncond: list[torch.Tensor] = field(default_factory=list)
    eps_cond: list[torch.Tensor] = field(default_factory=list)
    extra_x_t: list[torch.Tensor] = field(default_factory=list)
    extra: list[dict[str, float]] = field(default_factory=list)
    final: list[torch.Tensor] = field(default_factory=list)
    seeds: list[int | None] = field(default_factory=list)
    cfg: list[float | None] = field(default_factory=list)


class _Tape:
    """Listens at the taps of one pipeline and keeps what passes."""

    def __init__(
        self,
        pipe: Any,
        on_step: Callable[[int, int, NDArray[np.float32]], None] | None,
        scales: Sequence[float] | None,
        guidance_rescale: float,
        seeds: Sequence[int] | None,
        stop_on_nan: bool,
    ) -> None:
        self.pipe, self.scheduler = pipe, pipe.scheduler
        self.on_step, self.stop_on_nan = on_step, stop_on_nan
        self.scales, self.guidance_rescale, self.seeds = scales, guidance_rescale, seeds
        self.thrifty = any(isinstance(scale, SteppedScale) for scale in scales or ())
        self.signature = _step_signature(pipe.scheduler)
        self.kind, self.prediction_type = kind_of(pipe.scheduler), prediction_type_of(pipe.scheduler)
        self.gives_x0 = type(pipe.scheduler).__name__ in _GIVES_X0
        self.runs = [_Run()]
        self.heard: list[torch.Tensor] = []
        self.steps = 0

    def begin(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on set_timesteps: a new call of the pipeline begins."""
        if self.runs[-1].x_t:
            self.runs.append(_Run())
        self.heard = []
        return original(*args, **kwargs)

    def evaluate(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on the denoiser's forward: run only the rows whose output is not known from another row."""
        scales = [scale_at(scale, self._step_now()) for scale in self.scales or ()]
        sources = row_sources(args, kwargs, scales, same_start=not self.runs[-1].x_t)
        return evaluate(original, sources, args, kwargs)

    def _step_now(self) -> int:
        """Return the number of the step that the next evaluation belongs to, counted from 0."""
        opened = len(self.runs[-1].x_t)
        return opened if starts_step(self.scheduler) else opened - 1

    def hear(self, output: Any) -> None:
        """Tap on the denoiser: its raw output, both halves in one batch."""
        self.heard.append(output[0] if isinstance(output, tuple) else output.sample)

    def step(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Tap on scheduler.step: note what goes in, let the scheduler step, note what comes out.

        What came by position goes on by position, what came by name by name: the step may be somebody's wrapper.
        """
        given = self.signature.bind(*args, **kwargs).arguments | kwargs
        uncond, cond = _halves(self.heard, given["sample"])
        self.heard = []
        if self.scales is not None:
            given["model_output"] = self._mixed(uncond, cond, self._step_now())
            args, kwargs = self._with_output(given["model_output"], args, kwargs)
        run, opens = self.runs[-1], starts_step(self.scheduler)
        if opens:
            self._open(run, given, uncond, cond)
        else:
            run.extra.append({"step": len(run.x_t) - 1, "timestep": float(given["timestep"])})
            run.extra_x_t.append(_kept(given["sample"]))
        x_t, output = given["sample"], given["model_output"]
        result = original(*args, **kwargs)
        run.final = [_kept(result[0] if isinstance(result, tuple) else result.prev_sample)]
        if self.stop_on_nan and not bool(torch.isfinite(run.final[0]).all()):
            raise _not_a_number(len(run.x_t), self.steps)
        if opens:
            self._close(run, x_t, output, result)
        return result

    def _with_output(
        self, output: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return a step's arguments with another model_output in its place."""
        if "model_output" in kwargs:
            return args, kwargs | {"model_output": output}
        place = list(self.signature.parameters).index("model_output")
        return (*args[:place], output, *args[place + 1 :]), kwargs

    def _open(self, run: _Run, given: dict[str, Any], uncond: torch.Tensor | None, cond: torch.Tensor | None) -> None:
        """Note the state that a step starts from. The level is read now: stepping moves the scheduler on."""
        if not run.x_t:
            self.steps = len(levels(self.scheduler).timesteps) - 1
            run.seeds, run.cfg = self._seeds(given), self._cfg(uncond, len(given["sample"]))
        run.levels.append(level_now(self.scheduler, given["timestep"]))
        run.x_t.append(_kept(given["sample"]))
        if uncond is not None:
            run.eps_uncond.append(uncond)
        if cond is not None:
            run.eps_cond.append(cond)

    def _close(self, run: _Run, x_t: torch.Tensor, output: torch.Tensor, result: Any) -> None:
        """Note the step's guess: the scheduler's own where it gives one, else by the formula of the family."""
        if self.gives_x0:
            x0 = result[1] if isinstance(result, tuple) else list(result.values())[1]
        else:
            x0 = predicted_x0(self.kind, self.prediction_type, x_t.float(), output.float(), run.levels[-1])
        run.x0.append(_kept(x0))
        if self.on_step is not None:
            self.on_step(len(run.x0), self.steps, _array(run.x0[-1]))

    def _mixed(self, uncond: torch.Tensor | None, cond: torch.Tensor | None, step: int) -> torch.Tensor:
        """Return uncond + scale · (cond − uncond), each sample with its own scale, in the pipeline's arithmetic."""
        scales = [scale_at(scale, step) for scale in self.scales or ()]
        if uncond is None or cond is None:
            hint = "Call it with a guidance_scale above 1; the recorder's scales replace the number."
            raise UsageError("The pipeline ran without its unconditional half, so there is nothing to mix.", hint)
        if len(scales) != len(cond):
            raise UsageError(f"There are {len(scales)} guidance scales for a batch of {len(cond)}.")
        samples = zip(uncond, cond, scales, strict=True)
        return torch.stack([rescaled(guided(u, c, scale), c, self.guidance_rescale) for u, c, scale in samples])

    def _seeds(self, given: dict[str, Any]) -> list[int | None]:
        """Return the seeds as told, else those of the generators that the pipeline hands to the scheduler."""
        n, generator = len(given["sample"]), given.get("generator")
        if self.seeds is not None:
            return [*self.seeds, *[None] * n][:n]
        if isinstance(generator, torch.Generator):
            generator = [generator] if n == 1 else None
        return [one.initial_seed() for one in generator] if generator else [None] * n

    def _cfg(self, uncond: torch.Tensor | None, n: int) -> list[float | None]:
        """Return each sample's guidance scale: 1 where there was no unconditional half, None where it is not known."""
        if self.scales is not None:
            return list(self.scales)
        told = getattr(self.pipe, "guidance_scale", None)
        if uncond is None and not takes_scale_as_input(self.pipe):
            told = None if getattr(self.pipe, "do_classifier_free_guidance", False) else 1.0
        return [told if told is None else float(told)] * n

    def fill(self, trace: Trace) -> None:
        """Put what was heard into the trace: arrays by name, and the record that describes them."""
        if self.pipe.scheduler is not self.scheduler:
            raise UsageError("The scheduler was exchanged inside record().", "Set the scheduler first, then record.")
        runs = [run for run in self.runs if run.x_t]
        if not runs:
            return
        _same_levels(runs)
        at = Levels.stack([*runs[0].levels, last_level(self.scheduler)])
        trace.arrays |= _arrays(runs)
        trace.arrays |= {"sigmas": at.sigmas, "timesteps": at.timesteps, "alpha_bars": at.alpha_bars}
        trace.record |= self._record(runs, at)

    def _record(self, runs: list[_Run], at: Levels) -> dict[str, Any]:
        labels = [{"seed": seed, "cfg": cfg} for run in runs for seed, cfg in zip(run.seeds, run.cfg, strict=True)]
        entry = _describe(self.pipe, self.prediction_type, runs[0].x_t[0]) | {
            "schedule_kind": self.kind,
            "schedule": schedule_rows(at),
            "runs": labels,
        }
        if runs[0].extra:
            entry["extra_evaluations"] = runs[0].extra
        return entry


def schedule_rows(at: Levels) -> list[dict[str, float | int | None]]:
    """Return the rows of `schedule` in trace.json; null stands for an infinite σ or signal-to-noise ratio."""
    rows = zip(at.timesteps.tolist(), at.sigmas.tolist(), at.alpha_bars.tolist(), strict=True)
    return [
        {
            "index": index,
            "timestep": timestep,
            "alpha_bar": alpha_bar,
            "sigma": sigma if math.isfinite(sigma) else None,
            "snr_db": 10 * math.log10(alpha_bar / (1 - alpha_bar)) if 0 < alpha_bar < 1 else None,
        }
        for index, (timestep, sigma, alpha_bar) in enumerate(rows)
    ]


def _halves(heard: list[torch.Tensor], x_t: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the denoiser's (unconditional, conditional) outputs for the latents x_t, None where there is no such.

    One output of twice the batch holds both halves, the unconditional first; one of the same size is conditional. A
    learned variance behind the prediction is left out. Other arrangements (three halves, one pass each) are not split.
    """
    if not heard:
        return None, None
    output, n = heard[0][:, : x_t.shape[1]], len(x_t)
    if len(output) == 2 * n:
        return output[:n].detach(), output[n:].detach()
    return None, output.detach() if len(output) == n and len(heard) == 1 else None


def _kept(latents: torch.Tensor) -> torch.Tensor:
    """Return a copy that stays on its device, so that recording never waits for a GPU."""
    return latents.detach().clone()


def _array(latents: torch.Tensor) -> NDArray[np.float32]:
    """Return latents of any dtype and device as a float32 array."""
    return np.asarray(latents.to("cpu", torch.float32).numpy())


def _arrays(runs: list[_Run]) -> dict[str, NDArray[Any]]:
    """Return the trace's arrays; the calls of the pipeline follow each other along the seed axis."""
    tracks: dict[str, list[list[torch.Tensor]]] = {
        "x_t": [[*run.x_t, *run.final] for run in runs],
        "x0": [run.x0 for run in runs],
        "eps_uncond": [run.eps_uncond for run in runs],
        "eps_cond": [run.eps_cond for run in runs],
        "extra_x_t": [run.extra_x_t for run in runs],
    }
    return {
        name: _array(torch.cat([torch.stack(track, dim=1) for track in parts]))
        for name, parts in tracks.items()
        if all(parts)
    }


def _same_levels(runs: list[_Run]) -> None:
    """Raise UsageError where the calls inside one record() cannot share their axes."""
    if any(run.levels != runs[0].levels or run.x_t[0].shape[1:] != runs[0].x_t[0].shape[1:] for run in runs[1:]):
        took = ", ".join(str(len(run.levels)) for run in runs)
        raise UsageError(
            f"The calls inside one record() differ in steps, schedule or size (steps: {took}).",
            "Record each by itself.",
        )


def _not_a_number(step: int, steps: int) -> SamplingError:
    return SamplingError(
        f"The latents stopped being numbers (NaN or infinite) in step {step} of {steps}.",
        "Half precision overflows in some models: try dtype float32 or bfloat16.",
    )


def _describe(pipe: Any, prediction_type: str, x_t: torch.Tensor) -> dict[str, Any]:
    """Return what the pipeline itself can say for trace.json."""
    import diffusers

    from .. import __version__
    from .models import family_of

    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    config = getattr(denoiser, "config", {})
    return {
        "version": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "environment": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "diffusers": diffusers.__version__,
            "device": str(x_t.device),
            "dtype": str(getattr(denoiser, "dtype", x_t.dtype)).removeprefix("torch."),
        },
        "model": {
            "ref": getattr(pipe, "name_or_path", None) or None,
            "family": family_of(type(pipe).__name__, config.get("cross_attention_dim")),
            "sha256": None,
            "prediction_type": prediction_type,
            "latent_shape": list(x_t.shape[1:]),
            "scale_factor": getattr(pipe, "vae_scale_factor", None),
        },
    }
