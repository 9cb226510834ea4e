"""What in a stored run of this lab does not fit together, before it is drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisecli.labs.stored import Shapes, views_fault

if TYPE_CHECKING:
    from denoisecli.trace import Trace


def fault(trace: Trace, views: Shapes) -> str | None:
    """Return what does not fit, in the words of its files; None where all does. views: shapes of its pictures."""
    record, frames, states = trace.record, trace["x_T"].shape[0], len(trace.record["schedule"])
    if trace["final"].shape != trace["x_T"].shape or len(record["runs"]) != frames:
        return f"trace.json tells of {len(record['runs'])} frames, and states.safetensors holds {frames}"
    if any(run.get(key) is None for run in record["runs"] for key in ("frame", "leg", "share")):
        return "runs in trace.json lack a frame, a leg or a share of the way"
    sheet = record["sheet"]
    inside = max(sheet["frames"], default=frames) < frames and max(sheet["states"], default=states) < states
    if not inside:
        return "sheet in trace.json names frames or states that are not there"
    return views_fault(views, {"final": (frames,), "guess": (len(sheet["frames"]), len(sheet["states"]) - 1)})
