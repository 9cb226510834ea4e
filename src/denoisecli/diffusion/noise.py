"""Starting noise by seed, and the way from one noise to another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """Return one CPU generator for each seed, so that a seed means the same noise on every device."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def starting_noise(
    seeds: Sequence[int], shape: Sequence[int], drawn: Sequence[torch.Generator] | None = None
) -> torch.Tensor:
    """Return unit normal noise, (seed, *shape), float32: what diffusers draws for a list of CPU generators.

    shape: (C, h, w) of one sample. A seed's noise does not depend on the other seeds. drawn: the seeds' generators,
    where something has been drawn from them before.
    """
    return torch.stack([torch.randn(tuple(shape), generator=one) for one in drawn or generators(seeds)])


def generators_after_start(seeds: Sequence[int], shape: Sequence[int]) -> list[torch.Generator]:
    """Return one CPU generator for each seed, which has drawn its starting noise of (C, h, w) already.

    A stochastic sampler goes on drawing from there, as in the plain pipeline. From a fresh generator its first noise
    would be the starting noise once more.
    """
    drawn = generators(seeds)
    for one in drawn:
        torch.randn(tuple(shape), generator=one)
    return drawn


def slerp(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """Return the point at share t of the great arc from a to b: sin((1−t)θ)/sin θ · a + sin(tθ)/sin θ · b.

    The direction is turned and the norm goes linearly from ‖a‖ to ‖b‖, so every point stays as typical of the normal
    distribution as the ends. Parallel ends give the straight line; opposite ends turn through a fixed direction at
    right angles to a. Source: Shoemake 1985, "Animating rotation with quaternion curves".
    """
    if t in (0, 1):
        return (b if t else a).clone()
    x, y = a.double(), b.double()
    norm_a, norm_b = x.norm(), y.norm()
    if norm_a == 0 or norm_b == 0:
        return torch.lerp(x, y, t).to(a.dtype)
    point: torch.Tensor = torch.lerp(norm_a, norm_b, t) * _turned(x / norm_a, y / norm_b, t)
    return point.to(a.dtype)


def _turned(x: torch.Tensor, y: torch.Tensor, t: float) -> torch.Tensor:
    """Return the unit vector at share t of the arc from the unit vector x to the unit vector y."""
    cosine = float((x * y).sum().clamp(-1, 1))
    if cosine > 1 - 1e-9:
        chord: torch.Tensor = torch.lerp(x, y, t)
        return torch.div(chord, chord.norm())
    if cosine < -1 + 1e-9:
        return math.cos(t * math.pi) * x + math.sin(t * math.pi) * _perpendicular(x)
    theta = math.acos(cosine)
    turned: torch.Tensor = (math.sin((1 - t) * theta) * x + math.sin(t * theta) * y) / math.sin(theta)
    return turned


def _perpendicular(x: torch.Tensor) -> torch.Tensor:
    """Return a unit vector at right angles to the unit vector x, always the same one."""
    other = torch.randn(x.shape, generator=torch.Generator("cpu").manual_seed(0), dtype=x.dtype).to(x.device)
    upright: torch.Tensor = other - (other * x).sum() * x
    return torch.div(upright, upright.norm())
