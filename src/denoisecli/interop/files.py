"""Names of models and LoRAs in other tools' files: never more than a name, looked up in this folder alone."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath, PureWindowsPath

from denoisecli import hub_cache

WEIGHTS = (".safetensors",)
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff")


def base_name(name: str) -> str:
    """Return the last part of a path of any system, without what no file name should hold."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "", last)[:200] or "unnamed"


def found_here(name: str) -> str | None:
    """Return the file of that name in this folder, never one elsewhere; None where there is none."""
    plain = base_name(name)
    if plain.startswith(("-", ".")):
        return None
    for candidate in (plain, *(plain + suffix for suffix in WEIGHTS)):
        if candidate.endswith(WEIGHTS) and os.path.isfile(candidate):  # noqa: PTH113 - Path's raises for a long name
            return candidate
    return None


def picture_here(name: str) -> str | None:
    """Return the picture of that name in this folder, never one elsewhere; None where there is none."""
    plain = base_name(name)
    known = plain.lower().endswith(PICTURES) and not plain.startswith(("-", "."))
    return plain if known and os.path.isfile(plain) else None  # noqa: PTH113 - Path's raises for a long name


def in_hub_cache(name: str) -> bool:
    """Return whether the hub's model `name` ("who/what") was downloaded before; nothing is loaded or asked for."""
    return os.path.isdir(hub_cache.folder_of(name))  # noqa: PTH112 - Path's raises for a long name
