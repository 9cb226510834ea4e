"""Latents of a run into pictures: each decoded once, in batches, never all of them in float."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..scale import canvas_latents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..diffusion.decode import Decoder
    from ..diffusion.models import Model
    from ..media.picture_file import PictureFile, PictureWriter
    from ..trace import Trace
    from .job import Job

AT_ONCE = 16  # latents handed to a decoder, which splits them further where memory is short
IN_MEMORY = 1 << 30  # bytes of uint8 pictures; more than this goes to the disk


@dataclass(frozen=True)
class Pictures:
    """The drawn states of a run: (seed, state, H, W, 3) sRGB. At the last state both are the finished picture."""

    canvas: NDArray[np.uint8]
    guess: NDArray[np.uint8]
    decoders: dict[str, str]

    @property
    def finals(self) -> NDArray[np.uint8]:
        """The finished pictures, (seed, H, W, 3)."""
        return self.canvas[:, -1]


def decode_states(job: Job[Any], model: Model, trace: Trace) -> Pictures:
    """Decode canvases and guesses with the states' decoder and the finished pictures with the finals' one."""
    from denoisecli.diffusion.fitted_decoder import examples

    from ..diffusion.decode import decoder

    canvases, guesses = canvas_latents(trace), trace.x0
    with job.timed("decode"):
        on_the_way = decoder(model, job.config.decode.states, examples([canvases[:, :-1], guesses]))
        finished = decoder(model, job.config.decode.finals)
    seeds, states = canvases.shape[:2]
    width, height = job.config.size
    shape = (seeds, states, height, width, 3)
    canvas, guess = _room(job, "canvas", shape), _room(job, "guess", shape)
    progress = _Progress(job, total=seeds * (2 * states - 1))
    with job.timed("decode"):
        _decode_into(canvas[:, :-1], canvases[:, :-1], on_the_way, progress)
        _decode_into(canvas[:, -1:], canvases[:, -1:], finished, progress)
        _decode_into(guess[:, :-1], guesses, on_the_way, progress)
        guess[:, -1] = canvas[:, -1]
    return Pictures(canvas, guess, {"states": on_the_way.name, "finals": finished.name})


def stored(job: Job[Any], views: Mapping[str, Any]) -> PictureFile:
    """Write the run's pictures.zip and return it open: figures are drawn from it, so that `render` gives the same."""
    from ..media.picture_file import PICTURES_FILE, PictureFile, write_pictures

    path = job.folder.partial / PICTURES_FILE
    with job.timed("encode"):
        write_pictures(path, views)
    job.artifact(path, "pictures")
    return PictureFile.open(path)


@contextlib.contextmanager
def storing(job: Job[Any], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[PictureWriter]:
    """Yield the run's pictures.zip to be filled, for a lab whose pictures come one by one. shapes: of its views."""
    from ..media.picture_file import PICTURES_FILE, writing_pictures

    path = job.folder.partial / PICTURES_FILE
    with writing_pictures(path, shapes) as pictures:
        yield pictures
    job.artifact(path, "pictures")


def _decode_into(pictures: NDArray[np.uint8], latents: NDArray[Any], by: Decoder, progress: _Progress) -> None:
    """Fill pictures (seed, state, H, W, 3) from latents (seed, state, C, h, w), AT_ONCE of them at a time."""
    places = list(np.ndindex(latents.shape[:2]))
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        drawn = by.decode(np.stack([latents[place] for place in some]))
        for place, picture in zip(some, drawn, strict=True):
            pictures[place] = picture
        progress.advance(len(some))


class _Progress:
    def __init__(self, job: Job[Any], total: int) -> None:
        self.job, self.done = job, 0
        job.report.stage("decode", total)

    def advance(self, pictures: int) -> None:
        self.done += pictures
        self.job.report.step(self.done)


def _room(job: Job[Any], name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return an array in memory, or on the disk where it is large. The disk's room is taken first: a mapped file
    that cannot grow would kill the process without a word."""
    size = int(np.prod(shape))
    if size <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    path: Path = job.folder.work / f"{name}.raw"
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
    return np.memmap(path, np.uint8, "r+", shape=shape)
