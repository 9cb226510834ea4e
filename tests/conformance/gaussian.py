"""The exact denoiser of Gaussian data, closed-form, for the `unet` seat of a pipeline: a test tool.

Data x0 ~ N(mean, spread² I). At noise level σ (variance-exploding scale, x = x0 + σε) the best guess is

    D(x, σ) = (spread² x + σ² mean) / (spread² + σ²)

and the probability-flow ODE dx/dσ = (x − D)/σ is solved by

    x(σ) = mean + (x(σ_T) − mean) · √((spread² + σ²) / (spread² + σ_T²)).

With spread 0 the data are one point, and every guess must be that point. Source: Karras et al. 2022, arXiv
2206.00364, appendix B.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tests.tiny import make_scheduler, tiny_sd

MEAN = torch.linspace(-1.5, 1.5, 4 * 8 * 8).reshape(4, 8, 8)


class GaussianDenoiser(torch.nn.Module):
    """Predicts ε or v for Gaussian data, as a Stable Diffusion U-Net is asked to: variance-preserving input, and t."""

    def __init__(self, config: Any, spread: float, prediction_type: str = "epsilon") -> None:
        super().__init__()
        self.config, self.spread, self.prediction_type = config, spread, prediction_type
        alpha_bars = make_scheduler("DDIMScheduler").alphas_cumprod.double()
        self.sigma_of_t = (((1 - alpha_bars) / alpha_bars) ** 0.5).numpy()
        self.dtype, self.device = torch.float32, torch.device("cpu")

    def forward(self, x_vp: torch.Tensor, t: Any, **_: Any) -> tuple[torch.Tensor]:
        sigma = float(np.interp(float(t), np.arange(len(self.sigma_of_t)), self.sigma_of_t))
        alpha = (1 + sigma**2) ** -0.5
        x0 = guess(x_vp.double() / alpha, sigma, self.spread)
        eps = (x_vp.double() / alpha - x0) / sigma
        output = eps if self.prediction_type == "epsilon" else alpha * eps - alpha * sigma * x0
        return (output.to(x_vp.dtype),)


def guess(x_ve: torch.Tensor, sigma: float, spread: float) -> torch.Tensor:
    """Return D(x, σ)."""
    return (spread**2 * x_ve + sigma**2 * MEAN.double()) / (spread**2 + sigma**2)


def solution(x_ve: torch.Tensor, sigma_from: float, sigma_to: float, spread: float) -> torch.Tensor:
    """Return where the ODE goes from x at sigma_from, at sigma_to."""
    shrink = ((spread**2 + sigma_to**2) / (spread**2 + sigma_from**2)) ** 0.5
    return MEAN.double() + (x_ve.double() - MEAN.double()) * shrink


def gaussian_pipe(spread: float, prediction_type: str = "epsilon", **options: Any) -> Any:
    """Return a Stable Diffusion-type pipeline whose denoiser is exact for Gaussian data."""
    pipe = tiny_sd(prediction_type=prediction_type, **options)
    pipe.unet = GaussianDenoiser(pipe.unet.config, spread, prediction_type)
    return pipe
