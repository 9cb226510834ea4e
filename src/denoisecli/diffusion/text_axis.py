"""Where text stands among what a picture attends to, and which token of an encoder stands there: a row a family.

A denoiser reads text by cross-attention, whose keys are the text's tokens, or by joint attention, whose queries and
keys are both streams one behind the other. Read from diffusers' own transformers and pipelines.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from .families import family_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STREAMS = frozenset(
    {"transformer_blocks", "single_transformer_blocks", "joint_transformer_blocks", "double_stream_blocks",
     "single_stream_blocks", "layers"}
)  # fmt: skip
"""Where joint layers are in a denoiser; beside them are refiners of one stream alone."""


@dataclass(frozen=True)
class Part:
    """What one encoder gives. keeps: all its tokens, those that are no padding, or the first and the last ones.

    cut: without the template before the prompt, whose length the pipeline knows. words: whether it is given the prompt.
    """

    encoder: str = "text_encoder"
    keeps: Literal["all", "valid", "ends"] = "all"
    cut: bool = False
    words: bool = True

    def kept(self, pipe: Any, mask: Sequence[int]) -> list[int]:
        """Return which of the encoder's tokens, by their mask, reach the picture, in their order."""
        whole = list(range(len(mask)))
        if self.keeps == "valid":
            whole = [place for place in whole if mask[place]]
        if self.keeps == "ends":
            most = inspect.signature(pipe.__call__).parameters["max_sequence_length"].default
            return whole if len(whole) <= most else [0, *whole[1 - most :]]
        return whole[pipe.prompt_template_encode_start_idx :] if self.cut else whole


@dataclass(frozen=True)
class TextAxis:
    """The text's axis of a family. before: tokens of the denoiser's own that stand before the prompt's.

    parts: what follows, one behind the other. multiple: the picture's tokens are filled up to a multiple of it.
    """

    order: Literal["cross", "text first", "picture first"] = "cross"
    parts: tuple[Part, ...] = (Part(),)
    before: int = 0
    multiple: int = 1

    def spans(
        self, layer: str, told: int, picture: int, lengths: tuple[int, int], stream: int | None
    ) -> tuple[slice, slice, int] | None:
        """Return where a joint layer has the picture's tokens and the text's, and how long the picture's stream is.

        told: tokens that the layer was told as its own; picture: tokens of the picture; lengths: of queries and keys;
        stream: what was returned for a layer before. None where the layer does not read text.
        """
        block = next((part for part in layer.split(".")[:2] if part in STREAMS), None)  # behind the denoiser's name
        queries, keys = lengths
        if block is None or queries != keys:
            return None
        if block != "layers" and told < keys:
            stream = told
        stream = stream or math.ceil(picture / self.multiple) * self.multiple
        if not picture <= stream < keys:
            return None
        if self.order == "picture first":
            return slice(0, picture), slice(stream, keys), stream
        return slice(keys - stream, keys - stream + picture), slice(0, keys - stream), stream


_T5 = Part("text_encoder_2")
_TEXT_FIRST, _PICTURE_FIRST = TextAxis("text first"), TextAxis("picture first")
_CUT = (Part(keeps="valid", cut=True),)

AXES: dict[str, TextAxis] = {
    "sd3": TextAxis("picture first", (Part(), Part("text_encoder_3"))),
    "z-image": TextAxis("picture first", (Part(keeps="valid"),), multiple=32),
    "flux": TextAxis("text first", (_T5,)),
    "chroma": _TEXT_FIRST,
    "flux2": _TEXT_FIRST,
    "flux2-klein": _TEXT_FIRST,
    "qwen-image": TextAxis("text first", _CUT),
    "krea2": TextAxis("text first", (Part(cut=True),)),
    "ernie-image": _PICTURE_FIRST,
    "lumina2": TextAxis("text first", (Part(keeps="valid"),)),
    "sana": TextAxis(parts=(Part(keeps="ends"),)),
    "sana-sprint": TextAxis(parts=(Part(keeps="ends"),)),
    "pixart": TextAxis(),
    "hidream": TextAxis("picture first", (Part("text_encoder_3"), Part("text_encoder_4"), Part("text_encoder_4"))),
    "auraflow": TextAxis("text first", before=8),
    "cogview4": _TEXT_FIRST,
    "kandinsky5": TextAxis(parts=(Part(cut=True),)),
    "hunyuan-image": TextAxis("picture first", (Part("text_encoder_2", "valid", words=False), *_CUT)),
    "wan": TextAxis(),
}
"""By family. HiDream's Llama stands there twice: its last layer, and that of the block's number. HunyuanImage's second
encoder is given what stands in quotes."""


RELATIVES = {
    "FluxKontextPipeline": "flux", "FluxImg2ImgPipeline": "flux", "FluxInpaintPipeline": "flux",
    "FluxFillPipeline": "flux", "ChromaImg2ImgPipeline": "chroma", "StableDiffusion3Img2ImgPipeline": "sd3",
    "StableDiffusion3InpaintPipeline": "sd3", "QwenImageImg2ImgPipeline": "qwen-image",
    "QwenImageInpaintPipeline": "qwen-image", "QwenImageEditPipeline": "qwen-image",
    "QwenImageEditPlusPipeline": "qwen-image", "ZImageImg2ImgPipeline": "z-image",
}  # fmt: skip
"""Pipelines that start from pictures, or read some, and the family whose denoiser and text they have. The tokens of
pictures that are read stand behind those of the picture that is made."""


def axis_of(pipe: Any) -> TextAxis:
    """Return a pipeline's text axis; that of cross-attention where nothing is known of it."""
    kind = type(pipe).__name__
    family = family_named(kind)
    return AXES.get(family.name if family else RELATIVES.get(kind, ""), TextAxis())


def picture_tokens(denoiser: Any, args: Sequence[Any], told: Mapping[str, Any]) -> int | None:
    """Return how many tokens a transformer makes of the latents that it is told; None where it does not say."""
    names = ("hidden_states", "sample", "x")
    given = args[0] if args else next((told[name] for name in names if told.get(name) is not None), None)
    if isinstance(given, list) and given:
        given = given[0][None]
    if not isinstance(given, torch.Tensor) or given.ndim < 3:
        return None
    if given.ndim == 3:
        return int(given.shape[1])
    patch = denoiser.config.get("patch_size") or denoiser.config.get("all_patch_size", (1,))[0]
    sides = [patch, patch] if isinstance(patch, int) else list(patch)[-2:]
    height, width = given.shape[-2:]
    return int(given.shape[2:-2].numel() * (height // sides[0]) * (width // sides[1]))
