"""Latents of a run into pictures: each decoded once, in batches, never all of them in float."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from denoisecli import clips
from denoisecli.config.phases import painted_size
from denoisecli.metrics import rms, significant
from denoisecli.scale import as_sampled, canvas_latents, drawn_scale, enlarged, latent_sizes, of_one_size

from .ahead import Ahead, early_examples, early_steps
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
    clips: list[NDArray[np.uint8]] = field(default_factory=list)
    """Of a run of clips, every frame of each finished one, (F, H, W, 3)."""
    preview_psnr: float | None = None
    """How near the states' decoder comes to the finals' one on the finished pictures, in decibels; None: the same."""
    drawers: list[Decoder] = field(default_factory=list)
    """What drew the states, one for each stretch of states of one size."""

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


@dataclass
class Shown:
    """A decoder of clips whose pictures are the frames that a run shows, side by side: (n, C, f, h, w) to (n, H, W, 3).

    kept: hears every frame of each clip, (F, H, W, 3), where somebody wants them.
    """

    by: Decoder
    show: clips.Show
    kept: list[NDArray[np.uint8]] | None = None
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.by.name

    def decode(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        """Return sRGB pictures, (n, H, W, 3), uint8."""
        return np.concatenate([self._one(one) for one in latents])

    def _one(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        chosen, clip = clips.shown_frames(latents.shape[1], self.show), getattr(self.by, "clip", None)
        if clip is None:  # it knows pictures alone, so it draws the shown ones
            return clips.side_by_side(self.by.decode(latents[None, :, chosen]))
        whole = clip(latents)
        if self.kept is not None:
            self.kept.append(whole)
        return clips.side_by_side(clips.first_of_each(whole, latents.shape[1])[None, chosen])


@contextlib.contextmanager
def decoding_ahead(job: Job[Any], model: Model, rows: int, apart: int | None = None) -> Iterator[None]:
    """Let the states of a run of so many rows be decoded as they come, where that costs its sampling nothing.

    Once decoded they are taken from there (`decode_states`). apart: a row whose two halves are drawn as well.
    """
    job.ahead = Ahead(model, job.config.decode.states, rows, job.config.steps, apart)
    try:
        yield
    finally:
        job.ahead.stop()
        job.ahead = None


def decode_states(job: Job[Any], model: Model, trace: Trace) -> Pictures:
    """Decode canvases and guesses with the states' decoder and the finished pictures with the finals' one.

    States of a run that was enlarged on the way are decoded at their own size, and drawn as large as the last. Of clips
    the shown frames lie side by side in one picture.
    """
    from denoisecli.diffusion import fitted_colours
    from denoisecli.diffusion.decode import decoder

    canvases, sizes = canvas_latents(trace), latent_sizes(trace)
    guessed, finals = (clips.frames_as_channels(array, trace.record) for array in (trace.x0, canvases[:, -1]))
    factors = drawn_scales(job, guessed, finals)
    guesses = scaled(trace.x0, factors)
    show = clips.show_of({"config": job.config.model_dump()}) if clips.frames_of(trace.record) > 1 else None
    whole_clips: list[NDArray[np.uint8]] = []
    drawers: list[Decoder] = []
    finished = _shown(decoder(model, job.config.decode.finals), show, whole_clips)
    seeds, states = canvases.shape[:2]
    width, height = painted_size(job.config) or (0, 0)
    if show:
        down, across = clips.grid_of(len(clips.shown_frames(clips.frames_of(trace.record), show)), width / height)
        width, height = across * width, down * height
    shape = (seeds, states, height, width, 3)
    changed = [(int(seed), int(state)) for seed, state in np.argwhere(factors < 1)]
    shapes = {"canvas": shape, "guess": shape, "raw": (len(changed), *shape[2:])}
    whole_size = sum(map(math.prod, shapes.values()))
    progress = _Progress(job, total=seeds * (2 * states - 1) + len(changed))
    canvas, guess, raw = (room(job, name, one, of=whole_size) for name, one in shapes.items())
    with job.timed("decode"):
        for part, size in of_one_size(sizes[:-1]):
            ends = canvases[:, -1] if size == sizes[-1] else guesses[:, part.stop - 1]
            own = [as_sampled(latents, size) for latents in (canvases[:, part], guesses[:, part], ends)]
            on_the_way = _shown(_drawer_of_states(job, model, trace, part, own), show)
            drawers.append(on_the_way)
            _decode_into(canvas[:, part], own[0], on_the_way, progress)
            _decode_into(guess[:, part], own[1], on_the_way, progress)
            rows = [row for row, (_, state) in enumerate(changed) if part.start <= state < part.stop]
            unscaled = [as_sampled(trace.x0[changed[row]], size) for row in rows]
            _decode_to(raw, [(row,) for row in rows], unscaled, on_the_way, progress)
        _decode_into(canvas[:, -1:], canvases[:, -1:], finished, progress)
        guess[:, -1] = canvas[:, -1]
        near = None
        if on_the_way.name != finished.name:
            shown = canvases[: AT_ONCE // 4, -1]
            near = fitted_colours.psnr(on_the_way.decode(shown), canvas[: len(shown), -1])
    decoders = {"states": on_the_way.name, "finals": finished.name}
    whole = np.pad(factors, ((0, 0), (0, 1)), constant_values=1)  # the finished picture is drawn as it is
    return Pictures(canvas, guess, decoders, whole, dict(zip(changed, raw, strict=True)), whole_clips, near, drawers)


def _shown(by: Decoder, show: clips.Show | None, kept: list[NDArray[np.uint8]] | None = None) -> Decoder:
    """Return the decoder of what a run shows: of a clip, `show` says which frames."""
    return Shown(by, show, kept) if show else by


def _drawer_of_states(job: Job[Any], model: Model, trace: Trace, part: slice, own: Sequence[NDArray[Any]]) -> Decoder:
    """Return the decoder of a part of the states, all of one size, fitted to them where it can be.

    own: their canvases and guesses as they are drawn, (seed, state, C, h, w), and what they come to, (seed, C, h, w).
    """
    from denoisecli.diffusion import fitted_colours
    from denoisecli.diffusion.decode import decoder

    canvases, guesses, ends = own
    rows = len((trace.record.get("batches") or [canvases])[0])  # of the first batch
    early = slice(early_steps(canvases.shape[1]))
    first_guesses = as_sampled(trace.x0[:rows, part][:, early], (canvases.shape[-2], canvases.shape[-1]))
    examples = early_examples(canvases[:rows, early], first_guesses, 2 * canvases.shape[0] * canvases.shape[1])
    ahead = job.ahead.fitted_to(examples) if job.ahead else None
    return ahead or decoder(model, job.config.decode.states, examples, fitted_colours.examples(guesses, ends))


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
    """Return latents (..., C, h, w), of clips (..., C, f, h, w), times their factors (...)."""
    if (factors == 1).all():
        return latents
    spread = factors.reshape(*factors.shape, *[1] * (latents.ndim - factors.ndim))
    changed: NDArray[Any] = latents * spread.astype(latents.dtype)
    return changed


def stored(job: Job[Any], views: Mapping[str, Any]) -> PictureFile:
    """Write the run's pictures.zip and return it open: figures are drawn from it, so that `render` gives the same."""
    from denoisecli.media.picture_file import PICTURES_FILE, PictureFile, write_pictures

    path = job.folder.partial / PICTURES_FILE
    with job.timed("encode"):
        write_pictures(path, views, job.ahead.webp if job.ahead else None)
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
    _decode_to(pictures, places, [latents[place] for place in places], by, progress)


def _decode_to(
    pictures: NDArray[np.uint8],
    places: Sequence[tuple[int, ...]],
    latents: Sequence[NDArray[Any]],
    by: Decoder,
    progress: _Progress,
) -> None:
    """Put what is drawn of latents (C, h, w) at their places among pictures (..., H, W, 3)."""
    left = iter(places)
    for drawn in decoded_parts(by, latents):
        for picture, place in zip(drawn, left, strict=False):
            pictures[place] = enlarged_picture(picture, pictures.shape[-3:-1])
        progress.advance(len(drawn))


def enlarged_picture(picture: NDArray[np.uint8], size: Sequence[int]) -> NDArray[np.uint8]:
    """Return a picture (h, w, 3) at (H, W): smaller states are drawn as large as the last one."""
    height, width = size
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def decoded_parts(by: Decoder, latents: Sequence[NDArray[Any]]) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures (n, H, W, 3) of latents (C, h, w), AT_ONCE of them at a time, to tell of them in between."""
    for start in range(0, len(latents), AT_ONCE):
        yield by.decode(np.stack(latents[start : start + AT_ONCE]))


def decode_row(
    by: Decoder, latents: NDArray[Any], sizes: Sequence[tuple[int, int]], shape: Sequence[int]
) -> NDArray[np.uint8]:
    """Return the pictures (state, H, W, 3) of latents (state, C, h, w) in a row.

    sizes: (height, width) that each state's latents were sampled at; shape: (H, W), which smaller ones are drawn at.
    """
    found = np.empty((len(latents), *shape, 3), np.uint8)
    for part, size in of_one_size(sizes):
        drawn = (picture for some in decoded_parts(by, list(as_sampled(latents[part], size))) for picture in some)
        for place, picture in zip(range(part.start, part.stop), drawn, strict=True):
            found[place] = enlarged_picture(picture, shape)
    return found


class _Progress:
    def __init__(self, job: Job[Any], total: int) -> None:
        self.job, self.done = job, 0
        job.report.stage("decode", total)

    def advance(self, pictures: int) -> None:
        self.done += pictures
        self.job.report.step(self.done)


def at_their_sizes(trace: Trace) -> dict[str, Any]:
    """Return what is measured of a run whose picture was enlarged on the way; empty for one of one size.

    A state's norm is that of its own cells; a guess is set against the finished picture as the phase enlarged it.
    """
    sizes = latent_sizes(trace)
    if len(set(sizes)) == 1:
        return {}
    last = sizes[-1]
    parts = [*of_one_size(sizes)]
    norms = [rms(as_sampled(trace.x_t[:, part], size)) for part, size in parts]
    guesses = [enlarged(as_sampled(trace.guesses[:, part], size), last) for part, size in parts]
    return {"x_norm": np.concatenate(norms, axis=1), "guesses": np.concatenate(guesses, axis=1)}


def describe(job: Job[Any], trace: Trace, pictures: Pictures) -> None:
    """Add to the trace's record how the pictures settled, which decoder drew them, and the config."""
    from denoisecli.metrics import measure

    with job.timed("figures"):
        rows = measure(trace, pictures.measured, pictures.drawn_scale, **at_their_sizes(trace))
    trace.record["runs"] = [run | row for run, row in zip(trace.record["runs"], rows, strict=True)]
    trace.record |= pictures.told
    trace.record["config"] = json.loads(job.config.model_dump_json())
