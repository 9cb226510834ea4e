"""Prompts as the tensors that a pipeline takes for them, and the points between two of them."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING

import torch

from denoisecli.errors import UsageError

from .prompt_chunks import weighted
from .quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from .models import Model

Embeddings = dict[str, torch.Tensor]
"""By the pipeline's own names: prompt_embeds and negative_prompt_embeds, (n, token, width), and pooled ones."""

_NAMES = {
    2: ("prompt_embeds", "negative_prompt_embeds"),
    4: ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
}
"""What `encode_prompt` returns, by how much it returns: Stable Diffusion 1 and 2, and SDXL and 3."""


@torch.inference_mode()
def encoded(
    model: Model, prompt: str, negative_prompt: str = "", syntax: str = "plain", clip_skip: int = 1
) -> Embeddings:
    """Return the embeddings of one prompt. Raises UsageError where the pipeline does not know how.

    syntax: "plain" is as the pipeline itself makes them; else see `prompt_chunks`. clip_skip: 1 takes the last layer.
    """
    if syntax != "plain":
        return _weighted(model, prompt, negative_prompt, syntax, clip_skip)
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
    given |= _skipped(model, clip_skip, known)
    with quiet():
        found = model.pipe.encode_prompt(**{name: value for name, value in given.items() if name in known})
    if len(found) not in _NAMES:
        raise UsageError(f"Prompts of the family {model.info.family} cannot be walked between.")
    return dict(zip(_NAMES[len(found)], found, strict=True))


def _weighted(model: Model, prompt: str, negative_prompt: str, syntax: str, clip_skip: int) -> Embeddings:
    (vectors, pooled), (negative, negative_pooled) = weighted(model, [prompt, negative_prompt], syntax, clip_skip)
    found = {"prompt_embeds": vectors, "negative_prompt_embeds": negative}
    if pooled is not None and negative_pooled is not None:
        found |= {"pooled_prompt_embeds": pooled, "negative_pooled_prompt_embeds": negative_pooled}
    return found


def _skipped(model: Model, clip_skip: int, known: Container[str]) -> dict[str, int]:
    """Return diffusers' count of layers left out: beyond the last one, for XL beyond the last but one."""
    always = 2 if getattr(model.pipe, "text_encoder_2", None) is not None else 1
    if clip_skip <= always:
        return {}
    if "clip_skip" not in known:
        raise UsageError(f"The model {model.info.ref} knows no clip_skip.", "Leave it at 1.")
    return {"clip_skip": clip_skip - always}


def between(a: Embeddings, b: Embeddings, share: float) -> Embeddings:
    """Return (1 − share)·a + share·b, token by token; the ends themselves bit for bit."""
    if share in (0, 1):
        return b if share else a
    a, b = evened([a, b])
    return {name: torch.lerp(a[name], b[name], share) for name in a}


def stacked(rows: Sequence[Embeddings]) -> Embeddings:
    """Return the embeddings of several samples as those of one batch."""
    rows = evened(rows)
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def evened(rows: Sequence[Embeddings]) -> Sequence[Embeddings]:
    """Return the embeddings with as many tokens each, the shorter ones repeated: attention hears no difference."""
    lengths = {row["prompt_embeds"].shape[1] for row in rows}
    if len(lengths) == 1:
        return rows
    most = math.lcm(*lengths)
    return [
        {name: value.repeat(1, most // value.shape[1], 1) if value.ndim == 3 else value for name, value in row.items()}
        for row in rows
    ]
