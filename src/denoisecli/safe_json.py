"""JSON from elsewhere: what a record, an index or a note may hold, and nothing that trips those who read it on.

Python's reader takes more than JSON has: NaN, numbers without a bound, halves of characters, a thousand lists in each
other. All of them come back out as crashes far away, so none gets in.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from .safe_text import safe

MOST_DEEP = 32  # lists and objects in each other; a run's record has eight
MOST_PARTS = 1 << 18  # lists and objects in all: each costs more memory than twenty of its bytes
MOST_WHOLE = 1 << 64  # no seed or size is larger
ODD_NUMBER = re.compile(rb"\d{19}|[eE]\+?\d{3}")  # may be too large: looked at one by one
HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # may be half a character


def parse(raw: bytes, *, lenient: bool = False) -> Any:
    """Return what UTF-8 JSON holds; halves of characters become �.

    lenient: whether NaN, infinities, numbers beyond any seed and deeper nesting may be in it, for who only lists what
    there is, thousands of them at a time.

    Raises ValueError for what is no JSON, for NaN and infinities, numbers beyond any seed, more parts or deeper nesting
    than any run has.
    """
    check_parts(raw)
    hooks: dict[str, Any] = {} if lenient else {"parse_constant": _refuse}
    if not lenient and ODD_NUMBER.search(raw):
        hooks |= {"parse_int": _whole, "parse_float": _finite}
    try:
        found = json.loads(raw.decode(), **hooks)  # bytes it would read with halves of characters in them
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not lenient:
        _check_depth(found)
    if HALF.search(raw):
        found = json.loads(safe(json.dumps(found, ensure_ascii=False)))
    return found


def check_parts(raw: bytes) -> None:
    """Raise ValueError where JSON has more lists and objects than are worth their memory."""
    if raw.count(b"[") + raw.count(b"{") > MOST_PARTS:
        raise ValueError("it has more parts than any run")


def _refuse(name: str) -> Any:
    raise ValueError(f"it holds {name}, which is not a number")


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(value := int(digits)) >= MOST_WHOLE:
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"it holds {digits[:20]}, which is beyond all numbers")
    return value


def _check_depth(found: Any) -> None:
    level = [found]
    for _ in range(MOST_DEEP):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += [value for value in item.values() if isinstance(value, (dict, list))]
            elif isinstance(item, list):
                inner += [value for value in item if isinstance(value, (dict, list))]
        if not inner:
            return
        level = inner
    raise ValueError("it is nested too deeply")
