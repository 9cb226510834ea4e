"""Several layers at once, one thread each: small matrices gain nothing from a BLAS that splits every product.

On a busy machine it is worse than nothing: OpenBLAS's threads spin while they wait for each other.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_WORKERS = 4


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result]:
    """Yield work(item) for every item, in their order; a few are under way at once, never more."""
    workers = max(1, min(MOST_WORKERS, os.cpu_count() or 1))
    under_way: deque[Future[Result]] = deque()
    with one_blas_thread(), ThreadPoolExecutor(workers) as pool:
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


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy's OpenBLAS work with one thread inside; another BLAS is left as it is."""
    blas = _openblas()
    before = blas[0]() if blas else 0
    try:
        if blas:
            blas[1](1)
        yield
    finally:
        if blas:
            blas[1](before)


@cache
def _openblas() -> tuple[Any, Any] | None:
    """Return the functions (get, set) of the thread count of the OpenBLAS that NumPy's wheels bring along."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")) if folder.is_dir() else ():
            with contextlib.suppress(OSError):
                library = ctypes.CDLL(str(path))
                for prefix, suffix in (("scipy_", "64_"), ("", "64_"), ("scipy_", ""), ("", "")):
                    names = [f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("get", "set")]
                    if all(hasattr(library, name) for name in names):
                        return getattr(library, names[0]), getattr(library, names[1])
    return None
