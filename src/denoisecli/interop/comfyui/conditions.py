"""From a sampler's conditioning up to its texts: which input an output goes on with, what is told on the way.

Each class of nodes has its row in `ROLES`; the page docs/comfyui-nodes.md is made from it. Of a class without a row,
the input of the same name is followed, and the node is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..imported import Imported, number
from .graph import Graph
from .ranges import Act
from .values import SWITCHES, VALUES, Finder, chosen_input

MOST_TEXTS = 20  # that a prompt is joined of
MOST_ACTS = 1000  # one for each step of the longest run
MOST_TOLD = 20  # classes of nodes without an equal
MOST_DEPTH = 100
TEXTS = ("text", "text_g", "text_l", "clip_l", "clip_g", "t5xxl", "bert", "mt5xl", "llama", "user_prompt", "prompt",
         "string", "wildcard_text")  # fmt: skip
NEGATIVES = ("negative_prompt", "negative_text", "text_negative", "negative")
CONDITIONINGS = ("conditioning", "conditioning_to", "conditioning_1", "cond1", "cond", "positive", "negative")
CARRIERS = ("model", "ckpt_name", "base_ctx", "context", "pipe")  # inputs of nodes that hold more than two prompts
DIFFER, COMMAS = "its texts are the prompt, told where they differ", "its texts are joined by commas, and told"
CONTROL = "A ControlNet guided this picture; it has no equal here."
PICTURE = "It was made from another picture, which is not in the file; here it starts from noise."
RANGED = "A prompt acted"
JOINED = "Several texts were combined there; here they are joined by commas."


@dataclass(frozen=True)
class Role:
    """What becomes of a class of nodes between a sampler and its prompts.

    passes: the input that each output goes on with, by slot; joins: inputs that are all taken. told: a sentence, or
    what makes one of the inputs. texts: the inputs that hold text, for a node that encodes. becomes: for the docs.
    """

    becomes: str
    passes: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    told: str | Callable[[Mapping[str, Any]], str] = ""


def _range(inputs: Mapping[str, Any]) -> str:
    start, end = number(inputs.get("start")), number(inputs.get("end"))
    if (start, end) == (0.0, 1.0):
        return ""
    told = f" from {start:g} to {end:g}" if start is not None and end is not None else " in a part"
    return f"{RANGED}{told} of the run there (ConditioningSetTimestepRange); here it acts in all of it."


def _encodes(*texts: str, becomes: str = "its text is the prompt") -> Role:
    return Role(becomes, texts=texts)


_BOTH, _ONE = ("positive", "negative"), ("conditioning",)
_AREA = Role("its text is taken, and told: the area is not", _ONE, told="A prompt was bound to a part of the picture "
             "there (an area or mask); here it acts on all of it.")  # fmt: skip
_CONTROL_BOTH = Role("its prompts are taken, each by its output; told: the ControlNet is not", _BOTH, told=CONTROL)
_FROM_PICTURE = Role("its prompts are taken, each by its output; told: the picture is not", _BOTH, told=PICTURE)
_IMAGE_PROMPT = Role(
    "its text is taken; told: the picture that was part of the prompt is not",
    _ONE,
    told="A picture was part of the prompt there; it is not in the file, and has no equal here.",
)
_VIDEO = Role("its prompts are taken, each by its output; told: the start picture is not", _BOTH,
              told="A start picture or clip led this video there; it is not in the file.")  # fmt: skip
ROLES: Mapping[str, Role] = {
    "CLIPTextEncode": _encodes("text"),
    "CLIPTextEncodeSDXL": _encodes("text_g", "text_l", becomes=DIFFER),
    "CLIPTextEncodeSDXLRefiner": _encodes("text"),
    "CLIPTextEncodeSD3": _encodes("clip_l", "clip_g", "t5xxl", becomes=DIFFER),
    "CLIPTextEncodeFlux": _encodes("clip_l", "t5xxl", becomes="its texts are the prompt, its guidance the cfg"),
    "CLIPTextEncodeHunyuanDiT": _encodes("bert", "mt5xl"),
    "CLIPTextEncodeHiDream": _encodes("clip_l", "clip_g", "t5xxl", "llama"),
    "CLIPTextEncodePixArtAlpha": _encodes("text"),
    "CLIPTextEncodeLumina2": _encodes("user_prompt"),
    "TextEncodeQwenImageEdit": Role("its text is the prompt; told: the picture is not", (), (), ("prompt",), PICTURE),
    "TextEncodeQwenImageEditPlus": Role(
        "its text is the prompt; told: the pictures are not", texts=("prompt",), told=PICTURE
    ),
    "ImpactWildcardEncode": _encodes("populated_text", becomes="the text that its choices made is the prompt"),
    "ConditioningZeroOut": Role(
        "an empty prompt, and told",
        told="The prompt's numbers were set to zero there (ConditioningZeroOut); here an empty prompt stands in.",
    ),
    "ConditioningSetTimestepRange": Role(
        "`phases`, of a model of SD's levels; else its text is taken, and told: the range is not", _ONE, told=_range
    ),
    "ConditioningSetArea": _AREA,
    "ConditioningSetAreaPercentage": _AREA,
    "ConditioningSetAreaStrength": _AREA,
    "ConditioningSetMask": _AREA,
    "GLIGENTextBoxApply": Role(_AREA.becomes, ("conditioning_to",), told=str(_AREA.told)),
    "ConditioningCombine": Role(COMMAS, joins=("conditioning_1", "conditioning_2"), told=JOINED),
    "ConditioningConcat": Role(COMMAS, joins=("conditioning_to", "conditioning_from"), told=JOINED),
    "ConditioningAverage": Role(COMMAS, joins=("conditioning_to", "conditioning_from"), told=JOINED),
    "FluxGuidance": Role("its guidance is the cfg, for a model that hears it", _ONE),
    "FluxDisableGuidance": Role("passed through", _ONE),
    "ControlNetApply": Role("its prompt is taken; told: the ControlNet is not", _ONE, told=CONTROL),
    "ControlNetApplyAdvanced": _CONTROL_BOTH,
    "ControlNetApplySD3": _CONTROL_BOTH,
    "ControlNetInpaintingAliMamaApply": _CONTROL_BOTH,
    "ACN_AdvancedControlNetApply": _CONTROL_BOTH,
    "ACN_AdvancedControlNetApply_v2": _CONTROL_BOTH,
    "InpaintModelConditioning": _FROM_PICTURE,
    "InstructPixToPixConditioning": _FROM_PICTURE,
    "StableZero123_Conditioning": _FROM_PICTURE,
    "CosmosImageToVideoLatent": _VIDEO,
    "WanImageToVideo": _VIDEO,
    "WanFunControlToVideo": _VIDEO,
    "WanFirstLastFrameToVideo": _VIDEO,
    "WanVaceToVideo": _VIDEO,
    "LTXVImgToVideo": _VIDEO,
    "LTXVConditioning": Role("its prompts are taken, each by its output", _BOTH),
    "unCLIPConditioning": _IMAGE_PROMPT,
    "StyleModelApply": _IMAGE_PROMPT,
    "ReferenceLatent": _IMAGE_PROMPT,
    "PhotoMakerEncode": Role("its text is the prompt; told: the picture is not", (), (), ("text",), _IMAGE_PROMPT.told),
}  # fmt: skip
"""Sources: ComfyUI's nodes.py and comfy_extras (INPUT_TYPES, RETURN_TYPES)."""
EMPTY_LATENTS = {"InstructPixToPixConditioning", *(kind for kind, role in ROLES.items() if role is _VIDEO)}
"""Nodes whose latents are empty ones in the size of a picture, which leads the prompts instead."""


@dataclass
class Prompts:
    """What stands above one conditioning: its texts, the guidance in it, the inputs that its encoders take."""

    acts: dict[Act, None] = field(default_factory=dict)
    """every text with the range in which it acts, each once, in order"""
    guidance: float | None = None
    clips: list[Any] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    zeroed: bool = False
    span: tuple[float, float] | None = None
    """the range of what is followed now: the one nearest to the sampler holds"""

    seen: set[tuple[Any, ...]] = field(default_factory=set)
    """what was followed: a second time would add nothing"""

    @property
    def texts(self) -> list[str]:
        """The texts that say something, each once."""
        return list(dict.fromkeys(text for text, _, _ in self.acts if text.strip()))


class Conditions:
    """Follows the conditionings of one graph, and tells the import what they pass."""

    def __init__(self, graph: Graph, finder: Finder, imported: Imported) -> None:
        self.graph, self.finder, self.imported = graph, finder, imported
        self.told: dict[str, None] = {}

    def silent(self) -> Conditions:
        """Return one that tells nothing, for what was not heard there."""
        return Conditions(self.graph, self.finder, Imported(self.imported.source))

    def prompts(self, value: Any, want: str) -> Prompts:
        """Return what stands above a sampler's input. want: "positive" or "negative"."""
        found = Prompts()
        self._follow(value, want, found, MOST_DEPTH)
        return found

    def _follow(self, value: Any, want: str, found: Prompts, depth: int) -> None:
        source = self.graph.source(value)
        if source is None:
            if isinstance(value, str):
                self._add(value, found)
            return
        name, slot = source
        if (once := (name, slot, want, found.span)) in found.seen:
            return
        found.seen.add(once)
        kind, inputs = self.graph.kind(name), self.graph.inputs(name)
        if depth <= 0:
            found.unread.append(kind)
            return
        self._hear(inputs, found)
        role = ROLES.get(kind)
        if role is not None:
            self._by_role(role, kind, inputs, slot, want, found, depth)
        else:
            self._unknown(name, slot, want, found, depth)

    def _hear(self, inputs: Mapping[str, Any], found: Prompts) -> None:
        """Take a guidance that stands in the conditioning, as for Flux."""
        if "guidance" in inputs:
            guidance = number(self.finder.plain(inputs["guidance"]))
            if guidance is None:
                self.imported.note("The guidance could not be found in the graph; it was computed there.")
            found.guidance = guidance if found.guidance is None else found.guidance

    def _by_role(self, role: Role, kind: str, inputs: Mapping[str, Any], slot: int, want: str, found: Prompts,
                 depth: int) -> None:  # fmt: skip
        told = role.told(inputs) if callable(role.told) else role.told
        if told:
            self.imported.note(told)
        if kind == "ConditioningSetTimestepRange":
            self._in_a_range(inputs, want, found, depth)
        elif kind == "ConditioningZeroOut":
            found.zeroed = True
            self._add("", found)
        elif role.texts:
            self._encode(kind, inputs, role.texts, found)
        elif role.joins:
            for key in role.joins:
                self._follow(inputs.get(key), want, found, depth - 1)
        elif role.passes:
            key = role.passes[min(slot, len(role.passes) - 1)]
            self._follow(inputs.get(key), key if key in _BOTH else want, found, depth - 1)

    def _in_a_range(self, inputs: Mapping[str, Any], want: str, found: Prompts, depth: int) -> None:
        """Follow what acts in a part of the run alone."""
        outer = found.span
        start, end = (number(self.finder.plain(inputs.get(key))) for key in ("start", "end"))
        if outer is None:
            found.span = (0.0 if start is None else start, 1.0 if end is None else end)
        self._follow(inputs.get("conditioning"), want, found, depth - 1)
        found.span = outer

    def _encode(self, kind: str, inputs: Mapping[str, Any], keys: tuple[str, ...], found: Prompts) -> None:
        texts = []
        for key in keys:
            if key not in inputs:
                continue
            text = self.finder.find(inputs[key], key)
            if text.maker or not isinstance(text.value, str):
                found.unread.append(text.maker or kind)
            if isinstance(text.value, str):
                texts.append(text.value)
        if not texts and not found.unread:
            found.unread.append(kind)
        for words in dict.fromkeys(texts):
            self._add(words, found)
        found.clips.append(inputs.get("clip"))

    def _add(self, text: str, found: Prompts) -> None:
        act = (text, *(found.span or (0.0, 1.0)))
        if len(found.acts) < MOST_ACTS:
            found.acts[act] = None
        elif act not in found.acts:
            self.imported.note(f"A prompt was made of more than {MOST_ACTS} texts there; the others are left out.")

    def _unknown(self, name: str, slot: int, want: str, found: Prompts, depth: int) -> None:
        """Follow a node without a row: the input that the output is called after, or the only one that fits."""
        kind, inputs = self.graph.kind(name), self.graph.inputs(name)
        taken = chosen_input(self.finder, name)
        if taken is not None:
            self._follow(inputs[taken], want, found, depth - 1)
            return
        if self._is_text(name):
            self._encode(kind, {"text": [name, slot]}, ("text",), found)
            return
        key = self._same_named(name, slot, want)
        if key:
            self._enter(kind, key, inputs, want, found, depth)
            return
        conditionings = [each for each in CONDITIONINGS if self.graph.source(inputs.get(each))]
        links = list(self.graph.links(name))
        if len(conditionings) != 1 and len(links) == 1 and not _own_texts(inputs):
            conditionings = links
        if _encoder(kind, inputs) and not conditionings:
            self._encode_own(kind, inputs, slot, want, found)
            return
        for each in conditionings:
            self._follow(inputs[each], want, found, depth - 1)
        if not conditionings:
            found.unread.append(kind)
        elif len(inputs) > len(links) or len(links) > 1:
            self._tell_change(kind)

    def _encode_own(self, kind: str, inputs: Mapping[str, Any], slot: int, want: str, found: Prompts) -> None:
        """Take the text of an encoder without a row; one with two outputs may have a text for each, or none."""
        if want == "negative" and slot == 1:
            keys = tuple(key for key in NEGATIVES if key in inputs)[:1]
            if not keys:
                found.zeroed = True
                self.imported.note(f"The negative prompt was made by {shown(kind)} without a text; here it is empty.")
                return
        else:
            keys = _own_texts(inputs)
        self._encode(kind, inputs, keys, found)

    def _enter(self, kind: str, key: str, inputs: Mapping[str, Any], want: str, found: Prompts, depth: int) -> None:
        """Go on with the input of a node that holds several prompts: a link to a conditioning, or a text."""
        source = self.graph.source(inputs[key])
        if source is None or self._is_text(source[0]):
            self._encode(kind, inputs, (key,), found)
            return
        self._follow(inputs[key], key if key in _BOTH else want, found, depth - 1)
        if not any(each in inputs for each in CARRIERS):
            self._tell_change(kind)

    def _tell_change(self, kind: str) -> None:
        if "control_net" in kind.lower() or "controlnet" in kind.lower():
            self.imported.note(CONTROL)
        elif not kind.lower().startswith(("reroute", "any switch", "context")):
            self.told[kind] = None
            if len(self.told) <= MOST_TOLD:
                self.imported.note(f"What {shown(kind)} did to a prompt has no equal here.")
            else:
                self.imported.note("What other nodes did to a prompt has no equal here, either.")

    def _same_named(self, name: str, slot: int, want: str) -> str:
        """Return the input that an output goes on with: called as the output, else by the order of the two prompts."""
        inputs = self.graph.inputs(name)
        called = self.graph.output_name(name, slot).replace("conditioning", "").strip("_ ")
        called = {"+": "positive", "-": "negative", "pos": "positive", "neg": "negative"}.get(called, called)
        if called in inputs and called in _BOTH:
            return called
        if inputs.keys() >= set(_BOTH) and slot in (0, 1) and not any(key in inputs for key in CARRIERS):
            return _BOTH[slot]
        return want if want in inputs else ""

    def _is_text(self, name: str) -> bool:
        """Return whether a node makes a text rather than a conditioning."""
        kind, inputs = self.graph.kind(name), self.graph.inputs(name)
        if kind in VALUES:
            return kind not in SWITCHES and kind != "Any Switch (rgthree)"
        return kind.lower().startswith(("primitive", "string", "text")) and "clip" not in inputs


def _own_texts(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(key for key in TEXTS if key in inputs)[:1]


def _encoder(kind: str, inputs: Mapping[str, Any]) -> bool:
    """Tell whether a node turns text into a conditioning: it needs a CLIP, or is one that carries its own text."""
    return "clip" in inputs or "Encode" in kind or "Prompt" in kind


def shown(kind: str) -> str:
    """Return a class's name as it may stand in a sentence."""
    return re.sub(r"[^\w .+()|/-]", "", kind)[:50] or "a node without a name"
