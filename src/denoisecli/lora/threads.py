"""Several layers at once, one thread each: small matrices gain nothing from a BLAS that splits every product.

On a busy machine it is worse than nothing: OpenBLAS's threads spin while they wait for each other.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_WORKERS = 4


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result]:
    """Yield work(item) for every item, in their order; a few are under way at once, never more."""
    workers = max(1, min(MOST_WORKERS, os.cpu_count() or 1))
    under_way: deque[Future[Result]] = deque()
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) > workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
