"""The "parameters" text that AUTOMATIC1111's web UI writes into a PNG and many tools read.

Grammar: modules/processing.py `create_infotext` and modules/infotext_utils.py `quote` of
AUTOMATIC1111/stable-diffusion-webui.
"""

from __future__ import annotations

import json
from pathlib import PureWindowsPath

from ..config.samplers import SAMPLERS
from ..config.schema import Lora, SamplingConfig


def infotext(config: SamplingConfig, seed: int, size: tuple[int, int], model_sha256: str, cfg: float) -> str:
    """Return the text for one picture: prompt, negative prompt, then one line of `key: value` pairs.

    `RNG: CPU` because our starting noise is drawn on the CPU; A1111's own default is the GPU's.
    """
    sampler = SAMPLERS[config.sampler]
    name, schedule_type = sampler.a1111 or (sampler.label, None)
    pairs = {
        "Steps": config.steps,
        "Sampler": name,
        "Schedule type": schedule_type,
        "CFG scale": f"{cfg:g}",
        "Seed": seed,
        "Size": f"{size[0]}x{size[1]}",
        "Model hash": model_sha256[:10],
        "Model": config.model.rsplit("/", 1)[-1],
        "Eta": f"{config.eta:g}" if config.eta else None,
        "RNG": "CPU",
    }
    lines = [" ".join([config.prompt, *map(lora_tag, config.loras)])]
    if config.negative_prompt:
        lines.append(f"Negative prompt: {config.negative_prompt}")
    lines.append(", ".join(f"{key}: {quote(value)}" for key, value in pairs.items() if value is not None))
    return "\n".join(lines).strip()


def lora_tag(lora: Lora) -> str:
    """Return what A1111 reads in a prompt as a LoRA: <lora:name:strength>."""
    return f"<lora:{PureWindowsPath(lora.file).stem}:{lora.scale:g}>"


def quote(value: object) -> str:
    """Return the value, as a JSON string where it holds a comma, colon or line break."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",:\n") else text
