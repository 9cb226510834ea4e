"""A run of this lab in a few words: for lists, slides, galleries and comparisons."""

from __future__ import annotations

from typing import Any

from denoisecli.runs.summary import Words, committed, extras, mean_of, named, sampling, seeds_of

LITTLE = 0.1  # a change that nobody sees


def words(record: dict[str, Any], config: dict[str, Any]) -> Words:
    """Return the title, the settings and the findings of a run."""
    labels = [str(scale.get("label")) for scale in record.get("scales") or []]
    scales = f"cfg {', '.join(labels)}" if labels else ""
    parts = [scales, *sampling(config), named("seed", seeds_of(config)), *extras(config, record)]
    return str(config.get("prompt") or "a sweep without a prompt"), parts, committed(record)


def lesson(record: dict[str, Any]) -> str | None:
    """Return how the finished picture changed from the first scale to the last."""
    labels = [str(scale.get("label")) for scale in record.get("scales") or []]
    runs = [run for run in record.get("runs") or [] if run.get("states")]
    if len(labels) < 2 or len(runs) < len(labels):
        return None
    seeds = len(runs) // len(labels)
    ends = [[run["states"][-1] for run in group] for group in (runs[:seeds], runs[-seeds:])]
    contrast = [mean_of([state.get("contrast") for state in group]) for group in ends]
    apart = mean_of([(state.get("distance_to_scales") or [None])[0] for state in ends[1]])
    if contrast[0] is None or contrast[1] is None or apart is None:
        return None
    change = contrast[1] / (contrast[0] or 1) - 1
    said = f"Going from cfg {labels[0]} to {labels[-1]} took the contrast from {contrast[0]:.2f} to {contrast[1]:.2f}"
    if abs(change) < LITTLE and apart < LITTLE:
        return f"{said}: this model follows its prompts without guidance, so the scale changes little."
    return f"{said}, and changed the picture by {100 * apart:.0f} % of its own size."
