"""How much a run of this lab makes."""

from __future__ import annotations

from typing import Any

from denoisecli.runs.rates import Work, length, painted


def work(config: dict[str, Any]) -> Work:
    """Return what the forks are worth in full runs: each half a run on average, and the two pure ones."""
    seeds, steps = length(config.get("seeds")), int(config.get("steps") or 0)
    forks = length(config.get("at"), (steps + 1) // 2)
    made = painted(config, seeds * (forks + 2))
    return Work(samples=seeds * (2 + forks // 2), frames=steps + 1, made=made)
