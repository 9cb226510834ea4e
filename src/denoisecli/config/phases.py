"""Which steps of a run have which settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from denoisecli.errors import ConfigError

from .base import Phase, SamplingConfig
from .fields import SIZE_MULTIPLE, SIZE_RANGE
from .samplers import SAMPLERS

Config = TypeVar("Config", bound=SamplingConfig)
WHOLE = 1e-9  # of a step: 0.29 · 100 is 28.999999999999996


@dataclass(frozen=True)
class Stretch:
    """The steps from state `first` to state `until`, and the settings of their own; none for those between phases."""

    first: int
    until: int
    phase: Phase | None
    scale: float = 1.0
    """sides of the picture, as a multiple of the run's: a size that was reached stays"""

    def config(self, whole: Config) -> Config:
        """Return a run's settings in these steps."""
        own = {key: value for key, value in (self.phase.changed if self.phase else {}).items() if key != "scale"}
        if self.phase is not None and self.phase.model is not None:
            own.setdefault("loras", ())
        if whole.size is not None:
            own["size"] = enlarged_size(whole.size, self.scale)
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
        found.append(Stretch(first, until, phase, phase.scale or (found[-1].scale if found else 1.0)))
    last = found[-1].until if found else 0
    return [*found, *([Stretch(last, steps, None, found[-1].scale if found else 1.0)] if last < steps else [])]


def enlarged_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return a size (width, height) in pixels, its sides so many times as long, to the next whole latent pixel.

    Raises ConfigError where that is larger than a picture may be.
    """
    width, height = (int(side * scale / SIZE_MULTIPLE + 0.5) * SIZE_MULTIPLE for side in size)
    if scale > 1 and max(width, height) > SIZE_RANGE[1]:
        raise ConfigError(
            f"phases: scale {scale:g} makes {width}×{height} pixels of {size[0]}×{size[1]}, and a side has at most "
            f"{SIZE_RANGE[1]}.",
            f"Try scale {math.floor(100 * SIZE_RANGE[1] / max(size)) / 100:g}.",
        )
    return width, height


def painted_size(config: SamplingConfig) -> tuple[int, int] | None:
    """Return the (width, height) of a run's pictures, which a phase may have enlarged; None where a model says it.

    Raises ConfigError for phases that no run could have, whether the size is known or not.
    """
    scale = stretches(config.phases, config.steps)[-1].scale
    return config.size and enlarged_size(config.size, scale)


def share_of(state: int, steps: int) -> float:
    """Return the shortest share of the steps that ends at a state."""
    exact = state / steps
    rounded = (math.ceil(exact * 10**digits - WHOLE) / 10**digits for digits in range(2, 7))
    return next((share for share in rounded if math.floor(share * steps + WHOLE) == state), exact)


def start_state(strength: float, steps: int, sampler: str, key: str = "start") -> int:
    """Return the state at which a run that starts from a picture begins: as diffusers' own pipelines count it.

    Those of flow models round the steps that are taken up, the others down. Raises ConfigError where no step is left.
    """
    flow = SAMPLERS[sampler].process == "flow"
    taken = min(steps * strength, steps)
    state = int(max(steps - taken, 0)) if flow else max(steps - int(taken), 0)
    if state >= steps:
        raise ConfigError(
            f"{key}: a strength of {strength:g} is less than one of {steps} steps, so the picture would stay as it is.",
            f"Take {1 / steps:.2g} or more, or more steps.",
        )
    return state
