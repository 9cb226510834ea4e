"""The sweep's page: every scale at every state, what guidance measurably does, and the halves inside a step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from denoisecli import glossary
from denoisecli.figures.page_body import Body, drawn_words, model_word, notes, seeds_word, shown_states
from denoisecli.metrics import significant
from denoisecli.trace import Trace

from .figures.facts import Series, SweepFacts, edges, settled, sweep_facts

SCRIPT = Path(__file__).with_name("page.js")

VIEWS = ("canvas", "guess")
HALVES = ("uncond", "cond", "guided")
MOST_PULL = 1 << 20  # bytes of the map of where guidance pulls; more: the sample that was taken apart alone
BRIGHTEST = 99.5  # percentile of the pull that becomes the brightest colour
OPENS_AT = 0.4  # of the way
TERMS = (
    "cfg", "uncond", "cond", "guided", "cond − uncond", "clipped", "contrast", "saturation", "sameness", "distance",
    "canvas", "guess", "drawn ×", "state", "t", "σ", "ᾱ", "seed",
)  # fmt: skip


def sweep_page(trace: Trace, shapes: Mapping[str, tuple[int, ...]]) -> Body:
    """Return the page of a sweep. trace: samples scale by scale, in each seed by seed, on the first axis.

    shapes: of the stored pictures by view, canvas and guess (sample, state, H, W, 3), the halves (step, H, W, 3).
    """
    facts = sweep_facts(trace)
    samples = len(facts.labels) * len(facts.seeds)
    states = shown_states(facts.last + 1, len(VIEWS) * samples + len(HALVES))
    stored = [view for view in VIEWS if view in shapes]
    pictures: list[tuple[Any, ...]] = [
        (view, sample, state) for view in stored for sample in range(samples) for state in states
    ]
    data = _data(trace, facts, states)
    data["views"] = stored
    height, width = shapes[stored[0]][-3:-1]
    data["ratio"] = width / height
    arrays = {}
    if "anatomy" in trace.record and len(states) > 1:
        data["anatomy"], arrays["pull"] = _anatomy(trace, facts, states)
        pictures += [(half, step) for half in HALVES for step in states[:-1]]
    return Body(SCRIPT, data, pictures, arrays)


def _data(trace: Trace, facts: SweepFacts, states: list[int]) -> dict[str, Any]:
    names = ("timestep", "sigma", "alpha_bar")
    on, off = facts.guided
    marks = [("guidance on", "teal", on)] if on > 0 else []
    marks += [("guidance off", "rose", off)] if off < facts.last else []
    scales = zip(facts.labels, facts.strengths, facts.steps, strict=True)
    return {
        "title": facts.prompt or "no prompt",
        "settings": " · ".join([*model_word(trace.record), facts.settings, seeds_word(facts.seeds)]),
        "note": notes(len(states), facts.last + 1, facts.drawn_scale),
        "drawn": drawn_words(facts.drawn_scale[:, states]),
        "seeds": list(facts.seeds),
        "scales": [{"label": label, "share": share, "steps": list(steps)} for label, share, steps in scales],
        "last": facts.last,
        "states": [{"index": k} | {name: facts.rows[k].get(name) for name in names} for k in states],
        "measures": [measure.told(states) for measure in _measures(facts)],
        "marks": [
            {"text": text, "role": role, "index": int(np.searchsorted(states, at))}
            for text, role, at in marks
            if at <= states[-1]
        ],
        "start": int(np.searchsorted(states, round(OPENS_AT * facts.last))),
        "terms": glossary.terms(*TERMS),
        "captions": glossary.captions("clipped", "contrast", "saturation", "sameness", "distance", "gap", "scale"),
    }


class Measure(NamedTuple):
    """A number to read and to plot. series: (scale, seed, state). most: values beyond it may leave the plot."""

    name: str
    title: str
    series: Series
    percent: bool = False
    most: float = math.inf
    caption: str = ""

    def told(self, states: list[int]) -> dict[str, Any]:
        """Return what the page gets: its words, the edges of its plot, and its values (scale, seed, state)."""
        low, top = edges(self.series, self.most)
        return {
            "name": self.name,
            "caption": self.caption or self.name,
            "title": self.title,
            "low": low,
            "top": top,
            "percent": self.percent,
            "values": [[[significant(row[k], 5) for k in states] for row in seeds] for seeds in self.series],
        }


def _measures(facts: SweepFacts) -> Iterator[Measure]:
    """Yield the numbers that a page shows."""
    numbers = facts.numbers
    yield Measure("clipped", "clipped pixels of the guess", numbers["clipped"], percent=True)
    yield Measure("contrast", "contrast of the guess", numbers["contrast"])
    yield Measure("saturation", "saturation of the guess", numbers["saturation"], percent=True)
    if facts.sameness is not None:
        yield Measure("sameness", "how much alike the seeds come out", facts.sameness[:, None])
    elif len(facts.labels) > 1:
        title = f"distance of the guess to cfg {facts.labels[0]}"
        yield Measure("distance", title, numbers["from_first"], most=settled(facts))
    title = "cond − uncond, the difference that the prompt makes (root mean square)"
    yield Measure("cond − uncond", title, numbers["guidance"], caption="gap")
    if any(facts.varies(scale) for scale in range(len(facts.labels))):
        steps = [[*values, values[-1]] for values in facts.steps]
        yield Measure("scale", "guidance scale", np.array(steps, dtype=np.float64)[:, None])


def _anatomy(trace: Trace, facts: SweepFacts, states: list[int]) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Return which sample was taken apart, and the pull as levels (sample, step, h, w) of its brightest colour."""
    sample, scale = (int(trace.record["anatomy"][name]) for name in ("sample", "scale"))
    steps = states[:-1]
    every = trace.eps_cond.shape[0] * len(steps) * math.prod(trace.eps_cond.shape[-2:]) <= MOST_PULL
    samples = list(range(trace.eps_cond.shape[0])) if every else [sample]
    pull = np.stack(
        [
            np.sqrt(np.square(trace.eps_cond[one, steps] - trace.eps_uncond[one, steps], dtype=np.float32).mean(axis=1))
            for one in samples
        ]
    )
    brightest = float(np.percentile(pull, BRIGHTEST)) or 1.0
    said = {
        "sample": sample,
        "scale": scale,
        "samples": samples,
        "shape": list(pull.shape),
        "ran": [[bool(step.any()) for step in one] for one in pull],
        "brightest": significant(brightest, 4),
        "negative": bool(facts.negative),
        "drawn": {
            name: drawn_words(np.array(row)[None, steps])
            for name, row in (trace.record["anatomy"].get("drawn_scale") or {}).items()
        },
    }
    return said, np.rint(np.clip(pull / brightest, 0, 1) * 255).astype(np.uint8)
