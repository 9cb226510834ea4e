"""The runs below a folder: what each is, whether it is whole, how much room it takes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from denoisecli.errors import ConfigError, InUse, RunFolderError
from denoisecli.locks import Held, lock
from denoisecli.safe_files import read_file, why
from denoisecli.trace_files import SCHEMA, TRACE_FILE, read_table

from .files import (
    COMPARE_FILE,
    CONFIG_FILE,
    ERROR_FILE,
    WORK,
    files_in,
    is_unfinished,
    put_aside,
    refuse_strangers,
    remove,
)
from .names import PARTIAL
from .summary import Summary, summary

MOST_CONFIG = 1 << 20  # bytes of a config.yaml
DONE, UNFINISHED, FAILED = "done", "partial", "failed"


@dataclass(frozen=True)
class Entry:
    """One run. state: done, partial (interrupted or being made) or failed; error: what a failed one said.

    bytes: of all its files. created: UTC, ISO 8601; of a partial one, None. hint: the way out of `error`.
    """

    run: Path
    lab: str
    state: str
    title: str
    settings: str
    created: str | None
    bytes: int
    error: str | None = None
    hint: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """What `ls --json` prints."""
        return asdict(self) | {"run": str(self.run)}


def entries(roots: Iterable[Path]) -> Iterator[Entry]:
    """Return the runs in and below these folders, the newest of each first, each once.

    Nothing inside a run, behind a link or in a hidden folder is looked at.
    """
    seen: set[Path] = set()
    for root in roots:
        folders = [folder for folder in _folders(root) if not _met(folder, seen)]
        found = [entry for folder in folders if (entry := entry_of(folder)) is not None]
        yield from newest_first(found)


def newest_first(found: Iterable[Entry]) -> list[Entry]:
    """Return the entries in order of time; those without one, which are being made or failed, come first."""
    return sorted(found, key=lambda entry: (entry.created or "~", str(entry.run)), reverse=True)


def entry_of(folder: Path) -> Entry | None:
    """Return what lies in `folder`; None where it is no run."""
    if folder.name.endswith(PARTIAL):
        return _unfinished(folder)
    record = record_of(folder)
    if record is None:
        return None
    about = words(record)
    created = record.get("created")
    return Entry(
        run=folder,
        lab=about.lab,
        state=DONE,
        title=about.title,
        settings=about.whole_line,
        created=str(created) if created else None,
        bytes=size_of(folder),
    )


def record_of(folder: Path) -> dict[str, Any] | None:
    """Return the run's trace.json; None where there is none of ours or it cannot be read."""
    record = read_table(folder / TRACE_FILE)
    return record if record is not None and record.get("schema") == SCHEMA else None


def words(record: dict[str, Any]) -> Summary:
    """Return the summary of a record, also of one that somebody has changed."""
    try:
        return summary(record)
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return Summary(str(record.get("lab")), "a run whose trace.json was changed", (), ())


def size_of(folder: Path) -> int:
    """Return the bytes of all files in `folder`; what vanishes while we look counts nothing."""
    return sum(_bytes(path) for path in files_in(folder))


def check_deletable(folder: Path) -> None:
    """Raise RunFolderError, or InUse, where the folder is more than a run that nobody is making."""
    entry = None if folder.is_symlink() else entry_of(folder)
    hint = "Nothing was deleted. Move what you want to keep, then delete the folder yourself."
    if entry is not None and entry.state == DONE:
        refuse_strangers(folder, TRACE_FILE, hint)
    elif entry is None and is_comparison(folder):
        refuse_strangers(folder, COMPARE_FILE, hint)
    elif entry is None:
        what = "a link, not a run" if folder.is_symlink() else "not a run of ours"
        raise RunFolderError(f"{folder} is {what}.", "Nothing was deleted. See: denoisecli ls")
    with _idle(folder):
        pass


def is_comparison(folder: Path) -> bool:
    """Return whether `denoisecli compare` made this folder."""
    found = read_table(folder / COMPARE_FILE) or {}
    return not folder.is_symlink() and {"hash", "artifacts", "a", "b"} <= found.keys()


def delete(folder: Path) -> None:
    """Delete a run's folder after `check_deletable`. Raises RunFolderError where that cannot be done.

    It is put aside under a hidden name first, so that nothing half-deleted is ever seen under a run's name.
    """
    check_deletable(folder)
    if closed := [str(below) for below in _folders_in(folder) if not os.access(below, os.W_OK | os.X_OK)]:
        raise RunFolderError(f"{closed[0]} may not be changed by you.", "Nothing was deleted.")
    trash = folder
    try:
        with _idle(folder):
            trash = put_aside(folder)
        remove(trash)
    except OSError as error:
        with contextlib.suppress(OSError):
            trash.rename(folder)  # what cannot be deleted is not hidden either
        raise RunFolderError(f"{folder} cannot be deleted: {error.strerror or error}.") from None


def _folders_in(folder: Path) -> Iterator[Path]:
    """Return the folder that holds `folder`, the folder, and all below it, behind no link."""
    yield folder.absolute().parent
    yield from (Path(here) for here, _, _ in os.walk(folder))


@contextlib.contextmanager
def _idle(folder: Path) -> Iterator[None]:
    """Let no process make the run of this partial folder. Raises InUse where one does already."""
    with contextlib.ExitStack() as files:
        try:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                files.enter_context(lock(folder / WORK / "lock", create=False))
        except Held:
            hint = "Nothing was deleted. Stop that process first, or wait for it."
            raise InUse(f"{folder} is being made by a process now.", hint) from None
        except OSError as error:
            raise RunFolderError(f"{folder / WORK / 'lock'} {why(error)}.", "Nothing was deleted.") from None
        yield


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _unfinished(folder: Path) -> Entry | None:
    """Return the entry of a partial folder; None where it has none of the marks that we leave in one."""
    note = _error(folder / ERROR_FILE)
    if note is None and not is_unfinished(folder):
        return None
    config = _config(folder / CONFIG_FILE)
    name, _, _ = folder.name.removesuffix(PARTIAL).rpartition("-")
    named = (name or folder.name.removesuffix(PARTIAL)).replace("-", " ")
    about = words({"lab": config["lab"], "config": config}) if config else Summary(folder.parent.name, named, (), ())
    state, note = (UNFINISHED, {}) if note is None else (FAILED, note)
    size, error, hint = size_of(folder), note.get("error"), note.get("hint")
    return Entry(folder, about.lab, state, about.title, about.whole_line, None, size, error, hint)


def _config(path: Path) -> dict[str, Any] | None:
    """Return the config that a run in the making wrote down; None where there is none that can be read."""
    from denoisecli.config.yaml import read_documents

    try:
        values = read_documents(read_file(path, MOST_CONFIG, links=False), str(path))[0].data
    except (OSError, ConfigError):
        return None
    return values if isinstance(values.get("lab"), str) else None


def _error(path: Path) -> dict[str, str] | None:
    """Return what an error.json of ours says; None where there is none."""
    said = read_table(path)
    if said is None or "error" not in said:
        return None
    return {name: str(text) for name, text in said.items()}


def _met(folder: Path, seen: set[Path]) -> bool:
    """Return whether the folder was seen before, and remember it."""
    known = len(seen)
    seen.add(folder.absolute())
    return len(seen) == known


def _folders(root: Path) -> Iterator[Path]:
    """Return the folders in and below `root` that may be runs."""
    for here, below, files in os.walk(root):
        folder = Path(here)
        if TRACE_FILE in files or folder.name.endswith(PARTIAL):
            below.clear()
            yield folder
        below[:] = [name for name in below if not name.startswith(".")]
