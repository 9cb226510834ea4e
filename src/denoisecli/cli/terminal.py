"""Text that a terminal can show."""

from __future__ import annotations

import re

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """Return text that a terminal can show and is not steered by: prompts and file names come from anywhere.

    Control characters, overrides of the writing direction, and bytes of a name that are no UTF-8 become �.
    """
    return CONTROL.sub("�", text)
