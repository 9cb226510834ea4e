"""Which block of which network a layer belongs to, and which model a file looks made for, from names and shapes alone.

Names come in several dialects: diffusers' (down_blocks.1, mid_block, up_blocks.3), the original one of Stable
Diffusion (input_blocks_4, middle_block, output_blocks_3), transformers' (encoder.layers.5) and Flux's
(double_blocks_0, transformer_blocks.0, single_blocks_7). Separators are "." or "_".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .keys import Layer

NETWORKS = (
    (re.compile(r"^(lora_te2_|text_encoder_2[._])"), "text 2"),
    (re.compile(r"^(lora_te1?_|text_encoder[._])"), "text"),
    (re.compile(r"^(lora_unet_|lora_transformer_|unet[._]|transformer[._]|base_model\.model\.|diffusion_model\.)"), ""),
)
BLOCKS = (
    (re.compile(r"(?:^|[._])(?:down_blocks|input_blocks)[._](\d+)"), "down"),
    (re.compile(r"(?:^|[._])(?:mid_block|middle_block)"), "mid"),
    (re.compile(r"(?:^|[._])(?:up_blocks|output_blocks)[._](\d+)"), "up"),
    (re.compile(r"(?:^|[._])(?:double_blocks|joint_blocks)[._](\d+)"), "double"),
    (re.compile(r"(?:^|[._])(?:single_blocks|single_transformer_blocks)[._](\d+)"), "single"),
    (re.compile(r"(?:^|[._])layers[._](\d+)"), "layer"),
    (re.compile(r"(?:^|[._])(?:transformer_blocks|blocks)[._](\d+)"), "block"),
)
SAID = re.compile(r"(?:attn\d?|ff_net|mlp|self_attn|img|txt|resnets)_.+|proj_(?:in|out)$", re.DOTALL)
"""What is said of a layer's name; of one without it, its last word."""
ORDER = ("text", "text 2", "down", "mid", "up", "double", "block", "single", "layer", "other")
MOST_BLOCKS = 14
HUNYUAN = re.compile(
    r"double_blocks\.\d+\.(img|txt)_attn_|(img|txt)_mlp[._]fc\d|individual_token_refiner"
    r"|(double_blocks|[^e]_transformer_blocks)[._]19(?!\d)|(single_blocks|single_transformer_blocks)[._]3[89](?!\d)"
)
"""Names that HunyuanVideo has and Flux, built of like blocks, has not: whole words where Flux has dots (img_attn.qkv),
and a 20th double and a 39th and 40th single block."""


def block_of(name: str) -> str:
    """Return the block of a layer's name: "down 1", "mid", "up 2", "text layer 3", "other"."""
    network = next((word for pattern, word in NETWORKS if pattern.search(name)), "")
    for pattern, word in BLOCKS:
        if match := pattern.search(name):
            number = f" {match[1]}" if match.groups() else ""
            return f"{network} {word}{number}".strip()
    return f"{network} other".strip()


def short_name(name: str) -> str:
    """Return a layer's name as people say it: up 0 attn2_to_k."""
    plain = re.sub(r"[._]processor(?=[._])", "", name).replace(".", "_")
    match = SAID.search(plain)
    return f"{block_of(name)} {match[0] if match else plain.rpartition('_')[2] or plain}"


def blocks_of(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    """Return the layers by block, in the network's order; where there are very many blocks, by their kind alone."""
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        found.setdefault(block_of(layer.name), []).append(layer)
    if len(found) > MOST_BLOCKS:
        found = _merged(found)
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _merged(blocks: dict[str, list[Layer]]) -> dict[str, list[Layer]]:
    """Merge text layers first, then kinds of blocks, until there are few enough."""
    for start in ("text", ""):
        merged: dict[str, list[Layer]] = {}
        for name, layers in blocks.items():
            kind = re.sub(r" (layer )?\d+$", "", name) if name.startswith(start) else name
            merged.setdefault(kind, []).extend(layers)
        blocks = merged
        if len(blocks) <= MOST_BLOCKS:
            break
    return blocks


def _order(name: str) -> tuple[int, int]:
    match = re.fullmatch(r"(.*?)(?: ([0-9]{1,18}))?", name)
    kind, number = (match[1], int(match[2] or 0)) if match else (name, 0)
    place = max((i for i, word in enumerate(ORDER) if kind.startswith(word)), default=len(ORDER))
    return place, number


FAMILIES = (
    (r"single_stream_modulation|to_qkv_mlp_proj|double_stream_modulation", "FLUX.2"),
    (r"joint_transformer_blocks[._]\d", "AuraFlow"),
    (r"(double|single)_stream_blocks[._]\d", "HiDream-I1"),
    (r"(text|visual)_transformer_blocks[._]\d", "Kandinsky 5"),
    (r"text_fusion|transformer_blocks[._]\d+[._]attn[._]to_gate", "Krea 2"),
    (r"transformer_blocks[._]\d+[._](img|txt)_(mlp|mod)[._]", "Qwen-Image"),
    (r"distilled_guidance_layer", "Chroma"),
    (r"joint_blocks[._]\d", "Stable Diffusion 3"),
    (r"(double_blocks|single_blocks|single_transformer_blocks)[._]\d", "FLUX.1 or a model built like it"),
    (r"transformer_blocks[._]\d+[._]attn[._]add_[qkv]_proj", "Stable Diffusion 3"),
    (r"(layers|_refiner)[._]\d+[._]attention[._]", "Z-Image"),
    (r"layers[._]\d+[._]self_attention[._]", "ERNIE-Image"),
    (r"(layers|_refiner)[._]\d+[._]attn[._]", "Lumina 2"),
    (
        r"(^|(transformer|diffusion_model|unet)\.|lora_unet_|lora_transformer_)blocks[._]\d+[._](attn[12][._]to_|self_attn[._]|cross_attn[._]|ffn[._])",
        "Wan",
    ),
    (r"transformer_blocks[._]\d+[._]ff[._]conv_", "SANA"),
)
"""Names that one family's denoiser alone has, and the family's title; the first that is found counts."""
_FAMILIES = tuple((re.compile(pattern), title) for pattern, title in FAMILIES)


def family_of_names(names: Iterable[str]) -> str | None:
    """Return the title of the transformer family that has layers of these names; None where they do not tell."""
    known = [name for name in names if not re.match(r"lora_te|text_encoder", name)]
    if any(re.search(r"(down|up)_blocks|mid_block|(in|out)put_blocks", name) for name in known):
        return None  # a U-Net
    return next((title for pattern, title in _FAMILIES if any(map(pattern.search, known))), None)


def made_for(layers: Iterable[Layer]) -> str:
    """Return which model a file looks made for: by its layers' names, else by the width of the text they read."""
    layers = list(layers)
    names = [layer.name for layer in layers]
    if any(HUNYUAN.search(name) for name in names):
        return "HunyuanVideo"
    if (family := family_of_names(names)) is not None:
        return family
    widths = {layer.columns for layer in layers if re.search(r"attn2[._](processor[._])?to_[kv]$", layer.name)}
    known = {
        768: "Stable Diffusion 1.x",
        1024: "Stable Diffusion 2.x",
        2048: "Stable Diffusion XL",
        128: "the pocket model",
    }
    if len(widths) == 1:
        width = next(iter(widths))
        return known.get(width, f"a model whose prompts have width {width}")
    if any(name.startswith(("lora_te2_", "text_encoder_2")) for name in names):
        return "Stable Diffusion XL"
    return "a model we do not know"
