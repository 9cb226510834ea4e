"""Runs that share model, size and sampler are sampled as one batch, and each part is put into its own folder.

A part lies in the folder's `work/` as if it had been sampled there, so the lab finds its sampling done and goes on. It
is bit-equal to sampling alone where the batch has the same shape; other shapes choose other kernels, whose sums differ
in float32's last bits (see docs/decisions.md for the measured distance).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from denoisecli.config.base import LOOK, PICTURES, ROW, SPLIT, LabConfig, keys
from denoisecli.errors import DenoiseError
from denoisecli.labs.at_once import batch_size
from denoisecli.labs.job import Job, Plan
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.report import Report

from .messages import Pack, Run

if TYPE_CHECKING:
    from denoisecli.diffusion.embeddings import Embeddings
    from denoisecli.diffusion.models import Model
    from denoisecli.labs.sampling import Sample
    from denoisecli.trace import Trace

MOST_OPEN = 64  # packs that wait for more; runs come in the product's order, so few are ever open
SHARED_KEYS = [
    key for key in SampleConfig.model_fields if key not in ("lab", *keys(SampleConfig, LOOK, ROW, SPLIT, PICTURES))
]
"""What samples must share to be computed together."""


def key(config: LabConfig) -> tuple[object, ...] | None:
    """Return what runs must share to be sampled together; None for a run that goes alone.

    A run without guidance (cfg 1) has no unconditional half, so it never goes with a guided one.
    """
    if not isinstance(config, SampleConfig) or config.phases:
        return None
    return (*(getattr(config, name) for name in SHARED_KEYS), config.cfg == 1)


def packed(runs: Iterable[Run | None], samples: int) -> Iterator[Pack]:
    """Gather runs into packs of at most so many samples (one run may have more by itself), in their order.

    Where the next run has to be waited for (None), what was gathered goes, and then an empty pack.
    """
    waiting: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        if run is None:
            yield from map(tuple, waiting.values())
            waiting = {}
            yield ()
            continue
        kind = key(run.config)
        if kind is None or samples == 1:
            yield (run,)
            continue
        most = _most(run, samples)
        held = waiting.setdefault(kind, [])
        if held and _samples([*held, run]) > most:
            yield tuple(waiting.pop(kind))
            held = waiting.setdefault(kind, [])
        held.append(run)
        if _samples(held) >= most:
            yield tuple(waiting.pop(kind))
        elif len(waiting) > MOST_OPEN:
            yield tuple(waiting.pop(next(iter(waiting))))
    yield from map(tuple, waiting.values())


def _most(run: Run, samples: int) -> int:
    """Return how many samples of this run's size go at once, at most `samples`."""
    size = run.config.size if isinstance(run.config, SampleConfig) else None
    return batch_size(size, samples) if size else samples


def _samples(runs: Sequence[Run]) -> int:
    return sum(len(run.config.seeds) for run in runs if isinstance(run.config, SampleConfig))


def sample_together(plans: Sequence[Plan[SampleConfig]], report: Report, stopping: Callable[[], bool]) -> None:
    """Sample what these runs still lack in one batch, and keep each part in its run's folder.

    What goes wrong here costs nothing but the packing: each run then samples for itself, and says what is wrong.
    """
    with contextlib.ExitStack() as held:
        jobs = [job for plan in plans if (job := _opened(held, plan, report)) is not None]
        parts = [(job, indices) for job in jobs for indices in _missing(job)]
        if len(parts) > 1:
            with contextlib.suppress(DenoiseError):
                _sample_parts(parts, report, stopping)


def _opened(held: contextlib.ExitStack, plan: Plan[SampleConfig], report: Report) -> Job[SampleConfig] | None:
    """Lock the run's folder; None where that fails, which the run itself will tell."""
    try:
        held.enter_context(plan.folder.open())
    except DenoiseError:
        return None
    return Job(plan.config, plan.folder, report)


def _missing(job: Job[SampleConfig]) -> list[list[int]]:
    """Return the batches, as numbers of the run's samples, that are not kept yet."""
    total, size, store = len(job.config.seeds), job.config.batch or 1, job.folder.batches
    if store.split is not None:  # memory ran out here before: the run knows its own split
        return []
    batches = [list(range(at, min(at + size, total))) for at in range(0, total, size)]
    return [indices for indices in batches if store.get(indices) is None]


def _sample_parts(
    parts: Sequence[tuple[Job[SampleConfig], list[int]]], report: Report, stopping: Callable[[], bool]
) -> None:
    """Sample the parts in one batch; in two halves where memory does not hold it."""
    from denoisecli.labs.loading import load
    from denoisecli.labs.sampling import sampled

    first = parts[0][0]
    model = load(first)
    samples = _with_prompts(parts, model)
    report.stage("sample", len(samples) * first.config.steps)
    before = first.timings["sample"]
    trace = sampled(first, model, samples, 0)
    if trace is None:
        for half in (parts[: len(parts) // 2], parts[len(parts) // 2 :]):
            if len(half) > 1 and not stopping():
                _sample_parts(half, report, stopping)
        return
    note = {"samples": len(samples), "seconds": round(first.timings["sample"] - before, 4)}
    _unpack(parts, trace, note)


def _with_prompts(parts: Sequence[tuple[Job[SampleConfig], list[int]]], model: Model) -> list[Sample]:
    """Return the samples of all parts; where prompts differ, each with what its own became."""
    from denoisecli.diffusion.embeddings import encoded
    from denoisecli.labs.sampling import Sample

    words = {(job.config.prompt, job.config.negative_prompt) for job, _ in parts}
    embeds: dict[tuple[str, str], Embeddings | None] = dict.fromkeys(words)
    if len(words) > 1:
        one = parts[0][0].config
        syntax = (one.prompt_syntax, one.clip_skip)
        embeds = {(prompt, negative): encoded(model, prompt, negative, *syntax) for prompt, negative in words}
    return [
        Sample(
            job.config.seeds[index],
            job.config.cfg,
            embeds=embeds[job.config.prompt, job.config.negative_prompt],
        )
        for job, indices in parts
        for index in indices
    ]


def _unpack(parts: Sequence[tuple[Job[SampleConfig], list[int]]], trace: Trace, note: dict[str, Any]) -> None:
    from denoisecli.labs.sampling import SHARED

    at = 0
    runs = len({job.folder.hash for job, _ in parts})
    for job, indices in parts:
        rows = slice(at, at + len(indices))
        at = rows.stop
        arrays = {name: array if name in SHARED else array[rows] for name, array in trace.arrays.items()}
        packed = note | {"runs": runs, "rows": [rows.start, rows.stop]}
        record = trace.record | {"runs": trace.record["runs"][rows], "packed": packed}
        job.folder.batches.put(indices, arrays, record)
