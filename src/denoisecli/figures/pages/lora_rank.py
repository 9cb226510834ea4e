"""The LoRA lab's pages: a matrix whose copy is multiplied in the page, and a file cut to falling rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rank import BREAK_EVEN, EXACT, EXACT_ERROR, RankedMatrix
from .body import Body

LONGEST = 256  # rows, columns and ranks that a page multiplies, at every frame; of larger matrices every so many
OPENS_AT = 0.9  # of the energy


def matrix_page(subject: RankedMatrix) -> Body:
    """Return the page of a matrix. `subject` is cut to its full rank alone: the page takes the parts it needs."""
    rows, columns = subject.shape
    energy = np.cumsum(np.square(subject.values))
    share = energy / (energy[-1] or 1.0)
    said, arrays = factors(subject)
    most = said["most"]
    dear = -(-rows * columns // (rows + columns))
    exact = next((rank for rank, missed in enumerate(_missed(subject.values), 1) if missed < EXACT_ERROR), None)
    places = ((BREAK_EVEN, "rose", dear), (EXACT, "teal", exact))
    note = None if said["shape"] == [rows, columns] else _note(said, (rows, columns))
    data = {
        "kind": "matrix",
        "title": f"{subject.name}: ΔW = B·A, the sum of the first parts",
        "settings": f"{rows}×{columns} = {rows * columns} numbers",
        "note": note,
        "matrix": said,
        "full": rows * columns,
        "start": min(most, int(np.searchsorted(share, OPENS_AT)) + 1),
        "marks": [{"text": text, "role": role, "index": at - 1} for text, role, at in places if at and at <= most],
    }
    return Body("lora-rank", data, arrays=arrays)


def factors(subject: RankedMatrix) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Return what a page says of ΔW and its last cut, and the arrays: B, A, delta (what is drawn of ΔW), values."""
    B, A = subject.cuts[-1]
    most = min(B.shape[1], LONGEST)
    down, across = (_thinned(length) for length in subject.matrix.shape)
    drawn = subject.matrix[np.ix_(down, across)]
    arrays = {"B": B[down, :most], "A": A[:most, across], "delta": drawn, "values": subject.values}
    said = {"shape": list(drawn.shape), "whole": list(subject.shape), "most": most, "limit": subject.limit}
    return said, {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}


def _thinned(length: int) -> NDArray[np.intp]:
    """Return the places that are drawn: all, or LONGEST evenly spread ones."""
    return np.linspace(0, length - 1, min(length, LONGEST)).round().astype(np.intp)


def _missed(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return ‖rest‖ / ‖all‖ at ranks 1 … n, summed from the small end so that it is exact there."""
    rest = np.append(np.cumsum(np.square(values, dtype=np.float64)[::-1])[::-1], 0)
    missed: NDArray[np.float64] = np.sqrt(rest[1:] / (rest[0] or 1.0))
    return missed


def _note(said: dict[str, Any], shape: tuple[int, int]) -> str:
    drawn = "×".join(map(str, said["shape"]))
    whole = f"{shape[0]}×{shape[1]}"
    return f"{drawn} of the {whole} numbers are drawn, and {said['most']} ranks; energy and error are of all."
