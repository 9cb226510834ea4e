"""How much, as people say it."""

from __future__ import annotations


def size_words(count: float, figures: int = 3) -> str:
    """Return a number of bytes in words, to 2 or 3 significant figures: 780 B, 34 kB, 14.9 MB, 1.2 TB."""
    units, tenths = ["B", "kB", "MB", "GB", "TB"], 9.95 * 10 ** (figures - 2)
    while count >= 999.5 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.0f} {units[0]}" if count >= tenths or units[0] == "B" else f"{count:.1f} {units[0]}"
