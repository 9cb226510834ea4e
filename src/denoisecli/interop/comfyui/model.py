"""From a sampler's model up to its file: LoRAs, those applied first last, the file, what else changed it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..imported import number
from .conditions import shown
from .graph import SMALL, Graph
from .values import Finder, chosen_input

MODEL_NAMES = ("ckpt_name", "unet_name", "model_name", "diffusion_model", "base_ckpt_name")
MOST_CHAIN = 300
SHIFTS = {"ModelSamplingSD3": 3.0, "ModelSamplingAuraFlow": 1.73, "ModelSamplingFlux": 1.15}
"""What sets how far a flow's levels are shifted, the model's own way here; the usual number is not told."""


@dataclass
class Model:
    """What leads to a sampler's model: its file, LoRAs as (file, strength, strength of the text encoder), the rest."""

    file: str | None = None
    whole: bool = True  # a checkpoint, with text encoder and decoder in it
    loras: list[tuple[str, float, float | None]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    rescale: float | None = None
    others: list[str] = field(default_factory=list)
    shift: float | None = None


class Models:
    """Follows the models of one graph."""

    def __init__(self, graph: Graph, finder: Finder) -> None:
        self.graph, self.finder = graph, finder

    def model(self, value: Any, clips: Sequence[Any] = ()) -> Model:
        """Return what stands above a sampler's model. clips: what its prompts were encoded by, where that is known.

        A LoRA acts on the text encoder only where the prompts take the encoder from it, and may act on that alone.
        """
        found = Model()
        heard = {up for clip in clips for up in self.graph.up(clip)}
        passed = set()
        for name, inputs in self._chain(value):
            passed.add(name)
            kind = self.graph.kind(name)
            loras = list(self._loras(kind, inputs))
            if heard and "clip" in inputs and name not in heard:
                loras = [(lora, strength, 0.0) for lora, strength, _ in loras]
            found.loras += loras[::-1]
            file = next((self.finder.plain(inputs[key], key) for key in MODEL_NAMES if key in inputs), None)
            if isinstance(file, str) and "control" not in kind.lower():
                found.file, found.whole = file, "ckpt_name" in inputs or "base_ckpt_name" in inputs
                break
            if not loras:
                self._other(found, kind, inputs)
        else:
            self._nowhere(found, value)
        found.loras.reverse()
        found.loras += self._for_text_alone(clips, passed)
        return found

    def _for_text_alone(self, clips: Sequence[Any], passed: Container[str]) -> list[tuple[str, float, float | None]]:
        """Return the LoRAs that a sampler's prompts pass and its model does not."""
        above = dict.fromkeys(up for clip in clips for up in self.graph.up(clip))
        names = [name for name in above if name not in passed and "clip" in self.graph.inputs(name)]
        loras = [lora for name in names for lora in self._loras(self.graph.kind(name), self.graph.inputs(name))]
        return [(lora, 0.0, strength if text is None else text) for lora, strength, text in reversed(loras)]

    def _nowhere(self, found: Model, value: Any) -> None:
        """Name the last node of a way up that ends without a file."""
        last = next(reversed([name for name, _ in self._chain(value)]), None)
        if last is not None:
            found.unread.append(self.graph.kind(last))

    def _chain(self, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the nodes above an input, each by its model; switches by what they take."""
        seen: set[str] = set()
        while (source := self.graph.source(value)) and source[0] not in seen and len(seen) < MOST_CHAIN:
            name = source[0]
            seen.add(name)
            inputs = self.graph.inputs(name)
            yield name, inputs
            taken = chosen_input(self.finder, name)
            links = list(self.graph.links(name).values())
            key = taken if taken is not None else next((key for key in ("model", "base_ctx") if key in inputs), "")
            value = inputs.get(key, links[0] if len(links) == 1 else None)

    def _other(self, found: Model, kind: str, inputs: Mapping[str, Any]) -> None:
        if kind == "RescaleCFG":
            found.rescale = number(self.finder.plain(inputs.get("multiplier")))
        elif kind in SHIFTS:
            shift = number(self.finder.plain(inputs.get("shift", inputs.get("max_shift"))))
            found.shift = shift if shift != SHIFTS[kind] else None
        elif "model" in inputs and not kind.startswith(("Reroute", "Primitive")):
            found.others.append(shown(kind))

    def _loras(self, kind: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, float, float | None]]:
        """Yield the LoRAs that a node applies, those applied first first: one, a list of its own, or a stack's."""
        if isinstance(inputs.get("lora_stack"), list) and (source := self.graph.source(inputs["lora_stack"])):
            yield from self._loras(self.graph.kind(source[0]), self.graph.inputs(source[0]))
        name = self._file(inputs.get("lora_name"))
        if name and (
            "strength_model" in inputs or "lora_model_strength" in inputs or "strength" in inputs or "Lora" in kind
        ):
            strength = inputs.get("strength_model", inputs.get("lora_model_strength", inputs.get("strength", 1.0)))
            only = kind == "LoraLoaderModelOnly" or ("clip" not in inputs and "strength_clip" not in inputs)
            text = (
                0.0 if only else self._number(inputs.get("strength_clip", inputs.get("lora_clip_strength", strength)))
            )
            if kind.startswith("LoraLoader") or name != "None":
                yield name, self._number(strength), text
        yield from self._listed(inputs)

    def _listed(self, inputs: Mapping[str, Any]) -> Iterator[tuple[str, float, float | None]]:
        """Yield the LoRAs of nodes that hold several: numbered inputs, or tables {on, lora, strength}."""
        count = number(inputs.get("lora_count"))
        numbered = [key for key in inputs if key[:5].lower() == "lora_"]
        if not self.graph.spend(2 * SMALL * len(numbered)):
            return
        for key in sorted(numbered, key=lambda key: (len(key), key)):
            match = re.fullmatch(r"lora_(?:name_)?0*([0-9]{1,18})", key, re.IGNORECASE)
            if not match:
                continue
            at, value = match[1], inputs[key]
            if isinstance(value, dict):
                if value.get("on", True) and isinstance(value.get("lora"), str):
                    text = number(value.get("strengthTwo"))
                    yield value["lora"], self._number(value.get("strength")), text
                continue
            name = self._file(value)
            if not name or (count is not None and int(at) > count) or inputs.get(f"switch_{at}") == "Off":
                continue
            weights = (f"strength_{key[5:]}", f"model_weight_{at}", f"lora_wt_{at}", f"model_str_{at}")
            strength = next((inputs[each] for each in weights if each in inputs), 1.0)
            text = number(self.finder.plain(inputs.get(f"clip_weight_{at}", inputs.get(f"clip_str_{at}"))))
            yield name, self._number(strength), text

    def _file(self, value: Any) -> str:
        """Return a LoRA's name; "" where there is none."""
        if isinstance(value, dict):
            value = value.get("content")
        found = self.finder.plain(value, "lora_name")
        return found if isinstance(found, str) and found not in ("None", "") else ""

    def _number(self, value: Any) -> float:
        found = number(self.finder.plain(value))
        return 1.0 if found is None else found
