"""Folders of models that the user has named once: ComfyUI's `models`, A1111's `models`, any other. No torch.

Their names are kept in a text file, a folder a line. A checkpoint in them can be named by its file's name alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from denoisecli.errors import ModelError, UsageError
from denoisecli.safe_files import at_home, read_file, write_file

from . import single_file, weights
from .families import family_named
from .model_configs import read_table

MOST_FILES = 20_000  # looked at in one folder
MOST_LIST = 1 << 20


@dataclass(frozen=True)
class Found:
    """A weights file, or a diffusers folder. kind: a family, or lora, vae, ...; opens: whether a lab paints with it."""

    path: Path
    kind: str
    bytes: int
    opens: bool


def folders() -> list[Path]:
    """Return the folders that were added, those that are gone too."""
    try:
        lines = read_file(_list(), MOST_LIST).decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    return [Path(line) for line in lines if line.strip()]


def add(name: str) -> Path:
    """Remember a folder, and return it; of the whole of ComfyUI or A1111 the part that holds models."""
    path = at_home(name)
    if not path.is_dir():
        raise UsageError(f"{name} is not a folder.", "Name the one that holds your models, such as ~/ComfyUI/models.")
    path = path.absolute()
    if path.name != "models" and (path / "models").is_dir():
        path = path / "models"
    _remember([*(folder for folder in folders() if folder != path), path])
    return path


def forget(name: str) -> Path:
    """Forget a folder. Raises UsageError where it was not added."""
    path = at_home(name).absolute()
    known = folders()
    gone = next((folder for folder in known if folder in (path, path / "models")), None)
    if gone is None:
        shown = ", ".join(map(str, known)) or "none"
        raise UsageError(f"{name} is not among the folders that were added.", f"Those are: {shown}.")
    _remember([folder for folder in known if folder != gone])
    return gone


def found_in(folder: Path) -> list[Found]:
    """Return what lies in a folder and below it, by kind and name. Files are told by their headers alone."""
    return sorted(_found(folder), key=lambda one: (not one.opens, one.kind, str(one.path).lower()))


def named(name: str) -> Path | None:
    """Return the checkpoint of this file name, with or without its ending, in the added folders; None if none is."""
    if not name or "/" in name or "\\" in name:
        return None
    wanted = {name, f"{name}.safetensors"}
    return next((path for folder in folders() for path in _files(folder) if path.name in wanted and _opens(path)), None)


def names() -> list[str]:
    """Return the names under which checkpoints in the added folders can be loaded."""
    return [one.path.stem for folder in folders() for one in found_in(folder) if one.opens and one.path.is_file()]


def _found(folder: Path) -> Iterator[Found]:
    for path in _files(folder):
        size = path.stat().st_size
        if path.name == "model_index.json":
            yield _diffusers(path.parent)
        elif path.suffix.lower() in weights.PICKLES:
            yield Found(path, "pickled", size, opens=False)
        else:
            try:
                header = weights.read_header(path)
            except ModelError:
                yield Found(path, "damaged", size, opens=False)
                continue
            yield Found(path, single_file.kind_of(header) or "unknown", size, _opens(path))


def _diffusers(folder: Path) -> Found:
    try:
        name = str(read_table(folder / "model_index.json").get("_class_name"))
    except ModelError:
        return Found(folder, "damaged", 0, opens=False)
    family = family_named(name)
    size = sum(file.stat().st_size for file in folder.glob("*/*.safetensors"))
    return Found(folder, family.name if family else name, size, bool(family and family.labs))


def _opens(path: Path) -> bool:
    try:
        single_file.layout_of(path)
    except ModelError:
        return False
    return True


def _files(folder: Path) -> Iterator[Path]:
    """Yield weights and indexes below `folder`; links to files are followed, as people keep models in one place."""
    seen = 0
    for here, below, files in os.walk(folder):
        if "model_index.json" in files:
            below.clear()
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in ["model_index.json"] if "model_index.json" in files else sorted(files):
            seen += 1
            if seen > MOST_FILES:
                return
            path = Path(here, name)
            wanted = path.suffix.lower() in (".safetensors", *weights.PICKLES) or name == "model_index.json"
            if wanted and path.is_file():
                yield path


def _remember(found: list[Path]) -> None:
    path = _list()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, b"".join(os.fsencode(folder) + b"\n" for folder in found))


def _list() -> Path:
    root = os.environ.get("XDG_CONFIG_HOME")
    return (Path(root) if root else Path("~/.config").expanduser()) / "denoisecli" / "model-folders.txt"
