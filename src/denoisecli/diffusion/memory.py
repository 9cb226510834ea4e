"""How much memory a model takes, by arithmetic on its files' headers and configs: no weights are read, no torch.

Weights are counted tensor by tensor, as the run will hold them. What sampling and decoding take beside them is of the
right size, no more: kernels and their workspaces differ between machines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisecli.errors import ModelError
from denoisecli.lora.safetensors import BITS

from . import gguf, single_file, weights
from .families import family_named
from .model_configs import files_of, read_table
from .model_parts import WEIGHTS, marks, used_parts

CHOICES = ("full", "model-offload", "group-offload", "sequential")
"""The ways to place a model on a card, the fastest first: all of it; one part at a time; a layer, the next one and the
autoencoder; one layer. What is not on the card waits in the machine's memory."""
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
LARGE = 1_000_000_000
"""Parameters: of the text encoders, those with more are quantised too."""
SPARE = 1.1
"""What has to be free, by the estimate: cards hold blocks that nobody uses, and estimates err."""
_DENOISERS = ("unet", "transformer", "transformer_2", "unconditional_transformer")
_ROLES = ("text_encoder", "unet", "transformer", "vae")
_IN_ONE_FILE = {
    "unet": ("model.diffusion_model.",), "vae": ("first_stage_model.", "vae."),
    "text_encoder": ("cond_stage_model.", "conditioner.embedders.", "text_encoders."),
}  # fmt: skip
_KEPT_WIDE = {"T5EncoderModel": ".wo."}  # layers that transformers keeps in float32 where the rest is float16
_TABLES = ("embed_tokens", "token_embedding", "position_embedding", "shared.", "wte.", "relative_attention_bias")
"""In names of matrices that are looked up, not multiplied: no quantiser takes them."""
_NOT_FP8 = ("norm", "pos_embed", "patch_embed")  # diffusers' hooks/layerwise_casting.py
_WORDS = 512  # tokens of the prompt beside those of the picture
_PER_TOKEN, _PER_PIXEL, _PER_CELL = 16, 4, {False: 12, True: 24}
"""Maps as wide as the network that live at once: of a transformer; of a decoder (3.9 were measured on that of Stable
Diffusion 1.5 at 512², float32, on the CPU); of a U-Net's busiest level, without and with attention (23.9 there)."""


@dataclass(frozen=True)
class Saving:
    """What a config says about memory; see its keys `memory`, `quantize` and `vae`."""

    memory: str = "auto"
    quantize: str = "none"
    tiling: bool = False
    slicing: bool = False

    @classmethod
    def of(cls, config: Any) -> Saving:
        """Return what a lab's config says."""
        return cls(config.memory, config.quantize, config.vae.tiling, config.vae.slicing)


@dataclass(frozen=True)
class Work:
    """What a model is to do at once: pictures of size (width, height) in pixels, in so many steps."""

    size: tuple[int, int] = (512, 512)
    samples: int = 1
    steps: int = 20


@dataclass(frozen=True)
class Part:
    """The weights of one part, as the run holds them: numbers, bytes, and the bytes of the largest tensor."""

    name: str
    parameters: int
    bytes: int
    largest: int

    @property
    def role(self) -> str:
        """text_encoder, unet, transformer or vae; its own name where it is none of them."""
        return next((role for role in _ROLES if self.name.startswith(role)), self.name)

    def there(self, choice: str) -> int:
        """Return the bytes of it that are on the card at once while it computes."""
        if choice == "model-offload":
            return self.bytes
        if choice == "sequential":
            return self.largest
        return 0 if self.role == "vae" else 2 * self.largest


@dataclass(frozen=True)
class Estimate:
    """Bytes: of the parts' weights, of the states that a batch keeps, of a step and of a decode beside the weights."""

    dtype: str
    parts: tuple[Part, ...]
    states: int
    denoising: int
    decoding: int

    @property
    def weights(self) -> int:
        """All weights: what loading them takes, wherever they lie then."""
        return sum(part.bytes for part in self.parts)

    def needs(self, choice: str) -> int:
        """Return the bytes on the card at the worst moment, by one of CHOICES."""
        if choice == "full":
            return self.weights + self.states + max(self.denoising, self.decoding)
        grouped = choice == "group-offload"
        held = sum(part.bytes for part in self.parts if part.role == "vae") if grouped else 0
        worst = max((part.there(choice) + self._beside(part) for part in self.parts), default=0)
        return self.states + held + worst

    def _beside(self, part: Part) -> int:
        return self.denoising if part.name in _DENOISERS else self.decoding if part.role == "vae" else 0

    def choose(self, free: int) -> str | None:
        """Return the first of CHOICES that fits in `free` bytes of a card; None where none does."""
        return next((choice for choice in CHOICES if self.needs(choice) * SPARE <= free), None)

    def record(self) -> dict[str, Any]:
        """Return the estimate as JSON has it, in bytes."""
        return {
            "dtype": self.dtype,
            "weights": {part.name: part.bytes for part in self.parts},
            "states": self.states,
            "denoising": self.denoising,
            "decoding": self.decoding,
            "needs": {choice: self.needs(choice) for choice in CHOICES},
        }

    @property
    def words(self) -> str:
        """What takes memory, in one line."""
        parts = sorted(self.parts, key=lambda part: -part.bytes)
        listed = ", ".join(f"{part.name} {size(part.bytes)}" for part in parts)
        beside = f"states {size(self.states)}, a step {size(self.denoising)}, a decode {size(self.decoding)}"
        return f"weights {size(self.weights)} in {self.dtype} ({listed}), {beside}: {size(self.needs('full'))} in full"

    @property
    def choices(self) -> str:
        """What each way to place the model needs of a card, in one line."""
        return ", ".join(f"{choice} {size(self.needs(choice))}" for choice in CHOICES)


def needs(path: Path, work: Work, saving: Saving, device: str = "auto", dtype: str = "auto") -> list[Estimate]:
    """Return the estimates for the device and dtype of a config: where they are open, of the CPU and of a card."""
    usual = {"cuda": ["float16"], "cpu": ["float32"], "mps": ["float32"]}.get(device, ["float32", "float16"])
    return [estimate(path, kind, work, saving) for kind in (usual if dtype == "auto" else [dtype])]


def needs_in_words(found: list[Estimate], device: str = "auto") -> list[str]:
    """Return the estimates of `needs` as lines for people."""
    lines = [f"memory: {one.words}" for one in found[:1]]
    return (
        lines
        if device in ("cpu", "mps") or not found
        else [*lines, f"on a card, in {found[-1].dtype}: {found[-1].choices}"]
    )


def size(count: int) -> str:
    """Return a number of bytes for people: 25.1 MB, 4.26 GB."""
    return f"{count / 1e9:.3g} GB" if count >= 0.9995e9 else f"{max(count, 1e5) / 1e6:.3g} MB"


def estimate(path: Path, dtype: str, work: Work, saving: Saving | None = None) -> Estimate:
    """Return what the model in `path`, a folder or one file, takes in `dtype` for some work.

    dtype: float32, float16 or bfloat16. Raises ModelError where the files cannot be read.
    """
    saving = saving or Saving()
    configs = path if path.is_dir() else single_file.layout_of(path)
    quantize = "none" if path.suffix == gguf.SUFFIX else saving.quantize
    found = _tensors(path, configs)
    parts = tuple(_part(name, list(tensors), dtype, quantize, configs) for name, tensors in found.items())
    if path.suffix == gguf.SUFFIX:
        held = path.stat().st_size
        parts += (Part("transformer", held, held, held // 50),)
    cells, channels = _latents(configs, work)
    each = BYTES[dtype]
    elements = work.samples * cells * channels
    states = (work.steps + 1) * elements * (4 * each + 4)  # x_t, the halves, the mixture; x0 in float32
    denoiser = next((part for part in parts if part.name in _DENOISERS), None)
    name = denoiser.name if denoiser else "unet"
    family = family_named(_class(configs, "_class_name"))
    rows = work.samples * (1 if family and family.guidance == "embedded" else 2)
    step = _step(configs, name, cells, list(found.get(name, ())), family.patch if family else 2)
    return Estimate(dtype, parts, states, rows * step * each, _decode(configs, work, saving, each))


Tensor = tuple[str, str, tuple[int, ...]]
"""A tensor of a header: its name, its type as the format has it, its shape."""


def _tensors(path: Path, configs: Path) -> dict[str, Iterable[Tensor]]:
    """Return the tensors of each part that has weights, by the headers of its files."""
    if path.suffix == gguf.SUFFIX:
        return {name: tensors for name, tensors in _tensors(configs, configs).items() if name not in _DENOISERS}
    if path.is_file():
        return _of_one_file(list(_header(path)))
    marked = marks(path)
    found: dict[str, Iterable[Tensor]] = {}
    for part in used_parts(path):
        files = [file for file in files_of(part) if _is_used(file.name, marked.get(part.name, ""))]
        if tensors := [tensor for file in files for tensor in _header(file)]:
            found[part.name] = tensors
    return found


def _is_used(name: str, mark: str) -> bool:
    match = WEIGHTS.fullmatch(name)
    return match is not None and (match[1] or match[2] or "") == mark


def _of_one_file(tensors: list[Tensor]) -> dict[str, Iterable[Tensor]]:
    found: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        names = (name for name, starts in _IN_ONE_FILE.items() if tensor[0].startswith(starts))
        if (name := next(names, None)) is not None:
            found.setdefault(name, []).append(tensor)
    return dict(found)


def _header(file: Path) -> Iterator[Tensor]:
    for name, entry in weights.read_header(file).items():
        yield name, str(entry["dtype"]), tuple(entry["shape"])


def _part(name: str, tensors: list[Tensor], dtype: str, quantize: str, configs: Path) -> Part:
    parameters = sum(math.prod(shape) for _, _, shape in tensors)
    denoises = name in _DENOISERS
    large = name.startswith("text_encoder") and parameters > LARGE and quantize != "fp8-layerwise"
    bits = quantize if denoises or large else "none"
    wide = _KEPT_WIDE.get(_class(configs, name)) if dtype == "float16" and bits == "none" else None
    sizes = [
        math.ceil(math.prod(shape) * (4 if wide and wide in key else _each(key, kind, shape, dtype, bits)))
        for key, kind, shape in tensors
    ]
    return Part(name, parameters, sum(sizes), max(sizes, default=0))


def _each(name: str, kind: str, shape: tuple[int, ...], dtype: str, bits: str) -> float:
    """Return the bytes that a number of a tensor takes in the run."""
    if not kind.startswith(("F", "BF")):
        return BITS.get(kind, 64) / 8
    matrix = len(shape) == 2 and name.endswith("weight") and not any(mark in name for mark in _TABLES)
    if bits == "fp8-layerwise" and not any(mark in name for mark in _NOT_FP8):
        return 1
    if matrix and bits == "int8":
        return 1 + 4 / shape[1]  # a scale for each row
    if matrix and bits == "nf4":
        return 0.5 + 4 / 64  # a scale for each block of 64
    return BYTES[dtype]


def _class(configs: Path, name: str) -> str:
    told = read_table(configs / "model_index.json").get(name)
    return str(told[1] if isinstance(told, list) and len(told) == 2 else told)


def _config(configs: Path, name: str) -> Mapping[str, Any]:
    try:
        return read_table(configs / name / "config.json")
    except ModelError:
        return {}


def _latents(configs: Path, work: Work) -> tuple[int, int]:
    """Return how many cells the latents of a picture have, and how many channels."""
    vae = _config(configs, "vae")
    channels = vae.get("latent_channels") or vae.get("z_dim") or 4
    factor = 2 ** (len(_levels(vae)) - 1)
    return (work.size[0] // factor) * (work.size[1] // factor), int(channels)


def _levels(vae: Mapping[str, Any]) -> list[int]:
    """Return the channels of an autoencoder's levels, that of whole pixels first."""
    for name in ("decoder_block_out_channels", "block_out_channels", "encoder_block_out_channels"):
        if isinstance(vae.get(name), list) and vae[name]:
            return [int(number) for number in vae[name]]
    base, multiples = vae.get("base_dim", 128), vae.get("dim_mult", [1, 2, 4, 4])
    return [int(base * multiple) for multiple in multiples]


def _width(config: Mapping[str, Any], tensors: list[Tensor]) -> int:
    """Return how wide a transformer is; by its largest matrix, which leads to a hidden layer, where it does not say."""
    heads, each = config.get("num_attention_heads"), config.get("attention_head_dim")
    if isinstance(heads, int) and isinstance(each, int):
        return heads * each
    matrices = [shape for _, _, shape in tensors if len(shape) == 2]
    return min(max(matrices, key=math.prod)) if matrices else int(config.get("hidden_size") or 4096)


def _step(configs: Path, denoiser: str, cells: int, tensors: list[Tensor], patch: int) -> int:
    """Return how many numbers one row of a denoiser's evaluation has alive at once."""
    config = _config(configs, denoiser)
    channels: Any = config.get("block_out_channels")
    if not isinstance(channels, list):
        return _PER_TOKEN * _width(config, tensors) * (cells // patch**2 + _WORDS)
    layers = config.get("layers_per_block", 2)
    deep: int = layers if isinstance(layers, int) else max(layers)
    maps = [int(number * cells // 4**level) for level, number in enumerate(channels)]
    kinds = config.get("down_block_types") or [""] * len(maps)
    busy = [_PER_CELL["Attn" in str(kind)] * one for one, kind in zip(maps, kinds, strict=False)]
    return (deep + 1) * sum(maps) + max(busy)


def _decode(configs: Path, work: Work, saving: Saving, each: int) -> int:
    """Return the bytes that decoding takes: maps of whole pixels, as wide as the level below."""
    vae = _config(configs, "vae")
    pixels = work.size[0] * work.size[1]
    if saving.tiling:
        pixels = min(pixels, int(vae.get("sample_size") or 512) ** 2)
    elif not saving.slicing:
        pixels = max(pixels, min(4 * 256 * 256, pixels * work.samples))  # `decode` takes small pictures together
    levels = _levels(vae)
    return int(_PER_PIXEL * levels[min(1, len(levels) - 1)] * pixels * each)
