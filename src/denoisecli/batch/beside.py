"""Work that goes on beside other work of a worker: as many pieces as keep its cores busy, each in a thread of its own.

Daemon threads, not a pool's: what can't be ended, such as a store that doesn't answer, must not hold up the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from denoisecli import cores

CORES_EACH = 4
"""A run that is drawn keeps about as many cores busy at most: its films, its sheet, and what encodes them."""
FEWEST = 2
"""One is drawn while another, all but done, writes its page and its files on one core."""


class Beside:
    """The pieces under way. Memory is bounded by their number: there is `room` for another before it is begun."""

    def __init__(self, most: int | None = None) -> None:
        """most: pieces under way at once; by default by the number of cores."""
        self._most = most
        self._under_way: dict[threading.Thread, threading.Event] = {}
        self._changed = threading.Condition()
        self.given_up = False
        """whether nothing more can come of anything"""
        self.ending = False
        """whether the process is about to end"""

    @property
    def most(self) -> int:
        """How many pieces may be under way. Asked for late: a worker learns its share of the cores when it starts."""
        return self._most or max(FEWEST, cores.count() // CORES_EACH)

    def room(self) -> None:
        """Wait until another piece may go on."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._under_way) < self.most)

    def go_on(self, work: Callable[[], object], ended: threading.Event) -> None:
        """Begin a piece. ended: tells it that nobody waits for it any more."""
        thread = threading.Thread(target=self._do, args=(work,), name="beside", daemon=True)
        with self._changed:
            self._under_way[thread] = ended
        thread.start()

    def give_up(self) -> bool:
        """Note that nothing more can come of anything, and return whether that was known."""
        with self._changed:
            known, self.given_up = self.given_up, True
        return known

    def wait(self) -> None:
        """Wait for all pieces; what was given up is tried anew from then on."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)
            self.given_up = False

    def end(self, most_s: float) -> bool:
        """Tell all pieces to end, and wait so long for it; return whether they have ended."""
        until = time.monotonic() + most_s
        with self._changed:
            self.ending = True
            for ended in self._under_way.values():
                ended.set()
            return self._changed.wait_for(lambda: not self._under_way, max(0.0, until - time.monotonic()))

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except KeyboardInterrupt:  # nobody hears any more: the process is about to end
            return
        finally:
            with self._changed:
                del self._under_way[threading.current_thread()]
                self._changed.notify_all()
