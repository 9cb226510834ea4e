"""Where this machine's notes are kept: hashes of weights, and how fast it is. Losing them costs time only."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return $XDG_CACHE_HOME/denoisecli, or ~/.cache/denoisecli."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path("~/.cache").expanduser()) / "denoisecli"
