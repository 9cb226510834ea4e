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


def lesson(record: dict[str, Any]) -> str | None:
    """Return at which t the noise is as strong as the picture."""
    schedule = record.get("schedule") or []
    rows = [row for row in schedule if isinstance(row.get("alpha_bar"), (int, float))]
    even = next((row for row in rows if row["alpha_bar"] <= 0.5), None)
    if even is None or even.get("timestep") is None or len(record.get("runs") or []) > 1:
        return None
    last = max(float(row["timestep"]) for row in rows if row.get("timestep") is not None)
    at = f"t = {float(even['timestep']):.0f} of {last:.0f}"
    return f"By {at}, half of what is left is noise. Any t is one jump away, from the same picture and the same noise."
