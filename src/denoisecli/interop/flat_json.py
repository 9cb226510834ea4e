"""Settings as one JSON table, as Fooocus, SwarmUI, Draw Things and NovelAI leave them in pictures.

Sources: Fooocus' modules/meta_parser.py; SwarmUI's docs/Image Metadata Format.md; Draw Things' and NovelAI's own files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from denoisecli.safe_text import json_values

from .imported import Imported, number, rows_of, whole
from .samplers import from_a1111, from_comfyui

NOVELAI = {"k_euler": "euler", "k_euler_ancestral": "euler_ancestral", "k_dpmpp_2m": "dpmpp_2m", "k_heun": "heun",
           "k_dpmpp_2m_sde": "dpmpp_2m_sde", "k_dpm_2": "dpm_2", "k_dpm_2_ancestral": "dpm_2_ancestral",
           "k_lms": "lms", "ddim_v3": "ddim"}  # fmt: skip
"""NovelAI's samplers by ComfyUI's names."""
FOOOCUS_STYLES = "Styles and the prompt's expansion added words there ({}), which are left out here."


@dataclass(frozen=True)
class Tool:
    """A tool's names: marks, the keys that only it writes together; keys, ours to its own."""

    name: str
    marks: frozenset[str]
    keys: Mapping[str, str]


TOOLS = (
    Tool("Fooocus", frozenset({"prompt", "base_model", "guidance_scale"}), {
        "prompt": "prompt", "negative": "negative_prompt", "steps": "steps", "cfg": "guidance_scale", "seed": "seed",
        "size": "resolution", "model": "base_model", "clip_skip": "clip_skip",
    }),
    Tool("SwarmUI", frozenset({"prompt", "cfgscale"}), {
        "prompt": "prompt", "negative": "negativeprompt", "steps": "steps", "cfg": "cfgscale", "seed": "seed",
        "model": "model",
    }),
    Tool("Draw Things", frozenset({"c", "uc", "scale"}), {
        "prompt": "c", "negative": "uc", "steps": "steps", "cfg": "scale", "seed": "seed", "size": "size",
        "model": "model",
    }),
    Tool("NovelAI", frozenset({"uc", "scale", "steps"}), {
        "prompt": "prompt", "negative": "uc", "steps": "steps", "cfg": "scale", "seed": "seed",
        "rescale": "cfg_rescale",
    }),
)  # fmt: skip


def read(text: str) -> Imported | None:
    """Return the settings in a table of one of these tools; None where the text is none."""
    found = json_values(text)
    if isinstance(found, dict) and isinstance(found.get("sui_image_params"), dict):
        found = found["sui_image_params"]
    if not isinstance(found, dict):
        return None
    tool = next((tool for tool in TOOLS if tool.marks <= found.keys()), None)
    return None if tool is None else _read(tool, found)


def _read(tool: Tool, found: Mapping[str, Any]) -> Imported:
    imported = Imported(tool.name)
    told = {ours: found.get(theirs) for ours, theirs in tool.keys.items()}
    _numbers(imported, told, found)
    _prompts(imported, tool, told)
    _sampler(imported, tool, found)
    if isinstance(told.get("model"), str):
        imported.set_model(str(told["model"]))
    for name, weight in _loras(tool, found):
        imported.add_lora(name, 1.0 if weight is None else weight)
    _tell(imported, tool, found)
    return imported


def _numbers(imported: Imported, told: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    seed, steps, cfg = whole(told["seed"]), whole(told["steps"]), number(told["cfg"])
    values = {"seeds": None if seed is None else [seed], "steps": steps, "cfg": cfg, "size": _size(told, found)}
    imported.values |= {key: value for key, value in values.items() if value is not None}
    for key, name in (("seeds", "seed"), ("steps", "number of steps"), ("cfg", "cfg"), ("size", "size")):
        if values[key] is None:
            imported.note(f"The {name} could not be read, so the default is taken.")
    skip, rescale = whole(told.get("clip_skip")), number(told.get("rescale"))
    if skip is not None and skip > 1:
        imported.values["clip_skip"] = skip
    if rescale:
        imported.values["guidance_rescale"] = rescale


def _size(told: Mapping[str, Any], found: Mapping[str, Any]) -> list[int] | None:
    match = re.search(r"(\d{1,6})\D+(\d{1,6})", str(told.get("size") or ""))
    sides = [int(match[1]), int(match[2])] if match else [whole(found.get("width")), whole(found.get("height"))]
    return None if None in sides else [int(side or 0) for side in sides]


def _prompts(imported: Imported, tool: Tool, told: Mapping[str, Any]) -> None:
    """Take both prompts. Fooocus and SwarmUI have ComfyUI's encoders, Draw Things A1111's marks, NovelAI its own."""
    texts = [told[key] if isinstance(told.get(key), str) else "" for key in ("prompt", "negative")]
    syntax = {"Draw Things": "a1111", "NovelAI": None}.get(tool.name, "comfy")
    imported.set_prompts(str(texts[0]), str(texts[1]), syntax=syntax)
    if tool.name == "NovelAI" and re.search(r"[{}\[\]]|\d::", "".join(map(str, texts))):
        imported.note(
            "Weights such as {word}, [word] or 1.2::word:: are plain text here, so the prompt acts differently."
        )


def _sampler(imported: Imported, tool: Tool, found: Mapping[str, Any]) -> None:
    name, schedule = str(found.get("sampler") or ""), found.get("scheduler")
    if not name:
        imported.note("The sampler was the tool's usual one, which it does not name; the usual one here is taken.")
    elif tool.name == "Draw Things":
        from_a1111(imported, name.replace("Ancestral", "a").replace("Euler A", "Euler a"), None)
    elif tool.name == "NovelAI":
        schedule = found.get("noise_schedule")
        scheduler = "normal" if schedule in (None, "native") else str(schedule)
        from_comfyui(imported, NOVELAI.get(name, name), scheduler)
    else:
        from_comfyui(imported, name, str(schedule or "normal"))


def _loras(tool: Tool, found: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """Return the LoRAs by name and weight, in any of the shapes that these tools have."""
    if tool.name == "SwarmUI":
        names, weights = _listed(found, "loras"), _listed(found, "loraweights")
        padded = [*weights, *[None] * len(names)]
        return [(str(name), number(weight)) for name, weight in zip(names, padded, strict=False)]
    if tool.name == "Draw Things":
        rows = rows_of(found.get("lora"))
        return [(str(row["model"]), number(row.get("weight"))) for row in rows if row.get("model")]
    pairs = [row for row in _listed(found, "loras") if isinstance(row, list) and len(row) > 1]
    return [(str(name), number(weight)) for name, weight, *_ in pairs if name != "None"]


def _listed(found: Mapping[str, Any], key: str) -> list[Any]:
    value = found.get(key)
    return value if isinstance(value, list) else []


def _tell(imported: Imported, tool: Tool, found: Mapping[str, Any]) -> None:
    """Say what makes the same settings another picture here."""
    if tool.name == "Fooocus":
        if found.get("styles") not in (None, [], "[]", "") or found.get("prompt_expansion"):
            imported.note(FOOOCUS_STYLES.format("styles, prompt_expansion"))
        imported.note("Fooocus sharpens and steers its guidance on the way, so the picture differs.")
    if tool.name in ("Draw Things", "NovelAI"):
        imported.note(f"{tool.name} draws its noise otherwise, so the seed means another picture here.")
    strength = number(found.get("strength"))
    if strength is not None and strength < 1 and tool.name == "Draw Things":
        imported.note(
            "It was made from another picture (img2img), which is not in the file; here it starts from noise."
        )
    left = [key for key in ("refiner_model", "refinermodel", "controlnetmodel", "initimage", "vae", "control")
            if found.get(key) not in (None, "", "None", [], "Default (model)")]  # fmt: skip
    if left:
        imported.note(f"Left out, for want of an equal: {', '.join(left)}.")
