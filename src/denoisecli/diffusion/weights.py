"""Weights files looked at from outside: are they what their name says, and what is their hash. No torch.

A safetensors file is an 8-byte little-endian header length, a JSON header, and the tensors' bytes. Whatever else hides
behind the name (an LFS pointer, a saved web page, a pickle, half a download) is told apart by its first bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ..digest import file_sha256
from ..errors import ModelError

PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl")
MAX_HEADER = 100_000_000  # the limit of the safetensors library itself


def refuse_pickle(path: Path) -> None:
    """Raise ModelError where the file's name is that of a pickled checkpoint, which can run code when it is read."""
    if path.suffix.lower() not in PICKLES:
        return
    raise ModelError(
        f"{path} is a pickled checkpoint, which can run any code when it is opened.",
        "Convert it where you trust it: python -c \"import torch, safetensors.torch as s; d = torch.load('"
        f"{path.name}', weights_only=True, map_location='cpu'); s.save_file({{k: v.contiguous().clone() for k, v in "
        "d.get('state_dict', d).items() if hasattr(v, 'contiguous')}, "
        f"'{path.stem}.safetensors')\"",
    )


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file: tensor name -> dtype, shape, data_offsets.

    Reads the header alone, and raises ModelError saying what the file is where it is not whole.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header_fits = size >= 8 and length <= min(MAX_HEADER, size - 8)
            header = file.read(length) if header_fits else b""
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
    if not header_fits:
        raise ModelError(f"{path} {_what_it_is(path, size)}.", "Download it again.")
    return _parsed(path, header, size - 8 - length)


def _parsed(path: Path, header: bytes, data_bytes: int) -> dict[str, Any]:
    """Return the header as a dict, after checking that the tensors fill the rest of the file exactly."""
    try:
        tensors = json.loads(header)
        tensors.pop("__metadata__", None)
        end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise ModelError(
            f"{path} is not a safetensors file: its header is no JSON table.", "Download it again."
        ) from None
    if end != data_bytes:
        what = "is cut short" if end > data_bytes else "has bytes after its end"
        raise ModelError(
            f"{path} {what}: it holds {data_bytes:,} bytes of weights and names {end:,}.", "Download it again."
        )
    return dict(tensors)


def _what_it_is(path: Path, size: int) -> str:
    """Return in words what a file that is no safetensors file looks like."""
    with path.open("rb") as file:
        start = file.read(512)
    if size < 8:
        return "is empty" if not size else f"is too short for a weights file ({size} bytes)"
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the weights: the real file was never fetched (git lfs pull)"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page saved under that name, not a weights file"
    if start.startswith(b"PK\x03\x04") or (start[0] == 0x80 and start[1] in range(2, 6)):
        return "is a pickle renamed to .safetensors, which can run code; it was not opened"
    return "is not a safetensors file, or only the start of one"


def hashed(paths: list[Path], root: Path | None = None) -> str:
    """Return a sha256 over the files: of the bytes of a single file, or of all names and hashes below `root`."""
    if root is None:
        (path,) = paths
        return file_hash(path)
    lines = [f"{file_hash(path)}  {path.relative_to(root).as_posix()}\n" for path in sorted(paths)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """Return the sha256 of the file's bytes, remembered by real path, size and time of change."""
    real = path.resolve()
    stat = real.stat()
    key = hashlib.sha256(f"{real}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()
    note = cache_dir() / "sha256" / key
    try:
        known = note.read_text(encoding="ascii").strip()
        if len(known) == 64:
            return known
    except (OSError, ValueError):
        pass
    digest = _sha256(real)
    _remember(note, digest)
    return digest


def cache_dir() -> Path:
    """Return where hashes are remembered: $XDG_CACHE_HOME/denoisecli, or ~/.cache/denoisecli."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path("~/.cache").expanduser()) / "denoisecli"


def _remember(note: Path, digest: str) -> None:
    """Write the digest whole or not at all; a cache that cannot be written is no error."""
    partial = note.with_suffix(f".{os.getpid()}")
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(digest, encoding="ascii")
        partial.replace(note)
    except OSError:
        return


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None


def configs_beside(path: Path) -> Path | None:
    """Return the folder of a single file's own configs: its name without the suffix; None where there is none."""
    beside = path.with_suffix("")
    return beside if (beside / "model_index.json").is_file() else None
