"""Names of run folders: short words of the title, what varies in a batch, and the hash at the end."""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from pathlib import Path

PARTIAL = ".partial"
SLUG_LENGTH = 48
HASH_AT_END = re.compile(r"-[0-9a-f]{8}$")


def slug(text: str) -> str:
    """Return `text` as a short file name: lower-case words joined by hyphens, never a path, never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    name = _joined(words)
    return name or (words[0][:SLUG_LENGTH] if words else "run")


def _joined(words: list[str]) -> str:
    """Return as many words as a name has room for, joined by hyphens."""
    name = ""
    for word in words:
        if len(name) + len(word) + 1 > SLUG_LENGTH:
            break
        name += f"-{word}" if name else word
    return name


def names_by_hash(lab_folder: Path) -> dict[str, str]:
    """Return the names of the run folders in `lab_folder`, finished or not, by the hash at their ends."""
    found = {}
    with contextlib.suppress(OSError), os.scandir(lab_folder) as entries:
        for entry in entries:
            name = entry.name.removesuffix(PARTIAL)
            if HASH_AT_END.search(name) and not name.startswith("."):
                found[name[-8:]] = name
    return found


def name_with(path: Path, varied: str) -> Path:
    """Return a run folder's path with what varies in a batch before its hash: seeds=3 cfg=7.5 as seed-3-cfg-7.5."""
    plain = unicodedata.normalize("NFKD", varied).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"\bfilm\.|(?<=\bseed)s(?==)", "", plain)
    words = _joined(re.findall(r"\d+\.\d+|[a-z0-9]+", plain))
    name, _, digest = path.name.rpartition("-")
    return path.with_name(f"{name}-{words}-{digest}") if words else path
