"""Room for a run's large arrays: in memory, or on the disk where they are larger than memory should have to hold."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

    from .job import Job

IN_MEMORY = 1 << 30  # bytes; more than this goes to the disk


def room(job: Job[Any], name: str, shape: tuple[int, ...], dtype: DTypeLike = np.uint8, *, of: int = 0) -> NDArray[Any]:
    """Return an array to be filled. of: bytes of all that are filled with it, where these decide.

    On the disk it is a file of the run in the making, which goes with it. The disk's room is taken first: a mapped file
    that cannot grow would kill the process without a word.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if not size or max(size, of) <= IN_MEMORY:  # a file of no bytes cannot be mapped
        return np.empty(shape, kind)
    path: Path = job.folder.work / f"{name}.raw"
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
    return np.memmap(path, kind, "r+", shape=shape)
