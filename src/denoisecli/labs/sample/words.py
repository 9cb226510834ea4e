"""A run of this lab in a few words: for lists, slides, galleries and comparisons."""

from __future__ import annotations

from typing import Any

from denoisecli.runs.summary import Words, committed, extras, figure, named, sampling, seeds_of


def words(record: dict[str, Any], config: dict[str, Any]) -> Words:
    """Return the title, the settings and the findings of a run."""
    cfg = figure(config.get("cfg"))
    parts = [*sampling(config), f"cfg {cfg}" if cfg else "", named("seed", seeds_of(config)), *extras(config)]
    return str(config.get("prompt") or "a run without a prompt"), parts, committed(record)
