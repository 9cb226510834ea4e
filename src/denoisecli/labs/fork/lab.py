"""Forks: a run taken up at several states with one thing changed, to see what was decided when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.config.phases import painted_size, stretches
from denoisecli.labs import job as plans
from denoisecli.labs.at_once import batch_size
from denoisecli.labs.images import save_images, seed_images
from denoisecli.labs.loading import load

from .branches import Branches, branched, sampled_branches
from .config import ForkConfig, changed_config
from .numbers import record, shares
from .trunk import of_run, sampled_trunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.diffusion.models import Model
    from denoisecli.labs.job import Job, Plan
    from denoisecli.labs.pictures import Pictures
    from denoisecli.media.picture_file import PictureFile
    from denoisecli.trace import Trace


def plan(config: ForkConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[ForkConfig]:
    """Return the plan of a fork; nothing is loaded yet."""
    config, identity = of_run(config)
    size = painted_size(config)
    if config.batch is None and size:
        samples = len(config.seeds) * len(branched(config))
        config = config.model_copy(update={"batch": batch_size(size, samples)})
    return plans.plan(config, identity, make, out, runs_dir, force=force)


def make(job: Job[ForkConfig]) -> Trace:
    """Sample the trunk and its branches, measure, draw. This is the whole lab."""
    from denoisecli.labs.pictures import decode_finals, decode_states, decoding_ahead, stored

    model = load(job)
    warn_of_no_change(job)
    with decoding_ahead(job, model, len(job.config.seeds)):
        trunk = sampled_trunk(job, model)
        branches = sampled_branches(job, model, trunk)
        for name in [name for name in trunk.arrays if name.startswith("outputs")]:
            del trunk.arrays[name]
        pictures = decode_states(job, model, trunk)
        ends = decode_finals(job, model, branches.final)
        ways = decode_ways(job, model, trunk, branches, pictures, ends)
        describe_forks(job, trunk, branches, pictures, ends)
        save_finals(job, model, pictures, ends)
        kept = stored(job, {"canvas": pictures.canvas, "guess": pictures.guess, "branch": ways, "final": ends})
    job.leave(draw, trunk, kept)
    return trunk


def warn_of_no_change(job: Job[ForkConfig]) -> None:
    """Tell of forks that change nothing of what the run has behind them anyway: they are the run again."""
    config = job.config
    if config.to.noise is not None:
        return
    same = [state for state in config.forks if not _changes(config, state)]
    if len(same) == len(config.forks):
        job.report.warn("to names what the run has already: every fork will be the run itself")
    elif same:
        states = ", ".join(map(str, same))
        job.report.warn(f"at {states} to names what the run has already: these forks will be the run itself")


def _changes(config: ForkConfig, state: int) -> bool:
    """Return whether a fork at a state has another setting than the run, in any stretch that follows."""
    ways = [(one, stretches(one.phases, one.steps)) for one in (config, changed_config(config))]
    settings = [[stretch.config(one) for stretch in way if stretch.until > state] for one, way in ways]
    pairs = zip(*settings, strict=True)
    return any(getattr(own, key) != getattr(other, key) for own, other in pairs for key in config.to.changed)


def decode_ways(
    job: Job[ForkConfig], model: Model, trunk: Trace, branches: Branches, pictures: Pictures, ends: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return the first seed's guess at every state of every fork, (at, state, H, W, 3); before it, the trunk's."""
    from denoisecli.diffusion.decode import decoder
    from denoisecli.diffusion.fitted_decoder import examples
    from denoisecli.labs.pictures import decode_row, drawn_scales, scaled
    from denoisecli.scale import latent_sizes

    guesses = branches.guess[:, :-1]
    factors = drawn_scales(job, guesses, branches.final[:, 0])
    sizes = latent_sizes(trunk)[:-1]
    drawer = decoder(model, job.config.decode.states, examples([trunk.x0[:, sizes.index(sizes[-1]) :]]))
    states = guesses.shape[1]
    found = np.empty((len(branches.at), states + 1, *pictures.guess.shape[2:]), np.uint8)
    job.report.stage("decode", len(branches.at))
    with job.timed("decode"):
        for done, (state, row, by) in enumerate(zip(branches.at, guesses, factors, strict=True)):
            found[done, :state] = pictures.guess[0, :state]
            drawn = decode_row(drawer, scaled(row[state:], by[state:]), sizes[state:], found.shape[2:4])
            found[done, state:-1] = drawn
            found[done, -1] = ends[done, 0]
            job.report.step(done + 1)
    return found


def describe_forks(
    job: Job[ForkConfig], trunk: Trace, branches: Branches, pictures: Pictures, ends: NDArray[np.uint8]
) -> None:
    """Put the branches' ends into the trace, and what they say into its record."""
    from denoisecli.labs.pictures import describe
    from denoisecli.metrics import picture_distance
    from denoisecli.scale import canvas_latents

    config, chosen = job.config, [branches.at.index(state) for state in job.config.forks]
    kept = np.asarray(canvas_latents(trunk)[:, -1], np.float32)
    trunk.lab = config.lab
    trunk.arrays["final"] = np.ascontiguousarray(branches.final[chosen])
    trunk.arrays["pure"] = np.ascontiguousarray(branches.final[0])
    with job.timed("figures"):
        found = shares(trunk["final"], kept, trunk["pure"])
        apart = [
            [picture_distance(end, own) for end, own in zip(ends[k], pictures.finals, strict=True)] for k in chosen
        ]
    asked = len(config.seeds) * (1 if changed_config(config).cfg == 1 else 2)
    trunk.record |= record(config.forks, found, config.steps, np.array(apart), asked)
    trunk.record["branches"] = list(branches.at)
    describe(job, trunk, pictures)


def save_finals(job: Job[ForkConfig], model: Model, pictures: Pictures, ends: NDArray[np.uint8]) -> None:
    """Write the finished pictures: the trunk's, with what made them inside, and those of every fork."""
    config = job.config
    at = branched(config)

    def named() -> Iterator[tuple[str, NDArray[np.uint8], Mapping[str, str]]]:
        for number, (name, final, texts) in enumerate(seed_images(model, config, pictures.finals)):
            yield name, final, texts
            for row, state in enumerate(at):
                yield f"{name}-at-{state}", ends[row, number], {}

    save_images(job, named())


def draw(job: Job[ForkConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw the film, the contact sheet and the page, from stored things only."""
    from denoisecli.labs.films import film_style, write_state_film
    from denoisecli.labs.pages import resolved_keys, write_page
    from denoisecli.media.images import save_png

    from .figures.film import fork_frames
    from .figures.sheet import fork_sheet
    from .page import fork_page

    config, partial, style = job.config, job.folder.partial, film_style(job)
    shown: dict[str, Any] = dict(pictures)

    def film(job: Job[ForkConfig]) -> None:
        frames = fork_frames(trace, shown, style)
        write_state_film(job, frames, trace.steps + 1, partial / "film.mp4", record=trace.record)

    def sheet(job: Job[ForkConfig]) -> None:
        job.artifact(save_png(fork_sheet(trace, shown, style), partial / "sheet.png"), "sheet")

    job.draw(film, sheet)
    write_page(job, fork_page(trace, pictures.shapes), pictures, resolved_keys(config))
