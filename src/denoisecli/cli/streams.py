"""The three streams as this process got them: closed, full, of a legacy code page, or as they should be.

What a stream cannot take never ends a run in the middle. What eyes were meant to see on stderr is dropped. What was
meant for stdout is dropped too, but remembered, and makes the exit code at the end: a run that was made is said to be
made, and the exit code tells whether its path could be told. Only a reader that has gone away ends the work, as
everywhere (`| head`).
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from denoisecli.safe_text import safe, utf8

STDIN, STDOUT, STDERR = 0, 1, 2
PASSED_ON = frozenset({errno.EPIPE, errno.EINTR, errno.EAGAIN})  # the caller's to see


class Sink(io.FileIO):
    """The bytes of a standard stream. `lost` is the first error that kept some of them from going out."""

    def __init__(self, number: int, lost: OSError | None = None) -> None:
        super().__init__(number, "w", closefd=False)
        self.lost: OSError | None = None
        self._closed_before = lost

    def write(self, data: Any, /) -> int:
        """Write, and drop what cannot be written."""
        if self._closed_before is None:
            try:
                return super().write(data)
            except OSError as error:
                if error.errno in PASSED_ON and self.fileno() == STDOUT:
                    raise
                self.lost = self.lost or error
        else:
            self.lost = self._closed_before
        return len(memoryview(data).cast("B"))


_out: Sink | None = None  # of stdout, where it is this process's own


def set_up() -> None:
    """Make the standard streams safe to write to. Call it once, before anything else opens a file.

    A descriptor that is closed would be the next file's that is opened, and be printed into: it gets the null device.
    Characters that a stream's encoding has not are written as \\xNN.
    """
    global _out
    closed = {number for number in (STDIN, STDOUT, STDERR) if not _is_open(number)}
    for number in sorted(closed):
        _stand_in(number)
    if sys.stdin is None:
        sys.stdin = open(STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115
    lost = OSError(errno.EBADF, "it is closed")
    if _is_ours(sys.stdout, STDOUT):
        _out = Sink(STDOUT, lost if STDOUT in closed else None)
        sys.stdout = _text(_out, sys.stdout)
    if _is_ours(sys.stderr, STDERR):
        sys.stderr = _text(Sink(STDERR), sys.stderr)


def lost() -> OSError | None:
    """Return what kept a part of stdout from going out; None where all did. Raises BrokenPipeError as `print` does."""
    sys.stdout.flush()
    return _out.lost if _out else None


def forget() -> None:
    """Let what is still to be written to stdout go nowhere: its reader has gone away."""
    with contextlib.suppress(OSError, ValueError):  # where it is no file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def print_path(path: str | Path) -> None:
    """Print a path on a line of stdout, as the very bytes that the system knows it by; a URL as it is."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:  # a URL that the locale cannot spell
        raw = utf8(str(path))
    _print_bytes(raw + b"\n")


def print_document(text: str) -> None:
    """Print YAML, JSON or another file's text, in UTF-8 as readers of such files expect, whatever the locale."""
    if _takes(text := safe(text)) or sys.stdout.isatty():
        sys.stdout.write(text)
    else:
        _print_bytes(text.encode())


def print_line(text: str) -> None:
    """Print a line for eyes on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object on a line of stdout; in ASCII where the stream, or UTF-8, has not all characters of it."""
    text = json.dumps(values, ensure_ascii=False)
    sys.stdout.write((text if _takes(text) else json.dumps(values)) + "\n")
    sys.stdout.flush()


def _print_bytes(raw: bytes) -> None:
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:  # somebody's own stream in its place
        sys.stdout.write(raw.decode(errors="backslashreplace"))
        return
    sys.stdout.flush()
    binary.write(raw)
    binary.flush()


def _takes(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _stand_in(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null == number:
        os.set_inheritable(null, True)  # as the streams of a process are
    else:
        os.dup2(null, number)
        os.close(null)


def _is_ours(stream: TextIO | None, number: int) -> bool:
    """Return whether the stream is Python's own on this descriptor, no terminal of Windows and nobody's stand-in."""
    if stream is None:
        return True
    binary = getattr(stream, "buffer", None)
    raw = getattr(binary, "raw", binary)
    return type(raw) is io.FileIO and raw.fileno() == number


def _text(sink: Sink, old: TextIO | None) -> TextIO:
    """Return a text stream onto the sink with the encoding of the old one."""
    encoding = old.encoding if old else "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(sink), encoding=encoding, errors="backslashreplace", line_buffering=sink.isatty(),
        write_through=sink.fileno() == STDERR,
    )  # fmt: skip
