"""How much a run of this lab makes."""

from __future__ import annotations

from typing import Any

from denoisecli.runs.rates import Work


def work(config: dict[str, Any]) -> Work:
    """Return how many levels one picture is shown at; no model makes a picture here."""
    levels = config.get("frames")
    levels = levels if isinstance(levels, int) else 1
    return Work(samples=levels, frames=levels, made=f"{levels} noise levels", paints=False)
