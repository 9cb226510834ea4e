"""The names in a LoRA file become layers, whatever tool wrote them; what is no plain LoRA is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from denoisecli.errors import ModelError

from .safetensors import TensorInfo

MOST_RANK = 16_384  # no layer of today is as wide; every rank becomes a point of a curve and a number of the record
LAYOUTS = {
    "kohya": (re.compile(r"(.+)\.lora_down\.weight"), r"\1.lora_up.weight"),
    "peft": (re.compile(r"(.+)\.lora_A(\.[^.]+)?\.weight"), r"\1.lora_B\2.weight"),
    "diffusers": (re.compile(r"(.+(?:\.lora|_lora\d*|\.lora_linear_layer))\.down\.weight"), r"\1.up.weight"),
}
"""Layout to (the name of a down factor, the name of its up factor)."""

RELATIVES = (
    (re.compile(r"dora_scale|lora_magnitude_vector"), "DoRA",
     "its magnitudes rescale W + ΔW, so the nearest ΔW of lower rank is not its nearest copy"),
    (re.compile(r"hada_w[12]"), "LoHa", "its ΔW is an entrywise product of two low-rank matrices, not up · down"),
    (re.compile(r"lokr_w[12]"), "LoKr", "its ΔW is a Kronecker product, not up · down"),
    (re.compile(r"oft_(blocks|diag)|oft_R"), "OFT", "it rotates the weights and adds no ΔW"),
    (re.compile(r"on_input|ia3_"), "IA³", "it rescales activations and adds no ΔW"),
    (re.compile(r"vera_|\.lora_embedding_[AB]"), "VeRA", "its factors are shared or those of an embedding"),
)  # fmt: skip
"""What looks like a LoRA but is none, and why its rank cannot be cut by this method."""
DIFFERENCES = re.compile(r"\.diff(_[bm])?$|\.w_norm$|\.b_norm$")
"""Whole differences, of biases, norms or matrices: a file of nothing else is no LoRA; beside pairs they are copied."""

STRANGERS = (
    (re.compile(r"^(model\.diffusion_model\.|first_stage_model\.|cond_stage_model\.)"), "a whole checkpoint"),
    (re.compile(r"^(emb_params|string_to_param|clip_[lg])$|^<.*>$"), "a textual inversion embedding"),
    (re.compile(r"^(control_model\.|controlnet_|input_hint_block)"), "a ControlNet"),
    (re.compile(r"^(down_blocks|up_blocks|mid_block|conv_in|time_embedding)\."), "a whole U-Net"),
    (re.compile(r"^(encoder|decoder)\.(conv_in|down|up|mid|layers)"), "a VAE"),
    (re.compile(r"^(text_model|transformer)\."), "a text encoder or transformer"),
)


@dataclass(frozen=True)
class Layer:
    """One ΔW = scale · up · down, with the names and shapes of what is stored for it.

    rows, columns: of ΔW as a matrix; a convolution's columns are its input channels × kernel.
    """

    name: str
    layout: str
    down: str
    up: str
    alpha: str | None
    mid: str | None
    rank: int
    rows: int
    columns: int
    kernel: tuple[int, ...]
    dtype: str

    @property
    def full(self) -> int:
        """How many numbers ΔW itself has."""
        return self.rows * self.columns

    @property
    def highest(self) -> int:
        """The highest rank that ΔW can have."""
        return min(self.rank, self.rows, self.columns)

    def numbers(self, rank: int) -> int:
        """Return how many numbers its factors have at `rank`: rank · (rows + columns)."""
        return rank * (self.rows + self.columns)


def layers_of(tensors: Mapping[str, TensorInfo], path: Path) -> tuple[Layer, ...]:
    """Return the layers, in the order of their names. Raises ModelError where this is no plain LoRA.

    A layer of rank 0 changes nothing and is none of them.
    """
    _refuse_relatives(tensors, path)
    found = []
    for name in sorted(tensors):
        for layout, (down, up) in LAYOUTS.items():
            if match := down.fullmatch(name):
                found.append(_layer(match, match.expand(up), layout, tensors, path))
                break
    if not found:
        raise _stranger(tensors, path)
    _check_pairs(tensors, found, path)
    layers = tuple(layer for layer in found if layer.rank)
    if not layers:
        raise ModelError(f"{path} changes nothing: all its layers are of rank 0.", "Use another file.")
    return layers


def _refuse_relatives(tensors: Mapping[str, TensorInfo], path: Path) -> None:
    for pattern, kind, why in RELATIVES:
        if name := next((name for name in tensors if pattern.search(name)), None):
            raise ModelError(f"{path} is not a plain LoRA but {kind} ({name}): {why}.", "Give a plain LoRA or LoCon.")


def _stranger(tensors: Mapping[str, TensorInfo], path: Path) -> ModelError:
    if name := next((name for name in tensors if DIFFERENCES.search(name)), None):
        what = f"{path} is not a plain LoRA but full difference ({name}): it holds ΔW itself, not factors of it."
        return ModelError(what, "Give a plain LoRA or LoCon.")
    for pattern, kind in STRANGERS:
        if any(pattern.search(name) for name in tensors):
            return ModelError(f"{path} is not a LoRA but, by its names, {kind}.", "Give a LoRA as .safetensors.")
    sample = ", ".join(sorted(tensors)[:3]) or "nothing"
    return ModelError(
        f"{path} is not a LoRA: it holds {sample}, and no pair of factors.", "Give a LoRA as .safetensors."
    )


def _check_pairs(tensors: Mapping[str, TensorInfo], layers: list[Layer], path: Path) -> None:
    """Refuse an up factor without its down factor (the other way round is met while a layer is read)."""
    ups = {layer.up for layer in layers}
    endings = (".lora_up.weight", ".lora_B.weight", ".lora.up.weight", "_lora.up.weight", "_linear_layer.up.weight")
    if lone := next((name for name in sorted(tensors) if name.endswith(endings) and name not in ups), None):
        raise ModelError(f"{path}: {lone} has no down factor beside it.", "The file is not whole; use another.")


def _layer(match: re.Match[str], up: str, layout: str, tensors: Mapping[str, TensorInfo], path: Path) -> Layer:
    down, base = match[0], match[1]
    if up not in tensors:
        raise ModelError(f"{path}: {down} has no up factor ({up}) beside it.", "The file is not whole; use another.")
    thin, tall = tensors[down], tensors[up]
    name = re.sub(r"(\.lora|_lora\d*|\.lora_linear_layer)$", "", base)
    alpha = next((key for key in (f"{base}.alpha", f"{name}.alpha") if key in tensors), None)
    mid = f"{base}.lora_mid.weight" if f"{base}.lora_mid.weight" in tensors else None
    fits = len(thin.shape) >= 2 and len(tall.shape) == len(thin.shape) and tall.shape[1] == thin.shape[0]
    if not fits or 0 in thin.shape[1:] + tall.shape[:1] + tall.shape[2:] or any(side != 1 for side in tall.shape[2:]):
        shapes = f"{_shape(tall)} and {_shape(thin)}"
        raise ModelError(f"{path}: the factors of {name} do not fit each other: {shapes}.", "Use another file.")
    if thin.shape[0] > MOST_RANK:
        raise ModelError(f"{path}: {name} is of rank {thin.shape[0]:,}, which no LoRA has.", "Use another file.")
    if alpha and tensors[alpha].count != 1:
        raise ModelError(f"{path}: {alpha} should be one number, not {_shape(tensors[alpha])}.", "Use another file.")
    kernel = _kernel(name, thin, tensors[mid] if mid else None, path)
    columns = thin.shape[1]
    for side in kernel:
        columns *= side
    return Layer(name, layout, down, up, alpha, mid, thin.shape[0], tall.shape[0], columns, kernel, thin.dtype)


def _kernel(name: str, thin: TensorInfo, mid: TensorInfo | None, path: Path) -> tuple[int, ...]:
    if mid is None:
        return thin.shape[2:]
    rank = thin.shape[0]
    if len(mid.shape) != len(thin.shape) or mid.shape[:2] != (rank, rank) or any(side != 1 for side in thin.shape[2:]):
        raise ModelError(f"{path}: the middle factor of {name} does not fit: {_shape(mid)}.", "Use another file.")
    return mid.shape[2:]


def _shape(info: TensorInfo) -> str:
    return "×".join(map(str, info.shape)) or "one number"
