"""Several layers at once, one thread each: small matrices gain nothing from a BLAS that splits every product.

On a busy machine it is worse than nothing: OpenBLAS's threads spin while they wait for each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from threadpoolctl import threadpool_limits

from denoisecli import cores

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_WORKERS = 4


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Yield work(item) for every item, in their order, with a BLAS of one thread meanwhile."""
    workers = min(MOST_WORKERS, cores.count())
    with threadpool_limits(limits=1, user_api="blas"), contextlib.closing(cores.in_order(work, items, workers)) as done:
        yield from done
