"""Configs as they come on stdin: the batch of a shell pipeline that does not know yet what it will ask for.

A YAML document ends at a line `---` or `...`, a JSON object at its own last brace, and the last of either with the
input. Each is taken as soon as it has ended; one that cannot be read is told, and the rest go on.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue

from denoisecli.config.base import LabConfig
from denoisecli.config.yaml import MAX_BYTES, Document, read_documents
from denoisecli.errors import ConfigError

from .place import Place
from .queue import Schedule
from .variations import Product

READ_ONCE = 1 << 16
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?')  # one that is not closed goes to the end of its line


class Stream(Schedule):
    """The runs of documents that are still to come. How many there will be is not known."""

    def __init__(
        self,
        texts: Iterator[bytes | None],
        product: Callable[[Document], Product],
        place: Place,
        *,
        retry_failed: bool = False,
    ) -> None:
        """texts: each document when it has ended, None where none has. product: of one document."""
        super().__init__([], place, retry_failed=retry_failed)
        self.texts, self.product = texts, product

    def configs(self) -> Iterator[tuple[int, str, LabConfig | ConfigError] | None]:
        """Yield number, label and config of each run; None where the next one is not there yet."""
        number = document = 0
        for text in self.texts:
            if text is None:
                yield None
                continue
            document += 1
            for label, config in self._of(text, f"document {document}"):
                yield number, label, config
                number += 1

    def _of(self, text: bytes, name: str) -> Iterator[tuple[str, LabConfig | ConfigError]]:
        try:
            found = self.product(read_documents(text, name)[0])
        except ConfigError as error:
            yield "stdin", error
            return
        yield from found.between(0, len(found))


def arriving(file: int) -> Iterator[bytes | None]:
    """Yield what a file descriptor brings, a document at a time, and None whenever nothing more is there yet.

    A thread waits for it, so that runs in the making are heard meanwhile. It reads the descriptor itself: a thread
    inside Python's own buffer would hold its lock when the process ends.
    """
    found: SimpleQueue[bytes | None] = SimpleQueue()

    def wait() -> None:
        try:
            for text in split(iter(lambda: os.read(file, READ_ONCE), b"")):
                found.put(text)
        finally:
            found.put(None)

    threading.Thread(target=wait, daemon=True).start()
    while True:
        try:
            text = found.get_nowait()
        except Empty:
            yield None
            continue
        if text is None:
            return
        yield text


def split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the documents of a stream, each as soon as it has ended, without the lines that part them.

    One that grows beyond what a config may have is yielded as far as it was read, and the rest of it left out.
    """
    document = _Document()
    for line in _lines(chunks):
        if _parts(line):
            if document.holds:
                yield document.text
            document = _Document()
            line = line[3:] if line.startswith(b"---") else b""  # noqa: PLW2901 - what stands behind the mark
        if document.ends_with(line):
            yield document.text
            document = _Document()
    if document.holds:
        yield document.text


class _Document:
    """What has come of a document. `depth` counts open braces for as long as it may be a JSON object."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.size, self.depth = 0, 0
        self.json = True

    @property
    def text(self) -> bytes:
        return b"".join(self.lines)

    @property
    def holds(self) -> bool:
        """Whether there is more in it than blank lines and comments."""
        lines = (line.strip() for line in self.lines)
        return any(line and not line.startswith(b"#") for line in lines)

    def ends_with(self, line: bytes) -> bool:
        """Take a line and return whether a JSON object ends with it. A JSON string never goes beyond its line."""
        if self.size <= MAX_BYTES:
            self.lines.append(line)
            self.size += len(line)
        if not self.json or not (bare := STRING.sub(b"", line).strip()):
            return False
        self.json = self.depth > 0 or bare.startswith(b"{")
        self.depth += bare.count(b"{") - bare.count(b"}")
        if not self.json or self.depth > 0:
            return False
        self.json = _is_json(self.text)
        return self.json


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends; a line without one that is too long for a config comes in parts."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if len(rest) > MAX_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


def _parts(line: bytes) -> bool:
    """Return whether a line parts two YAML documents."""
    return line[:3] in (b"---", b"...") and line[3:4] in (b"", b" ", b"\t", b"\r", b"\n")


def _is_json(text: bytes) -> bool:
    if len(text) > MAX_BYTES:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
