"""Whether two folders hold the same, to the byte."""

from pathlib import Path

from denoisecli.digest import file_sha256


def digests(folder: Path, *, but: str = "") -> dict[str, str]:
    """Return the sha256 of every file below, by its path in the folder; those named `but` are left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != but)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
