"""How long and how much, as people say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from denoisecli.amounts import size_words

if TYPE_CHECKING:
    from denoisecli.batch.estimate import Estimate


def expected(details: Mapping[str, Any]) -> str:
    """Return what a run will make and how long that takes, from the details of its start."""
    text = _expected(details)
    return f"{text}. A draft: {details['draft']}" if details.get("draft") else text


def _expected(details: Mapping[str, Any]) -> str:
    makes, seconds = details.get("makes"), details.get("seconds")
    if not makes:
        return ""
    if seconds is None and details.get("sampling_s") is not None:
        return f"{makes}: about {duration(details['sampling_s'])} of sampling, then drawing"
    if seconds is None:
        return f"{makes}; how long that takes here will be known when one like it has been made"
    return f"{makes}: about {duration(seconds)}"


def words(guess: Estimate) -> str:
    """Return an estimate in words."""
    count = f"{guess.runs:,} run{'s' if guess.runs != 1 else ''}"
    if guess.seconds is None:
        return f"{count}; how long that takes will be known when one like them has been made"
    disk = f" and {size_words(guess.bytes, 2)} of disk" if guess.bytes else ""
    return f"{count}: about {duration(guess.seconds)} of one worker{disk}"


def duration(seconds: float) -> str:
    """Return seconds in words: 40 s, 12 min, 3 h 05 min, 2 d 4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
