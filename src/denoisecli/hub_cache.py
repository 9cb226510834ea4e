"""Where the hub's models lie on this machine, by the environment variables that huggingface_hub reads."""

from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path:
    """Return the hub's cache, whether it is there or not."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def folder_of(name: str) -> Path:
    """Return where a model of the hub ("who/what") lies once it was downloaded."""
    return folder() / f"models--{name.replace('/', '--')}"


def names() -> list[str]:
    """Return the models of the hub that something was downloaded of."""
    found = sorted(folder().glob("models--*--*"))
    return [path.name.removeprefix("models--").replace("--", "/", 1) for path in found]
