"""Where a pipeline's weights lie while it runs, and in how many bits: diffusers' own offloading and quantisers."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import torch

from denoisecli.errors import ModelError, UsageError

from . import gguf
from .denoiser import denoisers_of
from .memory import LARGE, SPARE, Estimate, Saving, size

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = {"int8": "torchao", "nf4": "bitsandbytes", "gguf": "gguf"}


def check_quantize(path: Path, quantize: str, device: torch.device) -> str:
    """Return how the weights in `path` are quantised: gguf where they are that. Raises UsageError, ModelError."""
    is_gguf = path.suffix == gguf.SUFFIX
    if is_gguf and quantize not in ("none", "gguf"):
        raise UsageError(f"quantize: {path} is quantised already, so {quantize} cannot be had of it.", "Leave it out.")
    if quantize == "gguf" and not is_gguf:
        raise UsageError(
            f"quantize: gguf is for a .gguf file, and {path} is none.", "Choose fp8-layerwise, int8 or nf4."
        )
    found = "gguf" if is_gguf else quantize
    package = PACKAGES.get(found)
    if package and find_spec(package) is None:
        raise ModelError(
            f"quantize: {found} needs the package {package}.", 'Install it with: pip install "denoisecli[quantize]"'
        )
    if found == "nf4" and device.type != "cuda":
        raise UsageError(f"quantize: nf4 needs a GPU, and this run is on {device.type}.", "Choose int8.")
    if found == "fp8-layerwise" and not _has_fp8(device):
        raise UsageError(
            f"quantize: fp8-layerwise needs 8-bit floats, which {device.type} does not have.",
            "Leave it out, or take cpu.",
        )
    return found


def _has_fp8(device: torch.device) -> bool:
    """Return whether a device can store numbers in 8-bit floats and read them back; Apple's cannot."""
    try:
        torch.zeros(1, device=device).to(torch.float8_e4m3fn).to(torch.float32)
    except (TypeError, RuntimeError):
        return False
    return True


def choose(ref: str, found: Estimate, saving: Saving, device: torch.device, told: Callable[[str], None]) -> str:
    """Return how the weights are placed, one of CHOICES; `auto` takes the first that fits, and tells which on a card.

    Raises ModelError before anything is loaded where there is too little memory; a choice by name is not questioned.
    """
    if saving.memory != "auto":
        if device.type == "cpu" and saving.memory != "full":
            told(f"memory: {saving.memory} saves nothing on the CPU, so all is loaded in full")
            return "full"
        return saving.memory
    room, need = psutil.virtual_memory().available, found.weights
    if device.type != "cuda":
        need = found.needs("full")
    if need > room:
        raise ModelError(
            f"{ref} needs about {size(need)} of memory in {found.dtype} ({largest(found)}), and {size(room)} are free.",
            "Try dtype: bfloat16 or quantize: int8, or memory: full to load it all the same.",
        )
    if device.type != "cuda":
        return "full"
    free = torch.cuda.mem_get_info(device)[0]
    choice = found.choose(free)
    if choice is None:
        least = found.needs("sequential") * SPARE
        raise ModelError(
            f"{ref} needs {size(round(least))} of the card even layer by layer, and {size(free)} are free.",
            "Try fewer seeds at once (batch: 1), a smaller size, or vae: {tiling: true}.",
        )
    told(f"memory: {choice}, with {size(free)} of the card free; {ref} would need {size(found.needs('full'))} in full")
    return choice


def largest(found: Estimate) -> str:
    """Return the largest part in words."""
    part = max(found.parts, key=lambda one: one.bytes, default=None)
    return f"its {part.name} alone {size(part.bytes)}" if part else "no weights"


def check_loras(quantize: str) -> None:
    """Raise UsageError where diffusers cannot put LoRAs onto weights that are quantised so."""
    if quantize == "fp8-layerwise":
        raise UsageError(
            "LoRAs cannot be put onto weights that are kept in 8-bit floats (quantize: fp8-layerwise).",
            "Choose quantize: int8, or leave loras out.",
        )


def quantisation(quantize: str, parts: dict[str, int], dtype: torch.dtype) -> Any:
    """Return diffusers' configuration for loading a folder, None where nothing is quantised while it is loaded.

    parts: the parameters of each part; the denoisers are quantised, and text encoders of more than LARGE.
    """
    if quantize not in ("int8", "nf4"):
        return None
    import diffusers
    import transformers
    from diffusers.quantizers import PipelineQuantizationConfig

    if quantize == "int8":
        from torchao.quantization import Int8WeightOnlyConfig

        made = {library: library.TorchAoConfig(Int8WeightOnlyConfig()) for library in (diffusers, transformers)}
    else:
        told: dict[str, Any] = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
        made = {library: library.BitsAndBytesConfig(**told) for library in (diffusers, transformers)}
    mapping = {
        name: made[transformers if name.startswith("text_encoder") else diffusers]
        for name, count in parts.items()
        if name.startswith(("unet", "transformer")) or (name.startswith("text_encoder") and count > LARGE)
    }
    return PipelineQuantizationConfig(quant_mapping=mapping) if mapping else None


def computes_on(part: Any) -> torch.device:
    """Return the device on which a part of a pipeline computes, wherever its weights wait."""
    modules = part.modules() if hasattr(part, "modules") else ()
    places = (getattr(getattr(module, "_hf_hook", None), "execution_device", None) for module in modules)
    found = next((place for place in places if place is not None), part.device)
    return torch.device(found)


def place(pipe: Any, device: torch.device, dtype: torch.dtype, choice: str, saving: Saving) -> Any:
    """Put a loaded pipeline where it is to run, and return it.

    Raises UsageError for an autoencoder without tiles.
    """
    vae = getattr(pipe, "vae", None)
    for wanted, name in ((saving.tiling, "enable_tiling"), (saving.slicing, "enable_slicing")):
        if wanted and not hasattr(vae, name):
            key = name.removeprefix("enable_")
            raise UsageError(f"vae: {{{key}: true}}: a {type(vae).__name__} has no {key}.", "Leave it out.")
        if wanted:
            getattr(vae, name)()
    if saving.quantize == "fp8-layerwise":
        denoisers: dict[str, Any] = dict(denoisers_of(pipe))
        for module in denoisers.values():
            module.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    if choice == "full":
        return pipe.to(device)
    if choice == "model-offload":
        pipe.enable_model_cpu_offload(device=device)
    elif choice == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:  # an autoencoder is small, and changes its dtype where float16 overflows, so it stays
        streams = {"use_stream": True, "low_cpu_mem_usage": True} if device.type == "cuda" else {}
        pipe.enable_group_offload(
            onload_device=device, offload_device=torch.device("cpu"), offload_type="leaf_level", **streams,
            exclude_modules=["vae"],
        )  # fmt: skip
    return pipe
