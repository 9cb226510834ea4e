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


def starting_noise(seeds: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
    """Return unit normal noise, (seed, *shape), float32: what diffusers draws for a list of CPU generators.

    shape: (C, h, w) of one sample. A seed's noise does not depend on the other seeds.
    """
    return torch.stack([torch.randn(tuple(shape), generator=one) for one in generators(seeds)])


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
    x, y = x / norm_a, y / norm_b
    cosine = float((x * y).sum().clamp(-1, 1))
    norm = torch.lerp(norm_a, norm_b, t)
    if cosine > 1 - 1e-9:
        direction = torch.lerp(x, y, t)
        return (norm * direction / direction.norm()).to(a.dtype)
    if cosine < -1 + 1e-9:
        y, theta = _perpendicular(x), math.pi
        return (norm * (math.cos(t * theta) * x + math.sin(t * theta) * y)).to(a.dtype)
    theta = math.acos(cosine)
    turned = (math.sin((1 - t) * theta) * x + math.sin(t * theta) * y) / math.sin(theta)
    return (norm * turned).to(a.dtype)


def _perpendicular(x: torch.Tensor) -> torch.Tensor:
    """Return a unit vector at right angles to the unit vector x, always the same one."""
    other = torch.randn(x.shape, generator=torch.Generator("cpu").manual_seed(0), dtype=x.dtype).to(x.device)
    other = other - (other * x).sum() * x
    return other / other.norm()
