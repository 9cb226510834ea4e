"""InvokeAI's metadata: `invokeai_metadata` (version 3 and later) and `sd-metadata` (version 2), both JSON."""

from __future__ import annotations

import json
from typing import Any

from ..imported import Imported, number, whole
from ..samplers import from_invokeai

KEYS = ("invokeai_metadata", "sd-metadata")


def read(text: str) -> Imported | None:
    """Return the settings in InvokeAI's JSON; None where the text is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    imported = Imported("InvokeAI")
    if isinstance(found.get("image"), dict):
        _read_2(imported, found)
    elif "positive_prompt" in found or "seed" in found:
        _read_3(imported, found)
    else:
        return None
    return imported


def _read_3(imported: Imported, found: dict[str, Any]) -> None:
    imported.set_prompts(str(found.get("positive_prompt") or ""), str(found.get("negative_prompt") or ""))
    _read_numbers(imported, found)
    rescale = number(found.get("cfg_rescale_multiplier"))
    if rescale:
        imported.values["guidance_rescale"] = rescale
    if isinstance(found.get("scheduler"), str):
        from_invokeai(imported, found["scheduler"])
    name = _name(found.get("model"))
    if name:
        imported.set_model(name)
    for row in found.get("loras") or []:
        lora = _name(row.get("model") or row.get("lora")) if isinstance(row, dict) else ""
        if lora:
            imported.add_lora(lora, number(row.get("weight")) or 0.0)
    if str(found.get("rand_device", "cpu")) != "cpu":
        imported.note("The noise was drawn on the GPU there; here it is drawn on the CPU, so the seed means another.")
    if "img2img" in str(found.get("generation_mode")) or "inpaint" in str(found.get("generation_mode")):
        imported.note("It was made from another picture, which is not in the file; here it starts from noise.")
    if whole(found.get("clip_skip")):
        imported.note(f"Clip skip {found['clip_skip']} has no equal here.")
    others = [
        key for key in ("controlnets", "ipAdapters", "t2iAdapters", "hrf_enabled", "refiner_model") if found.get(key)
    ]
    if others:
        imported.note(f"Left out, for want of an equal: {', '.join(others)}.")


def _read_2(imported: Imported, found: dict[str, Any]) -> None:
    image = found["image"]
    prompt = image.get("prompt")
    if isinstance(prompt, list):
        parts = [part for part in prompt if isinstance(part, dict)]
        prompt = ", ".join(str(part.get("prompt", "")) for part in parts)
        if any(number(part.get("weight")) not in (None, 1.0) for part in parts):
            imported.note("The parts of the prompt had weights, which have no equal here.")
    imported.set_prompts(str(prompt or ""), "")
    _read_numbers(imported, image)
    if isinstance(image.get("sampler"), str):
        from_invokeai(imported, image["sampler"])
    if isinstance(found.get("model_weights"), str):
        imported.set_model(found["model_weights"])


def _read_numbers(imported: Imported, found: dict[str, Any]) -> None:
    seed, steps, cfg = whole(found.get("seed")), whole(found.get("steps")), number(found.get("cfg_scale"))
    width, height = whole(found.get("width")), whole(found.get("height"))
    values = {"seeds": None if seed is None else [seed], "steps": steps, "cfg": cfg}
    if width is not None and height is not None:
        values["size"] = [width, height]
    imported.values |= {key: value for key, value in values.items() if value is not None}


def _name(model: Any) -> str:
    """Return a model's name from one of the shapes that it had over the versions."""
    if isinstance(model, str):
        return model
    if not isinstance(model, dict):
        return ""
    return str(model.get("name") or model.get("model_name") or model.get("key") or "")
