"""The deck: every state of a run in three views, for several seeds. Same prompt, only the starting noise differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from denoisecli.labs import job as plans
from denoisecli.labs.sampling import Sample, batch_size, resolved, settings_inside

from .config import SampleConfig

if TYPE_CHECKING:
    from denoisecli.diffusion.models import Model
    from denoisecli.labs.job import Job, Plan
    from denoisecli.labs.pictures import Pictures
    from denoisecli.media.picture_file import PictureFile
    from denoisecli.trace import Trace


def plan(config: SampleConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[SampleConfig]:
    """Return the plan of a deck; nothing is loaded yet."""
    config, identity = resolved(config)
    if config.batch is None and config.size:
        config = config.model_copy(update={"batch": batch_size(config.size, len(config.seeds))})
    return plans.plan(config, identity, make, out, runs_dir, force=force)


def make(job: Job[SampleConfig]) -> Trace:
    """Sample, measure, draw. This is the whole lab."""
    from denoisecli.labs.pictures import decode_states, stored
    from denoisecli.labs.sampling import load, sample_all

    model = load(job)
    samples = [Sample(seed, job.config.cfg) for seed in job.config.seeds]
    trace = sample_all(job, model, samples, job.config.batch or 1)
    pictures = decode_states(job, model, trace)
    describe(job, trace, pictures)
    save_finals(job, model, pictures)
    with stored(job, {"canvas": pictures.canvas, "guess": pictures.guess}) as kept:
        draw(job, trace, kept)
    return trace


def describe(job: Job[SampleConfig], trace: Trace, pictures: Pictures) -> None:
    """Add to the trace's record how the pictures settled, and which decoder drew them."""
    from denoisecli.metrics import measure

    with job.timed("figures"):
        rows = measure(trace, pictures.measured, pictures.drawn_scale)
    trace.record["runs"] = [run | row for run, row in zip(trace.record["runs"], rows, strict=True)]
    trace.record["decoders"] = pictures.decoders
    trace.record["config"] = json.loads(job.config.model_dump_json())


def save_finals(job: Job[SampleConfig], model: Model, pictures: Pictures) -> None:
    """Write the finished pictures, with what made them inside."""
    from PIL import Image

    from denoisecli.interop.recipe import shot
    from denoisecli.media.images import save_png

    config = job.config
    folder = job.folder.partial / "images"
    folder.mkdir(exist_ok=True)
    with job.timed("encode"):
        for seed, picture in zip(config.seeds, pictures.finals, strict=True):
            path = folder / f"seed-{seed}.png"
            texts = settings_inside(model, config, shot(config, seed, config.cfg), picture)
            save_png(Image.fromarray(picture), path, texts)
            job.artifact(path, "image")


def draw(job: Job[SampleConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw the film, the single-view films, the contact sheet and the page, from stored things only."""
    from denoisecli.labs.films import film_style, write_state_film
    from denoisecli.labs.pages import resolved_keys, write_page
    from denoisecli.media.images import save_png

    from .figures.deck import deck_frames
    from .figures.sheet import deck_sheet
    from .figures.single_view import view_frames
    from .page import sample_page

    config, partial, style = job.config, job.folder.partial, film_style(job)
    shown = dict(pictures)
    states = trace.steps + 1
    job.report.stage("figures", len(config.views) + 2)
    with job.timed("figures"):
        write_state_film(job, deck_frames(trace, shown, style, config.views), states, partial / "film.mp4")
        job.report.step(1)
        for done, view in enumerate(config.views, 2):
            write_state_film(job, view_frames(view, trace, shown, style), states, partial / "views" / f"{view}.mp4")
            job.report.step(done)
        path = save_png(deck_sheet(trace, shown, style, config.views), partial / "sheet.png")
        job.artifact(path, "sheet")
        job.report.step(len(config.views) + 2)
    write_page(job, sample_page(trace, pictures.shapes), pictures, resolved_keys(config))
