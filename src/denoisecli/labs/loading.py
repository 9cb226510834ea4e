"""Loading what a lab paints with: the config resolved, its models, LoRAs and sampler, and what to warn of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from denoisecli.config.base import SamplingConfig
from denoisecli.config.phases import Stretch, painted_size, stretches
from denoisecli.diffusion import (
    model_checks,
    model_configs,
    models,
    preview_autoencoder,
    prompts,
    references,
    single_file,
    vocabulary,
)
from denoisecli.diffusion.memory import Saving
from denoisecli.diffusion.prompt_syntax import parts_apart
from denoisecli.diffusion.sampler_rules import leaves_noise
from denoisecli.errors import ModelError
from denoisecli.lora.file import names_of
from denoisecli.runs.folder import run_hash
from denoisecli.safe_text import brief, some_shown

from .agreement import check_agreement
from .at_once import frames_of, size_of, work_of
from .own_pictures import picture_sha256
from .start import check_entrance, check_pictures, first_state, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from denoisecli.diffusion.models import Model

    from .job import Job

Config = TypeVar("Config", bound=SamplingConfig)
FEW_STEPS, CLEAN_SCALE = 6, 3  # where the pocket model hatches, and where it does not: the table of its model card


def resolved(config: Config) -> tuple[Config, str]:
    """Return the config with the model's own settings where it names none, and the identity of all weights it uses."""
    path = references.locate(config.model)
    size = config.size or native_size(path)  # its configs are checked before all is hashed
    pictures = [picture_sha256(key, image) for key, image in config.pictures]
    loras = dict.fromkeys(lora.file for lora in config.worn)
    weights = [*map(models.identity, (config.model, *other_models(config))), *map(models.lora_identity, loras)]
    weights += pictures
    weights += [preview_autoencoder.identity(config.decode.preview)] if config.decode.preview else []
    identity = weights[0] if len(weights) == 1 else run_hash({"weights": weights}, "")
    usual = {key: value for key, value in models.usual(path).items() if key not in config.model_fields_set}
    known = {key: value for key, value in usual.items() if getattr(config, key, None) is not None}
    config = config.model_copy(update=known | {"size": size})
    painted_size(config)  # raise ConfigError before anything is loaded
    begins = first_state(config)
    check_entrance(config, begins)
    check_agreement(config, begins)
    check_pictures(config)
    return config, identity


def other_models(config: SamplingConfig) -> list[str]:
    """Return the references of the models that phases take beside the run's own."""
    named = dict.fromkeys(phase.model for phase in config.phases if phase.model is not None)
    return [ref for ref in named if ref != config.model]


def native_size(path: Path) -> tuple[int, int]:
    """Return (width, height) in pixels that a model was made for, without loading it."""
    if path.is_file():
        return native_size(single_file.layout_of(path))
    model_checks.check_kind(path)
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
                check_size(pipe, size_of(own), own.model)
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
        warn_of_left_noise(job, model)
    job.report.step(1)
    return model


def loaded(config: SamplingConfig, told: Callable[[str], None]) -> Model:
    """Return a config's model, with those that go on with its runs in later phases.

    told: hears where their weights wait. Raises ModelError where one's latents are no latents of the other.
    """
    from denoisecli.diffusion.latent_space import check_same_space
    from denoisecli.diffusion.placing import check_loras

    saving = Saving.of(config)
    if config.worn:
        check_loras(saving.quantize)
    how: dict[str, Any] = {"saving": saving, "work": work_of(config), "told": told}
    place = config.device, config.dtype
    others = {ref: models.load_model(ref, *place, goes_on=True, **how) for ref in other_models(config)}
    how["preview"] = config.decode.preview
    model = models.load_model(config.model, *place, **how)  # last, for the cache of a batch keeps one
    for other in others.values():
        check_same_space(model, other)
    return replace(model, others=others) if others else model


def warn_of_guidance(job: Job[Any], model: Model) -> None:
    """Warn of scales that do not do what one expects: cfg 0 ignores the prompt, a distilled model any cfg."""
    from denoisecli.diffusion.guidance import takes_guidance, takes_scale_as_input

    config: SamplingConfig = job.config
    if takes_guidance(model.pipe):
        if config.cfg == 0:
            job.report.warn("cfg 0 ignores the prompt; no guidance, which other tools may call 0, is 1")
        if model.info.family == "pocket" and config.steps < FEW_STEPS and (config.cfg or 0) > CLEAN_SCALE:
            job.report.note(f"the pocket model paints fewer than {FEW_STEPS} steps cleaner at --cfg {CLEAN_SCALE}")
        return
    if config.negative_prompt:
        job.report.warn(f"the model {model.info.ref} is distilled and hears no negative prompt")
    if config.cfg != 1 and not takes_scale_as_input(model.pipe):
        job.report.warn(f"the model {model.info.ref} takes no guidance: cfg {config.cfg:g} changes nothing")


def warn_of_left_noise(job: Job[Any], model: Model) -> None:
    """Warn of a sampler whose spacing leaves noise in pictures of so few steps."""
    if leaves_noise(model.pipe.scheduler, job.config.steps):
        job.report.warn(
            f"{job.config.sampler} with spacing linspace leaves noise in pictures of {job.config.steps} steps; take "
            "--set spacing=leading or trailing, or another sampler"
        )


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
    if syntax == "plain":
        warn_of_cut_words(job, model, prompt, what)
    warn_of_unknown_words(job, model, prompt, what)


def warn_of_cut_words(job: Job[Any], model: Model, prompt: str, what: str) -> None:
    """Tell what a prompt that is longer than the model reads has lost."""
    if lost := prompts.truncated(model.pipe, prompt):
        job.report.warn(f"{what} is too long for this model; cut off: {brief(' '.join(lost.split()), 80)}")


def warn_of_unknown_words(job: Job[Any], model: Model, text: str, what: str) -> None:
    """Tell which words of a text mean nothing to a model with words of its own."""
    unknown = vocabulary.unknown_words(model.pipe, model.info.ref, text)
    if unknown and (loras := getattr(job.config, "taught_by", ())):
        taught = vocabulary.words_in(names_of(loras))
        unknown = [word for word in unknown if word not in taught]
    if unknown:
        known = f"`denoisecli models {model.info.ref}` lists those it knows"
        words = some_shown(unknown, quoted=False)
        job.report.warn(f"words of {what} that the model {model.info.ref} does not know: {words} ({known})")
