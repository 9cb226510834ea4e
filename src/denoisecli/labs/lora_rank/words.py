"""A run of this lab in a few words: for lists, slides, galleries and comparisons."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from denoisecli.runs.summary import Words, named, sampling, seeds_of

MOST_OF_IT = 0.9  # of the energy


def words(record: dict[str, Any], config: dict[str, Any]) -> Words:
    """Return the title, the settings and the findings of a run."""
    ranks = [str(rank) for rank in config.get("ranks") or []]
    cut = f"rank {', '.join(ranks)}" if len(ranks) <= 8 else f"rank {ranks[0]} to {ranks[-1]}"
    file, matrix = record.get("lora") or {}, record.get("matrix") or {}
    if matrix:
        shape = "×".join(str(side) for side in matrix.get("shape") or [])
        return f"A {shape} matrix at falling rank", [cut if ranks else "", str(matrix.get("name", ""))], _energy(record)
    painted = [*sampling(config), named("seed", seeds_of(config))] if config.get("images") else []
    name = PurePath(str(file.get("file") or config.get("lora") or "A LoRA")).stem
    return (
        f"{name} at falling rank",
        [cut if ranks else "", f"{file.get('layers', 0)} layers", *painted],
        _energy(record),
    )


def _energy(record: dict[str, Any]) -> list[str]:
    """Return what each rank of the toy matrix keeps."""
    return [
        f"rank {run['rank']}: {run['params']} of {run['full_params']} numbers, energy {100 * run['energy']:.1f} %"
        for run in record.get("runs") or []
        if {"rank", "params", "full_params", "energy"} <= run.keys() and record.get("matrix")
    ]


def lesson(record: dict[str, Any]) -> str | None:
    """Return the lowest rank that keeps most of the energy, and what it costs."""
    rows = [row for row in record.get("runs") or [] if isinstance(row.get("energy"), (int, float))]
    found = next((row for row in rows if row["energy"] >= MOST_OF_IT), None)
    if found is None or found.get("rank") is None:
        return None
    kept = f"Rank {found['rank']} keeps {min(99.9, 100 * found['energy']):.0f} % of the energy"
    if found.get("params") and found.get("full_params"):
        return f"{kept} in {found['params']} numbers instead of {found['full_params']}."
    whole = (record.get("lora") or {}).get("bytes")
    if not found.get("bytes") or not whole:
        return f"{kept}."
    return f"{kept} in {100 * found['bytes'] / whole:.0f} % of the file."
