"""What in a stored run of this lab does not fit together, before it is drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denoisecli.labs.stored import Shapes, sampled_fault

if TYPE_CHECKING:
    from denoisecli.trace import Trace


def fault(trace: Trace, views: Shapes) -> str | None:
    """Return what does not fit, in the words of its files; None where all does. views: shapes of its pictures."""
    rows = trace.record.get("words") or []
    if not rows:
        return "trace.json tells of no words"
    seeds, steps = trace.x_t.shape[0], trace.x_t.shape[1] - 1
    for name, negative in (("words", False), ("negative_words", True)):
        count = sum(bool(row.get("negative")) == negative for row in rows)
        if count == 0 and name not in trace:
            continue
        shape = trace[name].shape if name in trace else ()
        if shape[:3] != (seeds, steps, count) or len(shape) != 5:
            held = "×".join(map(str, shape)) or "none"
            return f"trace.json tells of {seeds}×{steps}×{count} maps of {name}, and states.safetensors holds {held}"
    return _rows_fault(trace.record, seeds, steps) or sampled_fault(trace, views)


def _rows_fault(record: dict[str, Any], seeds: int, steps: int) -> str | None:
    """Return which numbers of words or pairs are not for each seed, or step, or of a word that is there."""
    rows, pairs = record["words"], record.get("word_pairs") or []
    if any(len(row.get("found_at") or [None] * seeds) != seeds for row in rows):
        return "found_at in trace.json has not a state for each seed"
    lists = [row.get(name) for row in rows for name in ("share", "overlap")] + [row.get("overlap") for row in pairs]
    rest = (record.get("words_rest") or {}).get("share")
    if any(values and len(values) != steps for values in [*lists, rest]):
        return "words in trace.json have not a number for each step"
    if any(len(row["words"]) != 2 or max(row["words"]) >= len(rows) for row in pairs):
        return "word_pairs in trace.json name words that are not there"
    return None
