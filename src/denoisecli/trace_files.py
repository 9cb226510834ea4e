"""The two files of a trace, `trace.json` and `states.safetensors`: written, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .errors import NotRecorded
from .registry import axes as axes_of
from .safe_files import BadName, check_file, inside, new_file, read_file, read_inside, why, write_file
from .safe_json import parse
from .safe_text import shown, utf8

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]
    Record = Mapping[str, Any]

SCHEMA = "denoisecli/trace/1"
STATES_FILE = "states.safetensors"
TRACE_FILE = "trace.json"
MOST_RECORD = 16 << 20  # bytes of a record: 64 seeds of 100 steps have 2 MB

_EMPTY: dict[str, Any] = {
    "version": __version__, "created": None, "command": None, "config": {}, "environment": None, "model": None,
    "schedule": [], "runs": [], "timings": {}, "artifacts": [],
}  # fmt: skip


def write_record(lab: str, record: Record, path: Path) -> None:
    """Write a `trace.json`, every field of docs/trace.schema.json in it."""
    whole = {"schema": SCHEMA, "lab": lab} | _EMPTY | dict(record)
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False, default=as_json)
    write_file(path, utf8(f"{text}\n"))


def as_json(value: Any) -> Any:
    """Return what stands for a value that JSON has not: NumPy's numbers as Python's, lists for sets, text for the rest.

    Callers hand over all sorts of things: paths, enumerations, tensors.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return shown(value, 200)


def write_arrays(arrays: Arrays, path: Path) -> None:
    """Write named arrays as safetensors, byte for byte as the library does, but one after another.

    Its `save` holds all of them twice beside what they are; its `save_file` makes files of mode 0600, which no web
    server may read, and hides the system's errors. Source: https://github.com/huggingface/safetensors#format
    """
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    plain = {name: array.astype(array.dtype.newbyteorder("<"), copy=False) for name, array in plain.items()}
    ranks = list(_KINDS)  # wide types come first, so all are aligned
    order = sorted(plain, key=lambda name: (-ranks.index(plain[name].dtype.str[1:]), name))
    header, place = {}, 0
    for name in order:
        array = plain[name]
        header[name] = {
            "dtype": _KINDS[array.dtype.str[1:]], "shape": array.shape, "data_offsets": [place, place + array.nbytes]
        }  # fmt: skip
        place += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with new_file(path) as part, part.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            file.write(plain[name].reshape(-1).view(np.uint8).data)


_KINDS = {
    "b1": "BOOL", "u1": "U8", "i1": "I8", "i2": "I16", "u2": "U16", "f2": "F16", "i4": "I32", "u4": "U32", "f4": "F32",
    "f8": "F64", "i8": "I64", "u8": "U64",
}  # fmt: skip
"""The format's names of NumPy's types, in its order of them: arrays are written from the last one on."""


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the record and the arrays of a run, checked.

    Raises NotRecorded where `folder` holds no run, or one that is not as we write them, naming the file and the key.
    """
    record = load_record(folder)
    try:
        arrays = read_arrays(inside(folder, STATES_FILE))
    except BadName as error:
        raise _unreadable(folder, f"{STATES_FILE} {error}") from None
    except OSError as error:
        raise _unread(folder, STATES_FILE, error) from None
    except ValueError as error:
        raise _unreadable(folder, f"{STATES_FILE} is damaged: {error}") from None
    if wrong := arrays_fault(str(record.get("lab", "sample")), arrays, record):
        raise _unreadable(folder, wrong)
    return record, arrays


def load_record(folder: str | Path) -> dict[str, Any]:
    """Read a run's `trace.json` alone, checked. Raises NotRecorded where `folder` holds no run."""
    from .trace_schema import record_fault

    folder = Path(folder)
    try:
        found = parse(read_inside(folder, TRACE_FILE, MOST_RECORD))
    except OSError as error:
        raise _unread(folder, TRACE_FILE, error) from None
    except ValueError as error:
        raise _unreadable(folder, f"{TRACE_FILE} is damaged: {error}") from None
    if not isinstance(found, dict):
        raise _unreadable(folder, f"{TRACE_FILE} holds no record")
    if wrong := record_fault(found):
        raise _unreadable(folder, f"{TRACE_FILE} is not as denoisecli writes it: {wrong}")
    return found


def read_table(path: Path) -> dict[str, Any] | None:
    """Return what a trace.json, compare.json or error.json holds; None where there is none that can be read."""
    try:
        found = parse(read_file(path, MOST_RECORD, links=False), lenient=True)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file that is no link.

    Raises OSError as `open_file` does, ValueError for a damaged file, or one with numbers that NumPy does not have.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_file(path, links=False)
    try:
        return load_file(path)
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None


FINITE = frozenset({"x_t", "x0", "eps_uncond", "eps_cond", "eps", "x_T", "final", "delta_w"})
"""Arrays of numbers alone: a level of pure noise has an infinite sigma, but no latent has."""

LEADING = {
    "x_t": ("row", "state"), "x0": ("row", "step"), "eps_uncond": ("row", "step"), "eps_cond": ("row", "step"),
    "sigmas": ("state",), "timesteps": ("state",), "alpha_bars": ("state",),
    "words": ("row", "step"), "negative_words": ("row", "step"),
}  # fmt: skip
"""The axes of what a sampler leaves, from the left; in a sweep a scale's stands before a row's."""


def arrays_fault(lab: str, arrays: Arrays, record: Record) -> str | None:
    """Return what is wrong with a run's arrays: by themselves, among each other, beside the record; None if nothing.

    Which arrays a drawing needs is not asked here.
    """
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or array.size == 0:
            shape = "×".join(map(str, array.shape)) or "1"
            return f"{name} in {STATES_FILE} holds {shape} of {array.dtype}"
        if name in FINITE and array.dtype.kind != "f":
            return f"{name} in {STATES_FILE} is of {array.dtype}"
        if name in FINITE and not np.isfinite(array).all():
            return f"{name} in {STATES_FILE} holds what is not a number"
    axes = axes_of(lab)
    return _axes_fault(axes[:-1], arrays, record) if "x_t" in arrays and axes is not None else None


def _axes_fault(before: tuple[str, ...], arrays: Arrays, record: Record) -> str | None:
    """Return which array of a sampled run has another length than the rest, or than the record says.

    before: the lab's axes that stand before a row's.
    """
    told = {"state": len(record.get("schedule") or []), "scale": len(record.get("scales") or [])}
    sizes = {axis: (length, "the record") for axis, length in told.items() if length}
    for name, leading in LEADING.items():
        if name not in arrays:
            continue
        axes = (*before, *leading) if leading[0] == "row" else leading
        shape = arrays[name].shape
        if len(shape) < len(axes) or (len(axes) == 1 and len(shape) > 1):
            return f"{name} in {STATES_FILE} has {len(shape)} axes"
        for axis, size in zip(axes, shape, strict=False):
            kind, length = ("state", size + 1) if axis == "step" else (axis, size)
            other, whose = sizes.setdefault(kind, (length, name))
            if other != length:
                return f"{name} in {STATES_FILE} is not as long as {whose} says, along its axis of {kind}s"
    return None


def _unread(folder: Path, name: str, error: OSError) -> NotRecorded:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotRecorded(f"{folder} is not a run folder: it has no {name}.")
    return _unreadable(folder, f"{name} {why(error)}")


def _unreadable(folder: Path, why: object) -> NotRecorded:
    return NotRecorded(f"{folder} cannot be read: {why}.", "Make the run again with --force.")
