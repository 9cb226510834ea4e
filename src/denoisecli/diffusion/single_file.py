"""Checkpoints of one file, told by the names of their tensors: what each is, and which configs it opens with. No torch.

Sources of the names: ComfyUI's `comfy/model_detection.py`, diffusers' `loaders/single_file_utils.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from denoisecli.errors import ModelError

from . import gguf, weights

LAYOUTS = Path(__file__).parent / "layouts"
LAYOUT_SD1, LAYOUT_SDXL = LAYOUTS / "sd1", LAYOUTS / "sdxl"
OPENS = {"sd1": LAYOUT_SD1, "sdxl": LAYOUT_SDXL}
"""The families whose configs we bring along."""

_CHECKPOINT = "model.diffusion_model."
_MARKS = (
    ("lora", ("lora_down", "lora_A.", "lora.down", "hada_w1_a", "lokr_w1")),
    ("controlnet", ("control_model.", "controlnet_cond_embedding.", "controlnet_blocks.")),
    ("sd3", ("joint_blocks.",)),
    ("flux2", ("double_stream_modulation_img.",)),
    ("flux", ("double_blocks.", "single_transformer_blocks.")),
    ("z-image", ("cap_embedder.", "context_refiner.")),
    ("qwen-image", ("transformer_blocks.0.img_mod.",)),
    ("sdxl refiner", ("conditioner.embedders.0.model.ln_final",)),
    ("sdxl", ("conditioner.embedders.", "label_emb.")),
    ("sd2", ("cond_stage_model.model.",)),
    ("sd1", ("cond_stage_model.transformer.",)),
    ("vae", ("decoder.conv_in.", "decoder.mid.block_1.", "decoder.mid_block.")),
    ("text encoder", ("text_model.encoder.layers.", "encoder.block.0.layer.", "model.embed_tokens.")),
    ("upscaler", ("body.0.rdb1.", "RRDB_trunk.", "model.1.sub.")),
    ("embedding", ("emb_params", "string_to_param", "clip_l", "clip_g")),
)
"""What a file is by the first mark that one of its tensors' names has."""

TITLES = {
    "lora": "a LoRA, not a model", "controlnet": "a ControlNet, not a model", "sd3": "a Stable Diffusion 3 checkpoint",
    "flux": "a Flux checkpoint", "flux2": "a Flux 2 checkpoint", "z-image": "a Z-Image or Lumina checkpoint",
    "qwen-image": "a Qwen-Image checkpoint", "sdxl": "an SDXL checkpoint", "sdxl refiner": "an SDXL refiner",
    "sd2": "a Stable Diffusion 2 checkpoint", "vae": "an autoencoder, not a model",
    "text encoder": "a text encoder, not a model", "upscaler": "an upscaler, not a model",
    "embedding": "an embedding, not a model",
}  # fmt: skip


def kind_of(names: Collection[str]) -> str | None:
    """Return what a file of tensors with these names is: a family, or lora, vae, ...; None where nothing tells."""
    for kind, marks in _MARKS:
        if any(mark in name for mark in marks for name in names):
            return kind
    return None


def is_whole(names: Collection[str]) -> bool:
    """Return whether the file holds a whole checkpoint of Stable Diffusion's layout, not a denoiser alone."""
    return any(name.startswith(_CHECKPOINT) for name in names)


def layout_of(path: Path) -> Path:
    """Return the configs that a single file opens with: a folder of its own name beside it, else ours of its family.

    Raises ModelError where we bring none along, saying what the file is.
    """
    if path.suffix == gguf.SUFFIX:
        return gguf.check(path)
    if (beside := weights.configs_beside(path)) is not None:
        return beside
    header = weights.read_header(path)
    kind = kind_of(header) or ("sd1" if is_whole(header) else None)
    if kind in OPENS and is_whole(header):
        shape = header.get(f"{_CHECKPOINT}input_blocks.0.0.weight", {}).get("shape", [0, 4])
        channels = shape[1] if len(shape) > 1 else "no"
        if channels == 4:
            return OPENS[str(kind)]
        what = f"made for other inputs than text ({channels} channels instead of 4: inpainting, or a picture)"
    elif kind in OPENS:
        what = f"a part of {TITLES.get(str(kind), 'a Stable Diffusion checkpoint')}, without the rest"
    else:
        what = TITLES.get(str(kind), "not a Stable Diffusion 1.x checkpoint, nor one of XL")
    raise ModelError(
        f"{path} is {what}; a single file must be a 1.x or an XL checkpoint.",
        "Give a diffusers folder, or put the model's configs (model_index.json and so on) into "
        f"{path.with_suffix('')}/.",
    )
