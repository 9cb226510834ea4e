"""Frames of a lab into the films that its config asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..figures.theme import FilmStyle
    from .plan import Job


def film_style(job: Job[Any]) -> FilmStyle:
    """Return the size and theme that the config names."""
    from ..figures.theme import FilmStyle, theme_named

    film = job.config.film
    return FilmStyle(film.size, theme_named(film.theme))


def write_state_film(job: Job[Any], frames: Iterable[NDArray[np.uint8]], states: int, path: Path) -> None:
    """Write a film of one frame a state, each held as the config says, in every format that it asks for."""
    from ..figures.timing import holds

    film = job.config.film
    write_film(job, frames, holds(states, film.hold_s, film.fps), path)


def write_film(job: Job[Any], frames: Iterable[NDArray[np.uint8]], repeats: list[int], path: Path) -> None:
    """Write frames, each shown `repeats` times, to `path` (.mp4) and to the other formats beside it."""
    for written in encode_film(job, frames, repeats, path):
        job.artifact(written, "film")


def encode_film(job: Job[Any], frames: Iterable[NDArray[np.uint8]], repeats: list[int], path: Path) -> list[Path]:
    """Write frames as `write_film` does and return the files, which are not noted yet."""
    from ..media.video import write_films

    formats = dict.fromkeys(("mp4", *job.config.film.formats))
    paths = [path.with_suffix(f".{name}") for name in formats]
    path.parent.mkdir(exist_ok=True)
    notes = {"title": job.config.title, "comment": f"denoisecli {job.config.lab}"}
    held = zip(frames, repeats, strict=True)
    return write_films(held, paths, job.config.film.fps, notes, tick=math.gcd(*repeats), say=job.report.warn)
