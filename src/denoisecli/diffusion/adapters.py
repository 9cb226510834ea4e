"""LoRA files onto a loaded pipeline, through diffusers' own loader (kohya, PEFT and diffusers layouts)."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from denoisecli.errors import DenoiseError, ModelError
from denoisecli.lora.blocks import made_for
from denoisecli.lora.built_in import lora_path
from denoisecli.lora.file import open_lora

from . import weights
from .placing import check_loras
from .quiet import quiet

if TYPE_CHECKING:
    from .models import Model


Strengths = float | tuple[float, float]
"""How strong a LoRA acts: on all it was trained for, or on (denoiser, text encoder)."""


def add_loras(model: Model, loras: Sequence[tuple[str, Strengths]]) -> None:
    """Load LoRA files by (path, strengths) and switch them on together.

    Raises ModelError where peft is missing, a file is no LoRA, or none of it fits this model.
    """
    check_loras(model.quantize)
    _check_peft()
    names = [f"lora{index}" for index in range(len(loras))]
    for name, (file, _) in zip(names, loras, strict=True):
        _load(model, lora_path(file), name)
    _set(model, names, [scale for _, scale in loras])


def _check_peft() -> None:
    try:
        import peft  # noqa: F401
    except ImportError:
        raise ModelError("LoRAs need the package peft.", 'Install it with: pip install "denoisecli[lora]"') from None


def exchange_loras(model: Model, loras: Sequence[tuple[str, Strengths]]) -> None:
    """Take off the LoRAs that are on, and put on these; for none, none is on. Raises as `add_loras` does."""
    with quiet():
        if hasattr(model.pipe, "unload_lora_weights"):
            model.pipe.unload_lora_weights()
    if loras:
        add_loras(model, loras)


def wear(model: Model, loras: Sequence[tuple[str, Strengths]]) -> None:
    """Switch exactly these LoRAs on, and load those that are not there yet. Raises as `add_loras` does.

    The others stay on the pipeline, switched off, so that phases go to and fro between them at no cost.
    """
    files = [file for file, _ in loras]
    names = [_worn(file, files[:index].count(file)) for index, file in enumerate(files)]
    if files:
        check_loras(model.quantize)
        _check_peft()
    there = _loaded(model)
    for file, name in zip(files, names, strict=True):
        if name not in there:
            _load(model, lora_path(file), name)
    with quiet():
        if names:
            model.pipe.enable_lora()
        elif there:
            model.pipe.disable_lora()
    if names:
        _set(model, names, [scale for _, scale in loras])


def _worn(file: str, before: int) -> str:
    """Return the name of a LoRA on the pipeline, by its file and by how often that was named before."""
    return f"worn_{hashlib.sha256(file.encode()).hexdigest()[:16]}_{before}"


def _loaded(model: Model) -> set[str]:
    if not hasattr(model.pipe, "get_list_adapters"):
        return set()
    return {name for names in model.pipe.get_list_adapters().values() for name in names}


def set_strengths(model: Model, scales: Sequence[Strengths]) -> None:
    """Give the LoRAs that `add_loras` loaded other strengths, in their order."""
    _set(model, [f"lora{index}" for index in range(len(scales))], scales)


def _set(model: Model, names: Sequence[str], scales: Sequence[Strengths]) -> None:
    """Switch LoRAs on, each with its strengths for the parts of the pipeline that it acts on."""
    with quiet():
        model.pipe.set_adapters(
            list(names), [_by_part(model, name, each) for name, each in zip(names, scales, strict=True)]
        )


def _by_part(model: Model, name: str, scale: Strengths) -> float | dict[str, float]:
    if not isinstance(scale, tuple):
        return scale
    denoiser, text = scale
    if denoiser == text:
        return denoiser
    parts = [part for part, names in model.pipe.get_list_adapters().items() if name in names]
    return {part: text if part.startswith("text_encoder") else denoiser for part in parts}


def _load(model: Model, path: Path, name: str) -> None:
    if not path.is_file():
        raise ModelError(f"There is no LoRA file at {path}.")
    weights.refuse_pickle(path)
    keys = weights.read_header(path)
    if not any(mark in key.lower() for key in keys for mark in ("lora", "lokr")):
        raise ModelError(f"{path} holds no LoRA weights: none of its {len(keys)} keys names one.")
    if not hasattr(model.pipe, "load_lora_weights"):
        raise ModelError(f"diffusers puts no LoRA onto models of the family {model.info.family}.", "Leave loras out.")
    folder, file = str(path.parent), path.name
    try:
        with quiet(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several LoRAs are what was asked for
            model.pipe.load_lora_weights(folder, weight_name=file, adapter_name=name, use_safetensors=True)
    except Exception as error:  # noqa: BLE001 - diffusers and peft raise many kinds for one reason: it does not fit
        what = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} does not fit the model {model.info.ref}: {what}", _home_of(path)) from None
    if name not in _loaded(model):
        why = "none of its keys is known there."
        raise ModelError(f"{path} does not fit the model {model.info.ref}: {why}", _home_of(path))


def _home_of(path: Path) -> str:
    """Return a hint at the model that a LoRA file was made for."""
    try:
        with open_lora(path) as lora:
            return f"The file looks made for {made_for(lora.layers)}; take that model."
    except DenoiseError:  # LoKr and others, which have no pairs of factors
        return "Take the model that the file was made for."
