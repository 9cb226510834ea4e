"""From a sample config to the live page: check what the page can do, read the model, write one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import ModelError, RunFolderError, UsageError
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.lora import built_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.config.base import Lora
    from denoisecli.report import Report

    from .loras import Carried
    from .page import Kept

PAGE = Path("live.html")
MARK = b'<meta name="generator" content="denoisecli">'
HEAD = 1 << 12  # bytes at the start of a page that hold the mark
MOST_BYTES = {False: 15_000_000, True: 25_000_000}
MOST_SEEDS, MOST_STEPS, MOST_SCALE = 4, 100, 30.0
SHOWN_STATES = 8  # of the first seed, for browsers in which the model does not run
KEPT_QUALITY = 75  # of those pictures, as WebP counts it
SIDE = (256, 256)


def make_live(config: SampleConfig, path: Path, report: Report, *, exact: bool = False, force: bool = False) -> Path:
    """Write the live page of a config to `path` and return it.

    Raises UsageError for settings that the page does not know, ModelError for a model or LoRA of another shape, and
    RunFolderError for a file that is not ours to replace.
    """
    from denoisecli.diffusion.references import locate
    from denoisecli.labs.pages import look_of
    from denoisecli.media.files import check_place, whole_file

    from .page import live_html

    check(config)
    if path.exists() and not force and not _is_ours(path):
        raise RunFolderError(f"{path} is there, and denoisecli did not write it.", "Name another with -o, or --force.")
    check_place(path)
    try:
        report.start(path, "live", config.prompt)
        report.stage("load", 1)
        folder = locate(config.model)
        ways = weights(config, folder, exact=exact)
        first = next(ways)  # before the run is sampled, so that a model or LoRA of another shape is told at once
        kept = pictures(config, report)
        report.stage("encode", 1)
        for way in chain([first], ways):
            data = live_html(
                config, way.packs, folder / "tokenizer", look_of(config.film.theme), kept,
                exact=exact, sliders=way.sliders, added=way.added,
            )  # fmt: skip
            if len(data) <= MOST_BYTES[exact]:
                break
        else:
            report.warn(f"The page has {len(data) / 1e6:.1f} MB, more than some mail servers take.")
        if way.added:
            names = ", ".join(Path(lora.file).name for lora in way.added)
            report.note(f"Added to the page's weights, without a slider: {names}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_bytes(data)
    finally:
        report.close()
    report.done(path, fresh=True)
    return path


def check(config: SampleConfig) -> None:
    """Raise UsageError for what the page cannot do, before anything is read."""
    from .page import SAMPLERS

    faults = {
        f"sampler: {config.sampler} is not on the live page": config.sampler not in SAMPLERS,
        f"seeds: the live page shows {MOST_SEEDS} at once, not {len(config.seeds)}": len(config.seeds) > MOST_SEEDS,
        f"steps: the live page takes 1 to {MOST_STEPS}, not {config.steps}": config.steps > MOST_STEPS,
        f"cfg: the live page takes 0 to {MOST_SCALE:g}, not {config.cfg:g}": config.cfg > MOST_SCALE,
        "eta: the live page adds no noise on the way": config.eta != 0,
        "guidance_rescale: the live page does not know it": config.guidance_rescale != 0,
        "spacing: the live page takes the model's own timesteps": config.spacing is not None,
        "start: the live page begins with noise": config.start is not None,
        "phases: the live page has the same settings in all steps": bool(config.phases),
        f"size: the live page paints {SIDE[0]}x{SIDE[1]} alone": config.size not in (None, SIDE),
    }
    found = next((fault for fault, there in faults.items() if there), None)
    if found:
        raise UsageError(f"{found}.", f"Samplers: {', '.join(SAMPLERS)}. Others: denoisecli sample.")


@dataclass(frozen=True)
class Weights:
    """The model as one page carries it. packs: as `pack.packed` makes them; added: LoRAs that are in them."""

    packs: Mapping[str, bytes]
    sliders: Sequence[Carried]
    added: Sequence[Lora]


def weights(config: SampleConfig, folder: Path, *, exact: bool) -> Iterator[Weights]:
    """Yield the model in `folder` with the config's LoRAs, each time in fewer bytes. Needs no torch.

    First with a slider for each LoRA that can have one, and for the built-in ones; then without these, last one first;
    at last with all LoRAs added to the weights.
    """
    from .loras import add_lora, built_ins, carried
    from .pack import OTHER, packed, read_model

    if not folder.is_dir():
        raise ModelError(f"{folder} is one file.", OTHER)
    tensors = read_model(folder)
    found = [(lora, carried(lora, tensors, exact=exact)) for lora in config.loras]
    sliders, added = [one for _, one in found if one], [lora for lora, one in found if one is None]
    for lora in added:
        add_lora(tensors, lora)
    packs = packed(tensors, exact)
    taken = [lora.file for lora in config.loras]
    more = built_ins(tensors, taken, exact=exact) if folder == built_in.FOLDER.parent else []
    for many in range(len(more), -1, -1):
        yield Weights(packs, [*sliders, *more[:many]], added)
    for lora, one in found:
        if one:
            add_lora(tensors, lora)
    if sliders:
        yield Weights(packed(tensors, exact), [], config.loras)


def pictures(config: SampleConfig, report: Report) -> list[Kept]:
    """Return the run as pictures, for browsers in which the model does not run: sampled here once, by torch."""
    from denoisecli.media.picture_file import webp

    from .page import Kept

    report.stage("sample", len(config.seeds) * config.steps)
    guesses, finals = _run(config, report)
    chosen = sorted({round(k) for k in np.linspace(0, config.steps - 1, min(SHOWN_STATES, config.steps))})
    told = [(picture, f"seed {seed}, finished") for seed, picture in zip(config.seeds, finals, strict=True)]
    told += [(guesses[k], f"seed {config.seeds[0]}, guess at state {k}") for k in chosen]
    return [Kept(webp(picture, KEPT_QUALITY), caption) for picture, caption in told]


def _run(config: SampleConfig, report: Report) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the guesses of the first seed, (step, H, W, 3), and the finished pictures, (seed, H, W, 3)."""
    from denoisecli.diffusion.adapters import add_loras
    from denoisecli.diffusion.batch import Batch, sample_batch
    from denoisecli.diffusion.decode import decoder
    from denoisecli.diffusion.memory import Saving
    from denoisecli.diffusion.models import load_model
    from denoisecli.diffusion.noise import starting_noise

    model = load_model(config.model, config.device, config.dtype, saving=Saving.of(config), told=report.note)
    if config.loras:
        add_loras(model, [(lora.file, lora.strengths) for lora in config.loras])
    many = len(config.seeds)

    def told(step: int, _steps: int, _x0: Any) -> None:
        report.step(step * many)

    batch = Batch(
        prompt=config.prompt, negative_prompt=config.negative_prompt, sampler=config.sampler,
        noise=starting_noise(list(config.seeds), model.info.latent_shape), scales=[config.cfg] * many,
        steps=config.steps, seeds=list(config.seeds),
    )  # fmt: skip
    trace = sample_batch(model, batch, on_step=told)
    drawn = decoder(model, "vae")
    return drawn.decode(trace.x0[0]), drawn.decode(trace.x_t[:, -1])


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return MARK in file.read(HEAD)
