"""The deck's contact sheet: rows are seeds and views, columns are states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from denoisecli.figures.drawn import drawn_scales, legend
from denoisecli.figures.facts import run_facts, turn_words
from denoisecli.figures.panels import LatentView, View, run_views
from denoisecli.figures.sheet import SheetRow, choose_columns, contact_sheet, state_columns
from denoisecli.figures.theme import FilmStyle
from denoisecli.trace import Trace

from .deck import VIEWS


def deck_sheet(
    trace: Trace, pictures: Mapping[str, Any], style: FilmStyle, views: Sequence[str] = VIEWS
) -> Image.Image:
    """Return the sheet of a sampled run: rows are seed × view, columns are states.

    pictures, views: as for `deck.deck_frames`. Only the style's theme counts.
    """
    facts = run_facts(trace)
    found = run_views(trace, pictures, style.theme)
    shown = [found[name] for name in views if name in found] or list(found.values())
    chosen = choose_columns(len(facts.rows))
    rows = [_run_row(view, seed, name, chosen) for seed, name in enumerate(facts.seeds) for view in shown]
    scales = drawn_scales(trace.record.get("runs", []), len(facts.rows))
    words = " · ".join(
        [facts.settings, *turn_words(facts), *(legend(scales[:, chosen]) if found.get("guess") in shown else ())]
    )
    return contact_sheet(rows, state_columns(facts, chosen), facts.prompt, words, style.theme)


def _run_row(view: View, seed: int, name: str, chosen: Sequence[int]) -> SheetRow:
    size = view.cells
    pictures = [view.picture(seed, state, size) for state in chosen]
    return SheetRow(f"seed {name}", view.title.lower(), pictures, group=name, nearest=isinstance(view, LatentView))
