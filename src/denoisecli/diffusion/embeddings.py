"""Prompts as the tensors that a pipeline takes for them, and the points between two of them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch

from ..errors import UsageError
from .quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .models import Model

Embeddings = dict[str, torch.Tensor]
"""By the pipeline's own names: prompt_embeds and negative_prompt_embeds, (n, token, width), and pooled ones."""

_NAMES = {
    2: ("prompt_embeds", "negative_prompt_embeds"),
    4: ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
}
"""What `encode_prompt` returns, by how much it returns: Stable Diffusion 1 and 2, and SDXL and 3."""


@torch.inference_mode()
def encoded(model: Model, prompt: str, negative_prompt: str = "") -> Embeddings:
    """Return the embeddings of one prompt, as the pipeline itself would make them. Raises UsageError where it can't."""
    known = inspect.signature(model.pipe.encode_prompt).parameters
    given = {
        "prompt": prompt,
        "prompt_2": None,
        "prompt_3": None,
        "device": model.device,
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": True,
        "negative_prompt": negative_prompt or None,
    }
    with quiet():
        found = model.pipe.encode_prompt(**{name: value for name, value in given.items() if name in known})
    if len(found) not in _NAMES:
        raise UsageError(f"Prompts of the family {model.info.family} cannot be walked between.")
    return dict(zip(_NAMES[len(found)], found, strict=True))


def between(a: Embeddings, b: Embeddings, share: float) -> Embeddings:
    """Return (1 − share)·a + share·b, token by token; the ends themselves bit for bit."""
    if share in (0, 1):
        return b if share else a
    return {name: torch.lerp(a[name], b[name], share) for name in a}


def stacked(rows: Sequence[Embeddings]) -> Embeddings:
    """Return the embeddings of several samples as those of one batch."""
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
