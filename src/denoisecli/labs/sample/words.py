"""A run of this lab in a few words: for lists, slides, galleries and comparisons."""

from __future__ import annotations

from typing import Any

from denoisecli.runs.summary import Words, committed, extras, figure, middle, named, sampling, seeds_of


def words(record: dict[str, Any], config: dict[str, Any]) -> Words:
    """Return the title, the settings and the findings of a run."""
    cfg = figure(config.get("cfg"))
    parts = [*sampling(config), f"cfg {cfg}" if cfg else "", named("seed", seeds_of(config)), *extras(config, record)]
    return str(config.get("prompt") or "a run without a prompt"), parts, committed(record)


def lesson(record: dict[str, Any]) -> str | None:
    """Return when the middle seed's layout was fixed, and its detail."""
    found = [run.get("committed_at") or {} for run in record.get("runs") or []]
    layout, detail = (middle([run.get(name) for run in found]) for name in ("layout", "detail"))
    last = len(record.get("schedule") or []) - 1
    if layout is None or last < 1:
        return None
    if detail is not None and detail <= layout:
        return f"Layout and detail were both fixed by state {layout} of {last}."
    end = "" if detail is None else f", fixed by state {detail}"
    return f"The layout was fixed by state {layout} of {last}. The rest was detail{end}."
