"""A run is a folder: made as `<name>.partial`, renamed when whole, resumed when interrupted.

While a run is being made its folder also holds `work/`: its finished batches (`batches.BatchStore`), and a lock.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from denoisecli.digest import file_sha256
from denoisecli.errors import DiskFull, InUse, RunFolderError
from denoisecli.locks import Held, lock
from denoisecli.safe_files import read_file, shortened, write_file
from denoisecli.safe_text import utf8
from denoisecli.trace_files import TRACE_FILE, read_table

from .batches import BatchStore
from .files import (
    CONFIG_FILE,
    ERROR_FILE,
    WORK,
    empty,
    hash_of,
    is_plain_file,
    is_unfinished,
    put_aside,
    refuse_strangers,
    remove,
    some_of,
    unsafe_files,
)
from .names import PARTIAL, slug

RUNS_DIR = Path("runs")
MOST_MARK = 1 << 10
WINDOWS = os.name == "nt"


def run_hash(config: dict[str, Any], identity: str) -> str:
    """Return 8 hex digits of the resolved config and the model's identity."""
    canonical = json.dumps([config, identity], sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


@dataclass
class RunFolder:
    """Where a run is written. Use `prepare` first; then `with folder.open():` write below `folder.partial`."""

    path: Path
    hash: str
    force: bool = False
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    record: str = TRACE_FILE  # the file that names the hash of what is inside
    _lock: IO[str] | None = None
    _emptied: bool = False  # `force` throws away what an earlier process left, once

    @property
    def partial(self) -> Path:
        """The folder while it is being made."""
        return self.path.with_name(self.path.name + PARTIAL)

    @property
    def work(self) -> Path:
        """Finished batches, kept until the run is whole."""
        return self.partial / WORK

    @property
    def batches(self) -> BatchStore:
        """The finished batches."""
        return BatchStore(self.work)

    @property
    def done(self) -> bool:
        """Whether this very run is there, whole, and is to stay.

        Raises RunFolderError where another run holds the name, or, to be replaced by `force`, more than a run does.
        """
        with _plain_errors(self.path):
            return self._is_done()

    def _is_done(self) -> bool:
        if not self.path.exists() and not self.path.is_symlink():
            return False
        if not self.path.is_dir():
            raise RunFolderError(f"{self.path} is a file, not a folder.", "Choose another with -o.")
        if not any(self.path.iterdir()):
            return False
        found = hash_of(self.path / self.record)
        if not found:
            raise RunFolderError(
                f"{self.path} holds files that are not a run.", "Choose another folder with -o, or delete it yourself."
            )
        if self.force:
            hint = "Move what you want to keep, or choose another folder with -o."
            refuse_strangers(self.path, self.record, hint)
            return False
        if found == self.hash:
            return True
        hint = "Choose another folder with -o, or replace it with --force."
        raise RunFolderError(f"{self.path} holds the run of another config.", hint)

    @contextlib.contextmanager
    def open(self) -> Iterator[RunFolder]:
        """Lock the partial folder, keep what an interrupted run of the same config left, and let go at the end."""
        with _plain_errors(self.path):
            self._check_partial()
            self.partial.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            try:
                mark = self.work / "hash"
                anew = self.force and not self._emptied
                if anew or _text(mark) != self.hash:
                    empty(self.partial, WORK)
                    empty(self.work, "lock")
                    write_file(mark, self.hash.encode())
                self._emptied = True
                empty(self.partial, WORK, CONFIG_FILE)  # a half-made film is no help, whoever left it
                for torn in self.work.glob(".*.part*"):
                    torn.unlink()
                yield self
            finally:
                if self._lock:
                    self._lock.close()

    def _check_partial(self) -> None:
        """Raise RunFolderError where what has the partial folder's name is none of ours: it would be emptied.

        A folder with a link, a pipe or a device in it is none: what we wrote there might land elsewhere.
        """
        hint = "Move it away, or choose another folder with -o."
        if self.partial.is_symlink():
            raise RunFolderError(f"{self.partial} is a link, not an unfinished run.", hint)
        if not self.partial.is_dir() or not any(self.partial.iterdir()):
            return
        if strange := unsafe_files(self.partial):
            raise RunFolderError(f"{self.partial} holds what is not a file of a run: {some_of(strange)}.", hint)
        if not is_unfinished(self.partial):
            raise RunFolderError(f"{self.partial} holds files that are not an unfinished run.", hint)

    def finish(self) -> Path:
        """Drop the work files and rename the whole folder into place, an old one of the same name replaced."""
        _sync(self.partial)
        if self._lock and WINDOWS:  # which deletes no open file
            self._lock.close()
        shutil.rmtree(self.work)
        old = put_aside(self.path) if self.path.exists() else None
        self.partial.rename(self.path)
        if old is not None:
            with contextlib.suppress(OSError):  # the run is made; what is left of the old one is hidden
                remove(old)
        return self.path

    def discard_if_empty(self) -> None:
        """Remove the partial folder of a run that failed before anything worth resuming was made."""
        mine = self._emptied  # a folder that this process never opened may be in use by another
        if mine and self.work.is_dir() and not self.batches:
            shutil.rmtree(self.partial, ignore_errors=True)

    def fail(self, error: str, hint: str) -> None:
        """Leave `error.json` in the partial folder: what went wrong, the way out, and when.

        Silent where that cannot be written, or another process is making the run.
        """
        with contextlib.suppress(OSError, RunFolderError):
            self._check_partial()
            self.partial.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            try:
                write_file(self.partial / ERROR_FILE, utf8(failure_note(error, hint)))
            finally:
                if self._lock:
                    self._lock.close()

    @property
    def error(self) -> dict[str, str] | None:
        """What `fail` left behind, or None."""
        return read_table(self.partial / ERROR_FILE)

    def add(self, path: Path, kind: str) -> dict[str, Any]:
        """Note a finished file below `partial` as an artifact and return its row."""
        row = {
            "path": path.relative_to(self.partial).as_posix(),
            "sha256": file_sha256(path),
            "bytes": path.stat().st_size,
            "kind": kind,
        }
        self.artifacts.append(row)
        return row

    def _take_lock(self) -> None:
        self.work.mkdir(exist_ok=True)
        try:
            self._lock = lock(self.work / "lock")
        except Held:
            hint = "Wait for it, or choose another folder with -o."
            raise InUse(f"{self.path} is being made by another process.", hint) from None


def name_folder(
    lab: str, title: str, digest: str, out: Path | None = None, runs_dir: Path | None = None, *, force: bool = False
) -> RunFolder:
    """Return the folder of a run: `out` outright, else `<runs_dir>/<lab>/<slug>-<hash8>`."""
    if out is not None:
        return RunFolder(out if out.name not in ("", "..") else out.resolve(), digest, force)
    root = runs_dir or Path(os.environ.get("DENOISECLI_RUNS_DIR") or RUNS_DIR)
    return RunFolder(root / lab / f"{slug(title)}-{digest}", digest, force)


def failure_note(error: str, hint: str) -> str:
    """Return the text of an `error.json`."""
    when = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
    return json.dumps({"error": error, "hint": hint, "when": when}, ensure_ascii=False, indent=1) + "\n"


def _text(path: Path) -> str | None:
    try:
        return read_file(path, MOST_MARK, links=False).decode()
    except (OSError, ValueError):
        return None


def _sync(folder: Path) -> None:
    """Flush the folder's entries, so that the rename never points at files a power cut can empty."""
    for entry in folder.rglob("*"):
        if is_plain_file(entry):
            with entry.open("rb+" if WINDOWS else "rb") as file:  # there only what may be written is flushed
                os.fsync(file.fileno())


@contextlib.contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn the system's words about disks and folders into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            hint = "Free some, or choose another disk with --runs-dir; the same command then goes on where it stopped."
            raise DiskFull(f"The disk is full while writing {path}.", hint) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = "Choose another with -o or --runs-dir."
            raise RunFolderError(f"{path} cannot be written: {error.strerror}.", hint) from None
        if error.errno == errno.ENAMETOOLONG:
            raise RunFolderError(f"{shortened(str(path), 60)} is too long a name.", "Choose another with -o.") from None
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            hint = "Choose another with -o or --runs-dir."
            raise RunFolderError(f"{path} lies below a file, not a folder.", hint) from None
        if error.filename is not None and _is_at(Path(os.fsdecode(error.filename)), path):
            raise RunFolderError(
                f"{path} cannot be written: {error.strerror or error}.", "Choose another with -o."
            ) from None
        raise


def _is_at(place: Path, folder: Path) -> bool:
    """Return whether `place` is the run folder, its partial, something inside, or a folder on the way to it."""
    partial = folder.with_name(folder.name + PARTIAL)
    return any(place.is_relative_to(root) or root.is_relative_to(place) for root in (folder, partial))
