"""What in a stored run of this lab does not fit together, before it is drawn again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisecli.labs.stored import Shapes

if TYPE_CHECKING:
    from denoisecli.trace import Trace


def fault(trace: Trace, _: Shapes) -> str | None:
    """Return what does not fit, in the words of its files; None where all does."""
    return None if trace.record.get("runs") else "trace.json tells of no runs"
