"""A run of this lab in a few words: for lists, slides, galleries and comparisons."""

from __future__ import annotations

from typing import Any

from denoisecli.runs.summary import Words, committed, extras, named, sampling, seeds_of


def words(record: dict[str, Any], config: dict[str, Any]) -> Words:
    """Return the title, the settings and the findings of a run."""
    labels = [str(scale.get("label")) for scale in record.get("scales") or []]
    scales = f"cfg {', '.join(labels)}" if labels else ""
    parts = [scales, *sampling(config), named("seed", seeds_of(config)), *extras(config)]
    return str(config.get("prompt") or "a sweep without a prompt"), parts, committed(record)
