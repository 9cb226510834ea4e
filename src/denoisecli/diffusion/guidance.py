"""Classifier-free guidance. Works on NumPy arrays and torch tensors alike."""

from __future__ import annotations

from typing import TypeVar, cast

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
