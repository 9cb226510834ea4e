"""What in a stored run of this lab does not fit together, before it is drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisecli.labs.stored import Shapes, views_fault

if TYPE_CHECKING:
    from denoisecli.trace import Trace


def fault(trace: Trace, views: Shapes) -> str | None:
    """Return what does not fit, in the words of its files; None where all does. views: shapes of its pictures."""
    variants = trace.record.get("variants")
    if not variants:
        return None
    return views_fault(views, {"final": (len(variants), *views["final"][1:-3])})
