"""What in a stored run of this lab does not fit together, before it is drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisecli.labs.stored import Shapes, sampled_fault, views_fault

if TYPE_CHECKING:
    from denoisecli.trace import Trace


def fault(trace: Trace, views: Shapes) -> str | None:
    """Return what does not fit, in the words of its files; None where all does. views: shapes of its pictures."""
    record, steps = trace.record, trace.x_t.shape[1] - 1
    at, asked = record.get("branches") or [], [row["at"] for row in record.get("forks") or []]
    if not asked or not set(asked) <= set(at) or at[0] != 0 or sorted(set(at)) != at or at[-1] >= steps:
        return "branches and forks in trace.json do not name the same states"
    seeds = trace.x_t.shape[0]
    if any(len(row) != seeds for fork in record["forks"] for row in (fork.get("by_seed") or {"": []}).values()):
        return "by_seed in trace.json has not a number for each seed"
    if trace["final"].shape[:2] != (len(asked), seeds):
        return f"trace.json tells of {len(asked)} forks, and states.safetensors holds {trace['final'].shape[0]}"
    drawn = {"final": (len(at), seeds), "branch": (len(at), steps + 1)}
    return sampled_fault(trace, views) or views_fault(views, drawn)
