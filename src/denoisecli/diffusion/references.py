"""A model reference becomes a place on this machine, without torch.

A reference is `pocket` (embedded, never touches the network), a diffusers folder, one .safetensors or .gguf file, the
name of a file in a folder of models that was added, or a hub id.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from denoisecli import hub_cache
from denoisecli.errors import ModelError
from denoisecli.safe_files import at_home, check_file, shortened, why

from . import gguf, model_folders, weights
from .model_parts import missing

POCKET = Path(__file__).parent.parent / "pocket"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


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
    snapshot = cached_snapshot(ref)
    if snapshot is None:
        return _fetch(ref)
    if lacks(snapshot):
        with contextlib.suppress(ModelError):  # what is there then says what is missing
            return _fetch(ref)
    return snapshot


def locate_part(ref: str) -> Path:
    """Return the folder of one part of a model: a path, or a hub id, which is fetched where it is not here yet."""
    path = at_home(ref)
    if path.is_dir():
        return path
    if not _HUB_ID.fullmatch(ref):
        raise ModelError(f"There is no folder at {shortened(ref)}.")
    return _newest(ref, "config.json") or _fetch(ref, part=True)


def names_here() -> list[str]:
    """Return the names by which models on this machine can be called; nothing is hashed."""
    return ["pocket", *(ref for ref in hub_cache.names() if cached_snapshot(ref)), *model_folders.names()]


def cached_snapshot(ref: str) -> Path | None:
    """Return the newest snapshot of a hub id in the cache that is a diffusers folder."""
    return _newest(ref, "model_index.json")


def _newest(ref: str, file: str) -> Path | None:
    """Return the newest snapshot of a hub id in the cache that has a file of this name."""
    snapshots = [path for path in hub_cache.folder_of(ref).glob("snapshots/*") if (path / file).is_file()]
    return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)


def _fetch(ref: str, *, part: bool = False) -> Path:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        instead = "name the folder of one" if part else "choose a model that `denoisecli models` lists"
        hint = f"Unset HF_HUB_OFFLINE to download it, or {instead}."
        raise ModelError(f"{ref} is not on this machine, and HF_HUB_OFFLINE is set.", hint)
    from . import loading

    return loading.download_part(ref) if part else loading.download(ref)


def _is_here(path: Path) -> bool:
    """Return whether a folder or file is there. Raises ModelError for a pipe, a device, or what may not be read."""
    try:
        return path.is_dir() or check_file(path) is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        hint = "A model is a folder, a .safetensors file, or the id of one on a hub."
        raise ModelError(f"{shortened(str(path))} {why(error)}.", hint) from None


def lacks(snapshot: Path) -> bool:
    """Tell whether a model in the hub's cache is not whole."""
    try:
        return missing(snapshot) is not None
    except ModelError:  # of another kind, which is said when it is loaded
        return False
