"""What is wrong with a model's files, told before anything heavy is imported."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from denoisecli.errors import ModelError

from . import gguf, weights
from .families import FAMILIES, REFINERS, family_named
from .model_configs import check_configs, files_of, parts_of, read_table, table_if_any
from .model_parts import missing, used_parts
from .references import locate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check(ref: str) -> None:
    """Raise ModelError where the model's files are missing, pickled, cut short or not what their names say."""
    check_at(ref, locate(ref))


def check_at(ref: str, path: Path, *, goes_on: bool = False) -> None:
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
    with damage_told(ref):
        _check_folder(path, goes_on=goes_on)


def check_kind(path: Path, *, goes_on: bool = False) -> None:
    """Raise ModelError where the configs in `path` are of a pipeline that the labs cannot drive, or of none.

    goes_on: whether one will do that can go on with a run, and begin none.
    """
    told = table_if_any(path / "model_index.json").get("_class_name")
    name = told if isinstance(told, str) else None  # a list names code of its own, which is refused as such
    if name in REFINERS and not goes_on:
        raise ModelError(
            f"{path} is a refiner ({name}): it goes on with a run, and begins none.",
            "Name the base model, and this one in a phase: phases=[{until: 0.8}, {model: ...}]",
        )
    family = None if name is None else family_named(name)
    if name is not None and (family is None or not family.labs):
        titles = ", ".join(family.title for family in FAMILIES if family.labs)
        hint = f"denoisecli.record(pipe) records other pipelines in Python. The labs know: {titles}."
        raise ModelError(f"{path} is a {name}, which the labs cannot paint with.", hint)
    scheduler = str(table_if_any(path / "scheduler" / "scheduler_config.json").get("_class_name"))
    if scheduler.startswith("EDM"):
        raise ModelError(f"{path} has the noise levels of EDM ({scheduler}), which no sampler here has.")
    check_configs(path)


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


def _check_own_code(path: Path) -> None:
    """Raise ModelError where a model folder brings code of its own."""
    told = read_table(path / "model_index.json").get("_class_name")
    if not isinstance(told, str) or any(file.suffix == ".py" for part in parts_of(path) for file in files_of(part)):
        raise ModelError(f"{path} wants to run code of its own, which denoisecli never does.", "Choose another model.")


def _is_missing(what: str) -> str:
    return "are missing" if what.startswith("the weights") else "is missing"


@contextlib.contextmanager
def damage_told(ref: str) -> Iterator[None]:
    """Whatever is wrong with the embedded model, the way out is to install it again."""
    try:
        yield
    except ModelError as error:
        if ref != "pocket":
            raise
        hint = "Install denoisecli again: pip install --force-reinstall --no-deps denoisecli"
        raise ModelError(f"The embedded pocket model is damaged: {error.message}", hint) from None
