"""The connection to a Ray cluster, and whether the cluster is still there.

Ray waits for nodes that are gone without an end, and for a head that is gone it ends the whole process after a minute,
with words of its own. So whatever is asked of Ray is asked in a thread beside, and while the answer is awaited, and
between questions, the head's port and the list of living nodes are looked at.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from denoisecli.errors import DenoiseError, UsageError
from denoisecli.safe_text import count_in

LOCAL = "local"
ANSWER_S = 10.0  # until the cluster's head takes a connection
LOOK_S = 5.0  # between two looks at the cluster
PATIENCE_S = 30.0  # that a cluster may be away: half of what Ray gives its head
LEAVE_S = 10.0  # for Ray to take its leave
STORE_BYTES = 80 << 20  # of a cluster of our own: packs are small, pictures never pass through Ray
Answer = TypeVar("Answer")
Nodes = list[dict[str, Any]]  # as ray.nodes() returns them


class ClusterGone(DenoiseError):
    """The cluster's head, or every node that holds a worker, has been away for too long."""


class Cluster:
    """A connected cluster. `ask` calls Ray; it raises ClusterGone rather than wait for what is no longer there.

    holds: whether nodes have room for a worker.
    """

    def __init__(self, ray: Any, address: str, holds: Callable[[Nodes], bool]) -> None:
        self.ray, self._holds = ray, holds
        client = address.removeprefix("ray://")  # reached through a server of its own; its head may be out of reach
        self._head = client if client != address else str(ray.get_runtime_context().gcs_address)
        self._asked: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._nodes: Future[Nodes] | None = None
        self._looked = self._well = time.monotonic()
        self.stuck = False  # whether Ray, when it was to take its leave, waited on
        threading.Thread(target=self._answer, name="ray", daemon=True).start()

    def ask(self, call: Callable[..., Answer], *given: Any, **more: Any) -> Answer:
        """Return what a call of Ray returns. Raises ClusterGone, and what the call raises."""
        future = self._submit(lambda: call(*given, **more))
        while wait([future], LOOK_S).not_done:
            self.look()
        return future.result()

    def look(self) -> None:
        """Look at the cluster every few seconds. Raises ClusterGone where it has been away for too long."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        away = self._away()
        if away is None:
            self._well = time.monotonic()
        elif now - self._well >= PATIENCE_S:
            raise ClusterGone(f"The Ray cluster is gone: {away}.", "Start it again, and give the same command.")

    def close(self, leave: Callable[[], Any] | None = None) -> bool:
        """End the thread, after a call that takes leave. Returns whether that ended in time."""
        future = self._submit(leave or (lambda: None))
        self._asked.put(None)
        with contextlib.suppress(Exception):  # what is left is Ray's to clear up
            future.result(LEAVE_S)
        return future.done()

    def _away(self) -> str | None:
        """Return in words what is away, or None."""
        try:
            _connect(self._head, LOOK_S)
        except (OSError, OverflowError) as error:
            return f"its head at {self._head} does not answer ({str(error) or 'no reason given'})"
        if self._nodes is not None and not self._nodes.done():  # a port may be open where nobody is at work any more
            return f"its head at {self._head} does not answer"
        answered, self._nodes = self._nodes, self._submit(self.ray.nodes)
        if answered is None or answered.exception() is not None:
            return None
        return None if self._holds(answered.result()) else "none of its nodes that are left holds a worker"

    def _submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        future: Future[Answer] = Future()
        self._asked.put((future, call))
        return future

    def _answer(self) -> None:
        while (asked := self._asked.get()) is not None:
            future, call = asked
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - it is the asker's
                future.set_exception(error)


@contextlib.contextmanager
def connected(address: str, holds: Callable[[Nodes], bool]) -> Iterator[Cluster]:
    """Connect to the cluster, or start one of this machine; leave it at the end. Raises UsageError in one sentence."""
    try:
        import ray
    except ImportError:
        raise UsageError("--ray needs the package ray.", 'Install it with: pip install "denoisecli[ray]"') from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    joined = ray.is_initialized()
    if not joined:
        _join(ray, address)
    cluster = Cluster(ray, address, holds)
    try:
        yield cluster
    finally:
        if not cluster.close(None if joined else ray.shutdown):
            cluster.stuck = True
            atexit.unregister(ray.shutdown)  # it would wait once more


def _join(ray: Any, address: str) -> None:
    # With its address, since Ray would else join a cluster that happens to run here.
    own: dict[str, Any] = {"address": LOCAL, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    _check_there(address)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        where = own if address == LOCAL else {"address": address}
        ray.init(**where, log_to_driver=False, logging_level="ERROR")
        ray._private.worker._worker_logs_enabled = False  # noqa: SLF001 - pages of a dead node's log, whatever one asks
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        what = " ".join(str(error).split())[:200]
        raise UsageError(f"There is no Ray cluster to be had at {address}: {what}", "Try --ray local.") from None
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own there


def _check_there(address: str) -> None:
    """Raise UsageError where nobody listens at HOST:PORT, for which Ray would wait for minutes."""
    try:
        _connect(address, ANSWER_S)
    except (OSError, OverflowError) as error:
        raise UsageError(f"There is no Ray cluster to be had at {address}: {error}.", "Try --ray local.") from None


def _connect(address: str, most_s: float) -> None:
    """Connect to HOST:PORT, and let go of it; anything else is not for us to look at. Raises OSError, OverflowError."""
    host, _, port = address.rpartition(":")
    number = count_in(port)
    if host and "/" not in host and number is not None:
        socket.create_connection((host.strip("[]"), number), timeout=most_s).close()
