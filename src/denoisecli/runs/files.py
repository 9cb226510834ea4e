"""Which files in a folder are a run's own, and how a run, and nothing else, is moved aside and deleted."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from denoisecli.errors import RunFolderError
from denoisecli.safe_files import BadName, inside
from denoisecli.trace_files import STATES_FILE, TRACE_FILE, read_table

CONFIG_FILE = "config.yaml"
ERROR_FILE = "error.json"
COMPARE_FILE = "compare.json"
WORK = "work"
DROPPINGS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # of file managers


def aside(folder: Path, number: int = 0) -> Path:
    """Return a hidden name that a folder may get for the moment in which it is replaced or deleted."""
    return folder.with_name(f".{folder.name}.old{f'-{number}' if number else ''}")


def put_aside(folder: Path) -> Path:
    """Give a run's folder a hidden name, and return that.

    What a killed process left under such a name is deleted, if it is a run as `rm` would have it; where anything else
    has the name, another one is taken.
    """
    for trash in (aside(folder, number) for number in itertools.count()):
        if is_deletable(trash):
            remove(trash)
        if not os.path.lexists(trash):
            folder.rename(trash)
            return trash
    raise AssertionError  # numbers do not end


def remove(folder: Path) -> None:
    """Delete a run's folder, what marks it as ours last: stopped on the way, it is still known for one."""
    marks = (TRACE_FILE, COMPARE_FILE, ERROR_FILE, WORK)
    empty(folder, *marks)
    empty(folder)
    folder.rmdir()


def is_deletable(folder: Path) -> bool:
    """Return whether `folder`, whatever its name, is a run of ours, finished or not, and nothing else; or empty."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    if is_unfinished(folder) or not any(folder.iterdir()):
        return True
    for record in (TRACE_FILE, COMPARE_FILE):
        if hash_of(folder / record):
            with contextlib.suppress(RunFolderError):
                refuse_strangers(folder, record, "")
                return True
    return False


def is_unfinished(folder: Path) -> bool:
    """Return whether `folder` has one of the marks that we leave in a run that is not whole; links are none."""
    if "error" in (read_table(folder / ERROR_FILE) or {}):
        return True
    work = folder / WORK
    return not work.is_symlink() and any(is_plain_file(work / mark) for mark in ("hash", "lock"))


def refuse_strangers(folder: Path, record: str, hint: str) -> None:
    """Raise RunFolderError where a finished run's folder holds files that its record does not name."""
    found = {path.relative_to(folder).as_posix() for path in files_in(folder) if path.name not in DROPPINGS}
    found -= {record, CONFIG_FILE, STATES_FILE}
    if strangers := sorted(found - _listed(folder, record, found)):
        raise RunFolderError(f"{folder} holds files that the run did not make: {some_of(strangers)}.", hint)


def missing_files(folder: Path) -> list[str]:
    """Return the files that a finished run's trace names and that are not there any more, sorted."""
    return sorted(path for path in _listed(folder, TRACE_FILE) if not is_plain_file(folder / path))


def _listed(folder: Path, record: str, among: set[str] | None = None) -> set[str]:
    """Return what the record names, as far as a record may: a name that leads elsewhere names nothing.

    among: no other names are wanted, nor looked at; None: all.
    """
    rows = (read_table(folder / record) or {}).get("artifacts")
    named = [row.get("path") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    found = set()
    for name in named:
        if isinstance(name, str) and (among is None or name in among):
            with contextlib.suppress(BadName, OSError):
                inside(folder, name)
                found.add(name)
    return found


def files_in(folder: Path) -> Iterator[Path]:
    """Yield all that is not a folder in `folder`, links among them; no link is followed."""
    for here, below, files in os.walk(folder):
        yield from (Path(here, name) for name in files)
        yield from (path for name in below if (path := Path(here, name)).is_symlink())


def some_of(names: list[str], most: int = 3) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def hash_of(record: Path) -> str | None:
    """Return the hash that a record names; None where there is no record, or none in it."""
    found = (read_table(record) or {}).get("hash")
    return None if found is None else str(found)


def empty(folder: Path, *keep: str) -> None:
    """Delete what is in a folder, but for the names in `keep`; links are deleted, not followed."""
    for entry in folder.iterdir():
        if entry.name in keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def is_plain_file(path: Path) -> bool:
    """Return whether this is a file and no link, pipe or device."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def unsafe_files(folder: Path) -> list[str]:
    """Return the links, pipes and devices below `folder`, sorted: what we wrote there might land elsewhere."""
    found = (path for path in files_in(folder) if not is_plain_file(path) and os.path.lexists(path))
    return sorted(path.relative_to(folder).as_posix() for path in found)
