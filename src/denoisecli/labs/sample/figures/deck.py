"""The deck: every state of a run as one frame, all views and seeds in step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.facts import Facts, run_facts
from denoisecli.figures.film import Frame
from denoisecli.figures.layout import DeckLayout, deck_layout
from denoisecli.figures.panels import View, draw_labels, draw_panels, framed, grid_unit, run_views
from denoisecli.figures.theme import FilmStyle, Theme
from denoisecli.figures.timeline import Mark, Timeline, turn_marks
from denoisecli.trace import Trace

from .rail import make_rail

VIEWS = ("canvas", "guess", "latent")


def deck_frames(
    trace: Trace, pictures: Mapping[str, Any], style: FilmStyle, views: Sequence[str] = VIEWS
) -> Iterator[Frame]:
    """Draw the deck of a run, one frame (H, W, 3) a state; how long each is held is `timing.holds`.

    pictures: "canvas" and "guess", each (seed, state, H, W, 3) uint8, arrays or anything indexed alike; the latent
    view is drawn from `trace.x_t`. views: the rows, in this order; those that are not there are left out.
    """
    found = run_views(trace, pictures, style.theme)
    shown = [found[name] for name in views if name in found] or list(found.values())
    facts = run_facts(trace)
    n_seeds = max(1, len(facts.seeds))
    layout = deck_layout(style.size, len(shown), n_seeds, grid_unit(shown))
    rail = make_rail(facts, layout, style.theme)
    timeline = run_timeline(facts, layout, style.theme)
    base = Image.new("RGB", style.size, style.theme.ground)
    draw_labels(base, layout.grid, shown, facts.seeds, style.theme, layout.measures.text)
    timeline.draw_track(base)
    plot = rail.draw_static(base)
    for state in range(len(facts.rows)):
        image = base.copy()
        draw_panels(image, layout.grid, shown, state, layout.measures.px(6))
        mark_fixed(image, layout, shown, facts, state, style.theme)
        rail.draw_state(image, state, plot)
        timeline.draw_now(image, state)
        yield np.asarray(image)


def mark_fixed(
    image: Image.Image, layout: DeckLayout, views: Sequence[View], facts: Facts, state: int, theme: Theme
) -> None:
    """Frame the guesses (or the only view) of the seeds whose layout, or detail, is fixed at this very state."""
    row = next((row for row, view in enumerate(views) if view.title == "Guess"), 0)
    for name, colour in (("layout", theme.amber), ("detail", theme.teal)):
        for seed, box in enumerate(layout.grid.panels[row]):
            if seed < len(facts.fixed_at[name]) and facts.fixed_at[name][seed] == state:
                framed(image, box, f"{name} fixed", colour, theme, layout.measures)


def run_timeline(facts: Facts, layout: DeckLayout, theme: Theme) -> Timeline:
    """Return the timeline of a run with its marks: where layout and detail were fixed, and where it changed."""
    box, text = layout.timeline, layout.measures.text
    labels_beside = layout.grid.beside and layout.grid.view_labels
    if labels_beside and layout.measures.shape == "wide":  # it starts under the panels, not under their labels
        left = layout.grid.panels[0][0].x
        box = Box(left, box.y, box.right - left, box.height)
    pairs = (("layout", theme.amber), ("detail", theme.teal))
    marks = tuple(
        Mark(f"{name} fixed", colour, facts.committed[name]) for name, colour in pairs if facts.committed[name]
    )
    return Timeline(box, len(facts.rows), turn_marks(facts.turns, theme) + marks, theme, text)
