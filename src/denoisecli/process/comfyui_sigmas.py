"""The noise levels that ComfyUI's schedulers give, from the levels that a model was trained with. NumPy alone.

Source: ComfyUI's comfy/samplers.py and comfy/k_diffusion/sampling.py; tested against numbers taken from it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sigmas = NDArray[np.float64]
DISCARDING = {"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"}
"""Samplers for which its KSampler asks for a step more, and leaves out the last level but one."""
RHO = 7.0  # of Karras et al. 2022, arXiv 2206.00364


@dataclass(frozen=True)
class Training:
    """The levels that a model was trained with, (timestep,), rising. shift: of a flow, where it is one."""

    sigmas: Sigmas
    shift: float | None = None

    @classmethod
    @functools.lru_cache(maxsize=4)
    def scaled_linear(cls, start: float = 0.00085, end: float = 0.012, steps: int = 1000) -> Training:
        """Return those of Stable Diffusion 1, 2 and XL."""
        alpha_bars = np.cumprod(1 - np.linspace(start**0.5, end**0.5, steps) ** 2)
        return cls(np.sqrt((1 - alpha_bars) / alpha_bars))

    @classmethod
    def flow(cls, shift: float, steps: int = 1000) -> Training:
        """Return those of a flow: σ = s·t/(1 + (s − 1)·t)."""
        t = np.arange(1, steps + 1) / steps
        return cls(shift * t / (1 + (shift - 1) * t), shift)

    def timestep(self, sigma: float) -> float:
        """Return the timestep that the model hears at a level: the nearest of training; on a flow 1000·σ."""
        if self.shift is not None:
            return sigma * len(self.sigmas)
        return float(np.abs(np.log(self.sigmas) - math.log(max(sigma, 1e-10))).argmin())

    def sigma(self, timestep: float) -> float:
        """Return the level at a timestep: straight between the logarithms of two; on a flow by the shift."""
        if self.shift is not None:
            t = timestep / len(self.sigmas)
            return self.shift * t / (1 + (self.shift - 1) * t)
        whole = np.arange(len(self.sigmas))
        return float(np.exp(np.interp(timestep, whole, np.log(self.sigmas))))


def _uniform(training: Training, steps: int, *, last: bool) -> list[float]:
    """Return levels at even timesteps, from the first to the last one, or leaving this out."""
    start, end = (training.timestep(float(training.sigmas[at])) for at in (-1, 0))
    count = steps if last else steps + 1
    times = np.linspace(start, end, count)[: steps if last else -1]
    return [*(training.sigma(float(t)) for t in times), 0.0]


def _simple(training: Training, steps: int) -> list[float]:
    count = len(training.sigmas)
    return [*(float(training.sigmas[-(1 + int(at * count / steps))]) for at in range(steps)), 0.0]


def _ddim_uniform(training: Training, steps: int) -> list[float]:
    """Return every (1000 // steps)-th level from the second on: more steps where that leaves a rest."""
    if training.sigmas[1] < 1e-5:
        steps += 1
    taken = training.sigmas[1 :: max(len(training.sigmas) // steps, 1)]
    end = [] if training.sigmas[1] < 1e-5 else [0.0]
    return [*map(float, taken[::-1]), *end]


def _karras(training: Training, steps: int) -> list[float]:
    low, high = float(training.sigmas[0]) ** (1 / RHO), float(training.sigmas[-1]) ** (1 / RHO)
    return [*map(float, (high + np.linspace(0, 1, steps) * (low - high)) ** RHO), 0.0]


def _exponential(training: Training, steps: int) -> list[float]:
    return [*map(float, np.exp(np.linspace(math.log(training.sigmas[-1]), math.log(training.sigmas[0]), steps))), 0.0]


def _beta(training: Training, steps: int) -> list[float]:
    """Return levels at the quantiles of a beta distribution (0.6, 0.6), each once. Source: arXiv 2407.12173."""
    times = np.rint(_beta_quantiles(1 - np.linspace(0, 1, steps, endpoint=False)) * (len(training.sigmas) - 1))
    kept = [int(t) for t, before in zip(times, [-1.0, *times[:-1]], strict=True) if t != before]
    return [*(float(training.sigmas[t]) for t in kept), 0.0]


def _beta_quantiles(shares: Sigmas) -> Sigmas:
    """Return the quantiles of the beta distribution with both parameters 0.6: t = sin²θ makes its density smooth."""
    mass, theta = _beta_mass()
    return np.asarray(np.sin(np.interp(shares * mass[-1], mass, theta)) ** 2)


@functools.lru_cache(maxsize=1)
def _beta_mass() -> tuple[Sigmas, Sigmas]:
    theta = np.linspace(0, np.pi / 2, 400_001)
    density = (np.sin(theta) * np.cos(theta)) ** (2 * 0.6 - 1)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return mass, theta


def _kl_optimal(training: Training, steps: int) -> list[float]:
    """Return levels at even angles: tan of a straight line. Source: arXiv 2404.14507."""
    share = np.arange(steps) / (steps - 1) if steps > 1 else np.full(1, np.nan)
    low, high = np.arctan(training.sigmas[[0, -1]])
    return [*map(float, np.tan(share * low + (1 - share) * high)), 0.0]


def _linear_quadratic(training: Training, steps: int) -> list[float]:
    """Return levels that fall by a fortieth in the first half of the steps, then ever faster. Source: Mochi."""
    if steps == 1:
        return [float(training.sigmas[-1]), 0.0]
    linear, threshold = steps // 2, 0.025
    rest = steps - linear
    gap = linear - threshold * steps
    square, slope = gap / (linear * rest**2), threshold / linear - 2 * gap / rest**2
    first = [at * threshold / linear for at in range(linear)]
    second = [square * at**2 + slope * at + square * linear**2 for at in range(linear, steps)]
    return [float(training.sigmas[-1]) * (1 - share) for share in (*first, *second, 1.0)]


SCHEDULERS: Mapping[str, Callable[[Training, int], list[float]]] = {
    "normal": lambda training, steps: _uniform(training, steps, last=True),
    "sgm_uniform": lambda training, steps: _uniform(training, steps, last=False),
    "karras": _karras,
    "exponential": _exponential,
    "simple": _simple,
    "ddim_uniform": _ddim_uniform,
    "beta": _beta,
    "linear_quadratic": _linear_quadratic,
    "kl_optimal": _kl_optimal,
}


def levels(scheduler: str, training: Training, steps: int, sampler: str = "euler") -> Sigmas:
    """Return the levels of all states, (steps + 1,), of a scheduler by its name in ComfyUI, as its KSampler runs them.

    sampler: ComfyUI's name; some leave out the last level but one. ddim_uniform and beta may give another number.
    """
    if sampler in DISCARDING:
        sigmas = SCHEDULERS[scheduler](training, steps + 1)
        return np.array([*sigmas[:-2], sigmas[-1]])
    return np.array(SCHEDULERS[scheduler](training, steps))


def start_scale(sigma: float, training: Training) -> float:
    """Return what ComfyUI multiplies the starting noise by: √(1 + σ²) at the top level, below it σ; on a flow σ."""
    top = float(training.sigmas[-1])
    at_top = sigma > top or math.isclose(sigma, top, rel_tol=1e-5)
    return math.sqrt(1 + sigma**2) if at_top and training.shift is None else sigma
