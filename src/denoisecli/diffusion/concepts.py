"""Concepts: words that are not in the prompt, and what a U-Net's attention would give them if they were.

Each is encoded by itself, as the pipeline encodes a prompt, and its vectors go through the layers' own `to_k`. A place
then gives it exp(q·k_c) / (Z + exp(q·k_c)), where Z is the sum over the prompt's keys: the probability that one more
word would get. The picture never reads it. For transformers see `concept_evaluations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

from .text_readings import with_text_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .text_readings import Readings


@dataclass(frozen=True)
class Concept:
    """A word, or several, as vectors: (tokens, width) of its own tokens, without start, end and padding."""

    text: str
    vectors: torch.Tensor

    def keys(self, _: str, layer: Any) -> torch.Tensor:
        """Return its keys in a layer of a U-Net, (heads, tokens, width of a head)."""
        vectors = self.vectors[None].to(layer.to_k.weight.dtype)
        if layer.norm_cross:
            vectors = layer.norm_encoder_hidden_states(vectors)
        return _by_head(layer.to_k(vectors)[0], layer)


def _by_head(keys: torch.Tensor, layer: Any) -> torch.Tensor:
    parted = keys.reshape(len(keys), layer.heads, -1).transpose(0, 1)
    return parted if layer.norm_k is None else layer.norm_k(parted)


@torch.no_grad()
def encoded_concepts(
    pipe: Any, texts: Sequence[str], readings: Readings, more: Mapping[str, Any] | None = None
) -> list[Concept]:
    """Return concepts as the pipeline encodes them; `readings` listens, and hears nothing of it afterwards.

    more: what `encode_prompt` is told besides.
    Raises UsageError for a concept without a word. Those of a pipeline without a U-Net: see `concept_evaluations`.
    """
    before = readings.heard
    try:
        return [_encoded(pipe, text, readings, more or {}) for text in dict.fromkeys(texts)]
    finally:
        readings.heard = before


def _encoded(pipe: Any, text: str, readings: Readings, more: Mapping[str, Any]) -> Concept:
    readings.heard = []
    device = pipe._execution_device  # noqa: SLF001 - as its own call does
    told = {"prompt": text, "device": device, "num_images_per_prompt": 1, "do_classifier_free_guidance": False}
    with with_text_models(pipe):
        found = pipe.encode_prompt(**told, **more)
    tokens = list(readings.prompt(text).all_tokens)
    if not tokens:
        raise UsageError(f"The concept {text!r} has no word in it.", "Name what may be seen, such as boat.")
    return Concept(text, found[0][0, tokens])
