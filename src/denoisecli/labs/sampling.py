"""What the labs that run a model share: sampling in batches that fit, fail and resume well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from denoisecli.config.base import SamplingConfig
from denoisecli.config.phases import Stretch, painted_size, stretches
from denoisecli.metrics import significant
from denoisecli.trace import Trace

from .at_once import frames_of, size_of
from .room import room
from .start import opening_of, phase_rows, start_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from denoisecli.diffusion.batch import Batch
    from denoisecli.diffusion.chain import Leaving, Opening
    from denoisecli.diffusion.embeddings import Embeddings
    from denoisecli.diffusion.guidance import StepScales
    from denoisecli.diffusion.models import Model
    from denoisecli.diffusion.noised import Picture
    from denoisecli.diffusion.take_up import Entrance
    from denoisecli.interop.recipe import Shot
    from denoisecli.runs.batches import BatchStore

    from .job import Job

    OnStep = Callable[[int, int, NDArray[np.float32]], None]

Config = TypeVar("Config", bound=SamplingConfig)
GUESSES = 4  # live pictures side by side


def settings_inside(model: Model, config: SamplingConfig, made: Shot, picture: NDArray[np.uint8]) -> dict[str, str]:
    """Return the text chunks of a finished picture, (H, W, 3): what made it, for this and other tools."""
    from denoisecli.diffusion.clock import Clock
    from denoisecli.interop.png_text import picture_texts

    size = (picture.shape[1], picture.shape[0])
    if config.size is not None and size == painted_size(config):
        size = config.size  # that at which the run begins, where a phase enlarges it
    return picture_texts(config, made, size, model.info.sha256, Clock(model.pipe.scheduler).spacing)


@dataclass(frozen=True)
class Sample:
    """One sample of a run: its seed and guidance scale, and what is not the seed's or the config's own.

    noise: the starting noise, (C, h, w). embeds: what the prompt became; in a batch, all have them or none. strength:
    of the LoRAs, in a batch of one.
    """

    seed: int
    cfg: float | StepScales
    noise: NDArray[np.float32] | None = None
    embeds: Embeddings | None = None
    strength: float | None = None


def sample_all(
    job: Job[Any],
    model: Model,
    samples: Sequence[Sample],
    batch: int,
    told: Callable[[list[int]], Told] | None = None,
    store: BatchStore | None = None,
) -> Trace:
    """Sample all in batches and return one trace. A finished batch is kept, so that a killed run goes on behind it.

    Out of memory halves the batch for all that is left; the split that came of it is in `record["batches"]`.
    """
    job.report.stage("sample", len(samples) * job.config.steps)
    parts = sample_each(job, model, samples, batch, told=told, store=store)
    return joined(parts, samples, job, store.series if store else "")


def sample_each(
    job: Job[Any],
    model: Model,
    samples: Sequence[Sample],
    batch: int,
    start: int = 0,
    thin: Callable[[Trace], Trace] | None = None,
    told: Callable[[list[int]], Told] | None = None,
    store: BatchStore | None = None,
    uncounted: int = 0,
) -> Iterator[tuple[list[int], Trace]]:
    """Sample from number `start` on, as `sample_all`, and give each batch (its numbers, its trace) away at once.

    thin: makes of a batch's trace what is kept of it and given away; by default all. told: of a batch's numbers, what
    it is sampled with. store: where batches are kept, by default the run's own. uncounted: how many of the first
    samples the stage that is reported does not count.
    """
    store = job.folder.batches if store is None else store
    size, at, steps = store.split or batch, start, job.config.steps
    while at < len(samples):
        indices = list(range(at, min(at + (store.length_from(at) or size), len(samples))))
        part = _kept(job, store, indices)
        kept = part is not None
        if part is None:
            how = told(indices) if told else Told()
            whole = sampled(job, model, [samples[i] for i in indices], (at - uncounted) * steps, how)
            if whole is None:
                _not_ahead(job)
                size = len(indices) // 2
                job.report.warn(f"not enough memory for {len(indices)} at once; going on with {size}")
                store.keep_split(size)
                continue
            part = thin(whole) if thin else whole
            store.put(indices, part.arrays, part.record)
        else:
            _not_ahead(job)
        at += len(indices)
        tell = job.report.passed if kept else job.report.step
        tell((at - uncounted) * steps)
        yield indices, part


def _not_ahead(job: Job[Any]) -> None:
    """Let nothing be decoded ahead: not all states are heard as they come."""
    if job.ahead is not None:
        job.ahead.stop()


@dataclass(frozen=True)
class Told:
    """What a batch is sampled with. config: instead of the job's. keywords: of `sample_batch`, beside the config's.

    leaving: a run that is there, which its rows leave. begins: at which state and with which latents, instead of the
    config's own start. opened: what its rows start from, pictures of their own.
    """

    config: SamplingConfig | None = None
    keywords: Mapping[str, Any] = field(default_factory=dict)
    leaving: Leaving | None = None
    begins: tuple[int, Entrance] | None = None
    opened: tuple[Opening, Picture] | None = None


def sampled(job: Job[Any], model: Model, samples: list[Sample], done: int, how: Told | None = None) -> Trace | None:
    """Sample one batch; None where it does not fit memory and could be halved."""
    from denoisecli.diffusion.adapters import set_strengths
    from denoisecli.diffusion.batch import OutOfMemory, sample_batch

    how = how or Told()
    config: SamplingConfig = how.config or job.config
    if samples[0].strength is not None:
        share = samples[0].strength
        set_strengths(model, [(unet * share, text * share) for unet, text in (lora.strengths for lora in config.loras)])
    heard = _teller(job, model, samples, done)
    whole = not (config.phases or config.start or how.leaving or how.begins or how.opened)
    ahead = job.ahead.listeners if job.ahead and whole else {}
    try:
        with job.timed("sample"):
            if whole:
                batch = _batch(model, config, samples)
                return sample_batch(model, batch, on_step=heard, **ahead, **how.keywords)
            return _in_stretches(model, config, samples, how, heard)
    except OutOfMemory:
        if len(samples) == 1:
            raise
    return None


def _batch(model: Model, config: SamplingConfig, samples: Sequence[Sample], noise: Any = None) -> Batch:
    """Return what is sampled at once under a config. noise: (n, C, h, w), where it is not the seeds' own."""
    from denoisecli.diffusion.batch import Batch
    from denoisecli.diffusion.canvas import noise_for
    from denoisecli.diffusion.embeddings import encoded, stacked

    width, height = size_of(config)
    if noise is None:
        noise = noise_for(model.pipe, [sample.seed for sample in samples], (width, height), frames=frames_of(config))
        for index, sample in enumerate(samples):
            if sample.noise is not None:
                noise[index] = noise.new_tensor(sample.noise)
    told = [sample.embeds for sample in samples if sample.embeds is not None]
    if not told and (config.prompt_syntax != "plain" or config.clip_skip > 1):
        told = [encoded(model, config.prompt, config.negative_prompt, config.prompt_syntax, config.clip_skip)]
        told *= len(samples)
    return Batch(
        noise=noise,
        scales=[sample.cfg for sample in samples],
        seeds=[sample.seed for sample in samples],
        prompt=config.prompt,
        negative_prompt=config.negative_prompt,
        embeds=stacked(told) if told else None,
        steps=config.steps,
        sampler=config.sampler,
        spacing=config.spacing,
        schedule=config.schedule,
        eta=config.eta,
        guidance_rescale=config.guidance_rescale,
        height=height,
        width=width,
    )


def _in_stretches(model: Model, config: SamplingConfig, samples: list[Sample], how: Told, heard: OnStep) -> Trace:
    """Return the trace of a batch that has phases, starts from a picture, or leaves another run."""
    from denoisecli.diffusion.chain import Link, Opening, sample_chain
    from denoisecli.diffusion.start import with_way

    opening, picture = how.opened or (Opening(), None)
    if config.start is not None:
        seeds, own = [sample.seed for sample in samples], [sample.noise for sample in samples]
        opening, picture = opening_of(model, config, seeds, own)
    if how.begins is not None:
        opening = replace(opening, state=how.begins[0], enters=how.begins[1])
    noise = picture.noise if picture is not None else None
    dressed = any(phase.loras is not None for phase in config.phases)

    def link(stretch: Stretch) -> Link:
        own = stretch.config(config)
        rows = [_in_phase(sample, stretch) for sample in samples]
        loras = [(lora.file, lora.strengths) for lora in own.loras] if dressed else None
        other = model.others.get(own.model, model)
        started = noise if stretch.scale == 1 else None  # a larger phase begins with the guess of the one before
        return Link(stretch.until, lambda: _batch(other, own, rows, started), loras, other)

    links = [link(stretch) for stretch in stretches(config.phases, config.steps)]
    trace, before = sample_chain(model, links, opening, on_step=heard, leaving=how.leaving, **how.keywords)
    if picture is not None and before is not None and how.begins is None:
        trace = with_way(trace, before, picture)
    if how.begins is None:
        trace.record |= {"start": start_row(config, trace)} if config.start else {}
        trace.record |= {"phases": phase_rows(config, trace)} if config.phases else {}
    return trace


def _in_phase(sample: Sample, stretch: Stretch) -> Sample:
    """Return a sample as a phase has it."""
    own = stretch.phase.changed if stretch.phase else {}
    embeds = None if own.keys() & {"prompt", "negative_prompt", "model"} else sample.embeds
    noise = sample.noise if stretch.scale == 1 else None
    return replace(sample, cfg=own.get("cfg", sample.cfg), embeds=embeds, noise=noise)


def _teller(job: Job[Any], model: Model, samples: list[Sample], done: int) -> OnStep:
    """Return what tells the report of each step, with a small picture of the guesses where somebody looks."""
    from denoisecli.diffusion.decode import linear_rgb, rgb_factors

    factors = rgb_factors(model) if job.report.wants_guess else None
    seeds = [sample.seed for sample in samples]
    at, made = 0, done  # a pipeline that mixes by itself is called for some of the rows after the others

    def tell(step: int, steps: int, x0: NDArray[np.float32]) -> None:
        nonlocal at, made
        if step > at + 1:
            made += len(x0) * (step - at - 1)
            job.report.passed(made)
        made += len(x0)
        at = step
        job.report.step(made, step=step, steps=steps, seeds=seeds)
        if factors is not None:
            still = x0[:, :, x0.shape[2] // 2] if x0.ndim == 5 else x0  # of a clip the middle frame
            job.report.guess(linear_rgb(np.concatenate(list(still[:GUESSES]), axis=-1)[None], factors)[0])

    return tell


def _kept(job: Job[Any], store: BatchStore, indices: list[int]) -> Trace | None:
    """Return the batch that was kept; None where there is none, or one of other numbers, which is made again."""
    if (found := store.get(indices)) is None:
        return None
    arrays, record = found
    whole = all(len(array) == len(indices) for name, array in arrays.items() if name not in SHARED and array.ndim)
    return Trace(job.config.lab, arrays, record) if whole else None


SHARED = {"sigmas", "timesteps", "alpha_bars"}
"""Arrays that are the same for every sample of a run."""


def joined(
    parts: Iterable[tuple[list[int], Trace]], samples: Sequence[Sample], job: Job[Any] | None = None, series: str = ""
) -> Trace:
    """Return the batches of a run, each (its numbers, its trace), as one trace.

    Arrays are filled as the batches come. job: whose `work/` has room for them where memory has not; series: of several
    such traces of a run.
    """
    from denoisecli.diffusion.guidance import scale_at

    whole: dict[str, NDArray[Any]] = {}
    told: list[tuple[list[int], Trace]] = []
    for indices, part in parts:
        if not told:
            whole = _rooms(part, len(samples), len(indices), job, series)
        whole = {name: array for name, array in whole.items() if name in part}  # of cfg 1 alone: no eps_uncond
        for name in whole.keys() - SHARED:
            whole[name][indices[0] : indices[-1] + 1] = part.arrays[name]
        told.append((indices, Trace(part.lab, {}, part.record)))
    first = told[0][1]
    record = dict(first.record)
    if all(part.record.get("guidance_measured") for _, part in told):
        record["guidance_measured"] = _measured(told)
    record["runs"] = [{"seed": sample.seed, "cfg": scale_at(sample.cfg, 0)} for sample in samples]
    record["batches"] = [[samples[i].seed for i in indices] for indices, _ in told]
    return Trace(first.lab, whole, record)


def _rooms(part: Trace, samples: int, here: int, job: Job[Any] | None, series: str) -> dict[str, NDArray[Any]]:
    """Return room for the arrays of all samples, by those of a batch of `here`; what all share as it is."""
    if here == samples:
        return {name: array if name in SHARED else np.empty_like(array) for name, array in part.arrays.items()}
    own = {name: array for name, array in part.arrays.items() if name not in SHARED}
    total = sum(array.nbytes for array in own.values()) // here * samples
    found = {name: array for name, array in part.arrays.items() if name in SHARED}
    for name, array in own.items():
        shape = (samples, *array.shape[1:])
        if job is None:
            found[name] = np.empty(shape, array.dtype)
        else:
            found[name] = room(job, f"{series}states-{name}", shape, array.dtype, of=total)
    return found


def _measured(parts: list[tuple[list[int], Trace]]) -> list[dict[str, Any]]:
    """Return `guidance_measured` of a whole run: for each step the mean of all samples, and each where they differ."""
    rows = []
    for step in zip(*(part.record["guidance_measured"] for _, part in parts), strict=True):
        lengths = [len(indices) for indices, _ in parts]
        scales = [s for row, n in zip(step, lengths, strict=True) for s in row.get("scales", [row["scale"]] * n)]
        known = [scale for scale in scales if scale is not None]
        worst = max(step, key=lambda row: row["residual"] or 0.0)
        row = worst | {"scale": significant(np.mean(known), 7) if known else None}
        row.pop("scales", None)
        if known and np.ptp(known) > 1e-3 * max(1.0, abs(known[0])):
            row["scales"] = scales
        rows.append(row)
    return rows
