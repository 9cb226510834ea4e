"""The pictures of a run that other tools can be told of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from denoisecli.interop.recipe import Shot, shot

from .config import ForkConfig


def shots(config: ForkConfig, _: dict[str, Any], notes: list[str]) -> Iterator[Shot]:
    """Return the run that was taken up, a picture for each seed."""
    notes.append("The forks cannot be said there; the run that they leave is.")
    return (shot(config, seed, config.cfg) for seed in config.seeds)
