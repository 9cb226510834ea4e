"""The pictures of a run that other tools can be told of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from denoisecli.interop.recipe import Shot, shot

from .config import CfgSweepConfig


def shots(config: CfgSweepConfig, _: dict[str, Any], notes: list[str]) -> Iterator[Shot]:
    """Return a picture for each scale and seed."""
    plain = [scale for scale in config.scales if isinstance(scale, float)]
    if len(plain) < len(config.scales):
        notes.append("A guidance scale that changes on the way cannot be said there; those pictures are left out.")
    if config.guidance_interval != (0.0, 1.0):
        notes.append("Guidance in a part of the steps alone cannot be said there; there it acts in all.")
    return (shot(config, seed, scale) for scale in plain for seed in config.seeds)
