"""Frames of a lab into the films that its config asks for."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisecli.registry import part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from denoisecli.config.base import Film
    from denoisecli.figures.theme import FilmStyle
    from denoisecli.report import Report

    from .job import Job


def film_style(job: Job[Any]) -> FilmStyle:
    """Return the size and theme that the config names."""
    from denoisecli.figures.theme import FilmStyle, theme_named

    film = job.config.film
    return FilmStyle(film.size, theme_named(film.theme))


Record = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
CARD_S = 3.0  # seconds that a card is shown


def write_state_film(
    job: Job[Any],
    frames: Iterable[NDArray[np.uint8]],
    states: int,
    path: Path,
    *,
    record: Record | None = None,
    slow: Mapping[int, int] | None = None,
) -> None:
    """Write a film of one frame a state, each held as the config says, in every format that it asks for.

    record: the run's, where the film has its cards. slow: states that are held so many times as long.
    """
    from denoisecli.figures.timing import holds

    film = job.config.film
    write_film(job, frames, holds(states, film.hold_s, film.fps, slow=slow), path, record)


def write_film(
    job: Job[Any],
    frames: Iterable[NDArray[np.uint8]],
    repeats: list[int],
    path: Path,
    record: Record | None = None,
) -> None:
    """Write frames, each shown `repeats` times, to `path` (.mp4) and to the other formats beside it.

    record: as for `write_state_film`.
    """
    for written in encode_film(job, frames, repeats, path, record):
        job.artifact(written, "film")


def encode_film(
    job: Job[Any],
    frames: Iterable[NDArray[np.uint8]],
    repeats: list[int],
    path: Path,
    record: Record | None = None,
) -> list[Path]:
    """Write frames as `write_film` does and return the files, which are not noted yet.

    Where the config asks for no format, none is drawn.
    """
    if not job.config.film.formats:
        return []
    notes = {"title": job.config.title, "comment": f"denoisecli {job.config.lab}"}
    tick = math.gcd(*repeats)
    held = zip(_until_ended(frames, job.ended), repeats, strict=True)
    shown = held if record is None else with_cards(job, held, record, tick)
    return encode(job.config.film, shown, path, notes, tick, job.report.warn)


class Ended(Exception):
    """Raised in a thread that draws for a run that has failed elsewhere."""


def _until_ended(frames: Iterable[NDArray[np.uint8]], ended: threading.Event) -> Iterator[NDArray[np.uint8]]:
    for frame in frames:
        if ended.is_set():
            raise Ended
        yield frame


def with_cards(
    job: Job[Any], held: Iterable[tuple[NDArray[np.uint8], int]], record: Record, tick: int
) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Put a title before a film and, after it, the sentence that it teaches, where the config wants them.

    record: the run's, or what returns it once the last frame has been drawn. tick: what every hold is a multiple of.
    """
    from denoisecli.figures.cards import card
    from denoisecli.figures.theme import theme_named

    film, theme = job.config.film, theme_named(job.config.film.theme)
    hold = max(1, round(CARD_S * film.fps / tick)) * tick
    frame = None
    for frame, repeats in held:
        if film.title:
            film = film.model_copy(update={"title": False})
            title, settings = title_of(job, record() if callable(record) else record)
            yield card(frame, title, settings, theme), hold
        yield frame, repeats
    said = lesson_of(job, record() if callable(record) else record) if film.lesson else None
    if frame is not None and said:
        yield card(frame, said, f"denoisecli {job.config.lab}", theme), hold


def counted(frames: Iterable[NDArray[np.uint8]], report: Report) -> Iterator[NDArray[np.uint8]]:
    """Hand frames on, and tell of each that it is drawn."""
    for number, frame in enumerate(frames, 1):
        report.step(number)
        yield frame


def title_of(job: Job[Any], record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the words of a title card: what the run is, and its settings."""
    title, settings, _ = part(job.config.lab, "words")(dict(record), job.config.model_dump(mode="json"))
    return title, " · ".join(word for word in settings if word)


def lesson_of(job: Job[Any], record: Mapping[str, Any]) -> str | None:
    """Return the one sentence that a run teaches, from its numbers; None where they say nothing."""
    lesson = part(job.config.lab, "lesson")
    said: str | None = lesson(record) if lesson else None
    return said


def encode(
    film: Film,
    held: Iterable[tuple[NDArray[np.uint8], int]],
    path: Path,
    notes: Mapping[str, str],
    tick: int,
    say: Callable[[str], None],
) -> list[Path]:
    """Write (frame, repeats) to `path` (.mp4) and beside it in the formats that `film` asks for; see `write_films`."""
    from denoisecli.media.video import write_films

    path.parent.mkdir(exist_ok=True)
    paths = [path.with_suffix(f".{name}") for name in dict.fromkeys(("mp4", *film.formats))]
    return write_films(held, paths, film.fps, notes, tick=tick, say=say)
