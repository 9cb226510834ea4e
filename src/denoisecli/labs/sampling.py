"""What the labs that run a model share: loading it, and sampling in batches that fit, fail and resume well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from denoisecli.config.base import Phase, SamplingConfig
from denoisecli.config.phases import Stretch, painted_size, stretches
from denoisecli.diffusion import model_configs, models, single_file
from denoisecli.diffusion.memory import Saving, Work
from denoisecli.diffusion.prompt_syntax import parts_apart
from denoisecli.errors import ModelError, UsageError
from denoisecli.metrics import significant
from denoisecli.runs.folder import run_hash
from denoisecli.trace import Trace

from .own_pictures import picture_sha256
from .room import room
from .start import check_entrance, first_state, opening_of, phase_rows, start_row, tell

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
BATCH_LATENTS = 16 * 64 * 64  # latent pixels at once: 16 pictures of 512² in fp16 fit a card of 8 GB
GUESSES = 4  # live pictures side by side


def resolved(config: Config) -> tuple[Config, str]:
    """Return the config with the model's own settings where it names none, and the identity of all weights it uses."""
    path = models.locate(config.model)
    size = config.size or native_size(path)  # its configs are checked before all is hashed
    pictures = [picture_sha256(key, image) for key, image in config.pictures]
    worn = [*config.loras, *(lora for phase in config.phases for lora in phase.loras or ())]
    loras = dict.fromkeys(lora.file for lora in worn)
    weights = [*map(models.identity, (config.model, *other_models(config))), *map(models.lora_identity, loras)]
    weights += pictures
    identity = weights[0] if len(weights) == 1 else run_hash({"weights": weights}, "")
    usual = {key: value for key, value in models.usual(path).items() if key not in config.model_fields_set}
    known = {key: value for key, value in usual.items() if getattr(config, key, None) is not None}
    config = config.model_copy(update=known | {"size": size})
    painted_size(config)  # raise ConfigError before anything is loaded
    check_entrance(config, first_state(config))
    return config, identity


def other_models(config: SamplingConfig) -> list[str]:
    """Return the references of the models that phases take beside the run's own."""
    named = dict.fromkeys(phase.model for phase in config.phases if phase.model is not None)
    return [ref for ref in named if ref != config.model]


def native_size(path: Path) -> tuple[int, int]:
    """Return (width, height) in pixels that a model was made for, without loading it."""
    if path.is_file():
        return native_size(single_file.layout_of(path))
    models.check_kind(path)
    parts = {part.name: part for part in model_configs.parts_of(path) if part.is_dir()}
    denoiser = parts.get("unet") or parts.get("transformer")
    try:
        if denoiser is None:
            raise KeyError("unet")
        side = model_configs.read_table(denoiser / "config.json").get("sample_size")
        if side is None and (usual := models.native_side(path)) is not None:
            return usual, usual
        if side is None:
            raise KeyError("sample_size")
        vae = model_configs.read_table(parts["vae"] / "config.json")
        levels = vae.get("encoder_block_out_channels") or vae["block_out_channels"]
    except KeyError as error:
        hint = "Give one: --set size=512x512"
        raise ModelError(f"{path} does not say which picture size it was made for ({error}).", hint) from None
    height, width = (side, side) if isinstance(side, int) else side
    factor = 2 ** (len(levels) - 1)
    return width * factor, height * factor


def batch_size(size: tuple[int, int], samples: int, frames: int = 1) -> int:
    """Return how many samples go at once where the config does not say: the same on every machine."""
    pixels = size[0] * size[1] // 64 * frames
    return max(1, min(samples, BATCH_LATENTS // pixels))


def work_of(config: SamplingConfig) -> Work:
    """Return what a resolved config's model is to do at once."""
    size, frames = painted_size(config) or _size(config), frames_of(config)
    at_once = getattr(config, "batch", None) or batch_size(size, max(1, len(config.seeds)), frames)
    return Work(size, at_once * frames, config.steps)  # a frame takes what a picture takes, at most


def frames_of(config: Any) -> int:
    """Return how many frames a config asks for: 1 for pictures."""
    told = getattr(config, "video", None)
    return int(told.frames) if told is not None else 1


def with_batch(config: Config, samples: int) -> Config:
    """Return the config of a lab that samples in batches with the size of a batch in it, where it names none."""
    told: Any = config
    size = painted_size(config)
    if told.batch is not None or not size:
        return config
    return config.model_copy(update={"batch": batch_size(size, samples, frames_of(config))})


def load(job: Job[Any]) -> Model:
    """Load the model with its LoRAs and sampler, and warn of words it will not hear."""
    from denoisecli.diffusion.adapters import add_loras, wear
    from denoisecli.diffusion.blame import blamed
    from denoisecli.diffusion.canvas import check_frames, check_size
    from denoisecli.diffusion.scheduler import use_sampler

    config: SamplingConfig = job.config
    job.report.stage("load", 1)
    with job.timed("load"):
        model = loaded(config, job.report.note)
        for stretch in [*stretches(config.phases, config.steps), Stretch(0, config.steps, None)]:
            own = stretch.config(config)
            with blamed(own.model):
                pipe = model.others.get(own.model, model).pipe
                use_sampler(pipe, own.sampler, own.spacing, own.schedule)
                check_size(pipe, _size(own), own.model)
        if any(phase.loras for phase in config.phases):
            own_loras = [(model.others.get(phase.model or "", model), phase.loras or ()) for phase in config.phases]
            for wearer, worn in [*own_loras, (model, config.loras)]:
                wear(wearer, [(lora.file, lora.strengths) for lora in worn])
        elif config.loras:
            add_loras(model, [(lora.file, lora.strengths) for lora in config.loras])
    check_frames(model.pipe, frames_of(config), config.model)
    for prompt in config.prompts:
        warn_of_lost_words(job, model, prompt)
    for words in dict.fromkeys((config.negative_prompt, *(phase.negative_prompt or "" for phase in config.phases))):
        warn_of_lost_words(job, model, words, "the negative prompt")
    tell(job)
    if config.cfg is not None:
        warn_of_guidance(job, model)
    job.report.step(1)
    return model


def loaded(config: SamplingConfig, told: Callable[[str], None]) -> Model:
    """Return a config's model, with those that go on with its runs in later phases.

    told: hears where their weights wait. Raises ModelError where one's latents are no latents of the other.
    """
    from denoisecli.diffusion.latent_space import check_same_space
    from denoisecli.diffusion.placing import check_loras

    saving = Saving.of(config)
    if config.loras or any(phase.loras for phase in config.phases):
        check_loras(saving.quantize)
    how: dict[str, Any] = {"saving": saving, "work": work_of(config), "told": told}
    place = config.device, config.dtype
    others = {ref: models.load_model(ref, *place, goes_on=True, **how) for ref in other_models(config)}
    model = models.load_model(config.model, *place, **how)  # last, for the cache of a batch keeps one
    for other in others.values():
        check_same_space(model, other)
    return replace(model, others=others) if others else model


def warn_of_guidance(job: Job[Any], model: Model) -> None:
    """Warn of scales that do not do what one expects: cfg 0 ignores the prompt, a distilled model ignores cfg."""
    from denoisecli.diffusion.guidance import takes_guidance, takes_scale_as_input

    config: SamplingConfig = job.config
    if takes_guidance(model.pipe):
        if config.cfg == 0:
            job.report.warn("cfg 0 ignores the prompt; no guidance, which other tools may call 0, is 1")
        return
    if config.negative_prompt:
        job.report.warn(f"the model {model.info.ref} is distilled and hears no negative prompt")
    if config.cfg != 1 and not takes_scale_as_input(model.pipe):
        job.report.warn(f"the model {model.info.ref} takes no guidance: cfg {config.cfg:g} changes nothing")


def warn_of_lost_words(job: Job[Any], model: Model, prompt: str, what: str = "the prompt") -> None:
    """Tell which words of the prompt the model does not know, and what a too long prompt lost."""
    syntax = getattr(job.config, "prompt_syntax", "plain")
    if syntax == "a1111" and what == "the prompt":
        parts = parts_apart(prompt)
        if len(parts) > 1:
            job.report.warn("A1111 guides the parts around AND each by itself; here they are read as with BREAK")
        prompt = " ".join(parts)
    if syntax == "a1111":
        prompt = prompt.replace("BREAK", " ")
    if syntax == "plain" and (lost := models.truncated(model.pipe, prompt)):
        words = " ".join(lost.split())
        shown = words if len(words) <= 80 else words[:77] + "..."
        job.report.warn(f"{what} is too long for this model; cut off: {shown}")
    if unknown := models.unknown_words(model.pipe, prompt):
        shown = ", ".join(unknown[:8]) + (f" and {len(unknown) - 8} more" if len(unknown) > 8 else "")
        known = f"`denoisecli models {model.info.ref}` lists those it knows"
        job.report.warn(f"words of {what} that the model {model.info.ref} does not know: {shown} ({known})")


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
        if part is None:
            how = told(indices) if told else Told()
            whole = sampled(job, model, [samples[i] for i in indices], (at - uncounted) * steps, how)
            if whole is None:
                size = len(indices) // 2
                job.report.warn(f"not enough memory for {len(indices)} at once; going on with {size}")
                store.keep_split(size)
                continue
            part = thin(whole) if thin else whole
            store.put(indices, part.arrays, part.record)
        at += len(indices)
        job.report.step((at - uncounted) * steps)
        yield indices, part


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
    try:
        with job.timed("sample"):
            if whole:
                return sample_batch(model, _batch(model, config, samples), on_step=heard, **how.keywords)
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

    width, height = _size(config)
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

    if how.keywords.get("words") and (config.start or any(_paints_other(phase) for phase in config.phases)):
        raise UsageError(
            "Words can be followed from the noise on, through one prompt of one model.",
            "Leave start out, and prompts and models in phases.",
        )
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


def _paints_other(phase: Phase) -> bool:
    return any(key is not None for key in (phase.prompt, phase.negative_prompt, phase.model))


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
        made += len(x0) * (step - at if step > at else 1)  # steps that were passed over count as well
        at = step
        job.report.step(made, step=step, steps=steps, seeds=seeds)
        if factors is not None:
            still = x0[:, :, x0.shape[2] // 2] if x0.ndim == 5 else x0  # of a clip the middle frame
            job.report.guess(linear_rgb(np.concatenate(list(still[:GUESSES]), axis=-1)[None], factors)[0])

    return tell


def _size(config: SamplingConfig) -> tuple[int, int]:
    if config.size is None:
        raise UsageError("The size is not resolved yet.")
    return config.size


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
