"""The lora-rank lab on a file: its spectrum, smaller copies of it, and what they keep. Torch only where it paints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import UsageError
from denoisecli.lora.blocks import made_for
from denoisecli.lora.built_in import FOLDER, lora_path, with_words
from denoisecli.lora.file import LoraFile, open_lora
from denoisecli.lora.ranks import Rule
from denoisecli.lora.truncate import rank_of, spectra, truncate, truncated_size
from denoisecli.trace import Trace

from .config import LoraRankConfig
from .subject import by_size, energy_sum, keep_piece, keep_subject, piece_of, ranked_file, subject_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.labs.job import Job
    from denoisecli.media.picture_file import PictureFile

    from .figures.blocks import RankedFile
    from .figures.matrix import RankedMatrix
    from .page import Layers

    Spectra = Mapping[str, NDArray[np.floating[Any]]]

POCKET_LORAS = FOLDER


def find_lora(ref: str | None) -> Path:
    """Return the file that `ref` names: a path, or a built-in LoRA; without a name, the first of those."""
    return lora_path(ref or "pocket", POCKET_LORAS)


def resolved(config: LoraRankConfig) -> tuple[LoraRankConfig, str]:
    """Return the config with file and ranks named, and the identity of what it reads."""
    from denoisecli.diffusion.weights import hashed

    path = find_lora(config.lora)
    with open_lora(path) as lora:
        words = lora.trigger_words
        ranks = config.ranks or (None if config.energies or config.ratios else ranks_to_cut(lora.rank))
        if ranks and ranks[-1] > lora.rank:
            hint = f"Take ranks up to {lora.rank}."
            raise UsageError(f"ranks: {ranks[-1]} is above the rank of {path}, which is {lora.rank}.", hint)
    ref = f"pocket/{path.stem}" if config.lora in (None, "pocket") else config.lora
    painted = {"prompt": with_words(config.prompt, words)} if _is_default(config) and config.paints else {}
    config = config.model_copy(update={"lora": ref, "ranks": ranks} | painted)
    identity = hashed([path])
    if config.paints:
        from denoisecli.labs import loading

        config, model = loading.resolved(config)
        identity += model
    return config, identity


def _is_default(config: LoraRankConfig) -> bool:
    """Return whether nobody chose the prompt: it then gets the words on which the LoRA was trained."""
    return "prompt" not in config.model_fields_set


def ranks_to_cut(most: int) -> tuple[int, ...]:
    """Return 1, 2, 4, ... and the file's own rank."""
    return (*(1 << k for k in range(most.bit_length()) if 1 << k < most), most)


def make(job: Job[LoraRankConfig]) -> Trace:
    """Measure the file, cut it, draw what is kept, and, where the config wants it, paint at every rank."""
    path = find_lora(job.config.lora)
    with open_lora(path) as lora:
        if lora.differences:
            job.report.warn(
                f"{len(lora.differences)} of its tensors are whole differences, not pairs: copied as they are"
            )
        values, cuts = cut(job, lora)
        if not any(found.any() for found in values.values()):
            job.report.warn("all its weights, or its alphas, are 0: the file changes nothing, and so does every cut")
        rows = tuple(sorted((_row(lora, values, rule, ranks) for rule, ranks in cuts.items()), key=by_size))
        subject = ranked_file(lora, values, {row["rule"]: cuts[_rule(row)] for row in rows}, rows, job.config.title)
        record: dict[str, Any] = {"lora": about(lora), "runs": [dict(row) for row in rows]}
        arrays = {f"singular_values/{name}": _stored(found) for name, found in values.items()}
        trace = Trace("lora-rank", arrays, record)
        keep_subject(trace, subject)
        keep_piece(trace, lora, values, job.config.ranks or ())
    if not job.config.paints:
        job.leave(draw, trace)
        return trace
    from denoisecli.labs.pictures import stored

    from .images import paint

    kept = stored(job, {"final": paint(job, trace, path)})
    job.leave(draw, trace, kept)
    return trace


def cut(job: Job[LoraRankConfig], lora: LoraFile) -> tuple[Spectra, dict[Rule, dict[str, int]]]:
    """Write a truncated file for every rule; return the layers' spectra, and the ranks that each rule gave them."""
    config, folder = job.config, job.folder.partial / "loras"
    rules = [
        *(Rule("rank", rank) for rank in config.ranks or ()),
        *(Rule("energy", share) for share in config.energies),
        *(Rule("ratio", ratio) for ratio in config.ratios),
    ]
    needs_spectra = any(rule.kind != "rank" for rule in rules)
    job.report.stage("cut", len(lora.layers) * (1 + needs_spectra))
    with job.timed("sample"):
        found = spectra(lora, job.report.step) if needs_spectra else {}
        cuts = {
            rule: {layer.name: rule.keep(found.get(layer.name, layer.highest)) for layer in lora.layers}
            for rule in rules
        }
        done = len(lora.layers) if needs_spectra else 0
        values = truncate(
            lora, {file_of(folder, rule): ranks for rule, ranks in cuts.items()}, lambda k: job.report.step(done + k)
        )
    for rule in rules:
        job.artifact(file_of(folder, rule), "lora")
    return values, cuts


def _stored(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return singular values as they are kept: float32, or float64 where that cannot hold the largest."""
    held = not values[0] or 1e-30 < values[0] < np.finfo(np.float32).max
    return values.astype(np.float32 if held else np.float64)


def file_of(folder: Path, rule: Rule) -> Path:
    """Return where the copy of a rule is written: loras/rank-4.safetensors."""
    return folder / f"{rule.label}.safetensors"


def about(lora: LoraFile) -> dict[str, Any]:
    """Return what trace.json says of the file."""
    return {
        "file": lora.path.name,
        "layout": lora.layers[0].layout,
        "made_for": made_for(lora.layers),
        "layers": len(lora.layers),
        "rank": lora.rank,
        "bytes": lora.path.stat().st_size,
        "params": sum(layer.numbers(layer.rank) for layer in lora.layers),
        "full_params": sum(layer.full for layer in lora.layers),
        "copied": len(lora.extras),
    }


def _row(lora: LoraFile, values: Spectra, rule: Rule, ranks: Mapping[str, int]) -> dict[str, Any]:
    """Return the numbers of one cut. error: ‖ΔW − cut‖ / ‖ΔW‖ over all layers together, √(1 − energy)."""
    kept, whole = energy_sum(values, ranks), energy_sum(values, {})
    energy = kept / whole if whole else 1.0
    given = [rank_of(layer, ranks) for layer in lora.layers]
    return {
        "rule": rule.label,
        "rank": max(given),
        "mean_rank": sum(given) / len(given),
        "energy": min(1.0, energy),
        "error": float(np.sqrt(max(0.0, 1.0 - energy))),
        "params": sum(layer.numbers(rank) for layer, rank in zip(lora.layers, given, strict=True)),
        "bytes": truncated_size(lora, ranks),
        "file": f"loras/{rule.label}.safetensors",
    }


def _rule(row: dict[str, Any]) -> Rule:
    kind, _, value = str(row["rule"]).partition("-")
    return Rule(kind, int(value) if kind == "rank" else float(value))


def draw(job: Job[LoraRankConfig], trace: Trace, pictures: PictureFile | None = None) -> None:
    """Draw everything, from stored things only: blocks, the layer that changes most, what was painted, the page."""
    from denoisecli.labs.pages import resolved_keys, write_page

    from .page import file_page

    subject, shown = subject_of(trace, job.config.title), None
    drawings: list[Callable[[Job[LoraRankConfig]], None]] = [partial(draw_blocks, subject=subject)]
    piece = piece_of(trace)
    if piece is not None:
        drawings.append(partial(draw_layer, piece=piece))
    if pictures is not None:
        from .images import draw_painted, painted

        shown = painted(job.config, trace, pictures, subject)
        drawings.append(partial(draw_painted, rows=trace.record["runs"], shown=shown))
    job.draw(*drawings)
    body = file_page(subject, layers_of(trace), piece, shown, trace.record["runs"])
    usual = ("ranks",) if job.config.ranks == ranks_to_cut(subject.rank) else ()
    write_page(job, body, pictures or {}, (*resolved_keys(job.config), *usual))


def layers_of(trace: Trace) -> Layers:
    """Return the layers' singular values, and the rank that each of the run's rules leaves every one of them."""
    from denoisecli.lora.blocks import short_name

    from .page import Layers

    head = "singular_values/"
    found = {name.removeprefix(head): array for name, array in trace.arrays.items() if name.startswith(head)}
    named = _short_names(found, short_name)
    rows = [row for row in trace.record["runs"] if "bytes" in row]
    given = {row["rule"]: {named[name]: _rule(row).keep(values) for name, values in found.items()} for row in rows}
    return Layers({named[name]: values for name, values in found.items()}, given)


def _short_names(names: Iterable[str], shorten: Callable[[str], str]) -> dict[str, str]:
    """Return a short name for each, or the long one where two would be called alike."""
    short = {name: shorten(name) for name in names}
    count = Counter(short.values())
    return {name: word if count[word] == 1 else name for name, word in short.items()}


def draw_blocks(job: Job[LoraRankConfig], subject: RankedFile) -> None:
    """Draw the blocks' film and page; they are the run's film and sheet unless it paints."""
    from denoisecli.labs.films import film_style, write_state_film
    from denoisecli.media.images import save_png

    from .figures.blocks import file_frames, file_sheet

    style = film_style(job)
    folder = job.folder.partial / "views" if job.config.paints else job.folder.partial
    names = ("blocks.mp4", "blocks.png") if job.config.paints else ("film.mp4", "sheet.png")
    folder.mkdir(exist_ok=True)
    frames = file_frames(subject, style)
    told = None if job.config.paints else {"runs": subject.rows, "lora": {"bytes": subject.bytes}}
    write_state_film(job, frames, len(subject.rows), folder / names[0], record=told)
    job.artifact(save_png(file_sheet(subject, style), folder / names[1]), "sheet")


def draw_layer(job: Job[LoraRankConfig], piece: RankedMatrix) -> None:
    """Draw the layer that changes most, as the toy is drawn: its strongest rows and columns at every rank."""
    from denoisecli.labs.films import film_style, write_state_film

    from .figures.matrix import matrix_frames

    path = job.folder.partial / "views" / "layer.mp4"
    write_state_film(job, matrix_frames(piece, film_style(job)), len(piece.ranks), path)
