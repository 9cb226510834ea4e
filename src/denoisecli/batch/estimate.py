"""How long a batch will take and how much room, judged by the runs that are there already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisecli.config.base import LabConfig
from denoisecli.errors import NotRecorded
from denoisecli.trace import TRACE_FILE, load_record

MOST_LOOKED_AT = 50  # runs of each lab, the newest


@dataclass(frozen=True)
class Estimate:
    """Seconds of one worker and bytes on the disk for some runs; None where nothing like them is there to judge by."""

    runs: int
    seconds: float | None
    bytes: int | None


Kind = tuple[str, str, str]


@dataclass
class _Rate:
    """What runs of one kind took, for one sample's step each."""

    pieces: int = 0
    seconds: float = 0.0
    bytes: int = 0


def estimate(configs: Sequence[LabConfig], runs: int, root: Path) -> Estimate:
    """Return the estimate for `runs` runs of which `configs` are some: the average of those counts for all."""
    rates = learnt(root, {config.lab for config in configs})
    found = [(rates.get(kind(config.model_dump(mode="json"))), pieces(config.model_dump())) for config in configs]
    known = [(rate, count) for rate, count in found if rate is not None]
    if not known:
        return Estimate(runs, None, None)
    share = runs / len(known)
    seconds = sum(rate.seconds / rate.pieces * count for rate, count in known) * share
    size = sum(rate.bytes / rate.pieces * count for rate, count in known) * share
    return Estimate(runs, seconds, round(size))


def learnt(root: Path, labs: Iterable[str]) -> dict[Kind, _Rate]:
    """Return what the newest runs below `root` took, by their kind."""
    rates: dict[Kind, _Rate] = {}
    for lab in labs:
        found = sorted((root / lab).glob(f"*/{TRACE_FILE}"), key=_changed, reverse=True)
        for path in found[:MOST_LOOKED_AT]:
            with contextlib.suppress(
                NotRecorded, ArithmeticError, KeyError, TypeError, ValueError
            ):  # a stranger's, or torn
                _learn(rates, load_record(path.parent))
    return rates


def _learn(rates: dict[Kind, _Rate], record: dict[str, Any]) -> None:
    config = record["config"]
    rate = rates.setdefault(kind(config), _Rate())
    spent = sum(seconds for stage, seconds in record["timings"].items() if stage != "load")
    packed = record.get("packed")
    if packed:
        first, behind = packed["rows"]
        spent += packed["seconds"] * (behind - first) / packed["samples"]
    rate.pieces += pieces(config)
    rate.seconds += spent
    rate.bytes += sum(row["bytes"] for row in record["artifacts"])


def kind(config: dict[str, Any]) -> Kind:
    """Return what decides the cost of one sample's step: the lab, the model, the sizes of picture and film."""
    return str(config["lab"]), str(config.get("model")), f"{_pair(config.get('size'))} {_pair(config['film']['size'])}"


def pieces(config: dict[str, Any]) -> int:
    """Return how many steps of single samples the run has, roughly: what its cost grows with."""
    count = 1
    for name in ("seeds", "scales", "ranks"):
        value = config.get(name)
        count *= len(value) if isinstance(value, (list, tuple)) and value else 1
    frames = config.get("frames")
    return count * (frames if isinstance(frames, int) else 1) * int(config.get("steps") or 1)


def _pair(size: Any) -> str:
    return "x".join(map(str, size)) if size else ""


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
