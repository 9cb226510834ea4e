"""Work spread over the cores: the one place that says how many there are, and has several pieces under way at once.

Threads do it, since what takes long (ffmpeg, libwebp, zlib, torch, BLAS) lets go of the interpreter.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def count() -> int:
    """Return how many cores this process may use: what OMP_NUM_THREADS says, as to torch, else all that it has."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def wait_patiently() -> None:
    """Let OpenMP's threads sleep while they wait for each other; it reads this when torch is loaded.

    Else they spin, for milliseconds each time: on a machine that does other things too, films of ours among them, that
    costs several times what they compute. Source: OpenMP 5.2, section 21.7, OMP_WAIT_POLICY.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int | None = None,
    ended: threading.Event | None = None,
) -> Generator[Result, None, None]:
    """Yield work(item) for every item, in their order; one a worker is under way, and few wait to be taken.

    workers: as many as there are cores where it is not said. What one raises is raised in its turn; those that have not
    begun are then left out, and those that have are waited for. ended: is set before, so that they can hear of it.
    """
    workers = workers or count()
    if workers == 1:  # a thread beside the caller's would only cost
        yield from map(work, items)
        return
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, "core") as pool:
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) > workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BaseException:
            if ended is not None:
                ended.set()
            for future in under_way:
                future.cancel()
            raise
