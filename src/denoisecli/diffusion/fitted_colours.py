"""A preview for any family, without a download: the linear map latents -> RGB that best imitates the full decoder.

It is fitted by least squares to a few of the run's own latents and what the full decoder draws of them. Each latent
pixel gives one block of colour, or 2 × 2 of them where that comes nearer to a picture that the fit has not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    class Draws(Protocol):
        """The full decoder."""

        def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]: ...  # noqa: D102


RIDGE = 1e-6  # of the mean power of a channel


@dataclass(frozen=True)
class Colours:
    """A fitted map: factors (C + 1, 3·p²), the last row added; p × p colours for each latent pixel."""

    factors: NDArray[np.float32]
    sub_pixels: int

    @property
    def name(self) -> str:
        """What the trace calls it."""
        return f"linear{' 2×2' if self.sub_pixels == 2 else ''}, fitted to this run"

    def draw(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return colours in −1..1, (n, h·p, w·p, 3), of latents (n, C, h, w)."""
        n, _, h, w = latents.shape
        p = self.sub_pixels
        colours = np.einsum("nchw,cr->nhwr", np.nan_to_num(latents), self.factors[:-1]) + self.factors[-1]
        return np.asarray(colours.reshape(n, h, w, p, p, 3).transpose(0, 1, 3, 2, 4, 5).reshape(n, h * p, w * p, 3))


def examples(guesses: NDArray[np.float32], finals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a few latents (n, C, h, w) of a run, of its guesses (seed, state, C, h, w) and its finals (seed, C, h, w).

    The last is one from the middle of the way, which judges.
    """
    middle, last = guesses.shape[1] // 2, guesses.shape[1] - 1
    return np.stack([finals[0], finals[-1], guesses[0, last], guesses[-1, middle]]).astype(np.float32)


def fitted(full: Draws, latents: NDArray[np.float32]) -> Colours:
    """Return the map that imitates `full` best on latents (n, C, h, w), n > 1: 1 or 2 × 2 colours a latent pixel.

    Of clips, (n, C, f, h, w), every frame is a picture.
    """
    pictures = full.decode(latents)
    if latents.ndim == 5:
        pictures = pictures.reshape(-1, *pictures.shape[2:])
        latents = latents.swapaxes(1, 2).reshape(-1, latents.shape[1], *latents.shape[3:])
    block = pictures.shape[1] // latents.shape[2]
    sides = (1, 2) if block % 2 == 0 else (1,)
    tried = [_fit(latents[:-1], pictures[:-1], side) for side in sides]
    best = max(tried, key=lambda one: psnr(_enlarged(one.draw(latents[-1:]), pictures.shape[1]), pictures[-1:]))
    return _fit(latents, pictures, best.sub_pixels)


def _fit(latents: NDArray[np.float32], pictures: NDArray[np.uint8], side: int) -> Colours:
    n, channels, h, w = latents.shape
    block = pictures.shape[1] // (h * side)
    wanted = pictures.reshape(n, h, side, block, w, side, block, 3).astype(np.float32).mean(axis=(3, 6)) / 127.5 - 1
    targets = wanted.transpose(0, 1, 3, 2, 4, 5).reshape(n * h * w, side * side * 3).astype(np.float64)
    rows = latents.transpose(0, 2, 3, 1).reshape(-1, channels).astype(np.float64)
    design = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    gram = design.T @ design
    ridge = RIDGE * np.trace(gram[:-1, :-1]) / channels * np.eye(channels + 1)
    ridge[-1, -1] = 0
    factors = np.linalg.solve(gram + ridge, design.T @ targets)
    return Colours(factors.astype(np.float32), side)


def _enlarged(colours: NDArray[np.float32], height: int) -> NDArray[np.uint8]:
    """Return colours as pictures, each one a block: good enough to compare maps with each other."""
    times = height // colours.shape[1]
    grey = np.clip(np.rint((colours / 2 + 0.5) * 255), 0, 255).astype(np.uint8)
    return grey.repeat(times, axis=1).repeat(times, axis=2)


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of pictures in decibels: 10·log₁₀(255² / mean squared difference)."""
    error = float(np.square(a.astype(np.float64) - b).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
