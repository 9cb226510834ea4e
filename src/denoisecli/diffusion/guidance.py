"""Classifier-free guidance. Works on NumPy arrays and torch tensors alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

from .denoiser import denoiser_of, has_denoiser
from .families import Guidance, family_named

Latents = TypeVar("Latents")


def guided(eps_uncond: Latents, eps_cond: Latents, scale: float) -> Latents:
    """Return eps_uncond + scale · (eps_cond − eps_uncond).

    scale: unitless; 0 is the unconditional prediction, 1 the conditional one.
    Source: Ho & Salimans 2022, arXiv 2207.12598, eq. 6 (their w is scale − 1).
    """
    return cast("Latents", eps_uncond + scale * (eps_cond - eps_uncond))  # type: ignore[operator]


def rescaled(eps_guided: Latents, eps_cond: Latents, phi: float) -> Latents:
    """Return phi · eps_guided · std(eps_cond)/std(eps_guided) + (1 − phi) · eps_guided.

    Latents: (C, h, w) of one sample; phi: 0 leaves the guided prediction, 0.7 is the paper's choice.
    Source: Lin et al. 2023, arXiv 2305.08891, eq. 15 and 16.
    """
    if phi == 0:
        return eps_guided
    matched = eps_guided * (_std(eps_cond) / _std(eps_guided))  # type: ignore[operator]
    return cast("Latents", phi * matched + (1 - phi) * eps_guided)  # type: ignore[operator]


def _std(x: object) -> object:
    """Return the sample standard deviation (n − 1, as torch has it by default), a scalar of x's own kind."""
    import numpy as np

    return x.std(ddof=1) if isinstance(x, np.ndarray) else x.std()  # type: ignore[attr-defined]


@dataclass(frozen=True)
class StepScales:
    """A guidance scale for each step, (step,), the first step's first.

    Given to the recorder, it also lets evaluations be left out that cannot change the result (`shared_rows`).
    """

    steps: tuple[float, ...]

    @property
    def constant(self) -> bool:
        """Whether all steps have the same."""
        return len(set(self.steps)) == 1


def scale_at(scale: float | StepScales, step: int) -> float:
    """Return the guidance scale of a step, counted from 0."""
    return scale.steps[min(step, len(scale.steps) - 1)] if isinstance(scale, StepScales) else scale


def guides(scale: float | StepScales) -> bool:
    """Return whether the scale asks for the unconditional half in any step: all but 1 do."""
    return any(value != 1 for value in (scale.steps if isinstance(scale, StepScales) else (scale,)))


def guidance_of(pipe: Any) -> Guidance:
    """Return how the pipeline guides (see `families`): by its family's row, its config, or the general rules."""
    family = family_named(type(pipe).__name__)
    config = getattr(pipe, "config", {})
    if not has_denoiser(pipe):
        return "none"
    if takes_scale_as_input(pipe):
        return "embedded"
    if config.get("is_distilled") or (family and family.guidance == "embedded"):
        return "none"
    if family is not None:
        return family.guidance
    return "formula" if hasattr(type(pipe), "do_classifier_free_guidance") else "none"


def takes_guidance(pipe: Any) -> bool:
    """Return whether the pipeline mixes two halves."""
    return guidance_of(pipe) in ("formula", "own")


def takes_scale_as_input(pipe: Any) -> bool:
    """Return whether the denoiser is told the scale instead, as distilled models are (LCM, guidance-distilled Flux)."""
    return is_consistency_model(pipe) or bool(getattr(denoiser_of(pipe), "config", {}).get("guidance_embeds"))


def is_consistency_model(pipe: Any) -> bool:
    """Return whether it is a latent consistency model: distilled at its scale, which it is told all the same."""
    return getattr(denoiser_of(pipe), "config", {}).get("time_cond_proj_dim") is not None
