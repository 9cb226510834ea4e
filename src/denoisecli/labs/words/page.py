"""The page of words: tap a word and see where it is, drag the state and see when, point at a place and see which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli import glossary
from denoisecli.figures.drawn import drawn_scales
from denoisecli.figures.page_body import Body, drawn_words, model_word, notes, seeds_word, shown_states, turn_places
from denoisecli.metrics import significant
from denoisecli.process.words import FOUND
from denoisecli.trace import Trace

from .figures.facts import Word, WordsFacts, words_facts
from .levels import EDGE, scale_of
from .numbers import groups
from .prompt import pieces

SCRIPT = Path(__file__).with_name("page.js")
MOST_CELLS = 6_000_000  # of all maps of a page, a byte each
LEAST_SIDE = 16  # cells that a map keeps
TERMS = ("state", "guess", "t", "σ", "word", "attention", "a word's place", "found", "rest", "hardly speaks", "concept",
         "drawn ×", "cfg", "seed")  # fmt: skip


def words_page(trace: Trace, shapes: Mapping[str, tuple[int, ...]]) -> Body:
    """Return the page. shapes: of the stored pictures, guess (seed, state, H, W, 3)."""
    facts = words_facts(trace)
    states = shown_states(len(facts.run.rows), len(facts.run.seeds))
    seeds = range(len(facts.run.seeds))
    pictures = [("guess", seed, state) for seed in seeds for state in states]
    cells, about = _maps(trace, facts, states)
    height, width = shapes["guess"][-3:-1]
    data = _data(trace, facts, states) | {"ratio": width / height, "maps": about}
    data["note"] = " ".join(filter(None, [data["note"], about.pop("note")])) or None
    return Body(SCRIPT, data, pictures, {"maps": cells})


def _data(trace: Trace, facts: WordsFacts, states: list[int]) -> dict[str, Any]:
    run, record = facts.run, trace.record
    names = ("timestep", "sigma", "alpha_bar")
    scales = drawn_scales(record.get("runs", []), len(run.rows))
    steps = [min(state, run.steps - 1) for state in states]
    return {
        "title": run.prompt or "no prompt",
        "settings": " · ".join([*model_word(record), run.settings, seeds_word(run.seeds)]),
        "note": notes(len(states), len(run.rows), scales),
        "drawn": drawn_words(scales[:, states]),
        "seeds": list(run.seeds),
        "last": run.steps,
        "states": [{"index": k} | {name: run.rows[k].get(name) for name in names} for k in states],
        "turns": turn_places(run, states),
        "words": [_word(word, steps) for word in facts.words],
        "prompt": _pieces(record, facts, negative=False),
        "negative": _pieces(record, facts, negative=True),
        "pairs": _pairs(record, steps),
        "rest": _at(facts.rest, steps),
        "bound": FOUND,
        "edge": EDGE,
        "start": _start(facts, states),
        "first": _first(facts),
        "terms": glossary.terms(*TERMS),
        "captions": glossary.captions("finding"),
    }


def _word(word: Word, steps: list[int]) -> dict[str, Any]:
    return {
        "text": word.text,
        "label": word.label,
        "hue": word.hue,
        "begins": word.first,
        "negative": word.negative,
        "concept": word.concept,
        "by_outputs": word.by_outputs,
        "silent": word.silent,
        "found": word.found,
        "found_at": word.found_at,
        "share": _at(word.share, steps),
        "overlap": [*_at(word.overlap, steps)[:-1], 1.0],
    }


def _at(values: NDArray[np.float64], steps: list[int]) -> list[float | None]:
    return [significant(values[step], 4) if step < len(values) else None for step in steps]


def _pieces(record: Mapping[str, Any], facts: WordsFacts, *, negative: bool) -> list[tuple[str, int | None]]:
    """Return the prompt, or the negative one, in pieces; words are numbered as the page has them."""
    text = str((record.get("config") or {}).get("negative_prompt" if negative else "prompt") or "")
    own = [row for row in record.get("words") or [] if bool(row.get("negative")) == negative and not row.get("concept")]
    first = sum(1 for word in facts.words if not word.negative) if negative else 0
    return [(said, None if number is None else first + number) for said, number in pieces(text, own)]


def _pairs(record: Mapping[str, Any], steps: list[int]) -> list[dict[str, Any]]:
    return [
        {"words": row["words"], "overlap": [row["overlap"][step] for step in steps], "on": row.get("on")}
        for row in record.get("word_pairs") or []
    ]


def _start(facts: WordsFacts, states: list[int]) -> int:
    """Return where the page opens: where the last word found its place, else a third of the way."""
    known = [word.found for word in facts.words if word.found and not word.negative]
    state = max(known, default=facts.run.steps / 3)
    return min(int(np.searchsorted(states, state)), len(states) - 1)


def _first(facts: WordsFacts) -> int:
    """Return the word that the page opens with: the last one to find its place, of several the loudest."""
    order = sorted(
        enumerate(facts.words), key=lambda pair: (pair[1].negative, -(pair[1].found or 0), -pair[1].strength)
    )
    return order[0][0] if order else 0


def _maps(trace: Trace, facts: WordsFacts, states: list[int]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Return all maps as bytes, (seed, state, word, h, w), and what the page needs to read and to draw them.

    A byte b is the attention top·(b/255)², so that small shares keep their differences. Maps that are too many for a
    page are made smaller by halves.
    """
    arrays = [trace[name] for name in ("words", "negative_words") if name in trace]
    steps = [min(state, facts.run.steps - 1) for state in states]
    times = 1
    cells = len(states) * sum(array[:, 0].size for array in arrays)
    side = min(arrays[0].shape[-2:])
    while cells / times**2 > MOST_CELLS and side // (2 * times) >= LEAST_SIDE:
        times *= 2
    small = [_smaller(array[:, steps], times) for array in arrays]
    whole = np.concatenate(small, axis=2)
    top = np.maximum(whole.max(axis=(0, 1, 3, 4)), 1e-9)
    coded = np.round(255 * np.sqrt(whole / top[:, None, None])).astype(np.uint8)
    tables = [_tables(trace, seed) for seed in range(len(whole))]
    about = {
        "shape": coded.shape,
        "top": _listed(top),
        **{name: [_listed(table[name]) for table in tables] for name in ("low", "high", "loud")},
        "note": f"Maps are shown in cells of {times}×{times}, so that the page stays small." if times > 1 else None,
    }
    return coded, about


def _smaller(array: NDArray[Any], times: int) -> NDArray[np.float32]:
    """Return maps with every `times` × `times` places averaged; odd ones at the edges are left out."""
    wide = array.astype(np.float32)
    height, width = (side // times for side in wide.shape[-2:])
    cut = wide[..., : height * times, : width * times]
    found: NDArray[np.float32] = cut.reshape(*cut.shape[:-2], height, times, width, times).mean(axis=(-3, -1))
    return found


def _tables(trace: Trace, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return what one seed's words are drawn by, each (word,), as in the film."""
    rows, found = trace.record.get("words") or [], []
    for name, negative in (("words", False), ("negative_words", True)):
        if name not in trace:
            continue
        maps = trace[name][seed]
        own = [row for row in rows if bool(row.get("negative")) == negative]
        table = {key: np.zeros(maps.shape[1], np.float32) for key in ("low", "high", "loud")}
        for group in groups(own):
            scale = scale_of(maps[:, group])
            for key, values in table.items():
                values[group] = getattr(scale, key)
        found.append(table)
    return {key: np.concatenate([table[key] for table in found]) for key in ("low", "high", "loud")}


def _listed(values: Sequence[Any] | NDArray[Any]) -> list[float | None]:
    return [significant(value, 5) for value in values]
