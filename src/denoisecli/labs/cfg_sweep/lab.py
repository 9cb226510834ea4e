"""The guidance lab: one starting noise at several guidance scales, and what guidance does inside a step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from denoisecli.labs import job as plans
from denoisecli.labs.at_once import with_batch
from denoisecli.labs.images import save_images
from denoisecli.labs.loading import resolved
from denoisecli.labs.sampling import SHARED, Sample, settings_inside
from denoisecli.trace import Trace

from .config import CfgSweepConfig
from .numbers import sameness_rows, sweep_rows
from .scales import UNGUIDED, SweptScale, swept_scales, taken_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.diffusion.models import Model
    from denoisecli.labs.job import Job, Plan
    from denoisecli.labs.pictures import Pictures
    from denoisecli.media.picture_file import PictureFile


def plan(config: CfgSweepConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[CfgSweepConfig]:
    """Return the plan of a sweep; nothing is loaded yet."""
    config, identity = resolved(config)
    config = with_batch(config, len(config.seeds) * len(config.scales))
    return plans.plan(config, identity, make, out, runs_dir, force=force)


def make(job: Job[CfgSweepConfig]) -> Trace:
    """Sample every seed at every scale, measure, draw. This is the whole lab."""
    from denoisecli.labs.loading import load
    from denoisecli.labs.pictures import decode_states, decoding_ahead, stored

    from .anatomy import taken_pictures

    model = load(job)
    scales = possible_scales(job, model)
    apart = taken_apart(job.config, scales)
    with decoding_ahead(job, model, len(scales) * len(job.config.seeds), apart):  # sampling goes seed by seed
        trace = sample_sweep(job, model, scales)
        pictures = decode_states(job, model, trace)
        describe(job, trace, pictures, scales)
        save_finals(job, model, pictures, scales)
        views = {"canvas": pictures.canvas, "guess": pictures.guess}
        views |= taken_pictures(job, trace, pictures, apart)
        kept = stored(job, views)
    folded = fold(trace, len(scales))
    job.leave(draw, folded, kept)
    return folded


def possible_scales(job: Job[CfgSweepConfig], model: Model) -> list[SweptScale]:
    """Return the config's scales; for a pipeline without guidance scale 1 alone, and say so."""
    from denoisecli.diffusion.guidance import guidance_of, is_consistency_model

    how = guidance_of(model.pipe)
    consistent = is_consistency_model(model.pipe)
    if how == "embedded" and not consistent:
        job.report.warn(
            f"the model {model.info.ref} is told the scale (embedded guidance): that is what the sweep changes; "
            "there are no two halves to take apart"
        )
    if how != "none" and not consistent:
        return swept_scales(job.config)
    job.report.warn(f"the model {model.info.ref} takes no guidance (it is distilled); it is shown at scale 1 alone")
    return [SweptScale(UNGUIDED, f"{UNGUIDED:g}", (UNGUIDED,) * job.config.steps)]


def sample_sweep(job: Job[CfgSweepConfig], model: Model, scales: Sequence[SweptScale]) -> Trace:
    """Sample every seed at every scale. The first axis of the trace is then scale by scale, in each seed by seed.

    Sampling goes seed by seed, so that a batch holds the scales of one noise and its first step is run once for all.
    """
    from denoisecli.diffusion.guidance import StepScales
    from denoisecli.labs.sampling import sample_all

    config = job.config
    samples = [Sample(seed, StepScales(scale.steps)) for seed in config.seeds for scale in scales]
    trace = sample_all(job, model, samples, config.batch or 1)
    order = np.arange(len(samples)).reshape(len(config.seeds), len(scales)).T.ravel()
    arrays = {name: array if name in SHARED else array[order] for name, array in trace.arrays.items()}
    return Trace(config.lab, arrays, trace.record)


def describe(job: Job[CfgSweepConfig], trace: Trace, pictures: Pictures, scales: Sequence[SweptScale]) -> None:
    """Add to the trace's record what guidance did: numbers of every scale, seed and state."""
    with job.timed("figures"):
        trace.record["runs"] = sweep_rows(trace, pictures, scales, job.config.seeds)
        trace.record["sameness"] = sameness_rows(trace, scales, len(job.config.seeds))
    trace.record["scales"] = [scale.record for scale in scales]
    trace.record |= pictures.told
    trace.record["config"] = json.loads(job.config.model_dump_json())


def save_finals(job: Job[CfgSweepConfig], model: Model, pictures: Pictures, scales: Sequence[SweptScale]) -> None:
    """Write the finished pictures, with what made them inside."""

    config = job.config
    places = [(scale, seed) for scale in scales for seed in config.seeds]

    def named() -> Iterator[tuple[str, NDArray[np.uint8], dict[str, str]]]:
        for (scale, seed), picture in zip(places, pictures.finals, strict=True):
            word = scale.label.replace("→", "-").replace("…", "-").replace(" ", "-").strip("()")
            yield f"seed-{seed}-cfg-{word}", picture, picture_settings(model, config, scale, seed, picture)

    save_images(job, named())


def picture_settings(
    model: Model, config: CfgSweepConfig, scale: SweptScale, seed: int, picture: NDArray[np.uint8]
) -> dict[str, str]:
    """Return what made a picture; where no other tool has a key for it, only A1111's text, with words of ours."""
    from denoisecli.interop.a1111.write import quote
    from denoisecli.interop.recipe import shot

    cfg = scale.steps[0] if isinstance(scale.guide, tuple) else scale.guide
    texts = settings_inside(model, config, shot(config, seed, cfg), picture)
    more = {
        "CFG schedule": json.dumps(scale.guide) if isinstance(scale.guide, tuple) else None,
        "CFG interval": json.dumps(config.guidance_interval) if config.guidance_interval != (0, 1) else None,
    }
    told = [f"{key}: {quote(value)}" for key, value in more.items() if value]
    return {"parameters": ", ".join([texts["parameters"], *told])} if told else texts


def draw(job: Job[CfgSweepConfig], folded: Trace, pictures: PictureFile) -> None:
    """Draw the strip film, the anatomy film, the contact sheet and the strip of finished pictures, from stored things.

    folded: with its scale axis, as the run's folder holds it.
    """
    from denoisecli.labs.films import film_style, write_state_film
    from denoisecli.labs.pages import resolved_keys, write_page
    from denoisecli.media.images import save_png

    from .anatomy import anatomy_of
    from .figures.anatomy import anatomy_frames
    from .figures.film import sweep_frames
    from .figures.sheet import finals_strip, sweep_sheet
    from .page import sweep_page

    partial, style = job.folder.partial, film_style(job)
    trace, shown = unfold(folded), dict(pictures)
    anatomy = anatomy_of(trace, pictures)

    def film(job: Job[CfgSweepConfig]) -> None:
        frames = sweep_frames(trace, shown, style, job.config.rows)
        write_state_film(job, frames, trace.steps + 1, partial / "film.mp4", record=trace.record)

    def taken(job: Job[CfgSweepConfig]) -> None:
        if anatomy is not None:
            write_state_film(job, anatomy_frames(trace, anatomy, style), trace.steps, partial / "views/anatomy.mp4")

    def sheets(job: Job[CfgSweepConfig]) -> None:
        sheet, finals = sweep_sheet(trace, shown, style, job.config.rows), finals_strip(trace, shown, style)
        job.artifact(save_png(sheet, partial / "sheet.png"), "sheet")
        job.artifact(save_png(finals, partial / "finals.png"), "sheet")

    job.draw(film, taken, sheets)
    write_page(job, sweep_page(trace, pictures.shapes), pictures, resolved_keys(job.config))


def unfold(trace: Trace) -> Trace:
    """Return the trace with scales and seeds on one axis again: (scale · seed, state, C, h, w)."""
    arrays = {
        name: array if name in SHARED else array.reshape(-1, *array.shape[2:]) for name, array in trace.arrays.items()
    }
    return Trace(trace.lab, arrays, trace.record)


def fold(trace: Trace, n_scales: int) -> Trace:
    """Return the trace with a leading scale axis: (scale, seed, state, C, h, w)."""
    arrays = {
        name: array if name in SHARED else array.reshape(n_scales, -1, *array.shape[1:])
        for name, array in trace.arrays.items()
    }
    return Trace(trace.lab, arrays, trace.record)
