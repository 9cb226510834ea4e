"""A store behind a URL that fsspec knows (s3://, gs://, az://, sftp:// ...) as the place of the runs.

A run is made in a staging folder of the machine that makes it, and then put into the store file by file, its
trace.json last. So a folder of the store that holds a trace.json is whole; one without is the rest of an interruption,
and is written over by the next try.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from denoisecli.cache import cache_dir
from denoisecli.errors import DenoiseError, RemoteError, UsageError
from denoisecli.labs.job import Begun, Plan
from denoisecli.report import Report
from denoisecli.runs.files import ERROR_FILE
from denoisecli.runs.folder import failure_note
from denoisecli.runs.names import PARTIAL
from denoisecli.safe_text import utf8
from denoisecli.trace_files import TRACE_FILE

from .patience import Asker, Patient
from .place import Place

PROBE = ".denoisecli"
ASKER = Asker()
CHECK = "Check the address, your credentials, and that the bucket exists; the same command then goes on."


@dataclass(frozen=True)
class RemotePlace(Place):
    """`url` is the root of the runs. `known`: after a survey, the files that are there, by their paths below it."""

    url: str = ""
    known: frozenset[str] | None = None

    @property
    def title(self) -> str:
        """The URL."""
        return self.url

    @property
    def folder(self) -> Path:
        """The staging folder for this URL, of whichever machine asks."""
        return cache_dir() / "staging" / hashlib.sha256(self.url.encode()).hexdigest()[:16]

    def check(self) -> None:
        """Write a file and delete it, so that a wrong URL or key is told before any work is done."""
        with self._store() as (store, root):
            store.pipe_file(f"{root}/{PROBE}", b"")
            store.rm_file(f"{root}/{PROBE}")

    def gone(self, error: DenoiseError) -> bool:
        """Return whether the store takes nothing any more, after an error of its."""
        if not isinstance(error, RemoteError):
            return False
        try:
            self.check()
        except DenoiseError:
            return True
        return False

    def everywhere(self) -> RemotePlace:
        """Return itself: a URL holds on every machine."""
        return self

    def surveyed(self, labs: Iterable[str]) -> RemotePlace:
        """Return the place with a list of what is there: a thousand names a request, instead of requests for each."""
        with self._store() as (store, root):
            names = [name for lab in labs for name in _found(store, f"{root}/{lab}")]
            known = frozenset(name.removeprefix(root).lstrip("/") for name in names)
            runs = {tuple(name.split("/")[:2]) for name in known if name.endswith(f"/{TRACE_FILE}")}
            return replace(self, known=known, held={f"{lab} {run[-8:]}": run for lab, run in runs})

    def name(self, plan: Plan[Any]) -> str:
        """Return the URL of the run."""
        return f"{self.url.rstrip('/')}/{_below(plan)}"

    def done(self, plan: Plan[Any]) -> bool:
        """Return whether the run's trace.json is there; its name holds the hash of its config."""
        return not self.force and self._has(_below(plan) / TRACE_FILE)

    def failed(self, plan: Plan[Any]) -> bool:
        """Return whether the run was tried and failed."""
        return self._has(_failure(plan))

    def begin(self, plan: Plan[Any], report: Report) -> Begun:
        """Begin the run in the staging folder; the rest ends with putting it into the store."""
        if self.done(plan):
            report.done(plan.folder.path, fresh=False)
            return Begun()
        begun = plan.begin(report)

        def finish() -> None:
            begun.finish()
            self._take(plan, report)

        return Begun(finish, begun.ended)

    def _take(self, plan: Plan[Any], report: Report) -> None:
        """Put a run of the staging folder into the store, and clear the staging folder of it."""
        report.stage("put", 1)
        with self._store() as (store, root):
            target = f"{root}/{_below(plan)}"
            if self.force:
                _cleared(store, target)
            _put(store, plan.folder.path, target)
            if store.exists(f"{root}/{_failure(plan)}"):
                store.rm_file(f"{root}/{_failure(plan)}")
        shutil.rmtree(plan.folder.path)
        report.done(plan.folder.path, fresh=True)

    def fail(self, plan: Plan[Any], error: str, hint: str) -> None:
        """Leave `error.json` in the store; silent where that is what fails."""
        with contextlib.suppress(DenoiseError), self._store() as (store, root):
            store.pipe_file(f"{root}/{_failure(plan)}", utf8(failure_note(error, hint)))

    def _has(self, path: PurePosixPath) -> bool:
        if self.known is not None:
            return str(path) in self.known
        with self._store() as (store, root):
            return bool(store.exists(f"{root}/{path}"))

    @contextlib.contextmanager
    def _store(self) -> Iterator[tuple[Any, str]]:
        """Yield fsspec's file system and the root's path in it. Raises RemoteError for all that goes wrong with it."""
        try:
            import fsspec

            found = ASKER.ask(lambda: fsspec.core.url_to_fs(self.url, use_listings_cache=False), Patient.ANSWER_S)
            store, root = Patient(ASKER, found[0]), found[1]
        except (ImportError, ValueError) as error:
            hint = 'For S3: pip install "denoisecli[remote]"; others are listed in the documentation of fsspec.'
            raise UsageError(f"{self.url.partition('/')[0]}// cannot be used: {_words(error)}", hint) from None
        except Exception as error:  # some connect as soon as they are named
            raise RemoteError(f"{self.url} cannot be used: {_words(error)}", CHECK) from error
        try:
            yield store, str(root).rstrip("/")
        except DenoiseError:
            raise
        except Exception as error:  # each store has errors of its own
            raise RemoteError(f"{self.url} cannot be used: {_words(error)}", CHECK) from error


def _below(plan: Plan[Any]) -> PurePosixPath:
    return PurePosixPath(plan.config.lab, plan.folder.path.name)


def _failure(plan: Plan[Any]) -> PurePosixPath:
    return PurePosixPath(f"{_below(plan)}{PARTIAL}", ERROR_FILE)


def _words(error: Exception) -> str:
    what = " ".join(str(error).split())[:300] or "no reason given"
    return what if isinstance(error, (OSError, ImportError, ValueError)) else f"{type(error).__name__}: {what}"


def _found(store: Any, folder: str) -> list[str]:
    """Return the paths of all files below `folder`; none where it is not there."""
    try:
        return [str(name) for name in store.find(folder)]
    except FileNotFoundError:
        return []


def _put(store: Any, run: Path, target: str) -> None:
    """Copy the files of a finished run, the trace last."""
    files = sorted(path for path in run.rglob("*") if path.is_file() and path != run / TRACE_FILE)
    store.put([str(path) for path in files], [f"{target}/{path.relative_to(run).as_posix()}" for path in files])
    store.put_file(str(run / TRACE_FILE), f"{target}/{TRACE_FILE}")


def _cleared(store: Any, target: str) -> None:
    """Delete an old run, its trace first, so that it is never taken for whole while it goes."""
    if store.exists(f"{target}/{TRACE_FILE}"):
        store.rm_file(f"{target}/{TRACE_FILE}")
    if store.exists(target):
        store.rm(target, recursive=True)
