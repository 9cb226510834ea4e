"""What a config asks of its model that does not go together: told before anything is loaded, and in a dry run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from denoisecli.config.phases import stretches
from denoisecli.diffusion import references, single_file
from denoisecli.diffusion.beforehand import check_clips, check_fits, levels_in
from denoisecli.diffusion.sampler_rules import check_begins, check_meet, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from denoisecli.config.base import SamplingConfig


@dataclass(frozen=True)
class Solver:
    """What takes steps of a run, from state `first` on: a sampler on the schedule of a model, at a size."""

    first: int
    model: str
    sampler: str
    spacing: str | None
    schedule: str | None
    scale: float

    @property
    def configs(self) -> Path:
        """The folder with its model's configs."""
        return _configs(self.model)

    def level(self, state: int, steps: int) -> float | None:
        """Return its σ at a state; None where it takes a model to know."""
        levels = levels_in(self.configs, self.sampler, self.spacing, self.schedule, steps)
        return float(levels.sigmas[state]) if levels is not None and state < len(levels.sigmas) else None


def _configs(ref: str) -> Path:
    path = references.locate(ref)
    return single_file.layout_of(path) if path.is_file() else path


def solvers(config: SamplingConfig) -> list[Solver]:
    """Return the solvers of a run's stretches, in their order."""
    each = ((stretch, stretch.config(config)) for stretch in stretches(config.phases, config.steps))
    return [
        Solver(stretch.first, own.model, own.sampler, own.spacing, own.schedule, stretch.scale) for stretch, own in each
    ] or [Solver(0, config.model, config.sampler, config.spacing, config.schedule, 1.0)]


def check_agreement(config: SamplingConfig, begins: int) -> None:
    """Raise UsageError where samplers do not fit their model, cannot begin where they are to, or do not meet.

    And where a clip is asked of a model of pictures.

    begins: the state at which the run begins to be sampled.
    """
    video = getattr(config, "video", None)
    check_clips(_configs(config.model), video.frames if video is not None else 1, config.model)
    found = solvers(config)
    for sampler, model in dict.fromkeys([(config.sampler, config.model), *((one.sampler, one.model) for one in found)]):
        check_fits(sampler, _configs(model))
    taken = [one for one, then in zip(found, [*found[1:], None], strict=True) if then is None or then.first > begins]
    check_begins(taken[0].sampler, begins)
    for one, other in pairwise(taken):
        check_handed(one, other, other.first, config.steps)


def check_handed(one: Solver, other: Solver, state: int, steps: int) -> None:
    """Raise UsageError where a solver cannot take over at a state what another one reached."""
    if (one.model, one.sampler, one.scale) == (other.model, other.sampler, other.scale):
        return
    check_begins(other.sampler, state)
    sigmas = one.level(state, steps), other.level(state, steps)
    if one.scale == other.scale and sigmas[0] is not None and sigmas[1] is not None:
        labels = [each.sampler for each in (one, other)]
        if one.model != other.model:
            labels = [f"{name_of(each.sampler)} of {each.model}" for each in (one, other)]
        check_meet((labels[0], sigmas[0]), (labels[1], sigmas[1]), state)


def at(state: int, found: Sequence[Solver]) -> Solver:
    """Return the solver that takes the step from a state on."""
    return [one for one in found if one.first <= state][-1]
