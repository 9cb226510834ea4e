"""Safetensors files, read tensor by tensor and written whole: checked before anything in them is believed.

Layout: 8 bytes of header length, the header (JSON: name to dtype, shape, data_offsets), then the tensors' bytes.
Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import ModelError
from denoisecli.safe_files import new_file, open_file, why
from denoisecli.safe_json import check_parts
from denoisecli.safe_text import brief, is_text, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_HEADER = 100_000_000
MOST_AXES = 64  # as many as PyTorch has; the product of a million sides would have no end
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
BITS = {"BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64, "F16": 16,
        "BF16": 16, "F32": 32, "F64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
        "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4, "C64": 64}  # fmt: skip
"""Bits a number, by the format's names of its types. Source: safetensors' src/tensor.rs."""
RESAVE = "Save it as F16, BF16 or F32."
AGAIN = "Download it again: the file is not whole."
MAGIC = {
    b"PK\x03\x04": "a zip archive, as PyTorch's pickled checkpoints are",
    b"\x80": "a Python pickle",
    b"<": "a web page",
    b"version https://git-lfs": "a Git LFS pointer: the file itself was never downloaded",
    b"GGUF": "a GGUF file",
    b"\x89PNG": "a PNG picture",
}
PICKLED = "A pickle can run code when it is opened, so it is not. Convert it to .safetensors where you trust it."


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of one tensor; `start` and `stop` count bytes from the beginning of the data."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class TensorFile:
    """An open safetensors file. Use `open_tensors`."""

    path: Path
    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    data_start: int
    stream: IO[bytes]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def raw(self, name: str) -> bytes:
        """Return the bytes of a tensor as they are."""
        info = self.tensors[name]
        with self.lock:  # layers are read from several threads
            self.stream.seek(self.data_start + info.start)
            return self.stream.read(info.stop - info.start)

    def read(self, name: str) -> NDArray[np.floating[Any]]:
        """Return a tensor of floating-point numbers, see `decode`. Raises ModelError where it holds NaN or infinity."""
        info = self.tensors[name]
        if info.dtype not in DTYPES:
            raise ModelError(f"{self.path}: {name} is stored as {info.dtype}, which is not read here.", RESAVE)
        values = decode(self.raw(name), info.dtype).reshape(info.shape)
        if not np.isfinite(values).all():
            raise ModelError(
                f"{self.path}: {name} holds NaN or infinite weights.", "The training went wrong; use another file."
            )
        return values


def decode(raw: bytes, dtype: str) -> NDArray[np.floating[Any]]:
    """Return the numbers that `raw` holds, exactly: as float64 for F64, else as float32."""
    stored: NDArray[Any] = np.frombuffer(raw, DTYPES[dtype])
    if dtype == "BF16":  # the upper half of a float32
        return (stored.astype(np.uint32) << 16).view(np.float32)
    if dtype == "F16":
        return _halves().take(stored.view(np.uint16), mode="wrap")  # no index is out of range: it need not be looked at
    return stored.astype(np.float64 if dtype == "F64" else np.float32)


@cache
def _halves() -> NDArray[np.float32]:
    """Return every float16 as float32, by its bits: looking them up takes half the time of converting."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def encode(values: NDArray[np.floating[Any]], dtype: str) -> bytes:
    """Return `values` as the bytes of `dtype`, rounded to the nearest, halves to even."""
    if dtype != "BF16":
        with np.errstate(over="ignore"):
            return values.astype(DTYPES[dtype]).tobytes()
    bits = values.astype("<f4").view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


@contextlib.contextmanager
def open_tensors(path: str | Path) -> Iterator[TensorFile]:
    """Open a safetensors file and check its header against its size. Raises ModelError saying what is wrong."""
    path = Path(path)
    try:
        stream = open_file(path)
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise ModelError(f"{path} is a folder, not a file.", "Name the .safetensors file in it.") from None
    except OSError as error:
        raise ModelError(f"{path} {why(error)}.") from None
    with stream:
        header, data_start = _read_header(stream, path)
        metadata = _metadata(header.pop("__metadata__", {}), path)
        tensors = {name: _info(name, entry, path) for name, entry in header.items()}
        _check_extents(tensors, os.fstat(stream.fileno()).st_size - data_start, path)
        yield TensorFile(path, tensors, metadata, data_start, stream)


def _read_header(stream: IO[bytes], path: Path) -> tuple[dict[str, Any], int]:
    head = stream.read(32)
    size = os.fstat(stream.fileno()).st_size
    length = int.from_bytes(head[:8], "little")
    if size < 8 or length > min(MAX_HEADER, size - 8) or head[8:9] != b"{":
        raise _not_safetensors(head, size, length, path)
    stream.seek(8)
    raw = stream.read(length)
    try:
        check_parts(raw)
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise ModelError(f"{path} is damaged: its header is not valid JSON.", AGAIN) from None
    if not isinstance(header, dict):
        raise ModelError(f"{path} is damaged: its header is not a table of tensors.", AGAIN)
    return header, 8 + length


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _not_safetensors(head: bytes, size: int, length: int, path: Path) -> ModelError:
    if not size:
        return ModelError(f"{path} is empty.", AGAIN)
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return ModelError(f"{path} is not a safetensors file but {kind}.", PICKLED if "pickle" in kind else AGAIN)
    if path.suffix.lower() in (".ckpt", ".pt", ".pth", ".bin"):
        return ModelError(f"{path} is not a safetensors file but, by its name, a Python pickle.", PICKLED)
    if head[8:9] == b"{" and length > size - 8:
        return ModelError(
            f"{path} is cut off: its header alone should have {length:,} bytes, the file has {size:,}.", AGAIN
        )
    return ModelError(f"{path} is not a safetensors file.", "Name a LoRA saved as .safetensors.")


def _metadata(entry: Any, path: Path) -> dict[str, str]:
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise ModelError(f"{path} is damaged: its metadata is not a table of texts.", AGAIN)
    return entry


def _info(name: str, entry: Any, path: Path) -> TensorInfo:
    """Read one entry of the header; every number in it is checked, for it may lie."""
    try:
        dtype, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        numbers = (*shape, start, stop)
        known = is_text(name) and isinstance(dtype, str) and len(shape) <= MOST_AXES
        if not known or not all(type(n) is int and 0 <= n < 2**62 for n in numbers):
            raise ValueError(name)
        size = size_of(dtype, shape)
    except (KeyError, TypeError, ValueError):
        raise ModelError(f"{path} is damaged: its header does not describe {shown(name)}.", AGAIN) from None
    if stop - start != size:
        told = f"{brief('×'.join(map(str, shape))) or 'a single'} {dtype}"
        raise ModelError(
            f"{path} is damaged: {shown(name)} should be {told} but is given {stop - start:,} bytes.", AGAIN
        )
    return TensorInfo(dtype, shape, start, stop)


def size_of(dtype: str, shape: tuple[int, ...]) -> int:
    """Return how many bytes a tensor has. Raises KeyError for an unknown type, ValueError for a part of a byte."""
    size, rest = divmod(math.prod(shape) * BITS[dtype], 8)
    if rest:
        raise ValueError(f"{shape} {dtype} end within a byte")
    return size


def _check_extents(tensors: dict[str, TensorInfo], available: int, path: Path) -> None:
    """Check that the tensors fill the data from end to end, without holes or overlaps."""
    place = 0
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if info.start != place:
            raise ModelError(f"{path} is damaged: its header places {name!r} where other data is.", AGAIN)
        place = info.stop
    if place > available:
        raise ModelError(f"{path} is cut off: {place - available:,} bytes are missing at its end.", AGAIN)
    if place < available:
        raise ModelError(f"{path} is damaged: {available - place:,} bytes at its end belong to nothing.", AGAIN)


Planned = dict[str, tuple[str, tuple[int, ...]]]
"""Names to (dtype, shape): what a file is going to hold."""


def header_for(planned: Planned, metadata: dict[str, str]) -> tuple[bytes, dict[str, int]]:
    """Return the bytes before the data, and where in the file each tensor begins.

    Wide types come first, so that every tensor is aligned to its own width.
    """
    order = sorted(planned, key=lambda name: (-BITS[planned[name][0]], name))
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    place, places = 0, {}
    for name in order:
        dtype, shape = planned[name]
        places[name] = place
        place += size_of(dtype, shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [places[name], place]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    return len(text).to_bytes(8, "little") + text, {name: start + offset for name, offset in places.items()}


def file_size(planned: Planned, metadata: dict[str, str]) -> int:
    """Return how many bytes the file of `planned` has."""
    head, _ = header_for(planned, metadata)
    return len(head) + sum(size_of(dtype, shape) for dtype, shape in planned.values())


@contextlib.contextmanager
def writing(path: Path, planned: Planned, metadata: dict[str, str]) -> Iterator[Callable[[str, bytes], None]]:
    """Write a safetensors file tensor by tensor, in any order: `put(name, raw)`. It is there only when it is whole."""
    head, places = header_for(planned, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    left = set(planned)
    with new_file(path) as partial:
        with partial.open("wb") as stream:
            stream.write(head)

            def put(name: str, raw: bytes) -> None:
                dtype, shape = planned[name]
                if len(raw) != size_of(dtype, shape):
                    raise ValueError(f"{name}: {len(raw)} bytes for {shape} {dtype}")
                stream.seek(places[name])
                stream.write(raw)
                left.discard(name)

            yield put
        if left:
            raise ValueError(f"never written: {sorted(left)}")


def copy_plan(source: TensorFile, names: Iterable[str]) -> Planned:
    """Return the plan of tensors that are copied as they are."""
    return {name: (source.tensors[name].dtype, source.tensors[name].shape) for name in names}
