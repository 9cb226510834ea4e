"""The deck: every state of a run in three views, for several seeds. Same prompt, only the starting noise differs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from denoisecli.labs import job as plans
from denoisecli.labs.at_once import with_batch
from denoisecli.labs.images import save_clips, save_images, seed_images
from denoisecli.labs.loading import resolved
from denoisecli.labs.sampling import Sample
from denoisecli.trace import FILM_FILE, SHEET_FILE

from .config import SampleConfig

if TYPE_CHECKING:
    from denoisecli.labs.job import Job, Plan
    from denoisecli.media.picture_file import PictureFile
    from denoisecli.trace import Trace


def plan(config: SampleConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[SampleConfig]:
    """Return the plan of a deck; nothing is loaded yet."""
    config, identity = resolved(config)
    return plans.plan(with_batch(config, len(config.seeds)), identity, make, out, runs_dir, force=force)


def make(job: Job[SampleConfig]) -> Trace:
    """Sample, measure, draw. This is the whole lab."""
    from denoisecli.labs.loading import load
    from denoisecli.labs.pictures import decode_states, decoding_ahead, describe, stored
    from denoisecli.labs.sampling import sample_all

    model = load(job)
    samples = [Sample(seed, job.config.cfg) for seed in job.config.seeds]
    with decoding_ahead(job, model, len(samples)):
        trace = sample_all(job, model, samples, job.config.batch or 1)
        pictures = decode_states(job, model, trace)
        describe(job, trace, pictures)
        save_images(job, seed_images(model, job.config, pictures.finals))
        save_clips(job, model, pictures.clips, [f"seed-{seed}" for seed in job.config.seeds])
        kept = stored(job, {"canvas": pictures.canvas, "guess": pictures.guess})
    job.leave(draw, trace, kept)
    return trace


def draw(job: Job[SampleConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw the film, the single-view films, the contact sheet and the page, from stored things only."""
    views = job.config.views if job.config.quality == "full" else ()
    job.draw(
        partial(draw_film, trace=trace, pictures=pictures),
        *(partial(draw_view, trace=trace, pictures=pictures, view=view) for view in views),
        partial(draw_sheet, trace=trace, pictures=pictures),
    )
    draw_page(job, trace, pictures)


def draw_film(job: Job[SampleConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw the deck's film."""
    from denoisecli.labs.films import film_style, write_state_film

    from .figures.deck import deck_frames

    frames = deck_frames(trace, dict(pictures), film_style(job), job.config.views)
    path = job.folder.partial / FILM_FILE
    write_state_film(job, frames, trace.steps + 1, path, record=trace.record, slow=slow_states(trace))


def slow_states(trace: Trace) -> dict[int, int]:
    """Return the states at which the films slow down: where the layouts of the seeds are fixed."""
    from denoisecli.figures.facts import run_facts
    from denoisecli.figures.timing import slow_at

    return slow_at(run_facts(trace).committed["layout"])


def draw_view(job: Job[SampleConfig], trace: Trace, pictures: PictureFile, view: str) -> None:
    """Draw the film of one view."""
    from denoisecli.labs.films import film_style, write_state_film

    from .figures.single_view import view_frames

    frames = view_frames(view, trace, dict(pictures), film_style(job))
    path = job.folder.partial / "views" / f"{view}.mp4"
    write_state_film(job, frames, trace.steps + 1, path, slow=slow_states(trace))


def draw_sheet(job: Job[SampleConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw the contact sheet."""
    from denoisecli.labs.films import film_style
    from denoisecli.media.images import save_png

    from .figures.sheet import deck_sheet

    sheet = deck_sheet(trace, dict(pictures), film_style(job), job.config.views)
    job.artifact(save_png(sheet, job.folder.partial / SHEET_FILE), "sheet")


def draw_page(job: Job[SampleConfig], trace: Trace, pictures: PictureFile) -> None:
    """Write the page."""
    from denoisecli.labs.pages import resolved_keys, write_page

    from .page import sample_page

    write_page(job, sample_page(trace, pictures.shapes), pictures, resolved_keys(job.config))
