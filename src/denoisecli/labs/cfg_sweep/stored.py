"""What in a stored run of this lab does not fit together, before it is drawn again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from denoisecli.labs.stored import Shapes, sampled_fault, views_fault

if TYPE_CHECKING:
    from denoisecli.trace import Trace


def fault(trace: Trace, views: Shapes) -> str | None:
    """Return what does not fit, in the words of its files; None where all does. views: shapes of its pictures."""
    scales, taken = len(trace.record.get("scales") or []), trace.record.get("anatomy")
    if trace.x_t.shape[0] != scales:
        return f"trace.json tells of {scales} scales, and states.safetensors holds {trace.x_t.shape[0]}"
    rows, steps = math.prod(trace.x_t.shape[:2]), trace.x_t.shape[2] - 1
    if taken and not (taken["sample"] < rows and taken["scale"] < scales):
        return "anatomy in trace.json names a sample that is not there"
    parts = {name: (steps,) for name in ("uncond", "cond", "guided") if name in views}
    return sampled_fault(trace, views) or views_fault(views, parts)
