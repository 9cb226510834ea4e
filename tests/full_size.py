"""Models of full size without their weights: built from config on the meta device, and written down.

As folders that hold nothing but headers, their weights sparse files: whole by names, shapes and sizes, and zeros that
take no room on a disk. Or with random weights, to be loaded and run: `write_file` in Stable Diffusion's single-file
layout, `write_folder` as a diffusers folder.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from denoisecli.diffusion.loading import clip_tokenizer
from denoisecli.diffusion.single_file import LAYOUT_SD1, LAYOUT_SDXL
from denoisecli.lora.safetensors import Planned, header_for, writing
from tests.original_layout import original_tensors

KINDS = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def flux() -> dict[str, Any]:
    """Return the parts of FLUX.1 schnell, on the meta device: 12 billion parameters, and T5-XXL's encoder of 4.8."""
    import diffusers
    import transformers

    t5 = transformers.T5Config(
        d_model=4096, d_ff=10240, d_kv=64, num_layers=24, num_heads=64, vocab_size=32128,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    with torch.device("meta"):
        return {
            "_class_name": "FluxPipeline",
            "transformer": diffusers.FluxTransformer2DModel(),
            "text_encoder": transformers.CLIPTextModel(
                transformers.CLIPTextConfig(hidden_size=768, intermediate_size=3072)
            ),
            "text_encoder_2": transformers.T5EncoderModel(t5),
            "vae": _autoencoder(),
        }


def z_image() -> dict[str, Any]:
    """Return the parts of Z-Image: 6 billion parameters, and Qwen 3 of 4."""
    import diffusers
    import transformers

    qwen = transformers.Qwen3Config(
        hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32, num_key_value_heads=8,
        head_dim=128, vocab_size=151936, tie_word_embeddings=True,
    )  # fmt: skip
    with torch.device("meta"):
        return {
            "_class_name": "ZImagePipeline",
            "transformer": diffusers.ZImageTransformer2DModel(),
            "text_encoder": transformers.Qwen3Model(qwen),
            "vae": _autoencoder(),
        }


def _autoencoder() -> Any:
    import diffusers

    kinds = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    return diffusers.AutoencoderKL(
        **kinds, block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=16, sample_size=1024
    )


def write_sparse(parts: dict[str, Any], folder: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """Write the parts as a diffusers folder whose weights are holes, and return it."""
    index: dict[str, Any] = {"_class_name": parts["_class_name"]}
    for name, part in parts.items():
        if name == "_class_name":
            continue
        index[name] = [type(part).__module__.partition(".")[0], type(part).__name__]
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(json.dumps(_config(part)))
        kind = "model" if name.startswith("text") else "diffusion_pytorch_model"
        planned = {key: (KINDS[dtype], tuple(value.shape)) for key, value in part.named_parameters()}
        head, places = header_for(planned, {})
        with (folder / name / f"{kind}.safetensors").open("wb") as file:
            file.write(head)
            file.truncate(len(head) + sum(value.numel() for value in part.parameters()) * dtype.itemsize)
        assert places
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _config(part: Any) -> dict[str, Any]:
    told = part.config.to_dict() if hasattr(part.config, "to_dict") else dict(part.config)
    return json.loads(json.dumps(told, default=str))


def stable_diffusion(layout: Path) -> dict[str, Any]:
    """Return the parts of Stable Diffusion 1.5 or XL, by one of our layouts, on the meta device."""
    import diffusers
    import transformers

    index = json.loads((layout / "model_index.json").read_text())
    parts: dict[str, Any] = {"_class_name": index["_class_name"]}
    for name, value in index.items():
        if name not in ("unet", "vae", "text_encoder", "text_encoder_2"):
            continue
        config = json.loads((layout / name / "config.json").read_text())
        with torch.device("meta"):
            if value[0] == "diffusers":
                parts[name] = getattr(diffusers, value[1]).from_config(config)
            else:
                parts[name] = getattr(transformers, value[1])(transformers.CLIPTextConfig(**config))
    return parts


def write_file(path: Path, dtype: str = "F16") -> Path:
    """Write Stable Diffusion 1.5 with random weights as one file in the original layout, and return it."""
    parts = stable_diffusion(LAYOUT_SD1)
    _write(original_tensors(SimpleNamespace(**parts)), path, dtype)
    return path


def write_folder(folder: Path, dtype: str = "F16") -> Path:
    """Write Stable Diffusion XL with random weights as a diffusers folder, and return it."""
    shutil.copytree(LAYOUT_SDXL, folder)
    for name in ("tokenizer", "tokenizer_2"):
        clip_tokenizer(**({"pad_token": "!"} if name == "tokenizer_2" else {})).save_pretrained(folder / name)
    for name, part in stable_diffusion(LAYOUT_SDXL).items():
        if name != "_class_name":
            kind = "model" if name.startswith("text") else "diffusion_pytorch_model"
            _write(dict(part.named_parameters()), folder / name / f"{kind}.safetensors", dtype)
    return folder


def _write(tensors: dict[str, torch.Tensor], path: Path, dtype: str) -> None:
    """Write random numbers of these names and shapes, a tensor at a time: small ones, as after a training."""
    floats = {"F16": np.float16, "F32": np.float32}[dtype]
    block = (np.random.default_rng(0).standard_normal(1 << 20) * 0.02).astype(floats)
    planned: Planned = {name: (dtype, tuple(value.shape)) for name, value in tensors.items()}
    with writing(path, planned, {}) as put:
        for name, (_, shape) in planned.items():
            one = len(shape) == 1 and name.endswith("weight")  # a norm's
            values = np.ones(shape, floats) if one else np.resize(block, shape)
            put(name, values.tobytes())
