"""Waiting for what other processes and threads do."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], object], seconds: float = 180) -> None:
    """Return when something is true; fail where it is not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
