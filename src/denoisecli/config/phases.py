"""Which steps of a run have which settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from denoisecli.errors import ConfigError

from .base import Phase, SamplingConfig
from .samplers import SAMPLERS

Config = TypeVar("Config", bound=SamplingConfig)
WHOLE = 1e-9  # of a step: 0.29 · 100 is 28.999999999999996


@dataclass(frozen=True)
class Stretch:
    """The steps from state `first` to state `until`, and the settings of their own; none for those between phases."""

    first: int
    until: int
    phase: Phase | None

    def config(self, whole: Config) -> Config:
        """Return a run's settings in these steps."""
        own = self.phase.changed if self.phase else {}
        return whole.model_copy(update={**own, "phases": ()})


def stretches(phases: Sequence[Phase], steps: int) -> list[Stretch]:
    """Return the stretches of a run, in their order; what lies behind the last phase has the run's own settings.

    A phase ends at the whole step before its share of them, as A1111's prompt editing does. Raises ConfigError for a
    phase that has no step.
    """
    found: list[Stretch] = []
    for number, phase in enumerate(phases, 1):
        first = found[-1].until if found else 0
        until = steps if phase.until is None else math.floor(phase.until * steps + WHOLE)
        if until <= first:
            raise ConfigError(
                f"phases: phase {number} has no step of the {steps} to itself: it would end where it begins, at state "
                f"{first}.",
                f"Let it last until {(first + 1) / steps:.3g} or later, or take more steps.",
            )
        found.append(Stretch(first, until, phase))
    last = found[-1].until if found else 0
    return [*found, *([Stretch(last, steps, None)] if last < steps else [])]


def share_of(state: int, steps: int) -> float:
    """Return the shortest share of the steps that ends at a state."""
    exact = state / steps
    rounded = (math.ceil(exact * 10**digits - WHOLE) / 10**digits for digits in range(2, 7))
    return next((share for share in rounded if math.floor(share * steps + WHOLE) == state), exact)


def start_state(strength: float, steps: int, sampler: str) -> int:
    """Return the state at which a run that starts from a picture begins: as diffusers' own pipelines count it.

    Those of flow models round the steps that are taken up, the others down. Raises ConfigError where no step is left.
    """
    flow = SAMPLERS[sampler].process == "flow"
    taken = min(steps * strength, steps)
    state = int(max(steps - taken, 0)) if flow else max(steps - int(taken), 0)
    if state >= steps:
        raise ConfigError(
            f"start: a strength of {strength:g} is less than one of {steps} steps, so the picture would stay as it is.",
            f"Take {1 / steps:.2g} or more, or more steps.",
        )
    return state
