"""A model reference becomes one loaded pipeline.

A reference is `pocket` (embedded, never touches the network), a diffusers folder, one .safetensors file in the
Stable Diffusion 1.x layout, or a hub id. Weights are safetensors only, and no code from a model is ever run.

`identity` and `list_models` work without torch.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisecli import hub_cache
from denoisecli.errors import ModelError
from denoisecli.lora import built_in

from . import preview_autoencoder, references, weights
from .families import family_named
from .memory import Saving, Work, estimate
from .model_cache import lent
from .model_checks import check_at, damage_told
from .model_configs import files_of, parts_of, table_if_any
from .references import POCKET as POCKET  # where docs/python.md says
from .references import locate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

UNKNOWN_SIDE = 64  # of the latents of a model that does not say: 512 pixels


@dataclass(frozen=True)
class ModelInfo:
    """What a trace says about its model. latent_shape is (C, h, w); native_size is (height, width) in pixels."""

    ref: str
    family: str
    sha256: str
    prediction_type: str
    latent_shape: tuple[int, int, int]
    scale_factor: int
    native_size: tuple[int, int]


@dataclass(frozen=True)
class Model:
    """A loaded pipeline and what is known about it."""

    pipe: Any
    info: ModelInfo
    device: torch.device
    """where it computes, wherever its weights wait"""
    dtype: torch.dtype
    memory: str = "full"
    """how its weights are placed, one of `memory.CHOICES`"""
    quantize: str = "none"
    others: Mapping[str, Model] = field(default_factory=dict)
    """those that go on with its runs in later phases, by their references"""
    preview: Any = None
    """a small autoencoder that draws states in the place of its own (preview_autoencoder.py), or None"""

    @property
    def placement(self) -> dict[str, str]:
        """What `environment` in trace.json says of it; nothing where all lies on the device as it is."""
        told = {"memory": (self.memory, "full"), "quantize": (self.quantize, "none")}
        return {key: value for key, (value, usual) in told.items() if value != usual}


@dataclass(frozen=True)
class ModelRow:
    """One model found on this machine."""

    ref: str
    path: Path
    bytes: int
    sha256: str
    family: str


def identity(ref: str) -> str:
    """Return the sha256 that stands for the model: a file's own, or that of all weights and configs of a folder.

    A file with configs of its own beside it is the two together.
    """
    path = locate(ref)
    if not path.is_file():
        return weights.hashed(_folder_files(path), root=path)
    configs = weights.configs_beside(path)
    return weights.hashed([path, *_folder_files(configs)], root=path.parent) if configs else weights.hashed([path])


def lora_identity(file: str) -> str:
    """Return the sha256 of a LoRA, a file or built in. Raises ModelError where it is not there or pickled."""
    path = built_in.lora_path(file)
    if not path.is_file():
        hint = (
            f"Name a .safetensors file, such as {{file: style.safetensors}}. Built in: {', '.join(built_in.names())}."
        )
        raise ModelError(f"There is no LoRA at {file}.", hint)
    weights.refuse_pickle(path)
    return weights.hashed([path])


def load_model(
    ref: str,
    device: str = "auto",
    dtype: str = "auto",
    *,
    saving: Saving | None = None,
    work: Work | None = None,
    told: Callable[[str], None] = lambda _: None,
    goes_on: bool = False,
    preview: str | None = None,
) -> Model:
    """Return the model `ref`, checked before anything heavy is imported, on a device and in a dtype.

    device: auto (cuda, mps, cpu in this order), or one by name; dtype: auto (float16 on cuda, else float32),
    float32, float16 or bfloat16. saving: how it does with less memory; work: what it is to do, by which `memory: auto`
    chooses; told: hears what that chose. goes_on: whether it goes on with runs of another model, as a refiner may.
    preview: the small autoencoder that draws its states; None: the one in its folder, if any.
    Raises ModelError in one sentence for whatever is wrong with the reference, or where it does not fit into memory.
    """
    path = locate(ref)
    check_at(ref, path, goes_on=goes_on)
    small = preview_autoencoder.found(path, preview)
    _same_sums()
    from . import loading, placing

    saving = saving or Saving()
    key = (ref, identity(ref), device, dtype, *map(str, astuple(saving)), str(small))
    cache = lent()
    kept: Model | None = cache.take(key) if cache else None
    if kept is not None:
        return kept
    place, kind = loading.choose(device, dtype)
    saving = replace(saving, quantize=placing.check_quantize(path, saving.quantize, place))
    needed = estimate(path, str(kind).removeprefix("torch."), work or Work(), saving)
    choice = placing.choose(ref, needed, saving, place, told)
    with damage_told(ref):
        parts = {part.name: part.parameters for part in needed.parts}
        pipe = loading.load_pipeline(path, kind, placing.quantisation(saving.quantize, parts, kind))
    pipe = placing.place(pipe, place, kind, choice, saving)
    info = _info(ref, pipe)
    drawer = small and preview_autoencoder.load(small, info.latent_shape[0], info.scale_factor, place, kind)
    model = Model(pipe, info, place, kind, choice, saving.quantize, preview=drawer)
    return cache.put(key, model) if cache else model


def _same_sums() -> None:
    """Ask MKL for sums that do not hang on where in memory a matrix lies; it reads this at its first product.

    Else a model that has had a LoRA on and off gives other last bits than one just loaded (seen on Xeons with AVX-512).
    Source: Intel oneMKL Developer Guide, Conditional Numerical Reproducibility, "STRICT".
    """
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")


def list_models() -> list[ModelRow]:
    """Return the pocket model and every diffusers folder in the hub's cache, without importing torch."""
    rows = [_row("pocket", references.POCKET)] if (references.POCKET / "model_index.json").is_file() else []
    for ref in hub_cache.names():
        snapshot = references.cached_snapshot(ref)
        if snapshot and not references.lacks(snapshot):
            with contextlib.suppress(ModelError):  # what is no model is not listed; naming it says why
                rows.append(_row(ref, snapshot))
    return rows


def usual(path: Path) -> dict[str, Any]:
    """Return cfg, steps and sampler that the pipeline's own call would take, where they are not our defaults.

    Empty for Stable Diffusion 1, 2 and XL and their relatives: our defaults are made for them.
    """
    index = (
        table_if_any((weights.configs_beside(path) or path) / "model_index.json")
        if path.is_file()
        else table_if_any(path / "model_index.json")
    )
    family = family_named(str(index.get("_class_name")))
    if family is None or family.name in ("sd1", "sd2", "sdxl", "lcm"):
        return {}
    steps, scale = family.steps, family.scale
    if index.get("is_distilled"):
        steps, scale = (8, 0.0) if family.name == "krea2" else (4, 1.0)
    return {"cfg": scale, "steps": steps, "sampler": family.sampler}


def _usual_side(class_name: str, factor: int) -> int:
    """Return the latent pixels of a side that the family's pipelines paint where nothing else is said."""
    family = family_named(class_name)
    return family.side // factor if family and family.name != "sd1" else UNKNOWN_SIDE


def native_side(path: Path) -> int | None:
    """Return the pixels of a side that the family of a folder paints, where its denoiser does not say."""
    family = family_named(str(table_if_any(path / "model_index.json").get("_class_name")))
    return family.side if family and not (path / "unet").is_dir() else None


def family_of(class_name: str, cross_attention_dim: object = None) -> str:
    """Return the short family name for a pipeline class: sd1, sd2, z-image, ..., or the class itself."""
    known = family_named(class_name)
    if known is not None and known.name not in ("sd1", "lcm"):
        return known.name
    for start, family in (("StableDiffusionXL", "sdxl"), ("StableDiffusion3", "sd3"), ("Flux", "flux")):
        if class_name.startswith(start):
            return family
    if class_name.startswith("StableDiffusion"):
        return "sd2" if cross_attention_dim == 1024 else "sd1"
    return class_name.removesuffix("Pipeline").lower() or "unknown"


def _row(ref: str, path: Path) -> ModelRow:
    index = table_if_any(path / "model_index.json")
    width = table_if_any(path / "unet" / "config.json").get("cross_attention_dim")
    family = "pocket" if ref == "pocket" else family_of(str(index.get("_class_name", "")), width)
    size = sum(file.stat().st_size for file in _folder_files(path) if file.suffix == ".safetensors")
    return ModelRow(ref, path, size, identity(str(path)), family)


def ref_of(pipe: Any) -> str | None:
    """Return where somebody's pipeline was loaded from, as text; None where it does not say."""
    told = getattr(pipe, "name_or_path", None)
    if not told:
        return None
    return "pocket" if Path(str(told)) == references.POCKET else str(told)


def model_of(pipe: Any) -> Model:
    """Return somebody's loaded pipeline as a model. Its weights are not hashed: they may have been changed since."""
    from .denoiser import denoiser_of
    from .placing import computes_on

    denoiser = denoiser_of(pipe)
    return Model(pipe, _info(ref_of(pipe) or type(pipe).__name__, pipe, ""), computes_on(denoiser), denoiser.dtype)


def _info(ref: str, pipe: Any, sha256: str | None = None) -> ModelInfo:
    from .canvas import latent_channels, scale_factor
    from .clock import Clock
    from .denoiser import denoiser_of

    denoiser = denoiser_of(pipe)
    factor = scale_factor(pipe)
    told = denoiser.config.get("sample_size") or getattr(pipe, "default_sample_size", None)
    side = told or _usual_side(type(pipe).__name__, factor)
    height, width = (side, side) if isinstance(side, int) else side
    family = family_of(type(pipe).__name__, denoiser.config.get("cross_attention_dim"))
    return ModelInfo(
        ref=ref,
        family="pocket" if ref == "pocket" else family,
        sha256=_sha256(ref) if sha256 is None else sha256,
        prediction_type=Clock(pipe.scheduler).prediction,
        latent_shape=(latent_channels(pipe), height, width),
        scale_factor=factor,
        native_size=(height * factor, width * factor),
    )


def _sha256(ref: str) -> str:
    path = locate(ref)
    return weights.hashed([path]) if path.is_file() else identity(ref)  # of a file its own: A1111 names it so


def _folder_files(path: Path) -> list[Path]:
    """Return the files that decide what a diffusers folder computes; what else lies in it does not count."""
    kinds = (".safetensors", ".json", ".txt", ".model")  # .model: the vocabularies of T5 and its kin
    found = [file for part in parts_of(path) for file in files_of(part) if file.suffix in kinds]
    index = path / "model_index.json"
    return [index, *found] if index.is_file() else found
