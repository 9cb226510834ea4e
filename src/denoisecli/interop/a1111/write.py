"""The "parameters" text that AUTOMATIC1111's web UI writes into a PNG and many tools read.

Grammar: modules/processing.py `create_infotext` and modules/infotext_utils.py `quote` of
AUTOMATIC1111/stable-diffusion-webui.
"""

from __future__ import annotations

import itertools
import json
import re

from denoisecli.config.base import Lora
from denoisecli.config.phases import share_of, start_state, stretches

from ..files import WEIGHTS, base_name
from ..recipe import Recipe, Shot
from ..samplers import to_a1111
from .editing import Stage, edited


def infotext(recipe: Recipe, shot: Shot) -> str:
    """Return the text for one picture: prompt, negative prompt, then one line of `key: value` pairs.

    `RNG: CPU` because our starting noise is drawn on the CPU; A1111's own default is the GPU's.
    """
    name, schedule_type = to_a1111(recipe.sampler, recipe.spacing) or (recipe.sampler.label, None)
    pairs = {
        "Steps": recipe.steps,
        "Sampler": name,
        "Schedule type": schedule_type,
        "CFG scale": f"{shot.cfg:g}",
        "Seed": shot.seed,
        "Size": f"{recipe.size[0]}x{recipe.size[1]}",
        "Model hash": recipe.model_sha256[:10] or None,
        "Model": base_name(recipe.model).removesuffix(*WEIGHTS),
        "Eta DDIM": f"{recipe.eta:g}" if recipe.eta else None,
        "CFG rescale": f"{recipe.guidance_rescale:g}" if recipe.guidance_rescale else None,
        "Clip skip": recipe.clip_skip if recipe.clip_skip > 1 else None,
        "RNG": "CPU",
    }
    if recipe.start:
        pairs["Denoising strength"] = f"{denoising_strength(recipe):g}"
    prompt, negative = said(recipe, "prompt", shot.prompt), said(recipe, "negative_prompt", recipe.negative_prompt)
    lines = [" ".join([prompt[0], *map(lora_tag, shot.loras)])]
    if negative[0]:
        lines.append(f"Negative prompt: {negative[0]}")
    lines.append(", ".join(f"{key}: {quote(value)}" for key, value in pairs.items() if value is not None))
    return "\n".join(lines).strip()


def said(recipe: Recipe, key: str, own: str) -> tuple[str, bool]:
    """Return a prompt as A1111 reads it, and whether it says all: words that change on the way are its editing."""
    mark = str if recipe.prompt_syntax == "a1111" else escaped
    found = stretches(recipe.phases, recipe.steps)
    texts = [own if at.phase is None or (text := getattr(at.phase, key)) is None else text for at in found]
    if len(set(texts)) == 1:
        return mark(texts[0]), True
    ends = [at for at, (text, after) in enumerate(itertools.pairwise([*texts, None])) if text != after]
    whole = edited([Stage(found[at].until, mark(texts[at])) for at in ends])
    return (mark(own), False) if whole is None else (whole, True)


def denoising_strength(recipe: Recipe) -> float:
    """Return the strength at which A1111 takes as many steps: one more than that share of them."""
    assert recipe.start is not None
    taken = recipe.steps - start_state(recipe.start.strength, recipe.steps, recipe.sampler.name)
    return share_of(taken - 1, recipe.steps)


def lora_tag(lora: Lora) -> str:
    """Return what A1111 reads in a prompt as a LoRA: <lora:name:strength>."""
    name = re.sub("[<>:,]", "", base_name(lora.file).removesuffix(*WEIGHTS))
    unet, text = lora.strengths
    return f"<lora:{name}:{unet:g}>" if unet == text else f"<lora:{name}:{text:g}:{unet:g}>"


def escaped(prompt: str) -> str:
    """Return a prompt whose brackets are plain text in A1111, as they are here. Source: modules/prompt_parser.py."""
    return re.sub(r"[\\()\[\]]", r"\\\g<0>", prompt)


def unescaped(prompt: str) -> str:
    """Return what an escaped prompt says."""
    return re.sub(r"\\([\\()\[\]])", r"\1", prompt)


def quote(value: object) -> str:
    """Return the value, as a JSON string where it holds a comma, colon or line break."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",:\n") else text
