"""Files that exist only when they are whole."""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path

from denoisecli.errors import DiskFull, MediaError
from denoisecli.safe_files import new_file

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NoRoom(MediaError, DiskFull):
    """A film or picture that the disk has no room for."""


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a hidden name beside `path` to write to; when the block ends well, the file gets its real name.

    The partial keeps the suffix (`film.mp4` is written as `.film.part.mp4`), since encoders choose their format by
    it. On any error it is removed and `path` stays as it was. Raises MediaError where the system refuses to write.
    """
    try:
        with new_file(path) as partial:  # a folder that is not there, or not ours to write, is told before any work
            yield partial
    except OSError as error:
        raise cannot_write(path, error) from error


def check_place(path: Path) -> None:
    """Raise MediaError where `path` cannot be written, before the work that it is to hold; nothing is left there."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise MediaError(f"{path} cannot be written: {said}, in {folder}.", "Choose another with -o.") from error


def cannot_write(path: Path, error: OSError) -> MediaError:
    """Return the MediaError that says why `path` cannot be written."""
    if error.errno in FULL:
        return disk_full(path)
    if not path.parent.is_dir():
        return MediaError(f"{path} cannot be written: there is no folder {path.parent}.")
    return MediaError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.")


def disk_full(path: Path) -> MediaError:
    """Return the MediaError for a full disk or a limit on file sizes."""
    return NoRoom(
        f"{path} cannot be written: the disk is full or the file would be larger than allowed.",
        "Free some space, or name another folder with -o or --runs-dir.",
    )
