"""Ranks and alphas that PEFT keeps in the file's metadata (`lora_adapter_metadata`) instead of in tensors.

Flat JSON, one set of keys for each network: `unet.r`, `unet.lora_alpha`, `unet.rank_pattern`, `unet.alpha_pattern`
(layers that differ), `unet.use_rslora` (scale alpha/√rank, Kalajdzievski 2023, arXiv 2312.03732), ...
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisecli.errors import ModelError

KEY = "lora_adapter_metadata"


@dataclass(frozen=True)
class AdapterConfig:
    """The PEFT configs of a file's networks; empty where it has none."""

    values: dict[str, Any]

    @classmethod
    def of(cls, metadata: Mapping[str, str], path: Path) -> AdapterConfig:
        """Read it from a file's metadata. Raises ModelError where it is damaged, or tells of DoRA."""
        try:
            values = json.loads(metadata.get(KEY, "{}"))
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise ModelError(f"{path}: its metadata has a {KEY} that is not a JSON table.", "Save the LoRA again.")
        if any(name.endswith("use_dora") and value for name, value in values.items()):
            what = "is not a plain LoRA but DoRA (use_dora in its metadata): its magnitudes rescale W + ΔW."
            raise ModelError(f"{path} {what}", "Give a plain LoRA or LoCon.")
        return cls(values)

    def scale(self, name: str, rank: int) -> float | None:
        """Return the scale of layer `name`, or None where the metadata says nothing of it."""
        network, layer = self._split(name)
        alpha = self._pattern(network, "alpha_pattern", layer, self.values.get(f"{network}lora_alpha"))
        if network is None or not isinstance(alpha, (int, float)) or not math.isfinite(alpha):
            return None
        return alpha / self._divisor(network, rank)

    def truncated(self, ranks: Mapping[str, int], scales: Mapping[str, float]) -> dict[str, Any]:
        """Return the configs for layers of these ranks, every scale as it was."""
        values = dict(self.values)
        by_network: dict[str, dict[str, str]] = {}
        for name in ranks:
            network, layer = self._split(name)
            if network is not None:
                by_network.setdefault(network, {})[layer] = name
        for network, layers in by_network.items():
            rank_of = {layer: ranks[name] for layer, name in layers.items()}
            alpha_of = {
                layer: _tidy(scales[name] * self._divisor(network, ranks[name])) for layer, name in layers.items()
            }
            for key, pattern, each in (("r", "rank_pattern", rank_of), ("lora_alpha", "alpha_pattern", alpha_of)):
                usual = Counter(each.values()).most_common(1)[0][0]
                values[network + key] = usual
                values[network + pattern] = {layer: value for layer, value in each.items() if value != usual}
        return values

    def _divisor(self, network: str, rank: int) -> float:
        return math.sqrt(rank) if self.values.get(f"{network}use_rslora") else float(rank)

    def _split(self, name: str) -> tuple[str | None, str]:
        """Return the network's prefix ("unet.") and the layer's own name."""
        prefixes = [key.removesuffix("r") for key in self.values if key.endswith(".r")]
        network = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        return network, name.removeprefix(network or "")

    def _pattern(self, network: str | None, key: str, layer: str, otherwise: Any) -> Any:
        """Look a layer up as PEFT does: a pattern fits its name's end, from a dot on."""
        patterns = self.values.get(f"{network}{key}") or {}
        for ending, value in patterns.items() if isinstance(patterns, dict) else ():
            if layer == ending or re.fullmatch(rf"(.*\.)?{re.escape(ending)}", layer):
                return value
        return otherwise


def _tidy(value: float) -> float | int:
    """Return a number without the dust of its division: 3, not 3.0000000000000004."""
    value = float(f"{value:.15g}")
    return int(value) if value.is_integer() else value
