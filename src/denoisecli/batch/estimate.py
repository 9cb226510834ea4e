"""How long a batch will take and how much room, judged by the runs that are there already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisecli.config.base import LabConfig
from denoisecli.errors import NotRecorded
from denoisecli.runs.rates import Kind, kind, known_rate, pieces
from denoisecli.trace_files import TRACE_FILE, load_record

MOST_LOOKED_AT = 50  # runs of each lab, the newest


@dataclass(frozen=True)
class Estimate:
    """Seconds of one worker and bytes on the disk for some runs; None where nothing like them is there to judge by."""

    runs: int
    seconds: float | None
    bytes: int | None


@dataclass
class _Rate:
    """What runs of one kind took, for one sample's step each."""

    pieces: int = 0
    seconds: float = 0.0
    bytes: int = 0


def estimate(configs: Sequence[LabConfig], runs: int, root: Path, *, by_machine: bool = False) -> Estimate:
    """Return the estimate for `runs` runs of which `configs` are some: the average of those counts for all.

    by_machine: where nothing like them lies below `root`, ask what runs took on this machine before.
    """
    here = learnt(root, {config.lab for config in configs})
    told = [config.model_dump(mode="json") for config in configs]
    found = [(here.get(kind(one)), pieces(one)) for one in told]
    known = [(rate, count) for rate, count in found if rate is not None and rate.pieces]
    if not known:
        return _by_this_machine(told, runs) if by_machine else Estimate(runs, None, None)
    share = runs / len(known)
    seconds = sum(rate.seconds / rate.pieces * count for rate, count in known) * share
    size = sum(rate.bytes / rate.pieces * count for rate, count in known) * share
    return Estimate(runs, seconds, round(size))


def _by_this_machine(configs: Sequence[dict[str, Any]], runs: int) -> Estimate:
    """Return the estimate by what runs took on this machine, wherever they lie now."""
    rates = [(known_rate(kind(config)), config) for config in configs]
    known = [(rate.seconds(one), rate.piece_bytes * pieces(one)) for rate, one in rates if rate is not None]
    if not known:
        return Estimate(runs, None, None)
    share = runs / len(known)
    return Estimate(runs, share * sum(seconds for seconds, _ in known), round(share * sum(size for _, size in known)))


def learnt(root: Path, labs: Iterable[str]) -> dict[Kind, _Rate]:
    """Return what the newest runs below `root` took, by their kind."""
    found_rates: dict[Kind, _Rate] = {}
    for lab in labs:
        found = sorted((root / lab).glob(f"*/{TRACE_FILE}"), key=_changed, reverse=True)
        for path in found[:MOST_LOOKED_AT]:
            with contextlib.suppress(
                NotRecorded, ArithmeticError, KeyError, TypeError, ValueError
            ):  # a stranger's, or torn
                _learn(found_rates, load_record(path.parent))
    return found_rates


def _learn(known: dict[Kind, _Rate], record: dict[str, Any]) -> None:
    config = record["config"]
    rate = known.setdefault(kind(config), _Rate())
    spent = sum(seconds for stage, seconds in record["timings"].items() if stage != "load")
    packed = record.get("packed")
    if packed:
        first, behind = packed["rows"]
        spent += packed["seconds"] * (behind - first) / packed["samples"]
    rate.pieces += pieces(config)
    rate.seconds += spent
    rate.bytes += sum(row["bytes"] for row in record["artifacts"])


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
