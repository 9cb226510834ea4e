"""What a file is by its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .safe_files import open_file

_CHUNK = 1 << 22


def file_sha256(path: Path) -> str:
    """Return the sha256 of the file's bytes, 64 hex digits. Raises OSError as `open_file` does."""
    digest = hashlib.sha256()  # hashlib.file_digest came with Python 3.11
    with open_file(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
