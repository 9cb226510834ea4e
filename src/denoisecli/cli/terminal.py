"""Text that a terminal can show."""

from __future__ import annotations

import re
from typing import Any

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

LONG_WORD = re.compile(r"(\S{120})\S{120,}(\S{60})")  # few paths are
MOST_LINE, MOST_LINES = 2000, 100


def plain(text: str) -> str:
    """Return text that a terminal can show and is not steered by: prompts and file names come from anywhere.

    Control characters, overrides of the writing direction, and bytes of a name that are no UTF-8 become �.
    """
    return CONTROL.sub("�", text)


def bounded(text: str) -> str:
    """Return an error or a warning as one can read it, whatever was said again in it.

    Of a word of hundreds of characters both ends stay, of a line its first 2,000, and of the lines the first hundred.
    """
    lines = text.split("\n")
    more = [f"... and {len(lines) - MOST_LINES:,} lines more"] if len(lines) > MOST_LINES else []
    return "\n".join([LONG_WORD.sub(r"\1...\2", line)[:MOST_LINE] for line in lines[:MOST_LINES]] + more)


def hint_of_setting(error: Any) -> None:
    """Have the error of an unknown flag name the setting that is called so, where the lab has one."""
    from denoisecli.config.command import FLAGS
    from denoisecli.config.load import keys_at
    from denoisecli.registry import CONFIGS

    lab = str(getattr(getattr(error, "ctx", None), "info_name", None))
    asked = str(getattr(error, "option_name", "")).lstrip("-").replace("-", "_")
    if not hasattr(error, "possibilities") or lab not in CONFIGS or not asked:
        return
    blocks = [key for key in ("film", "start", "video", "vae", "between") if key in CONFIGS[lab].model_fields]
    keys = [
        *CONFIGS[lab].model_fields,
        *(f"{block}.{key}" for block in blocks for key in keys_at(CONFIGS[lab], (block,))),
    ]
    exact = [key for key in keys if key.rpartition(".")[2] == asked]
    found = exact[:1] or [key for key in keys if key.startswith(f"{asked}_")]
    if len(found) == 1:
        flag = found[0] in FLAGS and found[0] not in CONFIGS[lab].without_flag
        said = f"; it is called {FLAGS[found[0]]}." if flag else f", but a setting: --set {found[0]}=..."
        error.message = f"There is no flag {error.option_name}{said}"
        error.possibilities = None


def bounded_usage(error: Any) -> None:
    """Bound the message of an error of the command line's reader, which says again what was typed."""
    if isinstance(getattr(error, "message", None), str):
        error.message = bounded(error.message)
