"""Write a Stable Diffusion pipeline as one file in the layout of the original (CompVis) checkpoints: a test tool."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pathlib import Path

_RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "time_emb_proj.": "emb_layers.1.",
    "conv_shortcut.": "skip_connection.",
}
_UNET = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
}
_VAE_ATTENTION = {"group_norm.": "norm.", "to_q.": "q.", "to_k.": "k.", "to_v.": "v.", "to_out.0.": "proj_out."}


def write_original(pipe: Any, path: Path) -> Path:
    """Write the pipeline's weights to `path` (.safetensors) and return it."""
    from safetensors.torch import save_file

    tensors = original_tensors(pipe)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path)
    return path


def original_tensors(pipe: Any) -> dict[str, torch.Tensor]:
    """Return the pipeline's weights by their original names; they may be on the meta device."""
    tensors = _networks(pipe)
    for name, tensor in pipe.text_encoder.state_dict().items():
        tensors[f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"] = tensor
    return tensors


def write_original_xl(pipe: Any, path: Path) -> Path:
    """Write an XL pipeline's weights as Stability's file has them: the second text encoder by OpenCLIP's names."""
    from safetensors.torch import save_file

    tensors = _networks(pipe)
    for name, tensor in pipe.text_encoder.state_dict().items():
        own = f"conditioner.embedders.0.transformer.text_model.{name.removeprefix('text_model.')}"
        tensors[own] = tensor
    for name, tensor in _openclip(pipe.text_encoder_2.state_dict()).items():
        tensors[f"conditioner.embedders.1.model.{name}"] = tensor
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path)
    return path


_OPENCLIP = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.": "ln_final.",
    "text_model.encoder.layers.": "transformer.resblocks.",
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.out_proj.": "attn.out_proj.",
}


def _openclip(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return transformers' CLIP by OpenCLIP's names: queries, keys and values in one matrix, the projection turned."""
    found = {}
    for name, tensor in state.items():
        if name == "text_projection.weight":
            found["text_projection"] = tensor.T
        elif ".q_proj." in name:
            parts = [state[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"]
            block = name.split(".layers.")[1].split(".")[0]
            found[f"transformer.resblocks.{block}.attn.in_proj_{name.rpartition('.')[2]}"] = torch.cat(parts)
        elif not (".k_proj." in name or ".v_proj." in name or name.endswith("position_ids")):
            found[functools.reduce(lambda own, pair: own.replace(*pair), _OPENCLIP.items(), name)] = tensor
    return found


def _networks(pipe: Any) -> dict[str, torch.Tensor]:
    """Return the weights of denoiser and autoencoder by their original names."""
    tensors = {}
    for name, tensor in pipe.unet.state_dict().items():
        tensors[f"model.diffusion_model.{_unet_name(name, pipe.unet.config)}"] = tensor
    blocks = len(pipe.vae.config.block_out_channels)
    for name, tensor in pipe.vae.state_dict().items():
        tensors[f"first_stage_model.{_vae_name(name, blocks)}"] = _as_convolution(name, tensor)
    return tensors


def _unet_name(name: str, config: Any) -> str:
    layers = config.layers_per_block
    for old, new in _UNET.items():
        if name.startswith(old):
            return _resnet_name(name.replace(old, new, 1))
    side, block, kind, layer, rest = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", name).groups()
    i, j = int(block), int(layer)
    if side == "down":
        if kind == "downsamplers":
            return f"input_blocks.{(layers + 1) * (i + 1)}.0.op.{rest.removeprefix('conv.')}"
        return _resnet_name(f"input_blocks.{(layers + 1) * i + j + 1}.{int(kind == 'attentions')}.{rest}")
    if kind == "upsamplers":
        place = 2 if "CrossAttn" in config.up_block_types[i] else 1
        return f"output_blocks.{(layers + 1) * i + layers}.{place}.{rest}"
    return _resnet_name(f"output_blocks.{(layers + 1) * i + j}.{int(kind == 'attentions')}.{rest}")


def _resnet_name(name: str) -> str:
    if "transformer_blocks" in name:
        return name
    for old, new in _RESNET.items():
        name = re.sub(rf"(?<=\.){re.escape(old)}", new, name)
    return name


def _vae_name(name: str, blocks: int) -> str:
    name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", name)
    name = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda m: f"up.{blocks - 1 - int(m[1])}.block.", name)
    name = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0\.", lambda m: f"up.{blocks - 1 - int(m[1])}.upsample.", name)
    name = re.sub(r"mid_block\.resnets\.(\d)\.", lambda m: f"mid.block_{int(m[1]) + 1}.", name)
    if "mid_block.attentions.0." in name:
        name = name.replace("mid_block.attentions.0.", "mid.attn_1.")
        for old, new in _VAE_ATTENTION.items():
            name = name.replace(f"attn_1.{old}", f"attn_1.{new}")
    return name.replace("conv_norm_out.", "norm_out.").replace("conv_shortcut.", "nin_shortcut.")


def _as_convolution(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Return a linear layer of the autoencoder's attention as the 1 × 1 convolution that it once was."""
    is_linear = "attentions" in name and name.endswith("weight") and tensor.ndim == 2
    return tensor[:, :, None, None] if is_linear else tensor
