"""The same seeds under a LoRA at every rank, and at every strength: one model, one loader, files swapped between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.config.phases import painted_size
from denoisecli.errors import ModelError
from denoisecli.labs.images import save_images
from denoisecli.metrics import significant

from .config import LoraRankConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.diffusion.models import Model
    from denoisecli.labs.job import Job
    from denoisecli.lora.file import LoraFile
    from denoisecli.media.picture_file import PictureFile
    from denoisecli.trace import Trace

    from .figures.blocks import RankedFile
    from .figures.pictures import Painted

OFF, WHOLE = "off", "whole"


@dataclass(frozen=True)
class Variant:
    """One setting of the LoRA: `file` at `scale`; no file at all for OFF."""

    label: str
    file: Path | None
    scale: float

    @property
    def key(self) -> tuple[Path | None, float]:
        """What decides its pictures: at strength 0 any file is none."""
        return (self.file, self.scale) if self.scale else (None, 0.0)


def warn_of_trigger_words(job: Job[LoraRankConfig], lora: LoraFile) -> None:
    """Tell where the prompt lacks the words that the LoRA was trained on, as kohya's trainers note them."""
    words = lora.trigger_words
    if words and words.lower() not in job.config.prompt.lower():
        shown = words if len(words) <= 80 else words[:77] + "..."
        job.report.warn(f'{lora.path.name} was trained on the words "{shown}", which the prompt does not hold')


def paint(job: Job[LoraRankConfig], trace: Trace, path: Path) -> NDArray[np.uint8]:
    """Paint all variants, (variant, seed, H, W, 3), and note in the trace how far each is from the whole LoRA."""
    from denoisecli.labs.loading import load
    from denoisecli.labs.pictures import decode_finals
    from denoisecli.lora.file import open_lora

    model = load(job)
    with open_lora(path) as lora:
        check_fit(job, lora.path, lora.layers, model)
        warn_of_trigger_words(job, lora)
        whole = loadable(lora, job.folder.work / f"{path.stem}.whole")
    wanted = variants(job.config, job.folder.partial, whole, [str(row["rule"]) for row in trace.record["runs"]])
    finals, record = sample_variants(job, model, wanted)
    trace.arrays["final"] = finals
    trace.record |= {key: record[key] for key in HEARD if key in record}
    trace.record["variants"] = [variant.label for variant in wanted]
    pictures = decode_finals(job, model, finals)
    save_pictures(job, model, wanted, pictures)
    trace.record["runs"] = rows_with_distances(trace.record["runs"], wanted, finals, job.config.seeds)
    return pictures


def variants(config: LoraRankConfig, folder: Path, whole: Path, rules: Sequence[str]) -> list[Variant]:
    """Return what is painted: without the LoRA, every cut, the whole file, and the whole file at every strength."""
    cuts = [Variant(rule, folder / "loras" / f"{rule}.safetensors", 1.0) for rule in rules] if config.images else []
    sweep = [Variant(f"scale-{scale:g}", whole, scale) for scale in config.scales]
    return [Variant(OFF, None, 0.0), *cuts, Variant(WHOLE, whole, 1.0), *sweep]


def loadable(lora: LoraFile, copy: Path) -> Path:
    """Return the file itself, or, where its alphas differ, a copy that diffusers applies rightly (`new_alphas`)."""
    from denoisecli.lora.truncate import truncate

    if len({lora.alpha(layer.alpha) for layer in lora.layers if layer.alpha}) <= 1:
        return lora.path
    path = copy.with_suffix(".safetensors")
    truncate(lora, {path: {}})
    return path


def check_fit(job: Job[LoraRankConfig], path: Path, layers: Sequence[Any], model: Model) -> None:
    """Raise ModelError where the file was made for another model; warn of single layers that have no place."""
    from denoisecli.lora.blocks import made_for
    from denoisecli.lora.fit import misfits

    wrong = misfits(layers, module_shapes(model))
    if not wrong:
        return
    name, why = next(iter(wrong.items()))
    said = f"{len(wrong)} of {len(layers)} layers do not fit the model {model.info.ref}, such as {name} ({why})"
    if all(reason == "no such layer" for reason in wrong.values()) and len(wrong) < len(layers):
        job.report.warn(f"{path}: {said}; they do nothing")
        return
    hint = f"The file looks made for {made_for(layers)}; name that model with --model."
    raise ModelError(f"{path}: {said}.", hint)


def module_shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights that a LoRA can change, by their plain names."""
    from denoisecli.lora.fit import plain_name

    found = {}
    for part in ("unet", "transformer", "text_encoder", "text_encoder_2"):
        network = getattr(model.pipe, part, None)
        for name, module in network.named_modules() if network is not None else ():
            weight = getattr(module, "weight", None)
            if weight is not None and weight.ndim >= 2:
                found[plain_name(f"{part}.{name}")] = tuple(weight.shape)
    return found


HEARD = ("model", "environment", "batches", "start", "phases")
"""What the sampler's record says of a run."""


def sample_variants(
    job: Job[LoraRankConfig], model: Model, wanted: Sequence[Variant]
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Return the final latents, (variant, seed, C, h, w), on the unit-variance scale, and the sampler's record."""
    from denoisecli.labs.at_once import batch_size
    from denoisecli.labs.sampling import Sample, sample_all
    from denoisecli.scale import canvas_latents

    config = job.config
    samples = [Sample(seed, config.cfg) for seed in config.seeds]
    batch = batch_size(painted_size(config) or (512, 512), len(samples))
    done: dict[tuple[Path | None, float], NDArray[np.float32]] = {}
    record: dict[str, Any] = {}
    for variant in wanted:
        if variant.key in done:
            continue
        put_on(model, variant, config)
        part = sample_all(job, model, samples, batch, store=job.folder.batches.of(variant.label))
        done[variant.key] = np.asarray(canvas_latents(part)[:, -1], dtype=np.float32)
        record = part.record
    return np.stack([done[variant.key] for variant in wanted]), record


def put_on(model: Model, variant: Variant, config: LoraRankConfig) -> None:
    """Take off what is on, and put on the config's other LoRAs and this variant's file."""
    from denoisecli.diffusion.adapters import Strengths, exchange_loras

    others: list[tuple[str, Strengths]] = [(lora.file, lora.strengths) for lora in config.loras]
    own: list[tuple[str, Strengths]] = [(str(variant.file), variant.scale)] if variant.file else []
    exchange_loras(model, others + own)


def save_pictures(
    job: Job[LoraRankConfig], model: Model, wanted: Sequence[Variant], pictures: NDArray[np.uint8]
) -> None:
    """Write images/<variant>-seed-<seed>.png, with what made them inside."""
    from denoisecli.config.base import Lora
    from denoisecli.interop.recipe import shot
    from denoisecli.labs.sampling import settings_inside

    config = job.config

    def named() -> Iterator[tuple[str, NDArray[np.uint8], dict[str, str]]]:
        for variant, row in zip(wanted, pictures, strict=True):
            cut = (Lora(file=variant.file.name, scale=variant.scale),) if variant.file else ()
            for seed, picture in zip(config.seeds, row, strict=True):
                made = replace(shot(config, seed, config.cfg), loras=(*config.loras, *cut))
                yield f"{variant.label}-seed-{seed}", picture, settings_inside(model, config, made, picture)

    save_images(job, named())


def distances(finals: NDArray[np.float32], reference: int) -> NDArray[np.float64]:
    """Return ‖x₀ − x₀(whole)‖ / ‖x₀(whole)‖, (variant, seed), as `metrics` measures distances."""
    gap = np.square(finals - finals[reference], dtype=np.float64).sum(axis=(2, 3, 4))
    size = np.square(finals[reference], dtype=np.float64).sum(axis=(1, 2, 3))
    result: NDArray[np.float64] = np.sqrt(gap / size)
    return result


def rows_with_distances(
    rows: Iterable[dict[str, Any]], wanted: Sequence[Variant], finals: NDArray[np.float32], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Return a row for each variant: the cut's numbers where it is one, its strength, its distance to the whole."""
    labels = [variant.label for variant in wanted]
    table = distances(finals, labels.index(WHOLE))
    known = {row["rule"]: row for row in rows}
    found = [
        known.pop(variant.label, {"rule": variant.label})
        | {
            "scale": variant.scale,
            "distance_to_full": significant(line.mean()),
            "distance_by_seed": {str(seed): significant(gap) for seed, gap in zip(seeds, line, strict=True)},
        }
        for variant, line in zip(wanted, table, strict=True)
    ]
    return [*known.values(), *found]


def painted(config: LoraRankConfig, trace: Trace, pictures: PictureFile, subject: RankedFile) -> Painted:
    """Gather what the figures show, from what a run has stored."""
    from denoisecli.figures.facts import settings_line

    from .figures.pictures import Painted

    return Painted(
        prompt=config.prompt,
        settings=f"{subject.name} · {settings_line(config.model_dump(), config.steps)}",
        seeds=tuple(map(str, config.seeds)),
        pictures=dict(zip(trace.record["variants"], pictures["final"].array(), strict=True)),
        rank=subject.rank,
        bytes=subject.bytes,
    )


def draw_painted(job: Job[LoraRankConfig], rows: list[dict[str, Any]], shown: Painted) -> None:
    """Draw the film and sheet of the ranks, those of the strengths, or both."""
    from denoisecli.labs.films import film_style, write_state_film
    from denoisecli.media.images import save_png

    from .figures.pictures import rank_frames, rank_sheet, scale_frames, scale_sheet

    partial, style = job.folder.partial, film_style(job)
    cuts = [row for row in rows if "bytes" in row and row["rule"] in shown.pictures]
    sweep = [row for row in rows if str(row["rule"]).startswith("scale-")]
    main = partial if not cuts else partial / "views"
    main.mkdir(exist_ok=True)
    if cuts:
        told = {"runs": cuts, "lora": {"bytes": shown.bytes}}
        frames = rank_frames(shown, cuts, style)
        write_state_film(job, frames, len(cuts), partial / "film.mp4", record=told)
        job.artifact(save_png(rank_sheet(shown, cuts, style.theme), partial / "sheet.png"), "sheet")
    if sweep:
        name = ("film.mp4", "sheet.png") if not cuts else ("scales.mp4", "scales.png")
        write_state_film(job, scale_frames(shown, sweep, style), len(sweep), main / name[0])
        job.artifact(save_png(scale_sheet(shown, sweep, style.theme), main / name[1]), "sheet")
