"""Frames of a lab into the films that its config asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from denoisecli.config.base import Film
    from denoisecli.figures.theme import FilmStyle

    from .job import Job


def film_style(job: Job[Any]) -> FilmStyle:
    """Return the size and theme that the config names."""
    from denoisecli.figures.theme import FilmStyle, theme_named

    film = job.config.film
    return FilmStyle(film.size, theme_named(film.theme))


def write_state_film(job: Job[Any], frames: Iterable[NDArray[np.uint8]], states: int, path: Path) -> None:
    """Write a film of one frame a state, each held as the config says, in every format that it asks for."""
    from denoisecli.figures.timing import holds

    film = job.config.film
    write_film(job, frames, holds(states, film.hold_s, film.fps), path)


def write_film(job: Job[Any], frames: Iterable[NDArray[np.uint8]], repeats: list[int], path: Path) -> None:
    """Write frames, each shown `repeats` times, to `path` (.mp4) and to the other formats beside it."""
    for written in encode_film(job, frames, repeats, path):
        job.artifact(written, "film")


def encode_film(job: Job[Any], frames: Iterable[NDArray[np.uint8]], repeats: list[int], path: Path) -> list[Path]:
    """Write frames as `write_film` does and return the files, which are not noted yet."""
    notes = {"title": job.config.title, "comment": f"denoisecli {job.config.lab}"}
    return encode(job.config.film, zip(frames, repeats, strict=True), path, notes, math.gcd(*repeats), job.report.warn)


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
