"""The prompt in pieces: which of its letters are which word that was heard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Piece = tuple[str, int | None]
"""Some letters, and the number of the word that they are; None between words."""


def pieces(text: str, rows: Sequence[dict[str, Any]]) -> list[Piece]:
    """Return a text cut into words that were heard and what is between; joined, the pieces are the text.

    rows: {text, occurrence} each. Of words that overlap (a phrase, and a word in it) the longer is found; of a row
    that is not found nothing is marked.
    """
    taken: list[tuple[int, int, int]] = []
    for number in sorted(range(len(rows)), key=lambda k: -len(str(rows[k]["text"]))):
        start_end = _nth(text, str(rows[number]["text"]), int(rows[number].get("occurrence") or 0))
        if start_end and all(start_end[1] <= start or end <= start_end[0] for start, end, _ in taken):
            taken.append((*start_end, number))
    found: list[Piece] = []
    at = 0
    for start, end, number in sorted(taken):
        found += [(text[at:start], None)] if start > at else []
        found.append((text[start:end], number))
        at = end
    return [*found, (text[at:], None)] if at < len(text) else found


def _nth(text: str, word: str, occurrence: int) -> tuple[int, int] | None:
    """Return where a word stands for the n-th time, as a word by itself; in scripts without spaces, anywhere."""
    pattern = r"\s+".join(re.escape(part) for part in word.split())
    whole = [*re.finditer(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE)] if pattern else []
    places = whole or [*re.finditer(pattern, text, re.IGNORECASE)] if pattern else []
    return places[occurrence].span() if occurrence < len(places) else None
