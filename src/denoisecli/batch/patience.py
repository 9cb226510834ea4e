"""Calls that may never come back: what a store does is waited for so long, and no longer."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Asked = tuple["Future[Any]", Callable[[], Any]]


class Asker:
    """Makes calls in one thread, one after the other, for libraries that keep a connection for each thread.

    A call that is not done in time is left behind with its thread, which nothing can end; another one goes on.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Asked] | None = None
        self._process = 0
        self._lock = threading.Lock()

    def ask(self, call: Callable[[], Answer], most_s: float) -> Answer:
        """Return what the call returns. Raises what it raises, and TimeoutError after `most_s` seconds."""
        answer: Future[Answer] = Future()
        with self._lock:
            if self._calls is None or self._process != os.getpid():  # a fork has no threads
                self._calls, self._process = queue.SimpleQueue(), os.getpid()
                threading.Thread(target=_serve, args=(self._calls,), daemon=True).start()
            self._calls.put((answer, call))
            if wait([answer], most_s).not_done:
                self._calls = None
                raise TimeoutError(f"no answer came in {most_s:.0f} s")
        return answer.result()


def _serve(calls: queue.SimpleQueue[Asked]) -> None:
    while True:
        answer, call = calls.get()
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is the asker's
            answer.set_exception(error)


class Patient:
    """A file system of fsspec whose every answer is waited for so long, and no longer. Raises TimeoutError."""

    ANSWER_S = 60.0  # that a store may take for anything small
    LIST_S = 600.0  # for the names of a million runs
    SLOWEST = 20_000.0  # bytes in a second that a file takes at the least

    def __init__(self, asker: Asker, store: Any) -> None:
        self._asker, self._store = asker, store

    def __getattr__(self, name: str) -> Any:
        """Return a method of the file system, to be called in time."""
        method = getattr(self._store, name)
        most_s = self.LIST_S if name == "find" else self.ANSWER_S
        return lambda *given, **more: self._asker.ask(lambda: method(*given, **more), most_s)

    def put(self, local: Sequence[str], remote: Sequence[str]) -> Any:
        """Copy files of this machine there; how long that may take hangs on their sizes."""
        most_s = self.ANSWER_S + sum(Path(path).stat().st_size for path in local) / self.SLOWEST
        return self._asker.ask(lambda: self._store.put(local, remote), most_s)

    def put_file(self, local: str, remote: str) -> Any:
        """Copy a file of this machine there."""
        return self.put([local], [remote])
