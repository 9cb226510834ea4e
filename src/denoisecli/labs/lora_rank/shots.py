"""The pictures of a run that other tools can be told of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from denoisecli.config.base import Lora
from denoisecli.interop.recipe import Shot, shot

from .config import LoraRankConfig


def shots(config: LoraRankConfig, record: dict[str, Any], notes: list[str]) -> Iterator[Shot]:
    """Yield a picture for each variant of the LoRA and seed, as the run names them: off, rank-4, whole, scale-0.5."""
    notes.append("The cut LoRAs are in the run's folder `loras`; copy them to the other tool's LoRAs.")
    for label in map(str, record.get("variants") or []):
        strength = re.fullmatch(r"scale-(-?[\d.]+)", label)
        if label == "off":
            cut = None
        elif label == "whole" or strength:
            cut = Lora(file=str(config.lora), scale=float(strength[1]) if strength else 1.0)
        else:
            cut = Lora(file=f"{label}.safetensors")
        for seed in config.seeds:
            plain = shot(config, seed, config.cfg)
            yield replace(plain, loras=(*plain.loras, cut)) if cut else plain
