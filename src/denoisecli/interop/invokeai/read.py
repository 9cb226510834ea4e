"""InvokeAI's metadata: `invokeai_metadata` (version 3 and later) and `sd-metadata` (version 2), both JSON."""

from __future__ import annotations

import re
from typing import Any

from denoisecli.safe_text import json_values

from ..imported import MARKS, WEIGHTS_ARE_WORDS, Imported, number, rows_of, whole
from ..samplers import from_invokeai

BRACKETS = re.compile(r"(?<!\\)\[([^\[\]]*)\]")  # of version 2: what to keep away from
KEYS = ("invokeai_metadata", "sd-metadata")


def read(text: str) -> Imported | None:
    """Return the settings in InvokeAI's JSON; None where the text is none."""
    found = json_values(text)
    if not isinstance(found, dict):
        return None
    imported = Imported("InvokeAI")
    if isinstance(found.get("image"), dict):
        _read_2(imported, found)
    elif {"positive_prompt", "positive_conditioning", "seed"} & found.keys():
        _read_3(imported, found)
    else:
        return None
    return imported


def _read_3(imported: Imported, found: dict[str, Any]) -> None:
    prompts = [_prompt_3(imported, found, which) for which in ("positive", "negative")]
    _set_prompts(imported, *prompts)
    _read_numbers(imported, found)
    rescale = number(found.get("cfg_rescale_multiplier"))
    if rescale:
        imported.values["guidance_rescale"] = rescale
    if isinstance(found.get("scheduler"), str):
        from_invokeai(imported, found["scheduler"])
    name = _name(found.get("model"))
    if name:
        imported.set_model(name)
    for row in rows_of(found.get("loras")):
        lora = _name(row.get("model") or row.get("lora")) if isinstance(row, dict) else ""
        if lora:
            imported.add_lora(lora, number(row.get("weight")) or 0.0)
    if str(found.get("rand_device", "cpu")) != "cpu":
        imported.tell_noise_of("GPU")
    if "img2img" in str(found.get("generation_mode")) or "inpaint" in str(found.get("generation_mode")):
        imported.note("It was made from another picture, which is not in the file; here it starts from noise.")
    skip = whole(found.get("clip_skip"))
    if skip:
        imported.values["clip_skip"] = skip + 1  # counted from 0 there
    others = [
        key
        for key in ("controlnets", "ipAdapters", "t2iAdapters", "hrf_enabled", "refiner_model", "ref_images", "regions",
                    "control_layers", "vae", "seamless_x", "seamless_y", "clip_vision_model")
        if found.get(key)
    ]  # fmt: skip
    others += _regions(found)
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
    negatives = [found.strip() for found in BRACKETS.findall(str(prompt or ""))]
    words = BRACKETS.sub("", str(prompt or ""))
    _set_prompts(imported, " ".join(words.split()) if negatives else words, ", ".join(negatives))
    _read_numbers(imported, image)
    if isinstance(image.get("sampler"), str):
        from_invokeai(imported, image["sampler"])
    if isinstance(found.get("model_weights"), str):
        imported.set_model(found["model_weights"])


def _prompt_3(imported: Imported, found: dict[str, Any], which: str) -> str:
    """Return a prompt by any of the names that it had; XL's style prompt is joined to it, and told."""
    names = (f"{which}_prompt", f"{which}_conditioning", f"{which}_prompt_text")
    prompt = next((found[name] for name in names if isinstance(found.get(name), str)), "")
    style = found.get(f"{which}_style_prompt")
    if not isinstance(style, str) or not style.strip() or style.strip() == prompt.strip():
        return str(prompt)
    imported.note(f"The {which} style prompt was heard apart there; here it is joined to the prompt.")
    return ", ".join(text for text in (str(prompt), style) if text.strip())


def _set_prompts(imported: Imported, prompt: str, negative: str) -> None:
    """Take both prompts; compel's marks are told, which are text here."""
    imported.set_prompts(prompt, negative)
    if MARKS["compel"].search(prompt + "\n" + negative):
        imported.notes = [note for note in imported.notes if note != WEIGHTS_ARE_WORDS]
        imported.note("Weights such as word++ or (words)1.3 are plain text here, so the prompt acts differently.")


def _regions(found: dict[str, Any]) -> list[str]:
    """Return what stood on the canvas: prompts of regions, reference pictures, control layers."""
    canvas = found.get("canvas_v2_metadata")
    return [key for key, value in canvas.items() if value and isinstance(key, str)] if isinstance(canvas, dict) else []


def _cfg(imported: Imported, found: dict[str, Any]) -> float | None:
    """Return the guidance scale: one for all steps, or the one of the first step, told."""
    value = found.get("cfg_scale")
    if isinstance(value, list) and value:
        if any(each != value[0] for each in value):
            imported.note("The cfg changed on the way there; here it is the first step's.")
        value = value[0]
    if number(value) is None and number(found.get("guidance")) is not None:
        imported.note("The guidance that the model hears is the cfg here.")
        return number(found["guidance"])
    return number(value)


def _read_numbers(imported: Imported, found: dict[str, Any]) -> None:
    seed, steps, cfg = whole(found.get("seed")), whole(found.get("steps")), _cfg(imported, found)
    width, height = whole(found.get("width")), whole(found.get("height"))
    values = {"seeds": None if seed is None else [seed], "steps": steps, "cfg": cfg}
    if width is not None and height is not None:
        values["size"] = [width, height]
    imported.values |= {key: value for key, value in values.items() if value is not None}
    for key, name in (("seeds", "seed"), ("steps", "number of steps"), ("cfg", "cfg")):
        if values[key] is None:
            imported.note(f"The {name} could not be read, so the default is taken.")


def _name(model: Any) -> str:
    """Return a model's name from one of the shapes that it had over the versions."""
    if isinstance(model, str):
        return model
    if not isinstance(model, dict):
        return ""
    return str(model.get("name") or model.get("model_name") or model.get("key") or "")
