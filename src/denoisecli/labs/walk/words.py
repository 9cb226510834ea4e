"""A run of this lab in a few words: for lists, slides, galleries and comparisons."""

from __future__ import annotations

from typing import Any

from denoisecli.figures.facts import three_figures
from denoisecli.runs.summary import Words, extras, figure, sampling

EVEN = 2.0  # times the average step


def words(record: dict[str, Any], config: dict[str, Any]) -> Words:
    """Return the title, the settings and the findings of a run."""
    ends = [str(end) for end in (record.get("walk") or {}).get("ends") or []]
    way = " → ".join([*ends, *(ends[:1] if config.get("loop") else [])])
    cfg = figure(config.get("cfg"))
    frames = len(record.get("runs") or [])
    parts = [
        way,
        f"{frames} frames" if frames else "",
        *sampling(config),
        f"cfg {cfg}" if cfg else "",
        *extras(config, record),
    ]
    return str(config.get("prompt") or "a walk"), parts, _jumps(record)


def _jumps(record: dict[str, Any]) -> list[str]:
    walk = (record.get("walk") or {}).get("jumps") or {}
    return [
        f"{name} pacing, {way.get('frames')} frames: jumps of {_short(way.get('mean'))} on average,"
        f" {_short(way.get('largest'))} at most"
        for name, way in walk.items()
        if isinstance(way, dict)
    ]


def _short(value: Any) -> str:
    return three_figures(value) if isinstance(value, (int, float)) else ""


def lesson(record: dict[str, Any]) -> str | None:
    """Return how evenly the walk's pictures change."""
    jumps = [run.get("jump") for run in record.get("runs") or []]
    known = [float(jump) for jump in jumps if isinstance(jump, (int, float))]
    if len(known) < 2 or not sum(known):
        return None
    ratio = max(known) * len(known) / sum(known)
    even = "so the change is even" if ratio < EVEN else "where one thing turns into another"
    return (
        f"{len(jumps)} frames are {len(jumps)} full runs, none a cross-fade. "
        f"The largest step is {ratio:.1f} times the average, {even}."
    )
