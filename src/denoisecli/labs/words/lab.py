"""Words: where and when each word of the prompt speaks, from the attention of every step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import UsageError
from denoisecli.labs import job as plans
from denoisecli.labs.at_once import with_batch
from denoisecli.labs.images import save_images, seed_images
from denoisecli.labs.loading import load, resolved, warn_of_cut_words, warn_of_unknown_words
from denoisecli.labs.sampling import Sample, Told, joined, sample_each
from denoisecli.metrics import significant
from denoisecli.safe_text import shown
from denoisecli.trace import FILM_FILE, SHEET_FILE

from .config import WordsConfig
from .numbers import described, paired

if TYPE_CHECKING:
    from denoisecli.diffusion.models import Model
    from denoisecli.labs.job import Job, Plan
    from denoisecli.labs.pictures import Pictures
    from denoisecli.media.picture_file import PictureFile
    from denoisecli.trace import Trace


def plan(config: WordsConfig, out: Path | None, runs_dir: Path | None, *, force: bool) -> Plan[WordsConfig]:
    """Return the plan of a run whose words are heard; nothing is loaded yet."""
    config, identity = resolved(config)
    return plans.plan(with_batch(config, len(config.seeds)), identity, make, out, runs_dir, force=force)


def make(job: Job[WordsConfig]) -> Trace:
    """Sample with the words heard, measure, draw. This is the whole lab."""
    from denoisecli.labs.pictures import decode_states, decoding_ahead, stored

    model = load(job)
    with decoding_ahead(job, model, len(job.config.seeds)):
        trace = sampled(job, model)
        pictures = decode_states(job, model, trace)
        describe_words(job, trace, pictures)
        save_images(job, seed_images(model, job.config, pictures.finals))
        kept = stored(job, {"canvas": pictures.canvas, "guess": pictures.guess})
    job.leave(draw, trace, kept)
    return trace


def sampled(job: Job[WordsConfig], model: Model) -> Trace:
    """Sample all seeds with their words heard, and return one trace. Raises UsageError where there are no maps."""
    config = job.config
    keywords = {
        "words": _followed(config, model),
        "concepts": config.concepts,
        "pool": config.pool,
        "max_map_bytes": config.max_map_bytes,
    }
    samples = [Sample(seed, config.cfg) for seed in config.seeds]
    job.report.stage("sample", len(samples) * config.steps)
    parts = list(sample_each(job, model, samples, config.batch or 1, told=lambda _: Told(keywords=keywords)))
    trace = joined(parts, samples)
    if "words" not in trace and "negative_words" not in trace:
        raise UsageError("No word of the prompt was heard.", "Name words of the prompt, or concepts.")
    trace.record["words_rest"] = _rest(parts)
    for note in trace.record.get("notes") or []:
        job.report.warn(note)
    concepts = [row["text"] for row in trace.record["words"] if row["concept"]]
    for concept in concepts:
        warn_of_cut_words(job, model, concept, f"the concept {shown(concept)}")
    warn_of_unknown_words(job, model, " ".join(concepts), "the concepts")
    return trace


def _followed(config: WordsConfig, model: Model) -> Any:
    """Return the words to listen to: of the prompts as the pipeline reads them, or as they are read before it does."""
    from denoisecli.diffusion.followed import followed

    words = True if config.words is None else list(config.words)
    if config.prompt_syntax == "plain" and config.clip_skip == 1:
        return words
    texts = (config.prompt, config.negative_prompt)
    return followed(model, words, texts, config.prompt_syntax, config.clip_skip)


def _rest(parts: list[tuple[list[int], Trace]]) -> dict[str, list[float | None]]:
    """Return `words_rest` of a whole run: the mean over the samples of all batches."""
    counts = [len(indices) for indices, _ in parts]
    rows = [part.record["words_rest"] for _, part in parts]
    means = {name: np.average([row[name] for row in rows], axis=0, weights=counts) for name in rows[0]}
    return {name: [significant(value) for value in values] for name, values in means.items()}


def describe_words(job: Job[WordsConfig], trace: Trace, pictures: Pictures) -> None:
    """Add to the trace's record what the maps say, how the pictures settled, and which decoder drew them."""
    from denoisecli.labs.pictures import describe

    trace.lab, rows = job.config.lab, trace.record["words"]
    arrays = [(trace[name], name != "words") for name in ("words", "negative_words") if name in trace]
    with job.timed("figures"):
        trace.record["words"] = described(rows, arrays)
        trace.record["word_pairs"] = paired(rows, trace["words"]) if "words" in trace else []
    describe(job, trace, pictures)


def slow_states(trace: Trace) -> dict[int, int]:
    """Return the states at which the film slows down: where words that were not there from the start found a place."""
    from denoisecli.figures.timing import slow_at

    from .figures.facts import words_facts

    facts = words_facts(trace)
    found = [facts.found(word) for word in facts.words if not word.negative]
    return slow_at(tuple(sorted({state for state in found if state is not None and state > facts.begins})))


def draw(job: Job[WordsConfig], trace: Trace, pictures: PictureFile) -> None:
    """Draw the film, the contact sheet and the page, from stored things only."""
    from denoisecli.labs.films import film_style, write_state_film
    from denoisecli.labs.pages import resolved_keys, write_page
    from denoisecli.media.images import save_png

    from .figures.film import words_frames
    from .figures.sheet import words_sheet
    from .page import words_page

    partial, style = job.folder.partial, film_style(job)
    shown: dict[str, Any] = dict(pictures)

    def film(job: Job[WordsConfig]) -> None:
        frames, slow = words_frames(trace, shown, style), slow_states(trace)
        write_state_film(job, frames, trace.steps + 1, partial / FILM_FILE, record=trace.record, slow=slow)

    def sheet(job: Job[WordsConfig]) -> None:
        job.artifact(save_png(words_sheet(trace, shown, style), partial / SHEET_FILE), "sheet")

    job.draw(film, sheet)
    write_page(job, words_page(trace, pictures.shapes), pictures, resolved_keys(job.config))
