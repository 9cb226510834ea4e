"""The deck's page: every state of a run to be scrubbed, in three views, for several seeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli import glossary
from denoisecli.clips import on_plane
from denoisecli.figures.drawn import drawn_scales
from denoisecli.figures.facts import Facts, Series, run_facts
from denoisecli.figures.latent import levels, robust_limits
from denoisecli.figures.page_body import (
    Body,
    drawn_words,
    model_word,
    notes,
    phases_note,
    seeds_word,
    shown_states,
    turn_places,
)
from denoisecli.metrics import DETAIL_COMMITTED, LAYOUT_COMMITTED, significant
from denoisecli.scale import canvas_latents
from denoisecli.trace import Trace

SCRIPT = Path(__file__).with_name("page.js")

VIEWS = ("canvas", "guess", "latent")
TERMS = (
    "state",
    "canvas",
    "guess",
    "latent",
    "t",
    "σ",
    "ᾱ",
    "SNR",
    "layout",
    "detail",
    "fixed",
    "drawn ×",
    "cfg",
    "seed",
)


def sample_page(trace: Trace, shapes: Mapping[str, tuple[int, ...]]) -> Body:
    """Return the page of a deck. shapes: of the stored pictures by view, (seed, state, H, W, 3)."""
    facts = run_facts(trace)
    stored = [view for view in VIEWS if view in shapes]
    states = shown_states(len(facts.rows), len(stored) * len(facts.seeds))
    data = _data(trace, facts, states)
    arrays = {}
    if "x_t" in trace:
        arrays["latents"] = _latents(trace, states)
        data["latents"] = {"shape": arrays["latents"].shape}
    data["views"] = [view for view in VIEWS if view in stored or (view == "latent" and arrays)]
    height, width = shapes[stored[0]][-3:-1] if stored else on_plane(trace.x_t[:1, :1], trace.record).shape[-2:]
    data["ratio"] = width / height
    pictures = [(view, seed, state) for view in stored for seed in range(len(facts.seeds)) for state in states]
    return Body(SCRIPT, data, pictures, arrays)


def _data(trace: Trace, facts: Facts, states: list[int]) -> dict[str, Any]:
    record = trace.record
    committed = [run.get("committed_at") or {} for run in record.get("runs", [])]
    names = ("timestep", "sigma", "alpha_bar", "snr_db")
    scales = drawn_scales(record.get("runs", []), len(facts.rows))
    return {
        "title": facts.prompt or "no prompt",
        "settings": " · ".join([*model_word(record), facts.settings, seeds_word(facts.seeds)]),
        "note": " ".join(filter(None, [phases_note(record), notes(len(states), len(facts.rows), scales)])) or None,
        "turns": turn_places(facts, states),
        "drawn": drawn_words(scales[:, states]),
        "seeds": list(facts.seeds),
        "last": facts.steps,
        "states": [{"index": k} | {name: facts.rows[k].get(name) for name in names} for k in states],
        "layout": _rows(facts.layout, states),
        "detail": _rows(facts.detail, states),
        "committed": {
            name: [_place(row.get(name), states) for row in committed] for name in ("layout", "detail")
        },
        "thresholds": [{"value": LAYOUT_COMMITTED, "role": "amber"}, {"value": DETAIL_COMMITTED, "role": "teal"}],
        "start": _start(facts, states),
        "terms": glossary.terms(*TERMS),
        "captions": glossary.captions("settling"),
    }  # fmt: skip


def _start(facts: Facts, states: list[int]) -> int:
    """Return where the page opens: where the layout of the first seeds is just fixed, else a third of the way."""
    fixed = facts.committed["layout"]
    return _place(fixed[len(fixed) // 2] if fixed else facts.steps // 3, states) or 0


def _place(state: int | None, states: list[int]) -> int | None:
    """Return the place of `state`, or of the next one shown, among `states`."""
    return None if state is None else min(int(np.searchsorted(states, state)), len(states) - 1)


def _rows(series: Series | None, states: list[int]) -> list[list[float | None]] | None:
    if series is None:
        return None
    return [[significant(row[k], 5) for k in states] for row in series]


def _latents(trace: Trace, states: list[int]) -> NDArray[np.uint8]:
    """Return the first three channels as grey levels, (seed, state, ≤3, h, w), on one scaling for the whole run."""
    latents = on_plane(canvas_latents(trace), trace.record)
    limits = robust_limits(latents)
    return levels(latents[:, states, :3], limits[:3])
