"""The samplers by name: which diffusers scheduler a pipeline steps with."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from denoisecli.config.samplers import SAMPLERS, Sampler

from .clock import Clock
from .flow_solvers import solver_on
from .sampler_rules import check_sampler

_CAME_FROM: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""The model's own scheduler for each one made here, so that one sampler's options do not stick to the next."""


def use_sampler(pipe: Any, name: str, spacing: str | None = None, schedule: str | None = None) -> None:
    """Put the sampler `name` into the pipe: the model's own schedule and prediction type, the named solver.

    spacing: which timesteps the steps take, "leading", "linspace" or "trailing"; None keeps the model's way. Karras
    and flow samplers choose their levels themselves. schedule: ComfyUI's levels instead, "comfy-normal" and so on.
    Raises UsageError for an unknown name, and where the model is of the other family.
    """
    check_sampler(name, process_of(Clock(pipe.scheduler)), type(pipe).__name__)
    sampler = SAMPLERS[name]
    own = _CAME_FROM.get(pipe.scheduler, pipe.scheduler)
    pipe.scheduler = _on_comfyuis(own, sampler, schedule) if schedule else _solver(own, sampler, spacing)
    _CAME_FROM[pipe.scheduler] = own


def name_of(scheduler: Any) -> str:
    """Return the name of the sampler that a pipeline's scheduler is, the one whose options fit best; else its class."""
    config = getattr(scheduler, "config", {})
    kind = next((kind.__name__ for kind in type(scheduler).__mro__ if kind.__name__ in _CLASSES), "")
    found = [row for row in SAMPLERS.values() if row.class_name == kind and _fits(row, config)]
    best = max(found, key=lambda row: len(row.options), default=None)
    return best.name if best else type(scheduler).__name__


_CLASSES = {row.class_name for row in SAMPLERS.values()}
_ANY = {"timestep_spacing", "skip_prk_steps"}  # do not make another solver


def _fits(row: Sampler, config: Any) -> bool:
    if row.flow != (config.get("prediction_type") == "flow_prediction" or row.class_name.startswith("FlowMatch")):
        return False
    return all(config.get(key) == value for key, value in row.options.items() if key not in _ANY and key in config)


def process_of(clock: Clock) -> str:
    """Return what a model has learned to turn round: noise, flow or trigflow."""
    return "trigflow" if clock.prediction == "trigflow" else "flow" if clock.kind == "flow" else "noise"


def _on_comfyuis(own: Any, sampler: Sampler, schedule: str) -> Any:
    """Return the sampler's scheduler on ComfyUI's levels. Raises UsageError where it takes none."""
    import diffusers

    from . import comfyui_levels

    base = getattr(diffusers, comfyui_levels.scheduler_class(sampler))
    kind = comfyui_levels.through(base, schedule, sampler)
    if sampler.flow:
        return kind.from_config(own.config)
    return kind.from_config({"clip_sample": False, **own.config}, **{**sampler.options, **comfyui_levels.PLAIN})


def _solver(own: Any, sampler: Sampler, spacing: str | None) -> Any:
    """Return the sampler's scheduler on the schedule of the model's `own`."""
    import diffusers

    kind = getattr(diffusers, sampler.class_name)
    if sampler.process == "trigflow" or (sampler.flow and type(own).__name__ == sampler.class_name):
        return type(own).from_config(own.config)
    if sampler.flow:
        return solver_on(own, sampler.class_name, sampler.options)
    # Clipping to −1..1 is for pixels; some classes default to it, and a latent model's config may not say.
    options = dict(sampler.options)
    if spacing and sampler.spaced:
        options["timestep_spacing"] = spacing
    return kind.from_config({"clip_sample": False, **own.config}, **options)
