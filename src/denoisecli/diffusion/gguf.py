"""GGUF files: a denoiser's weights in few bits, in one file. The other parts of the pipeline lie in a folder beside it.

The format: "GGUF", a version, the number of tensors and of notes, the notes, the tensors' names and places.
Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.

The package that reads it makes objects of all values of a note, believes every count, and copies what two tensors share
once for each. So the header is walked here before.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from denoisecli.errors import ModelError
from denoisecli.safe_files import open_file, why

from . import weights

SUFFIX = ".gguf"
MOST = 1 << 16  # tensors, and notes: models of today have some thousands
MOST_VALUES = 1 << 18  # in the lists of all notes: a vocabulary has half as many
MOST_AXES = 8
VALUES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of each kind of number
TEXT, LIST = 8, 9  # the other kinds


def check(path: Path) -> Path:
    """Return the folder that holds the other parts. Raises ModelError where there is none, or the file is no GGUF."""
    try:
        with open_file(path) as file:
            _check_header(file)
    except OSError as error:
        raise ModelError(f"{path} {why(error)}.") from None
    except ValueError as error:
        raise ModelError(
            f"{path} is not a GGUF file, or only the start of one: {error}.", "Download it again."
        ) from None
    if (beside := weights.configs_beside(path)) is None:
        raise ModelError(
            f"{path} holds a denoiser alone, and {path.with_suffix('')}/ with the model's other parts is not there.",
            "Put the diffusers folder of the same model there; its transformer needs a config.json and no weights.",
        )
    return beside


def _check_header(file: BinaryIO) -> None:
    """Raise ValueError where a header asks for more than any model, or for more than there is in the file."""
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) != b"GGUF":
        raise ValueError("its first letters are others")
    if (version := _number(file, 4)) not in (2, 3):
        raise ValueError(f"there is no version {version}")
    tensors, notes = _number(file), _number(file)
    if max(tensors, notes) > MOST:
        raise ValueError(f"it is to have {max(tensors, notes)} parts")
    left = MOST_VALUES
    for _ in range(notes):
        _skip_text(file, size)
        left -= _skip_note(file, size, left)
    blocks = _blocks()
    told = [_tensor(file, size, blocks) for _ in range(tensors)]
    held = size - file.tell()
    if sum(taken for _, taken in told) > held or any(place + taken > held for place, taken in told):
        raise ValueError(f"it holds {held:,} bytes of weights, and its tensors have more")


def _skip_note(file: BinaryIO, size: int, most: int) -> int:
    """Skip the value of a note, and return how many there were in a list."""
    kind, count = _number(file, 4), 1
    if listed := kind == LIST:
        kind, count = _number(file, 4), _number(file)
        if count > most:
            raise ValueError(f"its notes list more than {MOST_VALUES:,} values")
    if kind == TEXT:
        for _ in range(count):
            _skip_text(file, size)
    elif kind in VALUES:
        _skip(file, size, count * VALUES[kind])
    else:
        raise ValueError(f"no note has the kind {kind}")
    return count if listed else 0


def _tensor(file: BinaryIO, size: int, blocks: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return where a tensor begins, behind the header, and its bytes."""
    _skip_text(file, size)
    axes = _number(file, 4)
    if axes > MOST_AXES:
        raise ValueError(f"a tensor has {axes} axes")
    elements = math.prod(_number(file) for _ in range(axes))
    kind, place = _number(file, 4), _number(file)
    block, taken = blocks.get(kind, (1, 0))  # an unknown kind is refused by the package
    return place, elements // block * taken


def _blocks() -> dict[int, tuple[int, int]]:
    """Return how many elements a block of each kind of tensor has, and how many bytes; empty without the package."""
    if not find_spec("gguf"):
        return {}
    from gguf.constants import GGML_QUANT_SIZES

    return {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}


def _number(file: BinaryIO, width: int = 8) -> int:
    found = file.read(width)
    if len(found) < width:
        raise ValueError("it ends in its header")
    return int.from_bytes(found, "little")


def _skip_text(file: BinaryIO, size: int) -> None:
    _skip(file, size, _number(file))


def _skip(file: BinaryIO, size: int, count: int) -> None:
    if count > size - file.tell():
        raise ValueError("it ends in its header")
    file.seek(count, 1)
