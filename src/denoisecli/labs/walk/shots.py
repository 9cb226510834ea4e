"""The pictures of a run that other tools can be told of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from denoisecli.config.base import Lora
from denoisecli.interop.recipe import Shot, shot

from .config import WalkConfig


def shots(config: WalkConfig, _: dict[str, Any], notes: list[str]) -> Iterator[Shot]:
    """Return the ends; what lies between is no seed's own."""
    if config.between and config.between.images:
        notes.append("It goes between own pictures, which no other tool is told of; this is the run without them.")
        return iter(walk_ends(config)[:1])
    notes.append("Frames between two ends start from noise that is not any seed's own; only the ends are here.")
    return iter(walk_ends(config))


def walk_ends(config: WalkConfig) -> list[Shot]:
    """Return the pictures that a walk goes between, in its order."""
    if config.between is None:
        return [shot(config, seed, config.cfg) for seed in config.seeds]
    plain = shot(config, config.seeds[0], config.cfg)
    if config.between.prompts:
        return [replace(plain, prompt=prompt) for prompt in config.between.prompts]
    if config.between.images:
        return [plain] * len(config.between.images)
    if config.between.scales:
        return [replace(plain, cfg=scale) for scale in config.between.scales]
    return [replace(plain, loras=tuple(_weakened(lora, end) for lora in plain.loras)) for end in config.between.values]


def _weakened(lora: Lora, end: float) -> Lora:
    unet, text = (strength * end for strength in lora.strengths)
    return Lora.model_construct(file=lora.file, scale=unet, text_scale=None if text == unet else text)
