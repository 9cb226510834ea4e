"""The page of forks: drag the state at which the run was changed, and see which picture comes out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from denoisecli import glossary
from denoisecli.figures.page_body import Body, drawn_words, model_word, notes, seeds_word
from denoisecli.trace import Trace

from .figures.facts import ForkFacts, fork_facts
from .numbers import BANDS

SCRIPT = Path(__file__).with_name("page.js")


def fork_page(trace: Trace, shapes: Mapping[str, tuple[int, ...]]) -> Body:
    """Return the page. shapes: of the stored pictures, guess (seed, state, H, W, 3) and final (at, seed, H, W, 3)."""
    facts = fork_facts(trace)
    seeds, branches = range(len(facts.run.seeds)), range(len(facts.at))
    pictures: list[tuple[Any, ...]] = [
        ("guess", seed, state) for seed in seeds for state in (*facts.at, facts.run.steps)
    ]
    pictures += [("final", branch, seed) for branch in branches for seed in seeds]
    height, width = shapes["final"][-3:-1]
    return Body(SCRIPT, _data(trace, facts) | {"ratio": width / height}, pictures)


def _data(trace: Trace, facts: ForkFacts) -> dict[str, Any]:
    run, names = facts.run, ("timestep", "sigma", "alpha_bar")
    shown = facts.drawn[:, list(facts.at)]
    return {
        "title": run.prompt or "no prompt",
        "settings": " · ".join([*model_word(trace.record), facts.change, run.settings, seeds_word(run.seeds)]),
        "note": notes(len(run.rows), len(run.rows), shown) or "",
        "drawn": drawn_words(shown),
        "change": facts.change,
        "seeds": list(run.seeds),
        "last": run.steps,
        "branches": [{"index": k} | {name: run.rows[k].get(name) for name in names} for k in facts.at],
        "curves": {band: _curve(facts, facts.share[band]) for band in BANDS},
        "by_seed": {band: [_curve(facts, row) for row in facts.by_seed[band].T] for band in BANDS},
        "x": [state / run.steps for state in (*facts.at, run.steps)],
        "decided": {band: facts.decided[band] for band in BANDS},
        "interval": {band: facts.interval[band] for band in BANDS},
        "start": _start(facts),
        "terms": glossary.terms("state", "guess", "t", "σ", "layout", "detail", "seed", "cfg"),
        "captions": glossary.captions("fork"),
    }


def _curve(facts: ForkFacts, share: Any) -> list[float]:
    """Return B's share at every branch and at the finished picture: from state 0 on changed, all of it is B's."""
    known = dict(zip(facts.asked, (float(f"{value:.4g}") for value in share), strict=True))
    return [known.get(state, 1.0) for state in facts.at] + [0.0]


def _start(facts: ForkFacts) -> int:
    """Return where the page opens: the branch nearest to where layout was decided."""
    state = facts.decided["layout"]
    return int(np.abs(np.array(facts.at) - (facts.run.steps / 3 if state is None else state)).argmin())
