"""A run of this lab in a few words: for lists, slides, galleries and comparisons."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from denoisecli.runs.summary import Words, named, seeds_of


def words(_: dict[str, Any], config: dict[str, Any]) -> Words:
    """Return the title, the settings and the findings of a run."""
    picture = PurePath(str(config["image"])).stem if config.get("image") else "the lighthouse"
    names = config.get("schedules") or [config.get("schedule") or "scaled_linear"]
    levels = f"{config.get('frames', 0)} noise levels"
    return f"How {picture} drowns in noise", [", ".join(map(str, names)), levels, named("seed", seeds_of(config))], []
