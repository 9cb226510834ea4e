"""What this lab's record holds beside that of all."""

from __future__ import annotations

from denoisecli.trace_schema import SampledRecord


class SampleRecord(SampledRecord):
    """Of a deck: a row for each seed."""
