"""Prompts as the tensors that a pipeline takes for them, and the points between two of them.

The pipeline itself encodes: it is called as for a picture, and stopped where it sets its noise levels. So a prompt
means what it means in a plain call, chat templates and default negative prompts included.
"""

from __future__ import annotations

import inspect
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

from . import call
from .families import family_named
from .prompt_chunks import weighted
from .quiet import quiet
from .taps import all_on, tapped
from .text_readings import with_text_models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .models import Model

Embeddings = dict[str, Any]
"""By the names of the pipeline's call: prompt_embeds, (n, token, width) or a list of n (token, width), masks, ..."""

_NAMES = {
    2: ("prompt_embeds", "negative_prompt_embeds"),
    4: ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
}
"""What `encode_prompt` of Stable Diffusion's relatives returns, by how much it returns: 1 and 2, and XL and 3."""


class _Enough(Exception):
    """The prompts are encoded."""


@torch.inference_mode()
def encoded(
    model: Model, prompt: str, negative_prompt: str = "", syntax: str = "plain", clip_skip: int = 1
) -> Embeddings:
    """Return the embeddings of one prompt. Raises UsageError where the pipeline does not know how.

    syntax: "plain" is as the pipeline itself makes them; else see `prompt_chunks`. clip_skip: 1 takes the last layer.
    """
    if syntax != "plain":
        return _weighted(model, prompt, negative_prompt, syntax, clip_skip)
    found = _returned(model, prompt, negative_prompt, skipped(model, clip_skip))
    family = family_named(type(model.pipe).__name__)
    names = (family.embeds if family else ()) or _NAMES.get(len(found[0]) if found else 0)
    if not found or not names or len(found[0]) != len(names):
        raise UsageError(f"Prompts of the family {model.info.family} cannot be walked between.")
    made = dict(zip(names, found[0], strict=True))
    if len(found) > 1:
        made |= {f"negative_{name}": value for name, value in zip(names, found[1], strict=True) if name}
    return {name: value for name, value in _with_masks(made).items() if name and value is not None}


def _returned(model: Model, prompt: str, negative: str, more: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return what each of the pipeline's own calls of `encode_prompt` returned: with the prompt, and without it."""
    pipe, found = model.pipe, list[tuple[Any, ...]]()

    def keep(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        found.append(result if isinstance(result, tuple) else (result,))
        return result

    def stop(*_: Any, **__: Any) -> None:
        raise _Enough

    told = call.prompts(pipe, prompt, negative, 1, guided=True) | call.scale(pipe, call.ANY_GUIDANCE)
    told |= call.steps(pipe, 1) | {"num_inference_steps": 1, "output_type": "latent"} | more
    encoding = tapped(pipe, "encode_prompt", keep), tapped(pipe.scheduler, "set_timesteps", stop)
    with quiet(), suppress(_Enough), with_text_models(pipe), all_on(encoding):
        pipe(**call.known(pipe, told))
    return found


def _with_masks(made: Embeddings) -> Embeddings:
    """Say what a pipeline leaves out where nothing is masked (Qwen-Image), so that prompts can be put together."""
    for name, value in made.items():
        if value is None and (told := made.get(name.removesuffix("_mask"))) is not None and name.endswith("_mask"):
            made[name] = torch.ones(told.shape[:2], dtype=torch.int64, device=told.device)
    return made


def _weighted(model: Model, prompt: str, negative_prompt: str, syntax: str, clip_skip: int) -> Embeddings:
    (vectors, pooled), (negative, negative_pooled) = weighted(model, [prompt, negative_prompt], syntax, clip_skip)
    found = {"prompt_embeds": vectors, "negative_prompt_embeds": negative}
    if pooled is not None and negative_pooled is not None:
        found |= {"pooled_prompt_embeds": pooled, "negative_pooled_prompt_embeds": negative_pooled}
    return found


def skipped(model: Model, clip_skip: int) -> dict[str, int]:
    """Return diffusers' count of layers left out: beyond the last one, for XL beyond the last but one."""
    always = 2 if getattr(model.pipe, "text_encoder_2", None) is not None else 1
    if clip_skip <= always:
        return {}
    if "clip_skip" not in inspect.signature(model.pipe.__call__).parameters:
        raise UsageError(f"The model {model.info.ref} knows no clip_skip.", "Leave it at 1.")
    return {"clip_skip": clip_skip - always}


def between(a: Embeddings, b: Embeddings, share: float) -> Embeddings:
    """Return (1 − share)·a + share·b, token by token; the ends themselves bit for bit.

    A token is heard where either end has it.
    """
    if share in (0, 1):
        return b if share else a
    a, b = evened([a, b])
    return {name: _mixed(name, a[name], b[name], share) for name in a}


def _mixed(name: str, a: Any, b: Any, share: float) -> Any:
    if isinstance(a, list):
        return [_mixed(name, x, y, share) for x, y in zip(a, b, strict=True)]
    if _is_mask(name):
        return torch.maximum(a, b)
    return a if call.is_lengths(name) else torch.lerp(a, b, share)


def stacked(rows: Sequence[Embeddings]) -> Embeddings:
    """Return the embeddings of several samples as those of one batch."""
    rows = evened(rows)
    return {name: _joined(name, [row[name] for row in rows]) for name in rows[0]}


def _joined(name: str, values: list[Any]) -> Any:
    if isinstance(values[0], list):
        return [one for value in values for one in value]
    if call.is_lengths(name):
        lengths = torch.cat([value.diff() for value in values])
        return torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(values[0].dtype)
    return torch.cat(values, dim=call.batch_axis(name))


def _is_mask(name: str) -> bool:
    return "mask" in name


def evened(rows: Sequence[Embeddings]) -> Sequence[Embeddings]:
    """Return the embeddings with as many tokens each.

    The shorter ones are repeated, where attention hears no difference, or filled up behind a mask where there is one.
    """
    known = [name for name, value in rows[0].items() if not _is_mask(name) and not call.is_lengths(name)]
    for name in known:
        rows = _evened(rows, name)
    return rows


def _evened(rows: Sequence[Embeddings], name: str) -> Sequence[Embeddings]:
    if isinstance(rows[0][name], list):
        lengths = {value.shape[0] for row in rows for value in row[name]}
        if len(rows) > 1 and len(lengths) > 1:
            most = max(lengths)
            return [row | {name: [_repeated(value[None], most)[0] for value in row[name]]} for row in rows]
        return rows
    lengths = {row[name].shape[1] for row in rows}
    if rows[0][name].ndim < 3 or len(lengths) == 1 or call.batch_axis(name):
        return rows
    mask = next((one for one in (f"{name}_mask", name.replace("embeds", "attention_mask")) if one in rows[0]), None)
    if mask is not None:
        most = max(lengths)
        return [row | {name: _filled(row[name], most), mask: _filled(row[mask], most)} for row in rows]
    seqlens = name.replace("embeds_qwen", "cu_seqlens")
    most = math.lcm(*lengths) if seqlens not in rows[0] else max(lengths)
    return [row | {name: _repeated(row[name], most)} | _lengths(row, seqlens, most) for row in rows]


def _lengths(row: Embeddings, name: str, length: int) -> Embeddings:
    if name not in row:
        return {}
    told = row[name]
    return {name: torch.arange(len(told), dtype=told.dtype, device=told.device) * length}


def _filled(value: torch.Tensor, length: int) -> torch.Tensor:
    """Return (n, token, ...) with zeros behind its tokens."""
    left = length - value.shape[1]
    return torch.cat([value, value.new_zeros(len(value), left, *value.shape[2:])], dim=1)


def _repeated(value: torch.Tensor, length: int) -> torch.Tensor:
    """Return (n, token, ...) with its tokens over and over, up to a length."""
    times = -(-length // value.shape[1])
    return value.repeat(1, times, *[1] * (value.ndim - 2))[:, :length]
