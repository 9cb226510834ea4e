"""Worker processes of this machine, each with a model of its own. A worker that dies costs a second try, no more.

Each worker is spawned (a forked torch hangs), talks over a pipe of its own (a shared queue would stay locked when a
worker is killed inside it), ignores Ctrl-C (the parent decides), and ends itself when the parent is gone.
"""

from __future__ import annotations

import gc
import multiprocessing as mp
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from denoisecli.cores import wait_patiently

from .messages import Free, Message, Outcome, Pack, Run, Waiting
from .place import Place
from .retry import tried
from .worker import BESIDE, begin_pack

Body = Callable[[Pack, Place, int, Callable[[Message], None], Callable[[], bool]], None]
POLL_S = 0.2
PATIENCE_S = 5.0  # between asking a worker to end and ending it


@dataclass
class Stop:
    """How often the user asked to stop: once, begin nothing new; twice, stop at once."""

    asked: int = 0
    why: str = ""  # where it was not the user who asked
    stuck: bool = False  # whether threads are left that nothing can end but the end of the process


@dataclass
class _Worker:
    """One process, its pipe, and the runs it has not told the end of. free: whether it takes a pack beside those."""

    number: int
    process: Any
    pipe: Connection
    stopping: Any
    open: dict[int, Run] = field(default_factory=dict)
    free: bool = True


class Workers:
    """An engine of `jobs` processes. `body` is what each does with a pack; what it leaves may be told later."""

    def __init__(self, jobs: int, place: Place, stop: Stop, body: Body = begin_pack) -> None:
        self.place, self.stop, self.body, self.jobs = place, stop, body, jobs
        self.context = mp.get_context("spawn")
        self.again: deque[Pack] = deque()

    def run(self, packs: Iterator[Pack]) -> Iterator[Message]:
        """Hand out the packs, the next to a worker as soon as it is free, and yield what the workers tell."""
        workers = {number: self._spawn(number) for number in range(1, self.jobs + 1)}
        asked = 0
        try:
            while True:
                if self.stop.asked > asked:
                    asked = self.stop.asked
                    self._pass_on(workers)
                pack: Pack | None = None
                for worker in workers.values() if not asked else ():
                    if self._takes_more(worker) and (pack := self._next(packs)):
                        self._give(worker, pack)
                if pack is None and not any(worker.open or not (worker.free or asked) for worker in workers.values()):
                    return
                if pack == ():
                    yield Waiting()
                yield from self._heard(workers)
        finally:
            _end(list(workers.values()))

    def _takes_more(self, worker: _Worker) -> bool:
        """Tell whether a worker gets a pack now. A run that one died in is alone from then on, and takes none along."""
        alone = bool(self.again) or any(run.tries for run in worker.open.values())
        return worker.free and not (alone and worker.open)

    def _next(self, packs: Iterator[Pack]) -> Pack | None:
        """Return the next pack, an empty one where it has to be waited for, None where there are no more."""
        return self.again.popleft() if self.again else next(packs, None)

    def _give(self, worker: _Worker, pack: Pack) -> None:
        worker.open |= {run.number: run for run in pack}
        worker.free = False
        try:
            worker.pipe.send(pack)
        except (BrokenPipeError, ConnectionResetError):
            return  # it died while idle; `_heard` sees to it

    def _heard(self, workers: dict[int, _Worker]) -> Iterator[Message]:
        """Yield what was told since the last time; replace workers that died."""
        by_thing: dict[Any, _Worker] = {}
        for worker in workers.values():
            by_thing |= {worker.pipe: worker, worker.process.sentinel: worker}
        ready = {by_thing[thing].number for thing in wait(list(by_thing), timeout=POLL_S)}
        for number in sorted(ready):
            yield from _told(workers[number])
            if not workers[number].process.is_alive():
                yield from _told(workers[number])  # what it said last
                yield from self._bury(workers[number])
                if self.stop.asked:
                    del workers[number]
                else:
                    workers[number] = self._spawn(number)

    def _bury(self, worker: _Worker) -> Iterator[Outcome]:
        """Give the dead worker's runs to others, one by one, or tell that they killed two workers."""
        worker.process.join()
        worker.pipe.close()
        cause = _cause(worker.process.exitcode)
        for run in worker.open.values():
            found = tried(run, self.place, cause, stopped=bool(self.stop.asked), worker=worker.number)
            if isinstance(found, Outcome):
                yield found
            else:
                self.again.append(found)

    def _pass_on(self, workers: dict[int, _Worker]) -> None:
        for worker in workers.values():
            worker.stopping.value = 1
            if self.stop.asked > 1 and worker.process.is_alive():
                worker.process.terminate()

    def _spawn(self, number: int) -> _Worker:
        ours, theirs = self.context.Pipe()
        stopping = self.context.RawValue("b", 0)  # no lock: a killed worker would never give it back
        process = self.context.Process(
            target=_serve, args=(theirs, stopping, number, self.jobs, self.place, self.body), daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(number, process, ours, stopping)


def _told(worker: _Worker) -> Iterator[Message]:
    """Yield what lies in the pipe, and cross off the runs that are settled."""
    try:
        while worker.pipe.poll():
            message: Message = worker.pipe.recv()
            if isinstance(message, Free):
                worker.free = True
                continue
            if isinstance(message, Outcome):
                worker.open.pop(message.number, None)
            yield message
    except (EOFError, OSError):
        return


def _cause(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"


def _end(workers: list[_Worker]) -> None:
    """Close the pipes, at which idle workers end by themselves, and end those that do not."""
    for worker in workers:
        worker.pipe.close()
        if worker.open and worker.process.is_alive():
            worker.process.terminate()
    for worker in workers:
        worker.process.join(PATIENCE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


# What runs in the worker


class _Ended(KeyboardInterrupt):
    """The parent asked this worker to end now; a run in hand is left so that it goes on next time."""


def _serve(pipe: Connection, stopping: Any, number: int, jobs: int, place: Place, body: Body) -> None:
    """Make packs until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_now)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.dup2(2, 1)  # stdout is the parent's alone
    share_machine(number, jobs)
    tell = _teller(pipe)
    try:
        while True:
            body(pipe.recv(), place, number, tell, lambda: bool(stopping.value))
            tell(Free(number))
    except (EOFError, ConnectionResetError, _Ended):
        if not BESIDE.end(PATIENCE_S / 2):
            os._exit(0)  # a thread that hangs in a store, say, would not let go
        gc.freeze()  # else Python takes a second and more to look through torch for what nobody needs any longer
        sys.exit(0)


def _teller(pipe: Connection) -> Callable[[Message], None]:
    """Return what sends messages, one at a time, for every thread; it ends a thread that nobody hears any more."""
    one_at_a_time = threading.Lock()

    def tell(message: Message) -> None:
        with one_at_a_time:
            try:
                pipe.send(message)
            except (BrokenPipeError, ConnectionResetError):
                raise _Ended from None

    return tell


def _end_now(_number: int, _frame: object) -> None:
    raise _Ended


def _die_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def share_machine(number: int, jobs: int) -> None:
    """Give this process its share of the cores, and one of the GPUs. Called before torch is loaded."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // jobs)))
    wait_patiently()
    if jobs > 1 and (cards := gpus()):
        os.environ["CUDA_VISIBLE_DEVICES"] = cards[(number - 1) % len(cards)]


def gpus() -> list[str]:
    """Return the names of the NVIDIA cards that this process may use, without loading torch."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return [card.strip() for card in told.split(",") if card.strip()]
    from pathlib import Path

    return [str(index) for index, _ in enumerate(sorted(Path("/proc/driver/nvidia/gpus").glob("*")))]
