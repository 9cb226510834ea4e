"""A model reference becomes one loaded pipeline.

A reference is `pocket` (embedded, never touches the network), a diffusers folder, one .safetensors file in the
Stable Diffusion 1.x layout, or a hub id. Weights are safetensors only, and no code from a model is ever run.

`identity` and `list_models` work without torch.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisecli.errors import ModelError
from denoisecli.lora import built_in
from denoisecli.safe_files import at_home, check_file, shortened, why

from . import gguf, model_folders, weights
from .families import FAMILIES, REFINERS, family_named
from .memory import Saving, Work, estimate
from .model_cache import lent
from .model_configs import check_configs, files_of, parts_of, read_table
from .model_parts import missing, used_parts
from .prompts import truncated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import torch

__all__ = [
    "Model", "ModelInfo", "ModelRow", "check", "identity", "list_models", "load_model", "lora_identity", "truncated",
]  # fmt: skip

POCKET = Path(__file__).parent.parent / "pocket"
UNKNOWN_SIDE = 64  # of the latents of a model that does not say: 512 pixels
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


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


def check(ref: str) -> None:
    """Raise ModelError where the model's files are missing, pickled, cut short or not what their names say."""
    _check(ref, locate(ref))


def load_model(
    ref: str,
    device: str = "auto",
    dtype: str = "auto",
    *,
    saving: Saving | None = None,
    work: Work | None = None,
    told: Callable[[str], None] = lambda _: None,
    goes_on: bool = False,
) -> Model:
    """Return the model `ref`, checked before anything heavy is imported, on a device and in a dtype.

    device: auto (cuda, mps, cpu in this order), or one by name; dtype: auto (float16 on cuda, else float32),
    float32, float16 or bfloat16. saving: how it does with less memory; work: what it is to do, by which `memory: auto`
    chooses; told: hears what that chose. goes_on: whether it goes on with runs of another model, as a refiner may.
    Raises ModelError in one sentence for whatever is wrong with the reference, or where it does not fit into memory.
    """
    path = locate(ref)
    _check(ref, path, goes_on=goes_on)
    _same_sums()
    from . import loading, placing

    saving = saving or Saving()
    key = (ref, identity(ref), device, dtype, *map(str, astuple(saving)))
    cache = lent()
    kept: Model | None = cache.take(key) if cache else None
    if kept is not None:
        return kept
    place, kind = loading.choose(device, dtype)
    saving = replace(saving, quantize=placing.check_quantize(path, saving.quantize, place))
    needed = estimate(path, str(kind).removeprefix("torch."), work or Work(), saving)
    choice = placing.choose(ref, needed, saving, place, told)
    with _damage_told(ref):
        parts = {part.name: part.parameters for part in needed.parts}
        pipe = loading.load_pipeline(path, kind, placing.quantisation(saving.quantize, parts, kind))
    pipe = placing.place(pipe, place, kind, choice, saving)
    model = Model(pipe, _info(ref, pipe), place, kind, choice, saving.quantize)
    return cache.put(key, model) if cache else model


def _same_sums() -> None:
    """Ask MKL for sums that do not hang on where in memory a matrix lies; it reads this at its first product.

    Else a model that has had a LoRA on and off gives other last bits than one just loaded (seen on Xeons with AVX-512).
    Source: Intel oneMKL Developer Guide, Conditional Numerical Reproducibility, "STRICT".
    """
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")


def locate(ref: str) -> Path:
    """Return the folder or file that `ref` names on this machine, after fetching a hub id that is not here yet."""
    if ref == "pocket":
        return POCKET
    path = at_home(ref)
    if _is_here(path):
        return path
    if path.suffix.lower() in weights.PICKLES:
        weights.refuse_pickle(path)
    if (added := model_folders.named(ref)) is not None:
        return added
    looks_local = (
        path.suffix in (".safetensors", gguf.SUFFIX) or ref.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(ref)
    )
    if looks_local:
        raise ModelError(f"There is no model at {ref}.", "`denoisecli models` lists what is here.")
    snapshot = _cached_snapshot(ref)
    if snapshot is None:
        return _fetch(ref)
    if _lacks(snapshot):
        with contextlib.suppress(ModelError):  # what is there then says what is missing
            return _fetch(ref)
    return snapshot


def _is_here(path: Path) -> bool:
    """Return whether a folder or file is there. Raises ModelError for a pipe, a device, or what may not be read."""
    try:
        return path.is_dir() or check_file(path) is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        hint = "A model is a folder, a .safetensors file, or the id of one on a hub."
        raise ModelError(f"{shortened(str(path))} {why(error)}.", hint) from None


def _lacks(snapshot: Path) -> bool:
    """Tell whether a model in the hub's cache is not whole."""
    try:
        return missing(snapshot) is not None
    except ModelError:  # of another kind, which is said when it is loaded
        return False


def list_models() -> list[ModelRow]:
    """Return the pocket model and every diffusers folder in the hub's cache, without importing torch."""
    rows = [_row("pocket", POCKET)] if (POCKET / "model_index.json").is_file() else []
    for ref in _in_hub_cache():
        snapshot = _cached_snapshot(ref)
        if snapshot and not _lacks(snapshot):
            with contextlib.suppress(ModelError):  # what is no model is not listed; naming it says why
                rows.append(_row(ref, snapshot))
    return rows


def names_here() -> list[str]:
    """Return the names by which models on this machine can be called; nothing is hashed."""
    return ["pocket", *(ref for ref in _in_hub_cache() if _cached_snapshot(ref)), *model_folders.names()]


def _in_hub_cache() -> list[str]:
    folders = sorted(_hub_cache().glob("models--*--*"))
    return [folder.name.removeprefix("models--").replace("--", "/", 1) for folder in folders]


def usual(path: Path) -> dict[str, Any]:
    """Return cfg, steps and sampler that the pipeline's own call would take, where they are not our defaults.

    Empty for Stable Diffusion 1, 2 and XL and their relatives: our defaults are made for them.
    """
    index = (
        _json((weights.configs_beside(path) or path) / "model_index.json")
        if path.is_file()
        else _json(path / "model_index.json")
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
    family = family_named(str(_json(path / "model_index.json").get("_class_name")))
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
    index = _json(path / "model_index.json")
    width = _json(path / "unet" / "config.json").get("cross_attention_dim")
    family = "pocket" if ref == "pocket" else family_of(str(index.get("_class_name", "")), width)
    size = sum(file.stat().st_size for file in _folder_files(path) if file.suffix == ".safetensors")
    return ModelRow(ref, path, size, identity(str(path)), family)


def ref_of(pipe: Any) -> str | None:
    """Return where somebody's pipeline was loaded from, as text; None where it does not say."""
    told = getattr(pipe, "name_or_path", None)
    if not told:
        return None
    return "pocket" if Path(str(told)) == POCKET else str(told)


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


def _check(ref: str, path: Path, *, goes_on: bool = False) -> None:
    """Raise ModelError where the files are missing, pickled, cut short or not what their names say."""
    if path.is_file():
        weights.refuse_pickle(path)
        if path.suffix == gguf.SUFFIX:
            _check_folder(gguf.check(path), elsewhere=("transformer",))
            return
        if path.suffix.lower() != ".safetensors":
            raise ModelError(f"{path} is not a model: a folder, a .safetensors or a .gguf file is wanted.")
        weights.read_header(path)
        if (configs := weights.configs_beside(path)) is not None:
            check_kind(configs)
            _check_own_code(configs)
        return
    with _damage_told(ref):
        _check_folder(path, goes_on=goes_on)


@contextlib.contextmanager
def _damage_told(ref: str) -> Iterator[None]:
    """Whatever is wrong with the embedded model, the way out is to install it again."""
    try:
        yield
    except ModelError as error:
        if ref != "pocket":
            raise
        hint = "Install denoisecli again: pip install --force-reinstall --no-deps denoisecli"
        raise ModelError(f"The embedded pocket model is damaged: {error.message}", hint) from None


def _check_folder(path: Path, elsewhere: tuple[str, ...] = (), *, goes_on: bool = False) -> None:
    if not (path / "model_index.json").exists():
        raise ModelError(f"{path} is not a diffusers folder: it has no model_index.json.")
    _check_own_code(path)
    check_kind(path, goes_on=goes_on)
    for name in ("unet", "transformer", "vae"):
        folder = path / name
        if name in elsewhere:
            continue
        if folder.is_dir() and not any(file.suffix == ".safetensors" for file in files_of(folder)):
            pickled = [file for file in files_of(folder) if file.suffix in weights.PICKLES]
            if pickled:
                weights.refuse_pickle(pickled[0])
            raise ModelError(f"{folder} holds no .safetensors weights.", "Download the model again.")
    if what := missing(path, elsewhere):
        raise ModelError(f"{path} is not whole: {what} {_is_missing(what)}.", "Download it again.")
    for part in used_parts(path):
        for file in files_of(part):
            if file.suffix == ".safetensors":
                weights.read_header(file)


def _is_missing(what: str) -> str:
    return "are missing" if what.startswith("the weights") else "is missing"


def _check_own_code(path: Path) -> None:
    """Raise ModelError where a model folder brings code of its own."""
    told = read_table(path / "model_index.json").get("_class_name")
    if not isinstance(told, str) or any(file.suffix == ".py" for part in parts_of(path) for file in files_of(part)):
        raise ModelError(f"{path} wants to run code of its own, which denoisecli never does.", "Choose another model.")


def check_kind(path: Path, *, goes_on: bool = False) -> None:
    """Raise ModelError where the configs in `path` are of a pipeline that the labs cannot drive, or of none.

    goes_on: whether one will do that can go on with a run, and begin none.
    """
    name = _json(path / "model_index.json").get("_class_name")
    if name in REFINERS and not goes_on:
        raise ModelError(
            f"{path} is a refiner ({name}): it goes on with a run, and begins none.",
            "Name the base model, and this one in a phase: phases=[{until: 0.8}, {model: ...}]",
        )
    family = family_named(name) if isinstance(name, str) else None
    if isinstance(name, str) and (family is None or not family.labs):
        titles = ", ".join(family.title for family in FAMILIES if family.labs)
        hint = f"denoisecli.record(pipe) records other pipelines in Python. The labs know: {titles}."
        raise ModelError(f"{path} is a {name}, which the labs cannot paint with.", hint)
    scheduler = str(_json(path / "scheduler" / "scheduler_config.json").get("_class_name"))
    if scheduler.startswith("EDM"):
        raise ModelError(f"{path} has the noise levels of EDM ({scheduler}), which no sampler here has.")
    check_configs(path)


def _folder_files(path: Path) -> list[Path]:
    """Return the files that decide what a diffusers folder computes; what else lies in it does not count."""
    kinds = (".safetensors", ".json", ".txt", ".model")  # .model: the vocabularies of T5 and its kin
    found = [file for part in parts_of(path) for file in files_of(part) if file.suffix in kinds]
    index = path / "model_index.json"
    return [index, *found] if index.is_file() else found


def _json(path: Path) -> dict[str, Any]:
    """Return a JSON table, empty where it is none or not there."""
    try:
        return read_table(path)
    except ModelError:
        return {}


def _hub_cache() -> Path:
    """Return the hub's cache folder, by the environment variables that huggingface_hub reads."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def _cached_snapshot(ref: str) -> Path | None:
    """Return the newest snapshot of a hub id in the cache that is a diffusers folder."""
    folder = _hub_cache() / f"models--{ref.replace('/', '--')}"
    snapshots = [path for path in folder.glob("snapshots/*") if (path / "model_index.json").is_file()]
    return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)


def _fetch(ref: str) -> Path:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        hint = "Unset HF_HUB_OFFLINE to download it, or choose a model that `denoisecli models` lists."
        raise ModelError(f"{ref} is not on this machine, and HF_HUB_OFFLINE is set.", hint)
    from . import loading

    return loading.download(ref)
