"""Text from elsewhere, made so that it can be written anywhere.

Python's text may hold surrogates, which no file in UTF-8, no page and no stream takes. They come from three places:
bytes of a file name or an argument that are no UTF-8 (PEP 383: U+DC80 to U+DCFF), UTF-8 that a locale without it took
apart the same way, and halves of a character in somebody's JSON ("\\ud83d").
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HALF = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")  # a surrogate that stands for no byte
_DIGITS = re.compile(r"[0-9]{1,18}")
_BYTES = re.compile(r"[\udc80-\udcff]+")


def safe(text: str) -> str:
    """Return text that UTF-8 holds: halves are joined, bytes read as the UTF-8 they are, what remains is U+FFFD.

    Text without surrogates comes back as it is, so `safe(safe(text)) == safe(text)`.
    """
    if not _SURROGATE.search(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _BYTES.sub(_as_utf8, _HALF.sub(UNKNOWN, joined))


def _as_utf8(match: re.Match[str]) -> str:
    return match[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_text(text: str) -> bool:
    """Return whether nothing of `text` is lost in `safe`."""
    return safe(text).count(UNKNOWN) == text.count(UNKNOWN)


def utf8(text: str) -> bytes:
    """Return text as the bytes of a file: all that leaves goes through here."""
    return safe(text).encode()


def shown(value: Any, most: int = 60) -> str:
    """Return a value in so many characters for a sentence, text in quotes; any value, also one that has no text."""
    try:
        text = repr(value) if isinstance(value, str) else str(value)
    except Exception:  # noqa: BLE001 - numbers of 5,000 digits, lists in themselves, objects of anybody
        text = f"a number of {value.bit_length() * 0.30103:.0f} digits" if isinstance(value, int) else _kind(value)
    return brief(text, most)


def count_in(text: str) -> int | None:
    """Return the whole number that plain digits spell; None for anything else.

    Not for `²` and `٣`, which Python calls digits too, and not for thousands of digits, which it refuses to read.
    """
    return int(text) if _DIGITS.fullmatch(text) else None


def brief(text: str, most: int = 60) -> str:
    """Return text from elsewhere in so many characters, for a sentence that says it again."""
    text = safe(text)
    return text if len(text) <= most else text[: most - 3] + "..."


def some_shown(texts: Sequence[str], most: int = 8, *, quoted: bool = True) -> str:
    """Return the first few of many texts from elsewhere, and how many more there are: 'sky', 'sea' and 190 more."""
    known = [shown(text) if quoted else brief(text) for text in texts]
    if len(known) > most:
        return f"{', '.join(known[:most])} and {len(known) - most} more"
    return " and ".join(filter(None, [", ".join(known[:-1]), *known[-1:]]))


def _kind(value: Any) -> str:
    return f"a {type(value).__name__} that cannot be shown"


def json_values(text: str) -> Any:
    """Return what JSON from elsewhere holds, all its text safe; None where it is no JSON, or nested too deep.

    A number of more digits than Python reads (4,300) makes it no JSON.
    """
    try:
        return _safe_values(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _safe_values(value: Any) -> Any:
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, list):
        return [_safe_values(item) for item in value]
    if isinstance(value, dict):
        return {safe(key): _safe_values(item) for key, item in value.items()}
    return value
