"""The runs below a folder: what each is, whether it is whole, how much room it takes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .summary import summary
from .trace import SCHEMA, TRACE_FILE

PARTIAL = ".partial"
ERROR_FILE = "error.json"
MOST_BYTES = 1 << 28  # of a trace.json that is read: more is none of ours
DONE, UNFINISHED, FAILED = "done", "partial", "failed"


@dataclass(frozen=True)
class Entry:
    """One run. state: done, partial (interrupted or being made) or failed; error: what a failed one said.

    bytes: of all its files. created: UTC, ISO 8601; of a partial one, None.
    """

    run: Path
    lab: str
    state: str
    title: str
    settings: str
    created: str | None
    bytes: int
    error: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """What `ls --json` prints."""
        return asdict(self) | {"run": str(self.run)}


def entries(roots: Iterable[Path]) -> Iterator[Entry]:
    """Return the runs in and below these folders, the newest of each first; nothing inside a run is looked at."""
    for root in roots:
        found = [entry for folder in _folders(root) if (entry := entry_of(folder)) is not None]
        yield from sorted(found, key=lambda entry: (entry.created or "~", str(entry.run)), reverse=True)


def entry_of(folder: Path) -> Entry | None:
    """Return what lies in `folder`; None where it is no run."""
    if folder.name.endswith(PARTIAL):
        return _unfinished(folder)
    record = record_of(folder)
    if record is None:
        return None
    about = summary(record)
    created = record.get("created")
    return Entry(
        run=folder,
        lab=about.lab,
        state=DONE,
        title=about.title,
        settings=about.line,
        created=str(created) if created else None,
        bytes=size_of(folder),
    )


def record_of(folder: Path) -> dict[str, Any] | None:
    """Return the run's trace.json; None where there is none of ours or it cannot be read."""
    path = folder / TRACE_FILE
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("schema") == SCHEMA else None


def size_of(folder: Path) -> int:
    """Return the bytes of all files in `folder`; what vanishes while we look counts nothing."""
    return sum(_bytes(Path(here) / name) for here, _, files in os.walk(folder) for name in files)


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def in_use(folder: Path) -> bool:
    """Return whether a process is making the run of this partial folder right now."""
    try:
        import fcntl

        with (folder / "work" / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, FileNotFoundError):
        return False
    except OSError:
        return True
    return False


def _unfinished(folder: Path) -> Entry | None:
    if not (folder / "work").is_dir() and not (folder / ERROR_FILE).is_file():
        return None
    error = _error(folder / ERROR_FILE)
    words, _, _ = folder.name.removesuffix(PARTIAL).rpartition("-")
    title = (words or folder.name.removesuffix(PARTIAL)).replace("-", " ")
    state = UNFINISHED if error is None else FAILED
    return Entry(folder, folder.parent.name, state, title, "", None, size_of(folder), error)


def _error(path: Path) -> str | None:
    """Return the sentence of an error.json; None where there is none."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return "its error.json cannot be read"
    return str(said.get("error") if isinstance(said, dict) else said)


def _folders(root: Path) -> Iterator[Path]:
    """Return the folders in and below `root` that may be runs."""
    for here, below, files in os.walk(root):
        folder = Path(here)
        if TRACE_FILE in files or folder.name.endswith(PARTIAL):
            below.clear()
            yield folder
        below.sort()
