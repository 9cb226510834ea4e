"""Latents of a run into pictures: each decoded once, in batches, never all of them in float."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.metrics import significant
from denoisecli.scale import canvas_latents, drawn_scale

from .room import room

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.diffusion.decode import Decoder
    from denoisecli.diffusion.models import Model
    from denoisecli.media.picture_file import PictureFile, PictureWriter
    from denoisecli.trace import Trace

    from .job import Job

AT_ONCE = 16  # latents handed to a decoder, which splits them further where memory is short


@dataclass(frozen=True)
class Pictures:
    """The drawn states of a run: (seed, state, H, W, 3) sRGB. At the last state both are the finished picture.

    drawn_scale: (seed, state), by how much each guess was scaled to be drawn; None where none was. raw: those that
    were, drawn as they are, by (seed, state): what a run measures is measured on these.
    """

    canvas: NDArray[np.uint8]
    guess: NDArray[np.uint8]
    decoders: dict[str, str]
    drawn_scale: NDArray[np.float64] | None = None
    raw: Mapping[tuple[int, ...], NDArray[np.uint8]] = field(default_factory=dict)
    preview_psnr: float | None = None
    """How near the states' decoder comes to the finals' one on the finished pictures, in decibels; None: the same."""

    @property
    def told(self) -> dict[str, Any]:
        """What trace.json says of the decoders."""
        entry: dict[str, Any] = {"decoders": self.decoders}
        if self.preview_psnr is not None and np.isfinite(self.preview_psnr):
            entry["preview_psnr_db"] = significant(self.preview_psnr, 4)
        return entry

    @property
    def finals(self) -> NDArray[np.uint8]:
        """The finished pictures, (seed, H, W, 3)."""
        return self.canvas[:, -1]

    @property
    def measured(self) -> NDArray[np.uint8] | Unscaled:
        """The guesses as they are, for numbers: indexed and shaped like `guess`."""
        return Unscaled(self.guess, self.raw) if self.raw else self.guess


@dataclass(frozen=True)
class Unscaled:
    """Drawn guesses (seed, state, H, W, 3) with those in `raw` instead of the scaled ones."""

    drawn: NDArray[np.uint8]
    raw: Mapping[tuple[int, ...], NDArray[np.uint8]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole."""
        return self.drawn.shape

    def __getitem__(self, place: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return one picture, (H, W, 3)."""
        return self.raw[place] if place in self.raw else self.drawn[place]


def decode_states(job: Job[Any], model: Model, trace: Trace) -> Pictures:
    """Decode canvases and guesses with the states' decoder and the finished pictures with the finals' one.

    The config's size is that of the pictures.
    """
    from denoisecli.diffusion import fitted_colours
    from denoisecli.diffusion.decode import decoder
    from denoisecli.diffusion.fitted_decoder import examples

    canvases = canvas_latents(trace)
    factors = drawn_scales(job, trace.x0, canvases[:, -1])
    guesses = scaled(trace.x0, factors)
    with job.timed("decode"):
        own = fitted_colours.examples(guesses, canvases[:, -1])
        on_the_way = decoder(model, job.config.decode.states, examples([canvases[:, :-1], guesses]), own)
        finished = decoder(model, job.config.decode.finals)
    seeds, states = canvases.shape[:2]
    width, height = job.config.size
    shape = (seeds, states, height, width, 3)
    canvas, guess = room(job, "canvas", shape), room(job, "guess", shape)
    changed = [(int(seed), int(state)) for seed, state in np.argwhere(factors < 1)]
    progress = _Progress(job, total=seeds * (2 * states - 1) + len(changed))
    with job.timed("decode"):
        _decode_into(canvas[:, :-1], canvases[:, :-1], on_the_way, progress)
        _decode_into(canvas[:, -1:], canvases[:, -1:], finished, progress)
        _decode_into(guess[:, :-1], guesses, on_the_way, progress)
        guess[:, -1] = canvas[:, -1]
        raw = room(job, "raw", (1, len(changed), height, width, 3))
        if changed:
            _decode_into(raw, np.stack([trace.x0[place] for place in changed])[None], on_the_way, progress)
        near = None
        if on_the_way.name != finished.name:
            shown = canvases[: AT_ONCE // 4, -1]
            near = fitted_colours.psnr(on_the_way.decode(shown), canvas[: len(shown), -1])
    decoders = {"states": on_the_way.name, "finals": finished.name}
    whole = np.pad(factors, ((0, 0), (0, 1)), constant_values=1)  # the finished picture is drawn as it is
    return Pictures(canvas, guess, decoders, whole, dict(zip(changed, raw[0], strict=True)), near)


def decode_finals(job: Job[Any], model: Model, finals: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the finished pictures of latents (group, seed, C, h, w), (group, seed, H, W, 3)."""
    from denoisecli.diffusion.decode import decoder

    job.report.stage("decode", len(finals))
    drawer, found = decoder(model, job.config.decode.finals), []
    with job.timed("decode"):
        for done, latents in enumerate(finals, start=1):
            found.append(drawer.decode(latents))
            job.report.step(done)
    return np.stack(found)


def drawn_scales(job: Job[Any], guesses: NDArray[Any], finals: NDArray[Any]) -> NDArray[np.float64]:
    """Return by how much each guess of (run, state, C, h, w) is scaled to be drawn, (run, state); see `drawn_scale`.

    finals: latents (run, C, h, w) of the finished pictures. All are 1 where the config has `decode.in_range: false`.
    """
    if not job.config.decode.in_range:
        return np.ones(guesses.shape[:2])
    return np.stack([drawn_scale(run, final) for run, final in zip(guesses, finals, strict=True)])


def scaled(latents: NDArray[Any], factors: NDArray[np.float64]) -> NDArray[Any]:
    """Return latents (..., C, h, w) times their factors (...)."""
    if (factors == 1).all():
        return latents
    changed: NDArray[Any] = latents * factors[..., None, None, None].astype(latents.dtype)
    return changed


def stored(job: Job[Any], views: Mapping[str, Any]) -> PictureFile:
    """Write the run's pictures.zip and return it open: figures are drawn from it, so that `render` gives the same."""
    from denoisecli.media.picture_file import PICTURES_FILE, PictureFile, write_pictures

    path = job.folder.partial / PICTURES_FILE
    with job.timed("encode"):
        write_pictures(path, views)
    job.artifact(path, "pictures")
    return PictureFile.open(path)


@contextlib.contextmanager
def storing(job: Job[Any], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[PictureWriter]:
    """Yield the run's pictures.zip to be filled, for a lab whose pictures come one by one. shapes: of its views."""
    from denoisecli.media.picture_file import PICTURES_FILE, writing_pictures

    path = job.folder.partial / PICTURES_FILE
    with writing_pictures(path, shapes) as pictures:
        yield pictures
    job.artifact(path, "pictures")


def _decode_into(pictures: NDArray[np.uint8], latents: NDArray[Any], by: Decoder, progress: _Progress) -> None:
    """Fill pictures (seed, state, H, W, 3) from latents (seed, state, C, h, w)."""
    places = list(np.ndindex(latents.shape[:2]))
    left = iter(places)
    for drawn in decoded_parts(by, [latents[place] for place in places]):
        for picture, place in zip(drawn, left, strict=False):
            pictures[place] = picture
        progress.advance(len(drawn))


def decoded_parts(by: Decoder, latents: Sequence[NDArray[Any]]) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures (n, H, W, 3) of latents (C, h, w), AT_ONCE of them at a time, to tell of them in between."""
    for start in range(0, len(latents), AT_ONCE):
        yield by.decode(np.stack(latents[start : start + AT_ONCE]))


class _Progress:
    def __init__(self, job: Job[Any], total: int) -> None:
        self.job, self.done = job, 0
        job.report.stage("decode", total)

    def advance(self, pictures: int) -> None:
        self.done += pictures
        self.job.report.step(self.done)


def describe(job: Job[Any], trace: Trace, pictures: Pictures) -> None:
    """Add to the trace's record how the pictures settled, which decoder drew them, and the config."""
    from denoisecli.metrics import measure

    with job.timed("figures"):
        rows = measure(trace, pictures.measured, pictures.drawn_scale)
    trace.record["runs"] = [run | row for run, row in zip(trace.record["runs"], rows, strict=True)]
    trace.record |= pictures.told
    trace.record["config"] = json.loads(job.config.model_dump_json())
