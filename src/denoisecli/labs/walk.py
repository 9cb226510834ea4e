"""The walk: from one starting noise to another along the sphere. Every frame is its own full run, no cross-fade."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config.walk import WalkConfig
from ..trace import Trace
from . import plan as plans
from .sampling import batch_size, resolved, settings_inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..diffusion.models import Model
    from ..media.picture_file import PictureFile
    from .plan import Job, Plan
    from .walk_frames import Walked
    from .walk_way import Way

BATCH = 8  # frames at once at the most: a killed run loses one batch, and memory holds a few


def plan(config: WalkConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[WalkConfig]:
    """Return the plan of a walk; nothing is loaded yet."""
    config, identity = resolved(config)
    if config.between and config.between.strengths:
        config = config.model_copy(update={"batch": 1})  # a LoRA has one strength in a batch
    elif config.batch is None and config.size:
        config = config.model_copy(update={"batch": batch_size(config.size, BATCH)})
    return plans.plan(config, identity, make, out, runs_dir, force=force)


def make(job: Job[WalkConfig]) -> Trace:
    """Sample along the way, say how it changed, draw. This is the whole lab."""
    from ..figures.walk_sheet import sheet_states
    from .pictures import stored
    from .sampling import load, warn_of_lost_words
    from .walk_frames import Finals, walk
    from .walk_way import Way

    model = load(job)
    way = Way(job.config, model)
    for prompt in job.config.ends if way.kind == "prompts" else ():
        warn_of_lost_words(job, model, prompt)
    states = sheet_states(job.config.steps)
    walked = walk(job, model, way, states)
    trace = Trace("walk", {"x_T": np.stack([way.noise(place) for place in walked.places]), "final": walked.finals})
    describe(job, trace, way, walked)
    save_ends(job, model, way, walked)
    guesses = sheet_guesses(job, model, trace, walked, states)
    with stored(job, {"final": Finals(walked), "guess": guesses}) as kept:
        draw(job, trace, kept)
    return trace


def describe(job: Job[WalkConfig], trace: Trace, way: Way, walked: Walked) -> None:
    """Fill the trace's record: what is between which ends, and how much the picture changes from frame to frame."""
    from ..metrics import rms

    config = job.config
    kept = ("environment", "model", "schedule_kind", "schedule")
    trace.record |= {name: walked.record[name] for name in kept if name in walked.record}
    trace.record["batches"] = walked.kept.batches
    trace.record["config"] = json.loads(config.model_dump_json())
    trace.record["walk"] = {
        "kind": way.kind,
        "ends": [way.name(end) for end in range(len(config.ends))],
        "loop": config.loop,
        "angles_deg": [_number(way.angle(leg)) for leg in range(config.legs)],
        "sampled": len(walked.kept.where),
        "jumps": walked.pacings,
    }
    norms = rms(trace["x_T"])
    trace.record["runs"] = [
        {
            "frame": frame,
            "leg": place.leg,
            "share": place.share,
            "seed": _seed(config, place.end),
            "cfg": way.cfg(place),
            "x_norm": _number(norms[frame]),
            "jump": _number(walked.jumps[frame]) if frame < len(walked.jumps) else None,
        }
        for frame, place in enumerate(walked.places)
    ]


def _seed(config: WalkConfig, end: int | None) -> int | None:
    """Return the seed whose starting noise this is; none between two."""
    if config.between:
        return config.seeds[0]
    return None if end is None else config.seeds[end % len(config.seeds)]


def _number(value: Any) -> float | None:
    return None if value is None else float(f"{float(value):.6g}")


def save_ends(job: Job[WalkConfig], model: Model, way: Way, walked: Walked) -> None:
    """Write the pictures at the ends, with what made them inside."""
    from ..interop.recipe import walk_ends
    from ..media.images import save_png

    folder = job.folder.partial / "images"
    folder.mkdir(exist_ok=True)
    ends = walk_ends(job.config)
    named: set[str] = set()
    for frame, place in enumerate(walked.places):
        if place.end is None:
            continue
        picture = walked.picture(frame)
        name = way.name(place.end).replace(" ", "-").lower()
        if name in named:  # a walk there and back between scales
            continue
        named.add(name)
        texts = settings_inside(model, job.config, ends[place.end % len(ends)], picture)
        with job.timed("encode"):
            job.artifact(save_png(picture, folder / f"{name}.png", texts), "image")


def sheet_guesses(
    job: Job[WalkConfig], model: Model, trace: Trace, walked: Walked, states: list[int]
) -> NDArray[np.uint8]:
    """Return what walk × step shows but for the finished pictures, (frame of the sheet, state of it, H, W, 3)."""
    from ..diffusion.decode import decoder
    from ..figures.walk_sheet import sheet_frames

    drawer = decoder(model, job.config.decode.states)
    frames = sheet_frames([(place.leg, place.share) for place in walked.places], job.config.legs)
    trace.record["decoders"] = {"states": drawer.name, "finals": walked.decoder}
    trace.record["sheet"] = {"frames": frames, "states": states}
    with job.timed("decode"):
        return np.stack([drawer.decode(walked.kept.guesses(walked.numbers[frame])) for frame in frames])


def draw(job: Job[WalkConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw the film, the one beside a cross-fade where it is asked for, and walk × step; all from stored things."""
    from ..figures.walk import WalkDrawing, frame_order, walk_facts
    from ..figures.walk_fade import SideBySide, fade_frames
    from .films import film_style, write_film
    from .pages import write_walk_page

    config, style, finals = job.config, film_style(job), pictures["final"]
    facts = walk_facts(trace.record)
    picture = finals.__getitem__
    ends = [picture(frame) for frame in end_frames(facts.places)]
    films = {"film.mp4": WalkDrawing(facts, picture, ends, style).frames}
    if config.cross_fade:
        films["views/cross-fade.mp4"] = partial(fade_frames, SideBySide(facts, picture, ends), style=style)
    order = frame_order(facts, max(1, round(config.film.hold_s * config.film.fps)), back=config.there_and_back)
    numbers, ticks = [frame for frame, _ in order], [ticks for _, ticks in order]
    job.report.stage("figures", len(films) * len(order))
    with job.timed("figures"):
        for done, (name, frames) in enumerate(films.items()):
            told = _told(job, frames(numbers), done * len(order))
            write_film(job, told, ticks, job.folder.partial / name)
        draw_steps(job, trace, pictures)
    write_walk_page(job, trace, pictures)


def end_frames(places: Sequence[tuple[int, float]]) -> list[int]:
    """Return the frames at the ends of the legs, each end once."""
    frames = {leg + int(share): frame for frame, (leg, share) in enumerate(places) if share in (0, 1)}
    return list(frames.values())


def _told(job: Job[Any], frames: Iterable[NDArray[np.uint8]], done: int) -> Iterator[NDArray[np.uint8]]:
    for number, frame in enumerate(frames, done + 1):
        job.report.step(number)
        yield frame


def draw_steps(job: Job[WalkConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw walk × step, as a sheet and as a film: what the runs at some points had in mind at some of their states."""
    from ..figures.walk_sheet import walk_sheet
    from ..figures.walk_steps import step_frames
    from ..media.images import save_png
    from .films import film_style, write_state_film

    frames, states = trace.record["sheet"]["frames"], trace.record["sheet"]["states"]
    column = {frame: number for number, frame in enumerate(frames)}

    def picture(row: int, frame: int) -> NDArray[np.uint8]:
        shown = pictures["final"][frame] if row == len(states) - 1 else pictures["guess"][column[frame], row]
        return np.asarray(shown)

    style = film_style(job)
    film = step_frames(trace.record, frames, states, picture, style)
    write_state_film(job, film, len(states), job.folder.partial / "views" / "steps.mp4")
    sheet = walk_sheet(trace.record, frames, states, picture, style.theme)
    job.artifact(save_png(sheet, job.folder.partial / "sheet.png"), "sheet")
