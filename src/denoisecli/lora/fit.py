"""Does a LoRA fit a model: every layer needs a module of its name, and one of its size. Names and shapes only."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from .keys import Layer

ELSEWHERE = re.compile(
    r"input_blocks_|middle_block_|output_blocks_|time_embed_|label_emb_|lora_transformer_|diffusion_model_"
    r"|(?<!n)(double|single|joint)_blocks_"
)
"""Names in another dialect, which only the loader can translate."""


def plain_name(name: str) -> str:
    """Return a layer's or module's name in one dialect: lora_unet_..., lora_te_..., lora_te2_..., "_" for ".".

    `lora_unet_mid_block_attentions_0_proj_in` and `unet.mid_block.attentions.0.proj_in` become the same.
    """
    plain = re.sub(r"[._]processor(?=[._])", "", name).replace(".", "_")
    for old, new in (("text_encoder_2_", "lora_te2_"), ("text_encoder_", "lora_te_"), ("lora_te1_", "lora_te_"),
                     ("base_model_model_", "lora_unet_"), ("unet_", "lora_unet_")):  # fmt: skip
        if plain.startswith(old):
            plain = new + plain.removeprefix(old)
            break
    plain = re.sub(r"^(lora_te2?_)text_model_", r"\1", plain)
    if "_te" in plain[:8]:
        plain = re.sub(r"self_attn_to_(q|k|v|out)$", r"self_attn_\1_proj", plain)
    return re.sub(r"to_out$", "to_out_0", plain)


def misfits(layers: Iterable[Layer], modules: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """Return the layers that do not fit, by name, and why.

    modules: names as `plain_name` makes them to the shapes of their weights, (out, in) or (out, in, kernel...).
    """
    found = {}
    for layer in layers:
        name = plain_name(layer.name)
        shape = modules.get(name)
        if shape is None:
            if not ELSEWHERE.search(name):
                found[layer.name] = "no such layer"
        elif (layer.rows, layer.columns) != (shape[0], math.prod(shape[1:])):
            there = f"{shape[0]}×{math.prod(shape[1:])}"
            found[layer.name] = f"{layer.rows}×{layer.columns} in the file, {there} in the model"
    return found
