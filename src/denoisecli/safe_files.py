"""Files that somebody else made or named: one way to open them, and one rule for the names that a record may give.

What a name leads to is known only when it is open: a pipe without a writer waits for ever, /dev/zero never ends, a
link in a folder from elsewhere leads out of it. So whatever a user or a record names is opened here, and read up to a
bound. The errors are OSErrors, as those of `open`; `why` says them in words.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MOST_PART, MOST_NAME = 255, 1024  # bytes of UTF-8 of a part of a name, and of all of it
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, directions, halves of characters, line separators
DRIVE = re.compile(r"[A-Za-z]:")
HANDED = re.compile(r"/dev/fd/(\d{1,9})|/proc/self/fd/(\d{1,9})|/dev/std(in)")
KINDS = (
    (stat.S_ISDIR, "is not a file but a folder"),
    (stat.S_ISFIFO, "is not a file but a pipe"),
    (stat.S_ISCHR, "is not a file but a device"),
    (stat.S_ISBLK, "is not a file but a device"),
    (stat.S_ISSOCK, "is not a file but a socket"),
    (stat.S_ISLNK, "is a link, and links are not followed here"),
)
WORDS = {
    errno.ENOENT: "is not there",
    errno.ENOTDIR: "is not there",
    errno.EISDIR: "is not a file but a folder",
    errno.EACCES: "may not be read by you",
    errno.EPERM: "may not be changed by you",
    errno.EROFS: "is on a disk that may only be read",
    errno.ENAMETOOLONG: "has too long a name",
    errno.ELOOP: "is a link that leads in a circle",
}


class NotAFile(OSError):
    """A name leads to something else than a regular file; `strerror` says to what: "is not a file but a pipe"."""


class TooLarge(OSError):
    """A file is larger than whoever reads it can use; `strerror` says so."""


class BadName(ValueError):
    """A record names what no run names. The text says why: "has '..' in it"."""


def open_file(path: str | Path, *, most: int | None = None, links: bool = True, handed: bool = False) -> BinaryIO:
    """Open a regular file for reading in binary.

    most: of its bytes; a larger one is refused. links: whether `path` itself may be a link (those on the way to it
    always may). handed: whether a pipe may be read that this process was started with, /dev/stdin or <(command).

    Raises OSError: NotAFile for a pipe, device or socket, TooLarge, else as `open` does. Never waits.
    """
    if handed and (found := HANDED.fullmatch(os.fspath(path))):
        return os.fdopen(os.dup(int(found[1] or found[2] or 0)), "rb")
    try:
        check_regular(Path(path).stat(follow_symlinks=links), path, most)  # to open a device may do things to it
        descriptor = os.open(path, _flags(links))
    except FileNotFoundError:
        if Path(path).is_symlink():
            raise FileNotFoundError(errno.ENOENT, "is a link to what is not there", os.fspath(path)) from None
        raise
    except ValueError:  # a NUL in the name
        raise NotAFile(errno.EINVAL, "is not the name of a file", os.fspath(path)) from None
    try:
        check_regular(os.fstat(descriptor), path, most)  # and what was looked at need not be what was opened
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_file(path: str | Path, most: int, *, links: bool = True, handed: bool = False) -> bytes:
    """Return the bytes of a regular file, at most `most` of them. Raises OSError as `open_file` does."""
    with open_file(path, most=most, links=links, handed=handed) as file:
        found = file.read(most + 1)  # a file may grow, and one of /proc says that it has no bytes
    if len(found) > most:
        raise _too_large(path, most)
    return found


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield an empty hidden file beside `path` to write to; when the block ends well, it takes the name `path`.

    Its name is one that nothing had: `.film.part.mp4`, or `.film.part-2.mp4` where that is somebody's. What was at
    `path` is replaced, never written into: a link there leads nowhere, and another name of the old file keeps it.
    On any error it is removed and `path` stays as it was.
    """
    part = _reserved(path)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write_file(path: Path, content: bytes) -> Path:
    """Write a file, whole or not at all, as `new_file` does, and return its path."""
    with new_file(path) as part:
        part.write_bytes(content)
    return path


def _reserved(path: Path) -> Path:
    stem = path.stem[: MOST_PART // 8]  # so that the name is not longer than a name can be
    for number in itertools.count(1):
        part = path.with_name(f".{stem}.part{f'-{number}' if number > 1 else ''}{path.suffix}")
        with contextlib.suppress(FileExistsError):
            part.touch(exist_ok=False)
            return part
    raise AssertionError  # numbers do not end


def check_file(path: str | Path, *, most: int | None = None, links: bool = True) -> Path:
    """Return `path` where it is a regular file that can be opened, for libraries that open by name alone.

    Raises OSError as `open_file` does.
    """
    with open_file(path, most=most, links=links):
        return Path(path)


def check_regular(found: os.stat_result, path: str | Path, most: int | None = None) -> None:
    """Raise NotAFile where `found` is of anything but a regular file, TooLarge where that is larger than `most`."""
    for is_kind, words in KINDS:
        if is_kind(found.st_mode):
            if is_kind is stat.S_ISDIR:  # as `open` does
                raise IsADirectoryError(errno.EISDIR, words, os.fspath(path))
            raise NotAFile(errno.EINVAL, words, os.fspath(path))
    if most is not None and found.st_size > most:
        raise _too_large(path, most)


def why(error: OSError) -> str:
    """Return what is wrong with a file, to be said behind its name: "is not there", "is not a file but a pipe"."""
    said = str(error.strerror or error)
    if said.startswith(("is ", "has ")):  # ours
        return said
    return WORDS.get(error.errno or 0, f"cannot be read: {said}")


def shortened(path: str, most: int = 100) -> str:
    """Return a path that may be thousands of letters long, as one reads it."""
    return path if len(path) <= most else f"{path[: most - 3]}..."


def at_home(path: str | Path) -> Path:
    """Return the path with ~ and ~name as the home folder; what names nobody's stays as it is."""
    with contextlib.suppress(RuntimeError):
        return Path(path).expanduser()
    return Path(path)


def plain_name(name: object) -> str:
    """Return the name of a file inside a run as a record may give it. Raises BadName for any other.

    It is relative, by plain parts from the run folder down, whatever there is on the disk: no "..", no ".", no empty
    part, no backslash or drive, nothing unseen, at most 255 bytes a part. So it means the same below any folder.
    """
    if not isinstance(name, str):
        raise BadName("is not text")
    if DRIVE.match(name) or name.startswith(("/", "\\")):
        raise BadName("is not a relative path")
    seen = name.isascii() and name.isprintable()  # to look up each letter takes longer than all the rest
    if "\\" in name or not (seen or all(unicodedata.category(letter) not in UNSEEN for letter in name)):
        raise BadName("has characters in it that no file of a run has")
    parts = name.split("/")
    if ".." in parts:
        raise BadName("has '..' in it")
    if "" in parts or "." in parts:
        raise BadName("is not spelt as a run spells it")
    if len(name.encode()) > MOST_NAME or max(len(part.encode()) for part in parts) > MOST_PART:
        raise BadName("is longer than a file's name can be")
    return name


def inside(folder: Path, name: object) -> Path:
    """Return folder / name for a plain name that no link leads to: where it is, nothing above `folder` is touched.

    `folder` itself may be a link: the user named it. What is not there is no link. Raises BadName.
    """
    place = os.fspath(folder)
    for part in plain_name(name).split("/"):
        place = f"{place}{os.sep}{part}"  # pathlib takes most of the time of a record of many files
        if _is_link(place):
            raise BadName("is a link or lies behind one")
    return Path(place)


def _is_link(place: str) -> bool:
    """Return whether this is a link; what is not there is none. Raises OSError where that cannot be told."""
    try:
        return stat.S_ISLNK(os.lstat(place).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def open_inside(folder: Path, name: str, *, most: int | None = None) -> BinaryIO:
    """Open a file of a run folder for reading; no link is followed. Raises OSError as `open_file` does."""
    try:
        path = inside(folder, name)
    except BadName as error:
        raise NotAFile(errno.ELOOP, str(error), os.fspath(folder / name)) from None
    return open_file(path, most=most, links=False)


def read_inside(folder: Path, name: str, most: int) -> bytes:
    """Return the bytes of a file of a run folder, at most `most`. Raises OSError as `open_file` does."""
    with open_inside(folder, name, most=most) as file:
        return file.read(most)


def _flags(links: bool) -> int:
    """Return flags that neither wait for a pipe's writer, nor make a terminal ours, nor hand the file to children."""
    wanted = ["O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"] + ([] if links else ["O_NOFOLLOW"])
    flags = os.O_RDONLY
    for name in wanted:
        flags |= getattr(os, name, 0)  # Windows has few of them
    return flags


def _too_large(path: str | Path, most: int) -> TooLarge:
    size = f"{most / 1e6:.3g} MB" if most >= 100_000 else f"{most} bytes"
    return TooLarge(errno.EFBIG, f"is larger than {size}, the most that is read", os.fspath(path))
