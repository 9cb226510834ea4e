"""What a model's configs say of its scheduler before a weight is read: which samplers fit it, and where two meet."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from denoisecli.errors import ModelError

from .families import family_named
from .model_configs import read_table
from .sampler_rules import check_sampler, no_clips

if TYPE_CHECKING:
    from pathlib import Path

    from denoisecli.process.x0 import Levels


def process_in(folder: Path) -> str | None:
    """Return what a model has learned to turn round by its configs: noise, flow or trigflow; None where none says."""
    table = _scheduler(folder)
    kind, predicts = str(table.get("_class_name", "")), table.get("prediction_type")
    if not kind:
        return None
    if kind == "SCMScheduler" or predicts == "trigflow":
        return "trigflow"
    flows = kind.startswith(("FlowMatch", "FlowMap")) or predicts == "flow_prediction" or table.get("use_flow_sigmas")
    return "flow" if flows else "noise"


def check_fits(name: str, folder: Path) -> None:
    """Raise UsageError for a sampler that does not fit the model whose configs are in a folder, if these say so."""
    if (process := process_in(folder)) is not None:
        check_sampler(name, process, str(_table(folder / "model_index.json").get("_class_name")))


def check_clips(folder: Path, frames: int, ref: str) -> None:
    """Raise UsageError where clips are asked of a model that paints pictures, by its configs."""
    family = family_named(str(_table(folder / "model_index.json").get("_class_name")))
    if frames > 1 and family is not None and not family.fps:
        raise no_clips(ref)


def levels_in(folder: Path, sampler: str, spacing: str | None, schedule: str | None, steps: int) -> Levels | None:
    """Return the levels of all states of a run by a sampler on a model's schedule, by the model's configs alone.

    None for flows, whose levels may hang on the picture's size, and where the configs do not say.
    """
    if process_in(folder) != "noise":
        return None
    import diffusers

    from .clock import Clock
    from .quiet import quiet
    from .scheduler import use_sampler

    table = _scheduler(folder)
    pipe: Any = SimpleNamespace(scheduler=None)
    try:
        with quiet():
            pipe.scheduler = getattr(diffusers, str(table["_class_name"])).from_config(table)
            use_sampler(pipe, sampler, spacing, schedule)
            pipe.scheduler.set_timesteps(steps)
            return Clock(pipe.scheduler).levels
    except (AttributeError, IndexError, TypeError, ValueError):  # the run says it, with the sampler's own reason
        return None


def _scheduler(folder: Path) -> dict[str, Any]:
    return _table(folder / "scheduler" / "scheduler_config.json")


def _table(file: Path) -> dict[str, Any]:
    try:
        return read_table(file)
    except ModelError:
        return {}
