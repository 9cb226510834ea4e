"""Models of full size without their weights: built from config, and written as folders that hold nothing but headers.

A folder's weights are sparse files: whole by their names, shapes and sizes, and zeros that take no room on a disk.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from denoisecli.lora.safetensors import header_for

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
