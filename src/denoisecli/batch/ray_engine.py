"""The same runs on a Ray cluster: actors that hold the model, each on its share of a node.

Ray starts an actor anew when its process or node dies, and gives it the pack it had again; runs that were finished are
there and are not made twice. Where an actor dies for good, its runs go to others one by one. Every node has to see
the folder of the runs, and to have denoisecli installed.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from denoisecli.errors import UsageError

from .cluster import Cluster, ClusterGone, Nodes, connected
from .messages import Message, Outcome, Pack, Progress, Waiting
from .place import Place
from .processes import POLL_S, Body, Stop
from .retry import tried
from .worker import make_pack

MOST_JOBS = 1024
RESTARTS = 3  # of an actor, and tries of a pack, before its runs are given to others


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
        self.hands: dict[int, Pack] = {}  # what each worker has

    def run(self, packs: Iterator[Pack]) -> Iterator[Message]:
        """Hand out the packs, one to an actor at a time, and yield what comes back.

        Where the cluster goes away, `stop` says why, and what was in hand is told as stopped.
        """
        with connected(self.address, self._holds) as cluster:
            try:
                yield from self._run(cluster, packs)
            except ClusterGone as gone:
                self.stop.asked, self.stop.why = max(1, self.stop.asked), gone.message
                for run in (run for pack in [*self.hands.values(), *self.again] for run in pack):
                    yield Outcome(run.number, run.label, run.path, "stopped")
        self.stop.stuck = cluster.stuck

    def _run(self, cluster: Cluster, packs: Iterator[Pack]) -> Iterator[Message]:
        ask, ray = cluster.ask, cluster.ray
        jobs = check_room(ask(ray.nodes), self.request, self.jobs)
        idle = [(number, ask(self._actor, ray, number)) for number in range(1, jobs + 1)]
        busy: dict[Any, tuple[int, Any]] = {}
        asked = 0
        while True:
            cluster.look()
            if self.stop.asked > asked:
                asked = self.stop.asked
                ask(_pass_on, ray, [actor for _, actor in busy.values()], at_once=asked > 1)
            pack: Pack | None = None
            while idle and not asked and (pack := self._next(packs)):
                number, actor = idle.pop()
                self.hands[number] = pack
                busy[ask(actor.make.remote, pack)] = (number, actor)
            if pack is None and not busy:
                return
            if pack == ():
                yield Waiting()
                time.sleep(0 if busy else POLL_S)
            while idle and pack is None:  # nothing is left, and what it holds may be what another needs to start anew
                ask(ray.kill, idle.pop()[1])
            for ref in ask(ray.wait, list(busy), timeout=POLL_S)[0] if busy else ():
                number, actor = busy.pop(ref)
                told = ask(_result, ray, ref)
                pack = self.hands.pop(number)
                if isinstance(told, str):
                    yield from self._again(pack, told, number)
                    ask(ray.kill, actor)
                    actor = ask(self._actor, ray, number)
                else:
                    yield from told
                idle.append((number, actor))

    def _holds(self, nodes: Nodes) -> bool:
        return any(_room(node.get("Resources", {}), self.request) for node in nodes if node.get("Alive"))

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


def check_room(nodes: Nodes, request: Request, jobs: int | None) -> int:
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
