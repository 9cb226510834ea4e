"""One lock on a file, the system's, with one meaning of its errors: it ends with the process however that ends.

Only EWOULDBLOCK says that another process holds it. Whatever else the system answers (ENOLCK on some network disks,
ENOSYS or EOPNOTSUPP on others) means that this place has no locks: work goes on, with one warning in a process.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import IO

from .safe_files import check_regular

HELD = (errno.EWOULDBLOCK, errno.EAGAIN)
log = logging.getLogger("denoisecli")
_warned = False


class Held(Exception):
    """Another process holds the lock. `owner`: the number that it left in the file, or ""."""

    def __init__(self, owner: str = "") -> None:
        super().__init__("another process holds the lock")
        self.owner = owner


def lock(path: Path, *, shared: bool = False, create: bool = True) -> IO[str]:
    """Take the lock of a file and return it open: closed, it is free again.

    shared: together with others that share it. create: where there is no such file. Raises Held where another process
    has it, OSError where the file cannot be opened or is no plain file: no link is followed, nothing in it is changed.
    """
    try:
        check_regular(path.lstat(), path)
    except FileNotFoundError:
        if not create:
            raise
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"):
        flags |= getattr(os, name, 0)
    file = os.fdopen(os.open(path, flags, 0o666), "r+", encoding="utf-8")
    try:
        check_regular(os.fstat(file.fileno()), path)
        _flock(file, path, shared=shared)
    except Held:
        owner = file.read(20)
        file.close()
        raise Held(owner if owner.isdecimal() else "") from None
    except BaseException:
        file.close()
        raise
    return file


def sign(file: IO[str]) -> None:
    """Leave this process's number in a lock file; not where the file has another name too, and may be somebody's."""
    if os.fstat(file.fileno()).st_nlink == 1:
        file.seek(0)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()


def _flock(file: IO[str], path: Path, *, shared: bool) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no flock; two runs of one folder are then the user's to avoid
        return
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            raise Held from None
        _warn(path, error)


def _warn(path: Path, error: OSError) -> None:
    global _warned
    if not _warned:
        _warned = True
        why = (error.strerror or str(error)).lower()
        log.warning("%s cannot be locked (%s): see to it that no two commands make the same run", path.parent, why)
