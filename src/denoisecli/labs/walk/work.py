"""How much a run of this lab makes."""

from __future__ import annotations

from typing import Any

from denoisecli.runs.rates import Work, length, painted


def work(config: dict[str, Any]) -> Work:
    """Return how many frames a walk has, each its own full run."""
    between, frames, loop = config.get("between") or {}, int(config.get("frames") or 2), bool(config.get("loop"))
    ends = max([length(config.get("seeds")), *(length(values) for values in between.values())])
    count = max(1, ends - 1 + loop) * (frames - 1) + (not loop)
    return Work(samples=count, frames=frames, made=painted(config, count, "frame"))
