"""How a picture drowns in noise: x_t of one picture and one ε at every noise level, in one jump from the clean picture.

Without `space: latent` and `guess` no model is loaded and no torch imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import ConfigError
from denoisecli.labs import job as plans
from denoisecli.labs.images import save_images
from denoisecli.labs.own_pictures import opened, picture_path, picture_sha256
from denoisecli.metrics import significant
from denoisecli.process.forward import Levels, Schedule, corrupt, draw_noise, measured_correlations, schedule_named
from denoisecli.trace import Trace

from .config import SCHEDULES, NoiseConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.labs.job import Job, Plan
    from denoisecli.media.picture_file import PictureFile

    Picture = NDArray[np.uint8]

HINT = "Leave image out for the built-in lighthouse."
GRAIN_SIDE = 320  # pixels along a panel that make noise fine, and still visible on a slide
SIDES = (64, 4096)
SCHEDULE_FIELDS = ("index", "timestep", "alpha_bar", "sigma", "snr_db")


def plan(config: NoiseConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[NoiseConfig]:
    """Return the plan of a run; the picture is looked at, nothing is drawn yet."""
    identity = [_picture_identity(config)]
    if config.needs_model:
        from denoisecli.diffusion import models

        identity.append(models.identity(config.model))
    if config.size is None:
        config = config.model_copy(update={"size": _natural_size(config)})
    return plans.plan(config, " ".join(identity), make, out, runs_dir, force=force)


def make(job: Job[NoiseConfig]) -> Trace:
    """Draw the noise once, jump to every level, measure, draw. This is the whole lab."""
    if job.config.prompt is not None and not job.config.guess:
        job.report.warn("the prompt is what a model is told with --guess; without it nothing is painted from words")
    picture = clean_picture(job.config)
    schedules = [schedule_named(name) for name in job.config.compared]
    levels = [schedule.paced(job.config.frames, job.config.pacing) for schedule in schedules]
    with job.timed("sample"):
        trace = forward_trace(job.config, picture, schedules, levels)
    if job.config.needs_model:
        from .model import add_model_views

        add_model_views(job, trace, picture, levels[0])
    trace.record["config"] = json.loads(job.config.model_dump_json())
    job.leave(draw, trace)
    job.leave(save_stills, trace, schedules)
    return trace


# The picture


def clean_picture(config: NoiseConfig) -> Picture:
    """Return the picture that is to drown, (h, w, 3) sRGB: the lighthouse, or the user's own, cut to the size."""
    from .scene import lighthouse

    if config.size is None:
        raise ConfigError("The size is not resolved yet.")
    if config.image is None:
        return lighthouse(config.size)
    return opened("image", config.image, config.size)


def _picture_identity(config: NoiseConfig) -> str:
    """Return what the picture is by its content: the file's sha256, or the scene's name."""
    return "lighthouse" if config.image is None else picture_sha256("image", config.image, HINT)


def _natural_size(config: NoiseConfig) -> tuple[int, int]:
    """Return the size that fills the film's panel at a whole number of screen pixels each, or the model's own."""
    if config.needs_model:
        from denoisecli.diffusion import references
        from denoisecli.labs.loading import native_size

        return native_size(references.locate(config.model))
    from .figures.layout import picture_room

    proportions = (1, 1)
    if config.image is not None:
        from denoisecli.media.images import open_picture

        proportions = open_picture(picture_path("image", config.image, HINT)).size
    panels = len(config.compared)
    room = picture_room(config.film.size, panels, proportions, panels == 1)
    scale = max(1, round(max(room) / GRAIN_SIDE))
    width, height = (int(np.clip(side // scale // 8 * 8, *SIDES)) for side in room)
    return width, height


# The process and its numbers


def forward_trace(config: NoiseConfig, picture: Picture, schedules: list[Schedule], levels: list[Levels]) -> Trace:
    """Return the trace: x0 and ε, (3, h, w) float32, and the levels of every frame, of which each x_t is a sum.

    x_t = signals · x0 + noises · ε. Levels are (frame,), or (schedule, frame) where several are compared;
    table_signals and table_noises are the same factors at t = 0 … 999.
    """
    x0 = np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32) / np.float32(127.5) - np.float32(1)
    eps = draw_noise(config.seed, x0.shape)
    arrays: dict[str, NDArray[Any]] = {"x0": x0, "eps": eps}
    for name in ("timesteps", "alpha_bars", "sigmas", "signals", "noises"):
        stack = np.stack([getattr(level, name) for level in levels])
        arrays[name] = stack[0] if len(levels) == 1 else stack
    arrays["table_signals"] = np.stack([schedule.signals for schedule in schedules])
    arrays["table_noises"] = np.stack([schedule.noises for schedule in schedules])
    runs: list[dict[str, Any]] = [
        {"seed": config.seed, "schedule": schedule.name, "family": schedule.family, "states": _states(x0, eps, level)}
        for schedule, level in zip(schedules, levels, strict=True)
    ]
    rows = [{name: state[name] for name in SCHEDULE_FIELDS} for state in runs[0]["states"]]
    picture_numbers = {"mean": significant(x0.mean(), 8), "std": significant(x0.std(), 8)}
    return Trace("noise", arrays, {"schedule": rows, "runs": runs, "picture": picture_numbers})


def _states(x0: NDArray[np.float32], eps: NDArray[np.float32], levels: Levels) -> list[dict[str, Any]]:
    """Return the numbers of every frame: the level, and how much of x0 is left in x_t.

    correlation is measured; correlation_expected knows the picture's own contrast, sqrt_alpha_bar is what it would be
    for a picture of unit variance.
    """
    powers = (float(np.mean(a * b, dtype=np.float64)) for a, b in ((x0, x0), (eps, eps), (x0, eps)))
    power_x0, power_eps, shared = powers
    a, b = levels.signals, levels.noises
    columns = {
        "timestep": levels.timesteps,
        "alpha_bar": levels.alpha_bars,
        "sigma": levels.sigmas,
        "snr_db": levels.snr_db,
        "signal": a,
        "noise": b,
        "x_norm": np.sqrt(a**2 * power_x0 + b**2 * power_eps + 2 * a * b * shared),
        "correlation": measured_correlations(x0, eps, levels),
        "correlation_expected": levels.expected_correlation(float(x0.std())),
        "sqrt_alpha_bar": np.sqrt(levels.alpha_bars),
    }
    frames = range(len(levels.timesteps))
    return [{"index": k} | {name: significant(values[k], 8) for name, values in columns.items()} for k in frames]


# What is drawn


def draw(job: Job[NoiseConfig], trace: Trace, _: PictureFile | None = None) -> None:
    """Draw the film, the contact sheet and the page, from the trace alone: it holds all that this lab shows."""
    from denoisecli.labs.films import counted, film_style, write_film
    from denoisecli.labs.pages import write_page
    from denoisecli.media.images import save_png
    from denoisecli.media.picture_file import Encoded

    from .figures.film import NoiseDrawing, frame_order
    from .figures.sheet import noise_sheet
    from .page import model_pictures, noise_page

    config, style = job.config, film_style(job)
    order = frame_order(config.frames, round(config.film.hold_s * config.film.fps), loop=config.loop)
    job.report.stage("figures", len(order) + 1)
    with job.timed("figures"):
        drawing = NoiseDrawing(trace, style)
        frames = counted((drawing.frame(index) for index, _ in order), job.report)
        write_film(job, frames, [ticks for _, ticks in order], job.folder.partial / "film.mp4", trace.record)
        path = save_png(noise_sheet(trace, style, config.sheet), job.folder.partial / "sheet.png")
    job.artifact(path, "sheet")
    job.report.step(len(order) + 1)
    body = noise_page(trace, {name: schedule_named(name) for name in SCHEDULES})
    pictures = {name: Encoded(stack) for name, stack in model_pictures(trace).items()}
    write_page(job, body, pictures, _resolved_keys(config))


def _resolved_keys(config: NoiseConfig) -> tuple[str, ...]:
    """Return the keys that were worked out and that the run's command need not name."""
    built_in = config.image is None and (config.model == "pocket" or not config.needs_model)
    return ("size",) if built_in and config.size == _natural_size(config) else ()


def save_stills(job: Job[NoiseConfig], trace: Trace, schedules: list[Schedule]) -> None:
    """Write x_t at the sheet's timesteps, one PNG each, pixel for pixel."""

    def named() -> Iterator[tuple[str, Picture, dict[str, str]]]:
        for schedule in schedules:
            level = schedule.at(job.config.sheet)
            for t, signal, noise in zip(job.config.sheet, level.signals, level.noises, strict=True):
                name = f"t-{t:03d}" if len(schedules) == 1 else f"{schedule.name}-t-{t:03d}"
                yield name, to_uint8(corrupt(trace["x0"], trace["eps"], signal, noise)), {}

    save_images(job, named())


def to_uint8(x: NDArray[Any]) -> Picture:
    """Return x (3, h, w) in −1..1 as sRGB (h, w, 3), rounded; what lies beyond is clipped."""
    rounded: Picture = np.clip(x.transpose(1, 2, 0) * 127.5 + 128, 0, 255).astype(np.uint8)
    return rounded
