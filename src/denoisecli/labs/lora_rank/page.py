"""The LoRA lab's pages: a matrix whose copy is multiplied in the page, and a file cut to falling rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli import glossary
from denoisecli.figures.facts import three_figures
from denoisecli.figures.page_body import Body

from .figures.blocks import MOST_OF_IT, RankedFile, end_word, hero, size
from .figures.matrix import BREAK_EVEN, EXACT, EXACT_ERROR, RankedMatrix, percent
from .figures.pictures import Painted

SCRIPT = Path(__file__).with_name("page.js")

LONGEST = 256  # rows, columns and ranks that a page multiplies, at every frame; of larger matrices every so many
MOST_SPECTRA = 1 << 20  # bytes of the layers' singular values; of larger files the blocks' alone are carried
OPENS_AT = 0.9  # of the energy
FILE_TERMS = ("ΔW", "rank", "file", "energy kept", "error", "singular values")


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
        "terms": glossary.terms("ΔW", "rank", "numbers", "energy kept", "error", "singular values"),
        "captions": glossary.captions("rank", "spectrum"),
        "title": f"{subject.name}: ΔW = B·A, the sum of the first parts",
        "settings": f"{rows}×{columns} = {rows * columns} numbers",
        "note": note,
        "matrix": said,
        "full": rows * columns,
        "start": min(most, int(np.searchsorted(share, OPENS_AT)) + 1),
        "marks": [{"text": text, "role": role, "index": at - 1} for text, role, at in places if at and at <= most],
    }
    return Body(SCRIPT, data, arrays=arrays)


def factors(subject: RankedMatrix) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Return what a page says of ΔW and its last cut, and the arrays: B, A, delta (what is drawn of ΔW), values."""
    B, A = subject.cuts[-1]
    most = min(B.shape[1], LONGEST)
    down, across = (_thinned(length) for length in subject.matrix.shape)
    drawn = subject.matrix[np.ix_(down, across)]
    unit = _unit(B, A)  # of each factor; the page shows nothing but ratios
    arrays = {"B": B[down, :most] / unit, "A": A[:most, across] / unit, "delta": drawn / unit / unit}
    arrays |= {"values": subject.values / _unit(subject.values)}
    said = {
        "name": subject.name,
        "shape": list(drawn.shape),
        "whole": list(subject.shape),
        "most": most,
        "limit": subject.limit / unit / unit,
    }
    return said, {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}


def _unit(*arrays: NDArray[Any]) -> float:
    """Return a power of two by which arrays are divided to fit float32 and its squares: 1 for any ordinary ones."""
    largest = max(float(np.abs(array).max()) for array in arrays)
    return 1.0 if not largest or 1e-12 < largest < 1e12 else 2.0 ** np.frexp(largest)[1]


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


@dataclass(frozen=True)
class Layers:
    """The layers of a file: their singular values by name, and the rank that each rule leaves them."""

    values: Mapping[str, NDArray[Any]]
    given: Mapping[str, Mapping[str, int]]


def file_page(
    subject: RankedFile,
    layers: Layers,
    piece: RankedMatrix | None = None,
    painted: Painted | None = None,
    runs: Sequence[Mapping[str, Any]] = (),
) -> Body:
    """Return the page of a LoRA file. runs: the trace's rows, those of strengths too; painted: the model's pictures."""
    variants = list(painted.pictures) if painted else []
    cuts = [_cut(row, subject, variants, painted) for row in subject.rows]
    sweep = [row for row in runs if str(row["rule"]).startswith("scale-")]
    strengths = [_strength(row, subject, variants) for row in sweep]
    views = [*(["ranks"] if painted and cuts[0]["variant"] is not None else []), *(["strengths"] if strengths else [])]
    views += ["blocks"]
    arrays = {"block_values": (subject.spectra / _unit(subject.spectra)).astype(np.float32)}
    carried = len(layers.values) * subject.spectra.shape[1] * 4 <= MOST_SPECTRA
    if carried and layers.values:
        arrays["layer_values"] = _padded(layers.values, subject.spectra.shape[1])
    data: dict[str, Any] = {
        "kind": "file",
        "captions": glossary.captions("blocks", "spectrum"),
        "terms": glossary.terms(*FILE_TERMS, *(("distance", "seed") if painted else ())),
        "title": (painted.prompt if painted else f"{subject.name}, cut to falling rank") or "no prompt",
        "settings": painted.settings if painted else f"{subject.name} · {subject.about}",
        "cuts": cuts,
        "strengths": strengths,
        "measures": _measures(painted is not None),
        "whole": {"bytes": subject.bytes},
        "blocks": [
            {"name": name, "share": float(share), "kept": [float(kept) for kept in subject.kept[:, index]]}
            for index, (name, share) in enumerate(zip(subject.blocks, subject.shares, strict=True))
        ],
        "width": subject.spectra.shape[1],
        "layers": _layers(subject, layers) if carried else [],
        "seeds": list(painted.seeds) if painted else [],
        "painted": _painted(painted, variants) if painted else None,
        "start": next((i for i, row in enumerate(subject.rows) if row["energy"] >= MOST_OF_IT), len(cuts) - 1),
    }
    data["marks"] = [{"text": f"{MOST_OF_IT:.0%} of the energy", "role": "teal", "index": data["start"]}]
    if subject.rows[data["start"]]["energy"] < MOST_OF_IT:
        data["marks"] = []
    if piece is not None:
        data["matrix"], more = factors(piece)
        arrays |= more
        views.append("layer")
    pictures = [("final", index, seed) for index in range(len(variants)) for seed in range(len(data["seeds"]))]
    return Body(SCRIPT, data | {"views": views}, pictures, arrays)


def _cut(
    row: Mapping[str, Any], subject: RankedFile, variants: Sequence[str], painted: Painted | None
) -> dict[str, Any]:
    big, of = hero(dict(row), subject.rank)
    return {
        "name": end_word(dict(row)),
        "big": big,
        "of": of,
        "said": f"{end_word(dict(row))} · {size(row['bytes'])} · {percent(row['energy'])} of the energy",
        "rank": row.get("rank", subject.rank),
        "mean_rank": row.get("mean_rank", row.get("rank", subject.rank)),
        "bytes": row["bytes"],
        "size": size(row["bytes"]),
        "energy": float(row["energy"]),
        "error": float(row["error"]),
        "variant": variants.index(row["rule"]) if row["rule"] in variants else None,
    } | (_distances(row) if painted else {})


def _strength(row: Mapping[str, Any], subject: RankedFile, variants: Sequence[str]) -> dict[str, Any]:
    scale = f"{row['scale']:g}"
    said = f"strength {scale} · distance {three_figures(row['distance_to_full'])} to the picture at 1"
    whole = {"bytes": subject.bytes, "size": size(subject.bytes), "energy": 1.0, "error": 0.0}
    named = {"name": f"strength {scale}", "big": scale, "of": "strength", "said": said}
    return named | whole | _distances(row) | {"variant": variants.index(row["rule"])}


def _distances(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "distance": row.get("distance_to_full"),
        "by_seed": list((row.get("distance_by_seed") or {}).values()) or None,
    }


def _measures(painted: bool) -> list[dict[str, Any]]:
    rows = [
        ("bytes", "file", "size of the file, the whole one at the top", "teal", False, "file"),
        ("error", "error", "‖ΔW − cut‖ / ‖ΔW‖ over all layers", "rose", True, "rank"),
        ("energy", "energy kept", "energy kept, Σσ² over all layers", "amber", True, "rank"),
        ("distance", "distance", "how far the picture is from the whole LoRA's", "teal", False, "rank_picture"),
    ]
    keys = ("key", "name", "title", "role", "percent")
    shown = rows[: 4 if painted else 3]
    said = glossary.captions(*(row[-1] for row in shown))
    return [dict(zip(keys, row[:-1], strict=True)) | {"caption": said[row[-1]]} for row in shown]


def _layers(subject: RankedFile, layers: Layers) -> list[dict[str, Any]]:
    rules = [str(row["rule"]) for row in subject.rows]
    return [
        {"name": name, "length": len(values), "ranks": [layers.given[rule][name] for rule in rules]}
        for name, values in layers.values.items()
    ]


def _padded(values: Mapping[str, NDArray[Any]], length: int) -> NDArray[np.float32]:
    table = np.stack([np.pad(found, (0, length - len(found))) for found in values.values()])
    return (table / _unit(table)).astype(np.float32)


def _painted(painted: Painted, variants: Sequence[str]) -> dict[str, Any]:
    height, width = painted.pictures[variants[0]].shape[1:3]
    off, whole = variants.index("off"), variants.index("whole")
    return {"off": off, "whole": whole, "rank": painted.rank, "ratio": width / height}
