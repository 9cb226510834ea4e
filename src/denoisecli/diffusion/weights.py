"""Weights files looked at from outside: are they what their name says, and what is their hash. No torch.

A safetensors file is an 8-byte little-endian header length, a JSON header, and the tensors' bytes. Whatever else hides
behind the name (an LFS pointer, a saved web page, a pickle, half a download) is told apart by its first bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from denoisecli.cache import cache_dir
from denoisecli.digest import file_sha256
from denoisecli.errors import ModelError
from denoisecli.safe_files import check_file, open_file, read_file, why
from denoisecli.safe_json import check_parts

PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl")
MOST_NOTES = 2000  # hashes that are remembered: those of a hundred models
SETTLED_NS = 50_000_000  # a file that changed later may change again under the same ctime, whose clock ticks slowly
DIGEST = re.compile(r"[0-9a-f]{64}")
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
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            header_fits = size >= 8 and length <= min(MAX_HEADER, size - 8)
            header = file.read(length) if header_fits else b""
    except OSError as error:
        raise ModelError(f"{path} {why(error)}.") from None
    if not header_fits:
        raise ModelError(f"{path} {_what_it_is(path, size)}.", "Download it again.")
    return _parsed(path, header, size - 8 - length)


def _parsed(path: Path, header: bytes, data_bytes: int) -> dict[str, Any]:
    """Return the header as a dict, after checking that the tensors fill the rest of the file exactly."""
    try:
        check_parts(header)
        tensors = json.loads(header)
        tensors.pop("__metadata__", None)
        end = max(map(_end, tensors.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise ModelError(
            f"{path} is not a safetensors file: its header is not a JSON table.", "Download it again."
        ) from None
    if end != data_bytes:
        what = "is cut short" if end > data_bytes else "has bytes after its end"
        raise ModelError(
            f"{path} {what}: it holds {data_bytes:,} bytes of weights and names {end:,}.", "Download it again."
        )
    return dict(tensors)


def _end(tensor: Any) -> int:
    """Return where a tensor of a header ends. Raises TypeError, ValueError or KeyError where it is no such entry."""
    start, stop = tensor["data_offsets"]
    if not isinstance(tensor["dtype"], str) or any(
        type(n) is not int or n < 0 for n in (start, stop, *tensor["shape"])
    ):
        raise ValueError(tensor)
    return int(stop)


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
    return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()


def file_hash(path: Path) -> str:
    """Return the sha256 of the file's bytes, remembered as long as nothing touches the file.

    Size and time of change may be set to anything, as `touch`, `cp -p` and layers of containers do; ctime may not, and
    another file in its place has another inode.
    """
    try:
        real = check_file(path).resolve()
        before = _mark(real)
        note = cache_dir() / "sha256" / hashlib.sha256(os.fsencode(f"{real}\0{before}")).hexdigest()
        if (known := _noted(note)) is not None:
            return known
        digest = file_sha256(real)
        after = _mark(real)
    except OSError as error:
        raise ModelError(f"{path} {why(error)}.") from None
    if before == after and time.time_ns() - real.stat().st_ctime_ns > SETTLED_NS:
        _remember(note, digest)
    return digest


def _mark(path: Path) -> str:
    """Return what changes with every change to a file."""
    stat = path.stat()
    return f"{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ino}\0{stat.st_ctime_ns}"


def _noted(note: Path) -> str | None:
    """Return the digest that a note holds, and mark it as used; None where there is none, or it is no digest."""
    try:
        known = read_file(note, 80).decode("ascii").strip()
        os.utime(note)
    except (OSError, ValueError):
        return None
    return known if DIGEST.fullmatch(known) else None


def _remember(note: Path, digest: str) -> None:
    """Write the digest whole or not at all; a cache that cannot be written is no error."""
    partial = note.with_suffix(f".{os.getpid()}")
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(digest, encoding="ascii")
        partial.replace(note)
        _prune(note.parent)
    except OSError:
        return


def _prune(folder: Path) -> None:
    """Forget the notes that were used longest ago where there are more than MOST_NOTES."""
    notes = [path for path in folder.iterdir() if path.is_file()]
    if len(notes) <= MOST_NOTES:
        return
    for note in sorted(notes, key=lambda path: path.stat().st_mtime_ns)[: len(notes) - MOST_NOTES * 3 // 4]:
        note.unlink(missing_ok=True)


def configs_beside(path: Path) -> Path | None:
    """Return the folder of a single file's own configs: its name without the suffix; None where there is none."""
    beside = path.with_suffix("")
    return beside if (beside / "model_index.json").is_file() else None
