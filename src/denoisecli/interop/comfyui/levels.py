"""How a run's levels are told to ComfyUI: by a scheduler's name where its levels are the run's, else written out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from denoisecli.config.base import SPACINGS
from denoisecli.config.samplers import COMFYUI_SCHEDULERS, SAMPLERS, Sampler
from denoisecli.process.comfyui_sigmas import Training, levels, start_scale
from denoisecli.process.sampler_sigmas import Way

from ..recipe import Recipe
from ..samplers import sampler_way, to_comfyui

CLOSE = 1e-4  # relative: levels are equal, but for float32 and for how it is brought between two timesteps
STAND_IN = ("euler", "normal")  # for a sampler that ComfyUI has not


@dataclass(frozen=True)
class Told:
    """A sampler and either a scheduler's name, or levels with what the noise is multiplied by and the result too."""

    sampler: str
    scheduler: str | None
    sigmas: tuple[float, ...] = ()
    start: float = 0.0
    own_start: bool = False
    """Whether ComfyUI would start otherwise, so that the start is written out as well."""
    end: float = 1.0

    @property
    def as_text(self) -> str:
        """The levels as ManualSigmas takes them: no exponents."""
        return ", ".join(f"{sigma:.8f}" for sigma in self.sigmas)


def told(recipe: Recipe) -> Told:
    """Return how a recipe's levels are told to ComfyUI."""
    sampler = recipe.sampler
    theirs = to_comfyui(sampler, recipe.spacing)
    if theirs is None:
        return Told(*STAND_IN)
    if recipe.schedule:
        return Told(theirs[0], recipe.schedule.removeprefix("comfy-"))
    if not proven(sampler):
        return Told(*theirs)
    ours = way_of(recipe)
    if not ours.straight:
        return Told(*theirs)
    own = sampler.comfyui is not None and sampler.comfyui[1] is not None  # such as karras, which is its name's
    name = theirs[1] if own else fitting(theirs, ours.sigmas)
    if name is not None:
        return Told(theirs[0], name, start=ours.start)
    return _written(theirs[0], ours)


def _written(sampler: str, ours: Way) -> Told:
    last = float(ours.sigmas[-1])
    there = start_scale(float(ours.sigmas[0]), Training.scaled_linear())
    own = not math.isclose(there, ours.start, rel_tol=1e-6)
    end = 1 / math.sqrt(1 + last**2) if ours.scaled else 1.0
    return Told(sampler, None, tuple(map(float, ours.sigmas)), ours.start, own, end)


def proven(sampler: Sampler) -> bool:
    """Return whether the sampler draws no noise and is of the noise-predicting kind, so that levels say all."""
    return not sampler.flow and not sampler.stochastic and sampler.comfyui is not None


def way_of(recipe: Recipe) -> Way:
    """Return the levels that the recipe's run goes through."""
    return sampler_way(recipe.sampler, recipe.spacing, recipe.steps)


def fitting(theirs: tuple[str, str], sigmas: NDArray[np.float64]) -> str | None:
    """Return the name of the scheduler that gives these levels to a sampler of ComfyUI; None where none does.

    theirs: the sampler, and the scheduler that is tried first. The last level may differ: a thirtieth here, 0 there.
    """
    sampler, usual = theirs
    training = Training.scaled_linear()
    for name in (usual, *COMFYUI_SCHEDULERS):
        found = levels(name, training, len(sigmas) - 1, sampler)
        if len(found) == len(sigmas) and same(found[:-1], sigmas[:-1]):
            return name
    return None


def same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Return whether two ways go through the same levels."""
    return len(one) == len(other) and bool(np.allclose(one, other, rtol=CLOSE, atol=1e-6))


def start_gap(recipe: Recipe, how: Told) -> float:
    """Return by how much of itself ComfyUI's start differs from the run's, where it is not written out."""
    if how.sigmas or not how.start:
        return 0.0
    sigma = float(way_of(recipe).sigmas[0])
    return abs(start_scale(sigma, Training.scaled_linear()) / how.start - 1)


def read_levels(name: str, sigmas: list[float]) -> Iterator[tuple[Sampler, str]]:
    """Yield (sampler, spacing) of ours whose levels these are, for a sampler of ComfyUI."""
    steps = len(sigmas) - 1
    if not 1 <= steps <= 1000:
        return
    for row in SAMPLERS.values():
        if row.comfyui and row.comfyui[0] == name and proven(row):
            for spacing in SPACINGS:
                if same(sampler_way(row, spacing, steps).sigmas, np.array(sigmas)):
                    yield row, spacing
