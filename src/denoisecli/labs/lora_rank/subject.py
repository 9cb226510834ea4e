"""What the figures show of a LoRA file: gathered from the file once, kept in the trace, read back from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.lora.blocks import blocks_of, made_for, short_name
from denoisecli.lora.ranks import energy_kept
from denoisecli.lora.spectrum import decompose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.lora.file import LoraFile
    from denoisecli.lora.keys import Layer
    from denoisecli.trace import Trace

    from .figures.blocks import RankedFile
    from .figures.matrix import RankedMatrix

    Spectra = Mapping[str, NDArray[np.floating[Any]]]

PIECE = 40  # rows and columns of a layer that are drawn
BLOCK_ARRAYS = ("spectra", "shares", "kept", "by_rank", "by_rank_of")


def ranked_file(
    lora: LoraFile, values: Spectra, cuts: Mapping[str, Mapping[str, int]], rows: tuple[dict[str, Any], ...], name: str
) -> RankedFile:
    """Gather what the figures show, block by block."""
    from .figures.blocks import RankedFile

    blocks = blocks_of(lora.layers)
    square = {
        block: np.array([_padded(np.square(values[layer.name]), lora.rank) for layer in layers])
        for block, layers in blocks.items()
    }
    sums = np.array([table.sum(axis=0) for table in square.values()])
    whole = max(float(sums.sum()), 1e-300)
    kept = np.array([
        [energy_sum({layer.name: values[layer.name] for layer in layers}, ranks) / whole for layers in blocks.values()]
        for ranks in cuts.values()
    ])  # fmt: skip
    return RankedFile(
        name=name,
        about=_about(len(lora.layers), made_for(lora.layers)),
        rank=lora.rank,
        bytes=lora.path.stat().st_size,
        blocks=tuple(blocks),
        spectra=np.sqrt(np.array([table.mean(axis=0) for table in square.values()])),
        shares=sums.sum(axis=1) / whole,
        kept=kept,
        by_rank=np.cumsum(sums.sum(axis=0)) / whole,
        by_rank_of=np.array([energy_kept(np.sqrt(row)) for row in sums]),
        rows=rows,
    )


def _padded(values: NDArray[np.floating[Any]], length: int) -> NDArray[np.float64]:
    return np.pad(np.asarray(values, dtype=np.float64), (0, length - len(values)))


def keep_subject(trace: Trace, subject: RankedFile) -> None:
    """Note in the trace what `subject_of` needs: arrays blocks/…, and the blocks' names."""
    trace.arrays |= {f"blocks/{name}": getattr(subject, name) for name in BLOCK_ARRAYS}
    trace.record["lora"]["blocks"] = list(subject.blocks)


def subject_of(trace: Trace, name: str) -> RankedFile:
    """Return what `keep_subject` kept."""
    from .figures.blocks import RankedFile

    lora = trace.record["lora"]
    rows = sorted((row for row in trace.record["runs"] if "bytes" in row), key=by_size)
    return RankedFile(
        name=name,
        about=_about(lora["layers"], lora["made_for"]),
        rank=lora["rank"],
        bytes=lora["bytes"],
        blocks=tuple(lora["blocks"]),
        rows=tuple(rows),
        **{array: trace[f"blocks/{array}"] for array in BLOCK_ARRAYS},
    )


def _about(layers: int, model: str) -> str:
    return f"{layers} layers · {model}"


def energy_sum(values: Spectra, ranks: Mapping[str, int]) -> float:
    """Return Σσ² over all layers, each up to its rank."""
    return float(sum(np.sum(np.square(found[: ranks.get(name)])) for name, found in values.items()))


def by_size(row: dict[str, Any]) -> tuple[int, str, float]:
    """Return what sorts cuts by the size of their files, those of one size by kind and number."""
    kind, _, number = str(row["rule"]).partition("-")
    return row["bytes"], kind, float(number)


def strongest_piece(lora: LoraFile, layer: Layer, ranks: tuple[int, ...]) -> RankedMatrix:
    """Return the PIECE strongest rows and columns of a layer's ΔW, in the order of its first singular vectors."""
    from .figures.matrix import RankedMatrix

    parts = decompose(*lora.factors(layer))
    B, A = (side.astype(np.float64) for side in parts.truncated(layer.highest))
    found = parts.values[: layer.highest]
    rows, columns = (_strongest(np.square(side) @ found, side[:, 0]) for side in (B, A.T))
    B, A = B[rows], A[:, columns]
    kept = energy_kept(found)
    table = tuple(
        {"rank": rank, "energy": float(kept[rank - 1]), "error": float(np.sqrt(max(0.0, 1 - kept[rank - 1]))),
         "params": layer.numbers(rank)}
        for rank in ranks
    )  # fmt: skip
    cuts = tuple((B[:, :rank], A[:rank]) for rank in ranks)
    return RankedMatrix(short_name(layer.name), B @ A, found, ranks, cuts, table, whole=(layer.rows, layer.columns))


def _strongest(energy: NDArray[np.floating[Any]], order: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Return the indices of the PIECE largest entries of `energy`, sorted by `order`."""
    chosen = np.argsort(energy)[::-1][:PIECE]
    return chosen[np.argsort(order[chosen])]


def keep_piece(trace: Trace, lora: LoraFile, values: Spectra, ranks: tuple[int, ...]) -> None:
    """Note in the trace the piece of the layer that changes most: arrays layer/…, and what it is a piece of."""
    layer = max(lora.layers, key=lambda layer: float(np.sum(np.square(values[layer.name]))))
    ranks = tuple(rank for rank in ranks if rank <= min(layer.highest, PIECE))
    if len(ranks) < 2:
        return
    piece = strongest_piece(lora, layer, ranks)
    B, A = piece.cuts[-1]
    arrays = {"delta_w": piece.matrix, "values": piece.values, "B": B, "A": A}
    trace.arrays |= {f"layer/{name}": np.ascontiguousarray(array) for name, array in arrays.items()}
    trace.record["layer"] = {"name": piece.name, "shape": list(piece.shape), "ranks": list(ranks), "rows": piece.rows}


def piece_of(trace: Trace) -> RankedMatrix | None:
    """Return what `keep_piece` kept; None where it kept none."""
    from .figures.matrix import RankedMatrix

    if "layer" not in trace.record:
        return None
    layer, (rows, columns) = trace.record["layer"], trace.record["layer"]["shape"]
    B, A, ranks = trace["layer/B"], trace["layer/A"], tuple(layer["ranks"])
    cuts = tuple((B[:, :rank], A[:rank]) for rank in ranks)
    matrix, values = trace["layer/delta_w"], trace["layer/values"]
    return RankedMatrix(layer["name"], matrix, values, ranks, cuts, tuple(layer["rows"]), (rows, columns))
