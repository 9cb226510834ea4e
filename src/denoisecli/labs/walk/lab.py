"""The walk: from one starting noise to another along the sphere. Every frame is its own full run, no cross-fade."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.config.phases import painted_size, start_state
from denoisecli.config.samplers import SAMPLERS
from denoisecli.errors import UsageError
from denoisecli.labs import job as plans
from denoisecli.labs.at_once import with_batch
from denoisecli.labs.images import save_images
from denoisecli.labs.loading import resolved
from denoisecli.labs.pages import resolved_keys, write_page
from denoisecli.labs.sampling import settings_inside
from denoisecli.media.picture_file import PictureFile
from denoisecli.metrics import significant
from denoisecli.trace import Trace

from .config import WalkConfig
from .frames import Walker, gather, jump_sizes, paced
from .page import guess_scales, walk_page
from .way import Way

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.labs.job import Job, Plan
    from denoisecli.media.picture_file import PictureWriter

    from .places import Place

BATCH = 8  # frames at once at the most: a killed run loses one batch, and memory holds a few


def plan(config: WalkConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[WalkConfig]:
    """Return the plan of a walk; nothing is loaded yet."""
    config, identity = resolved(config)
    check_pictures(config)
    if config.between and config.between.strengths:
        config = config.model_copy(update={"batch": 1})  # a LoRA has one strength in a batch
    return plans.plan(with_batch(config, BATCH), identity, make, out, runs_dir, force=force)


def check_pictures(config: WalkConfig) -> None:
    """Raise ConfigError or UsageError for a walk between pictures that could not be made."""
    from denoisecli.labs.agreement import check_agreement
    from denoisecli.labs.start import check_entrance

    between = config.between
    if between is None or between.images is None:
        return
    if not between.inversion:
        state = start_state(between.share, config.steps, config.sampler, "between")
        check_entrance(config, state, "between")
        check_agreement(config, state)
    elif SAMPLERS[config.sampler].stochastic or config.eta:
        raise UsageError(
            f"{SAMPLERS[config.sampler].label} draws noise on the way, so no noise leads back to a picture.",
            "Choose ddim for an inversion, or leave it out.",
        )


def make(job: Job[WalkConfig]) -> Trace:
    """Sample along the way, film it while it comes, say how it changed, draw the rest. This is the whole lab."""
    from denoisecli.labs.loading import load
    from denoisecli.labs.pictures import storing

    from .figures.facts import walk_facts
    from .figures.sheet import sheet_frames, sheet_states
    from .filming import filming

    config, model = job.config, load(job)
    way = Way(config, model)
    states = sheet_states(config.steps)
    walker = Walker(job, model, way, states)
    places = paced(walker)
    columns = sheet_frames(places, config.legs)
    trace = Trace("walk", {}, outline(config, way, places) | {"sheet": {"frames": columns, "states": states}})
    with storing(job, shapes(config, len(places), trace.record["sheet"])) as pictures:
        facts = walk_facts(trace.record)
        with filming(job, facts, pictures["final"], beside=model.device.type != "cpu") as films:
            gather(walker, places, pictures, facts.jumps, films.add)
            add_guesses(walker, places, pictures, trace)
    describe(trace, walker, places, facts.jumps)
    save_ends(walker, places)
    kept = PictureFile.open(pictures.path)
    job.leave(draw_rest, trace, kept)
    return trace


def outline(config: WalkConfig, way: Way, places: Sequence[Place]) -> dict[str, Any]:
    """Return what the trace says before anything is sampled: the config, the ends, and where the frames are."""
    return {
        "config": json.loads(config.model_dump_json()),
        "walk": {
            "kind": way.kind,
            "ends": [way.name(end) for end in range(len(config.ends))],
            "loop": config.loop,
            **pictured(config, way),
            "angles_deg": [significant(angle) for angle in map(way.angle, range(config.legs))],
        },
        "runs": [
            {
                "frame": frame,
                "leg": place.leg,
                "share": place.share,
                "seed": _seed(config, place.end),
                "cfg": way.cfg(place),
                "jump": None,
            }
            for frame, place in enumerate(places)
        ],
    }


def pictured(config: WalkConfig, way: Way) -> dict[str, Any]:
    """Return what the record says of the user's own pictures at the ends; empty where there are none."""
    from denoisecli.labs.own_pictures import picture_sha256
    from denoisecli.labs.start import opened_picture

    if config.between is None or config.between.images is None or config.size is None:
        return {}
    rows = []
    for key, image in config.pictures:
        size = opened_picture(key, image, config.size).size
        rows.append({"image": Path(image).name, "sha256": picture_sha256(key, image), "size": list(size)})
    if way.inverted:
        return {"pictures": rows, "inversion": True}
    return {"pictures": rows, "strength": config.between.share, "state": way.state}


def shapes(config: WalkConfig, frames: int, sheet: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the pictures that a walk keeps, by their view."""
    width, height = painted_size(config) or (0, 0)
    size = (height, width, 3)
    return {"final": (frames, *size), "guess": (len(sheet["frames"]), len(sheet["states"]) - 1, *size)}


def add_guesses(walker: Walker, places: Sequence[Place], pictures: PictureWriter, trace: Trace) -> None:
    """Put what walk × step shows into `pictures`, but for its last row, which is the finished pictures."""
    from denoisecli.diffusion.decode import decoder
    from denoisecli.labs.pictures import decode_row, drawn_scales, scaled
    from denoisecli.scale import sizes_told

    firsts = [places[frame] for frame in trace.record["sheet"]["frames"][:2]]
    on_the_way = np.stack([walker.guesses(place)[-1] for place in firsts])
    own = np.concatenate([on_the_way, np.stack([walker.clean(place) for place in firsts])])
    drawer = decoder(walker.model, walker.job.config.decode.states, own=own)
    trace.record["decoders"] = {"states": drawer.name, "finals": walker.drawer.name}
    drawn = trace.record["sheet"]["drawn_scale"] = []
    sizes = sizes_told(walker.record, own.shape[-2:], walker.job.config.steps)
    for column, frame in enumerate(trace.record["sheet"]["frames"]):
        with walker.job.timed("decode"):
            latents, final = walker.guesses(places[frame]), walker.clean(places[frame])
            factors = drawn_scales(walker.job, latents[None], final[None])[0]
            there = [sizes[state] for state in trace.record["sheet"]["states"][:-1]]
            guesses = decode_row(drawer, scaled(latents, factors), there, pictures.shapes["guess"][2:4])
        drawn.append([significant(value) for value in factors])
        pictures.add("guess", (((column, row), guess) for row, guess in enumerate(guesses)))


def describe(trace: Trace, walker: Walker, places: Sequence[Place], jumps: NDArray[np.float64]) -> None:
    """Fill the trace: what was sampled and how, and how much the picture changes from frame to frame."""
    from denoisecli.metrics import rms

    trace.arrays["x_T"] = np.stack([walker.samples.way.noise(place) for place in places])
    trace.arrays["final"] = np.stack([walker.final(place) for place in places])
    kept = ("environment", "model", "schedule_kind", "schedule", "start", "phases")
    trace.record |= {name: walker.record[name] for name in kept if name in walker.record}
    trace.record["batches"] = walker.kept.batches
    trace.record["walk"] |= {"sampled": len(walker.kept.where), "jumps": jump_sizes(walker, places)}
    measure_ends(trace, walker, places)
    for run, place, norm, jump in zip(trace.record["runs"], places, rms(trace["x_T"]), jumps, strict=True):
        found = None if np.isnan(jump) else float(jump)
        run |= {"sample": walker.numbers[place], "x_norm": significant(norm), "jump": found}


def measure_ends(trace: Trace, walker: Walker, places: Sequence[Place]) -> None:
    """Say at which level runs from pictures begin, and how far the frames at the ends are from the pictures there."""
    from denoisecli.labs.start import opened_picture
    from denoisecli.metrics import picture_distance

    walk, config = trace.record["walk"], walker.job.config
    if "pictures" not in walk or config.size is None:
        return
    if walk.get("state"):
        walk["sigma"] = trace.record["schedule"][walk["state"]]["sigma"]
    for place in places:
        if place.end is not None:
            end = place.end % len(config.ends)
            own = opened_picture(*config.pictures[end], config.size).picture
            found = walker.picture(place)
            if found.shape == own.shape:
                walk["pictures"][end]["apart"] = significant(picture_distance(found, own))


def _seed(config: WalkConfig, end: int | None) -> int | None:
    """Return the seed whose starting noise this is; none between two."""
    if config.between:
        return config.seeds[0]
    return None if end is None else config.seeds[end % len(config.seeds)]


def save_ends(walker: Walker, places: Sequence[Place]) -> None:
    """Write the pictures at the ends, with what made them inside."""

    from .shots import walk_ends

    job = walker.job
    ends = walk_ends(job.config)

    def named() -> Iterator[tuple[str, NDArray[np.uint8], dict[str, str]]]:
        for name, place in found.items():
            picture = walker.picture(place)
            yield name, picture, settings_inside(walker.model, job.config, ends[(place.end or 0) % len(ends)], picture)

    found: dict[str, Place] = {}
    for place in places:
        if place.end is not None:  # a walk there and back between scales has an end twice
            found.setdefault(walker.samples.way.name(place.end).replace(" ", "-").lower(), place)
    save_images(job, named())


def draw(job: Job[WalkConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw all from stored things: the film, the one beside a cross-fade where it is asked for, and the rest."""
    from .figures.facts import walk_facts
    from .filming import filming

    facts = walk_facts(trace.record)
    with filming(job, facts, pictures["final"], beside=True) as films:
        films.add(range(len(facts.places)))
    draw_rest(job, trace, pictures)


def draw_rest(job: Job[WalkConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw walk × step and the page."""
    draw_steps(job, trace, pictures)
    body = walk_page(trace, pictures.shapes, back=job.config.there_and_back)
    write_page(job, body, pictures, resolved_keys(job.config))


def draw_steps(job: Job[WalkConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw walk × step, as a sheet and as a film: what the runs at some points had in mind at some of their states."""
    from denoisecli.figures.drawn import legend, marked_array
    from denoisecli.labs.films import film_style, write_state_film
    from denoisecli.media.images import save_png

    from .figures.sheet import walk_sheet
    from .figures.steps import step_frames

    frames, states = trace.record["sheet"]["frames"], trace.record["sheet"]["states"]
    column = {frame: number for number, frame in enumerate(frames)}

    style = film_style(job)
    scales = guess_scales(trace.record["sheet"])

    def picture(row: int, frame: int) -> NDArray[np.uint8]:
        if row == len(states) - 1:
            return np.asarray(pictures["final"][frame])
        at = column[frame], row
        return marked_array(np.asarray(pictures["guess"][at]), scales[at], style.theme)

    def film(job: Job[WalkConfig]) -> None:
        drawn = step_frames(trace.record, frames, states, picture, style)
        write_state_film(job, drawn, len(states), job.folder.partial / "views" / "steps.mp4")

    def sheet(job: Job[WalkConfig]) -> None:
        drawn = walk_sheet(trace.record, frames, states, picture, style.theme, legend(scales))
        job.artifact(save_png(drawn, job.folder.partial / "sheet.png"), "sheet")

    job.draw(film, sheet)
