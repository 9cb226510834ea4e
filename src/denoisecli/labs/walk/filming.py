"""The films of a walk, drawn and encoded while it is still being sampled."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.labs.films import encode_film, film_style

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.labs.job import Job

    from .config import WalkConfig
    from .figures.facts import WalkFacts
    from .places import Place

    Frame = NDArray[np.uint8]


class Stopped(Exception):
    """Raised in those who wait for frames that will not come."""


class Arrivals:
    """Which frames of a walk are there already, for those who draw them in order."""

    def __init__(self, count: int) -> None:
        self._there = [False] * count
        self._in_a_row = 0
        self._over = False
        self._changed = threading.Condition()

    def add(self, frames: Iterable[int]) -> None:
        """Mark these frames as ready, and their changes to neighbours that are ready."""
        with self._changed:
            for frame in frames:
                self._there[frame] = True
            while self._in_a_row < len(self._there) and self._there[self._in_a_row]:
                self._in_a_row += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Tell that nobody shall wait or go on any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def wait_for(self, frames: Sequence[int]) -> None:
        """Return when these frames are there. Raises Stopped."""
        self._wait(lambda: all(self._there[frame] for frame in frames))

    def wait_up_to(self, frame: int) -> None:
        """Return when all frames up to this one, or to the last, are there. Raises Stopped."""
        count = min(frame + 1, len(self._there))
        self._wait(lambda: self._in_a_row >= count)

    def _wait(self, there: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._over or there())
            if self._over:
                raise Stopped


@dataclass
class Filming:
    """Films at work. `add` tells of frames; a film that has failed raises there, so that sampling stops early."""

    arrivals: Arrivals
    films: list[Future[list[Path]]] = field(default_factory=list)

    def add(self, frames: Iterable[int]) -> None:
        """Let these frames be drawn. Raises what a film has failed of."""
        self.arrivals.add(frames)
        for film in self.films:
            if film.done():
                film.result()


@contextlib.contextmanager
def filming(job: Job[WalkConfig], facts: WalkFacts, finals: Any, *, beside: bool) -> Iterator[Filming]:
    """Draw and encode the walk's films in threads of their own; they are whole when the block has been left.

    finals: (frame, H, W, 3), each read after it was added; `facts.jumps` then holds how it differs from its neighbours.
    beside: begin at once. Where the model itself takes all cores, its threads wait for each other, so a film beside
    them costs more than one after them.
    """
    from .figures.film import frame_order

    config, arrivals = job.config, Arrivals(len(facts.places))
    order = frame_order(facts, max(1, round(config.film.hold_s * config.film.fps)), back=config.there_and_back)
    numbers, ticks = [frame for frame, _ in order], [ticks for _, ticks in order]
    makers = _makers(job, facts, finals, arrivals)
    progress = _Progress(job)
    with ThreadPoolExecutor(len(makers), "film") as pool, contextlib.ExitStack() as ending:
        ending.callback(arrivals.stop)

        def begin() -> list[Future[list[Path]]]:
            return [
                pool.submit(
                    encode_film,
                    job,
                    progress.counted(frames(numbers)),
                    ticks,
                    job.folder.partial / name,
                    (lambda: told(facts)) if name == "film.mp4" else None,
                )
                for name, frames in makers.items()
            ]

        films = begin() if beside else []
        yield Filming(arrivals, films)
        progress.begin(len(makers) * len(order))
        with job.timed("figures"):  # what was not done beside the sampling
            written = [film.result() for film in films or begin()]
    for path in itertools.chain.from_iterable(written):
        job.artifact(path, "film")


def told(facts: WalkFacts) -> dict[str, Any]:
    """Return what a record says of the frames, of a walk that has none yet."""
    jumps = [None if np.isnan(jump) else float(jump) for jump in facts.jumps]
    return {"walk": {"ends": list(facts.course.names)}, "runs": [{"jump": jump} for jump in jumps]}


def _makers(
    job: Job[WalkConfig], facts: WalkFacts, finals: Any, arrivals: Arrivals
) -> Mapping[str, Callable[[Sequence[int]], Iterator[Frame]]]:
    """Return what draws each film, by its name: frames of these numbers, waiting for those that are not there yet."""
    from .figures.change import AHEAD
    from .figures.cross_fade import SideBySide, fade_frames
    from .figures.film import WalkDrawing

    style = film_style(job)

    def picture(frame: int) -> Frame:
        arrivals.wait_up_to(frame + AHEAD)
        return np.asarray(finals[frame])

    def ends() -> list[Frame]:
        frames = end_frames(facts.places)
        arrivals.wait_for(frames)
        return [np.asarray(finals[frame]) for frame in frames]

    def walk(numbers: Sequence[int]) -> Iterator[Frame]:
        yield from WalkDrawing(facts, picture, ends(), style).frames(numbers)

    def fade(numbers: Sequence[int]) -> Iterator[Frame]:
        yield from fade_frames(SideBySide(facts, picture, ends()), numbers, style)

    return {"film.mp4": walk, "views/cross-fade.mp4": fade} if job.config.cross_fade else {"film.mp4": walk}


def end_frames(places: Sequence[Place]) -> list[int]:
    """Return the frames at the ends of the legs, each end once."""
    frames = {place.end: frame for frame, place in enumerate(places) if place.end is not None}
    return list(frames.values())


class _Progress:
    """Counts the frames that are drawn, and tells of them once the sampling's own progress is at its end."""

    def __init__(self, job: Job[Any]) -> None:
        self.job, self.telling, self.done, self.lock = job, False, 0, threading.Lock()

    def begin(self, total: int) -> None:
        """Tell from now on; what was drawn beside the sampling is done already."""
        with self.lock:
            self.job.report.stage("figures", total)
            if self.done:
                self.job.report.passed(self.done)
            self.telling = True

    def counted(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Hand frames on and count them."""
        for frame in frames:
            with self.lock:
                self.done += 1
                if self.telling:
                    self.job.report.step(self.done)
            yield frame
