"""LoRA files made for the tests: known factors in every layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SHAPES = {
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q": (40, 24, ()),
    "down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj": (96, 24, ()),
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_k": (40, 32, ()),
    "up_blocks.2.resnets.0.conv1": (24, 12, (3, 3)),
}
RANK = 8


def factors(rows, columns, rank=RANK, seed=0, decay=0.6):
    """Factors whose product has a decaying spectrum, as float32."""
    rng = np.random.default_rng(seed)
    up = rng.standard_normal((rows, rank)) * decay ** np.arange(rank)
    down = rng.standard_normal((rank, columns))
    return up.astype(np.float32), down.astype(np.float32)


def kohya_tensors(rank=RANK, alpha=4.0, dtype=np.float32, shapes=SHAPES):
    """A kohya LoRA as arrays: linear and convolution layers."""
    tensors = {}
    for index, (module, (rows, columns, kernel)) in enumerate(shapes.items()):
        name = "lora_unet_" + module.replace(".", "_")
        up, down = factors(rows, columns * int(np.prod(kernel)), rank, index)
        ones = (1,) * len(kernel)
        tensors[f"{name}.lora_down.weight"] = down.reshape(rank, columns, *kernel).astype(dtype)
        tensors[f"{name}.lora_up.weight"] = up.reshape(rows, rank, *ones).astype(dtype)
        if alpha is not None:
            tensors[f"{name}.alpha"] = np.array(alpha, dtype=dtype)
    return tensors


def renamed(tensors, layout):
    """The same arrays under another tool's names, its alphas dropped."""
    found = {}
    for module in SHAPES:
        name = "lora_unet_" + module.replace(".", "_")
        ends = {"peft": ("lora_A.weight", "lora_B.weight"), "diffusers": ("lora.down.weight", "lora.up.weight")}[layout]
        found[f"unet.{module}.{ends[0]}"] = tensors[f"{name}.lora_down.weight"]
        found[f"unet.{module}.{ends[1]}"] = tensors[f"{name}.lora_up.weight"]
    return found


def save(tensors, path: Path, metadata=None) -> Path:
    """Write with safetensors itself, not with our own writer."""
    from safetensors.numpy import save_file

    save_file({name: np.asarray(array, order="C") for name, array in tensors.items()}, path, metadata)
    return path


def pocket_tensors(rank=16, strength=0.6, seed=0):
    """A kohya LoRA for the pocket model that does something: it bends each attention layer's own main directions."""
    from denoisecli.diffusion.references import POCKET
    from denoisecli.lora.safetensors import open_tensors

    rng = np.random.default_rng(seed)
    tensors = {}
    with open_tensors(POCKET / "unet" / "diffusion_pytorch_model.safetensors") as file:
        for name, info in file.tensors.items():
            if len(info.shape) != 2 or "attn" not in name:
                continue
            u, s, vt = np.linalg.svd(file.read(name), full_matrices=False)
            weight = strength * s[:rank] * 0.8 ** np.arange(rank) * rng.choice([-1, 1], rank)
            base = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
            tensors[f"{base}.lora_down.weight"] = vt[:rank].astype(np.float16)
            tensors[f"{base}.lora_up.weight"] = (u[:, :rank] * weight).astype(np.float16)
            tensors[f"{base}.alpha"] = np.array(rank, np.float16)
    return tensors
