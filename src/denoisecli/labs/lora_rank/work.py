"""How much a run of this lab makes."""

from __future__ import annotations

from typing import Any

from denoisecli.runs.rates import Work, length, painted


def work(config: dict[str, Any]) -> Work:
    """Return how many pictures the ranks make; without `images` it is mathematics alone."""
    frames = max(1, length(config.get("ranks")))
    if not (config.get("images") or config.get("scales")):
        what = "the LoRA" if config.get("lora") else "a matrix"
        return Work(samples=1, frames=frames, made=f"{what} at falling rank", paints=False)
    cuts = sum(length(config.get(name), 0) for name in ("ranks", "energies", "ratios", "scales"))
    count = length(config.get("seeds")) * (cuts + 2)
    return Work(samples=count, frames=frames, made=painted(config, count))
