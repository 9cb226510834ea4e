"""How a run in phases, or one from a picture, is told to ComfyUI: samplers in a row, or words that act for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from denoisecli.config.base import Lora
from denoisecli.config.phases import start_state, stretches
from denoisecli.config.samplers import SAMPLERS
from denoisecli.process.comfyui_sigmas import Training, levels

from ..recipe import Recipe, Shot
from ..samplers import to_comfyui
from .levels import Told, told
from .ranges import share_between

Way = Literal["one", "row", "ranges", "lost"]
"""One sampler for all; KSamplerAdvanced in a row; one sampler, and words by ConditioningSetTimestepRange; none."""
WORDS = {"prompt", "negative_prompt"}
WHOLE = 10_000  # behind the last step of any run


@dataclass(frozen=True)
class Stage:
    """Steps of a run, first to until, and what acts in them. scale: sides of the picture, of the run's."""

    first: int
    until: int
    prompt: str
    negative_prompt: str
    cfg: float
    loras: tuple[Lora, ...]
    sampler: str
    model: str
    scale: float = 1.0


def begins(recipe: Recipe) -> int:
    """Return the state at which a recipe's run begins: 0 unless it starts from a picture."""
    return start_state(recipe.start.strength, recipe.steps, recipe.sampler.name) if recipe.start else 0


def stages(recipe: Recipe, shot: Shot) -> list[Stage]:
    """Return the stages of one picture, from where its run begins."""
    found, first = [], begins(recipe)
    for stretch in stretches(recipe.phases, recipe.steps):
        if stretch.until <= first:
            continue
        own = stretch.phase.changed if stretch.phase else {}
        other = own.get("model", recipe.model)
        found.append(
            Stage(
                max(first, stretch.first),
                stretch.until,
                own.get("prompt", shot.prompt),
                own.get("negative_prompt", recipe.negative_prompt),
                own.get("cfg", shot.cfg),
                own.get("loras", shot.loras if other == recipe.model else ()),
                own.get("sampler", recipe.sampler.name),
                other,
                stretch.scale,
            )
        )
    return found


def way(recipe: Recipe) -> Way:
    """Return how ComfyUI is told of a recipe's phases and of the picture that it starts from."""
    if not recipe.phases and not recipe.start:
        return "one"
    samplers = dict.fromkeys(stage.sampler for stage in stages(recipe, recipe.shots[0]))
    hows = [told(replace(recipe, sampler=SAMPLERS[name])) for name in samplers]
    if len({how.scheduler for how in hows}) == 1 and hows[0].scheduler is not None:
        return "row"
    changed = {key for phase in recipe.phases for key in phase.changed}
    if not recipe.start and len(samplers) == 1 and changed <= WORDS and shares(recipe, hows[0]) is not None:
        return "ranges"
    return "lost"


def shares(recipe: Recipe, how: Told) -> list[tuple[float, float]] | None:
    """Return between which shares each of the phases acts; None where there are none that say it, as for flows."""
    if recipe.sampler.flow:
        return None
    training, sigmas = Training.scaled_linear(), list(how.sigmas)
    if not sigmas:
        name = (to_comfyui(recipe.sampler, recipe.spacing) or ("euler", ""))[0]
        sigmas = levels(how.scheduler or "normal", training, recipe.steps, name).tolist()
    found = stretches(recipe.phases, recipe.steps)
    between = [share_between(sigmas[row.until - 1], sigmas[row.until], training) for row in found[:-1]]
    known = [share for share in between if share is not None]
    return list(zip([0.0, *known], [*known, 1.0], strict=True)) if len(known) == len(between) else None
