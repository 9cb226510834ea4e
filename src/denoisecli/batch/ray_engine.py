"""The same runs on a Ray cluster: actors that hold the model, each on its share of a node.

Ray starts an actor anew when its process or node dies, and gives it the pack it had again; runs that were finished are
there and are not made twice. Where an actor dies for good, its runs go to others one by one. Every node has to see
the folder of the runs, and to have denoisecli installed.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from denoisecli.errors import UsageError

from .messages import Message, Outcome, Pack, Progress
from .place import Place
from .processes import POLL_S, Body, Stop
from .retry import tried
from .worker import make_pack

LOCAL = "local"
MOST_JOBS = 1024
RESTARTS = 3  # of an actor, and tries of a pack, before its runs are given to others
ANSWER_S = 10.0  # until the cluster's head takes a connection
STORE_BYTES = 80 << 20  # of a cluster of our own: packs are small, pictures never pass through Ray


@dataclass(frozen=True)
class Request:
    """What one worker needs: CPU cores and GPUs, also parts of one."""

    cpus: float = 1.0
    gpus: float = 0.0

    def __str__(self) -> str:
        return f"{self.cpus:g} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")


class RayEngine:
    """An engine of `jobs` actors on the cluster at `address`, or on one of its own for `local`.

    jobs: None takes as many as the cluster holds, at most MOST_JOBS.
    """

    def __init__(
        self,
        address: str,
        jobs: int | None,
        place: Place,
        stop: Stop,
        request: Request | None = None,
        body: Body = make_pack,
    ) -> None:
        self.address, self.jobs, self.stop, self.body = address, jobs, stop, body
        self.request = request or Request()
        self.place = place.everywhere()
        self.again: deque[Pack] = deque()

    def run(self, packs: Iterator[Pack]) -> Iterator[Message]:
        """Hand out the packs, one to an actor at a time, and yield what comes back."""
        with _connected(self.address) as ray:
            jobs = check_room(ray.nodes(), self.request, self.jobs)
            idle = [(number, self._actor(ray, number)) for number in range(1, jobs + 1)]
            busy: dict[Any, tuple[int, Any, Pack]] = {}
            asked = 0
            while True:
                if self.stop.asked > asked:
                    asked = self.stop.asked
                    _pass_on(ray, [actor for _, actor, _ in busy.values()], at_once=asked > 1)
                while idle and not asked and (pack := self._next(packs)) is not None:
                    number, actor = idle.pop()
                    busy[actor.make.remote(pack)] = (number, actor, pack)
                if not busy:
                    return
                while idle:  # nothing is left for it, and what it holds may be what another needs to start anew
                    ray.kill(idle.pop()[1])
                for ref in ray.wait(list(busy), timeout=POLL_S)[0]:
                    number, actor, pack = busy.pop(ref)
                    told = _result(ray, ref)
                    if isinstance(told, str):
                        ray.kill(actor)
                        actor = self._actor(ray, number)
                        told = self._again(pack, told, number)
                    idle.append((number, actor))
                    yield from told

    def _next(self, packs: Iterator[Pack]) -> Pack | None:
        return self.again.popleft() if self.again else next(packs, None)

    def _actor(self, ray: Any, number: int) -> Any:
        options = {
            "num_cpus": self.request.cpus,
            "num_gpus": self.request.gpus,
            "max_restarts": RESTARTS,
            "max_task_retries": RESTARTS,
            "max_concurrency": 2,  # so that it hears `stop` while it makes a pack
        }
        return ray.remote(_Maker).options(**options).remote(number, self.place, self.body, list(sys.argv))

    def _again(self, pack: Pack, cause: str, number: int) -> list[Message]:
        """Give the runs of a pack whose actor died for good to others; return the outcomes of those that are lost."""
        lost: list[Message] = []
        for run in pack:
            found = tried(run, self.place, cause, stopped=bool(self.stop.asked), worker=number)
            if isinstance(found, Outcome):
                lost.append(found)
            else:
                self.again.append(found)
        return lost


def check_room(nodes: list[dict[str, Any]], request: Request, jobs: int | None) -> int:
    """Return the number of workers. Raises UsageError where the cluster can never hold it: Ray would wait for ever."""
    rooms = [_room(node.get("Resources", {}), request) for node in nodes if node.get("Alive")]
    room = sum(rooms)
    if jobs is None:
        jobs = max(1, min(room, MOST_JOBS))
    if room >= jobs:
        return jobs
    has = ", ".join(sorted(f"{node['Resources'].get('CPU', 0):g} CPU and {node['Resources'].get('GPU', 0):g} GPU"
                           for node in nodes if node.get("Alive")))  # fmt: skip
    wanted = f"a worker of {request}" if jobs == 1 else f"{jobs} workers of {request} each"
    hint = f"Ask for --jobs {room}, or for less with --ray-cpus and --ray-gpus." if room else "Ask for less."
    raise UsageError(f"The cluster (nodes of {has}) can never hold {wanted}.", hint)


def _room(resources: dict[str, float], request: Request) -> int:
    """Return how many workers a node holds."""
    shares = [
        math.floor(resources.get(name, 0) / wanted + 1e-9)
        for name, wanted in (("CPU", request.cpus), ("GPU", request.gpus))
        if wanted
    ]
    return min(shares, default=1_000_000)


def _result(ray: Any, ref: Any) -> list[Message] | str:
    """Return what the actor told of its pack, or why it could not."""
    try:
        told: list[Message] = ray.get(ref)
    except ray.exceptions.RayError as error:
        return str(error).strip().splitlines()[0][:200]
    return told


def _pass_on(ray: Any, actors: list[Any], *, at_once: bool) -> None:
    for actor in actors:
        if at_once:
            ray.kill(actor)
        else:
            actor.stop.remote()


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Connect to the cluster, or start one of this machine; leave it at the end. Raises UsageError in one sentence."""
    try:
        import ray
    except ImportError:
        raise UsageError("--ray needs the package ray.", 'Install it with: pip install "denoisecli[ray]"') from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # With its address, since Ray would else join a cluster that happens to run here.
    own: dict[str, Any] = {"address": LOCAL, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    joined = ray.is_initialized()
    if not joined:
        _check_there(address)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if not joined:
            where = own if address == LOCAL else {"address": address}
            ray.init(**where, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        what = " ".join(str(error).split())[:200]
        raise UsageError(f"There is no Ray cluster to be had at {address}: {what}", "Try --ray local.") from None
    signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
    try:
        yield ray
    finally:
        if not joined:
            ray.shutdown()


def _check_there(address: str) -> None:
    """Raise UsageError where nobody listens at HOST:PORT, for which Ray would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"There is no Ray cluster to be had at {address}: {error}.", "Try --ray local.") from None


class _Maker:
    """The actor: makes packs in its process, and keeps the model between them."""

    def __init__(self, number: int, place: Place, body: Body, argv: list[str]) -> None:
        self.number, self.place, self.body = number, place, body
        self.asked = False
        sys.argv[:] = argv  # the command, for the traces

    def make(self, pack: Pack) -> list[Message]:
        """Make the runs of the pack and return what is to be told of them."""
        told: list[Message] = []
        self.body(pack, self.place, self.number, told.append, lambda: self.asked)
        return [message for message in told if not isinstance(message, Progress)]

    def stop(self) -> None:
        """Begin no more runs."""
        self.asked = True
