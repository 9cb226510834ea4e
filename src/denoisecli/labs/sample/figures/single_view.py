"""Films of a single view: all seeds as large as they can be, a caption and the timeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from denoisecli.errors import NotRecorded
from denoisecli.figures.boxes import Box
from denoisecli.figures.facts import Facts, run_facts, three_figures, timestep
from denoisecli.figures.film import Frame
from denoisecli.figures.layout import Measures, strip_layout
from denoisecli.figures.panels import View, draw_labels, draw_panels, grid_unit, run_views
from denoisecli.figures.text import draw_text, measure, shorten
from denoisecli.figures.theme import MONO, MONO_STRONG, PROMPT, STRONG, FilmStyle, Theme
from denoisecli.trace import Trace

from .deck import mark_fixed, run_timeline


def view_frames(view: str, trace: Trace, pictures: Mapping[str, Any], style: FilmStyle) -> Iterator[Frame]:
    """Draw one view of a run, one frame (H, W, 3) a state, all seeds large.

    view: "canvas", "guess" (then in `pictures`, (seed, state, H, W, 3) uint8) or "latent", which shows the RGB
    picture and every channel.
    """
    chosen = {view: pictures[view]} if view in pictures else {}
    views = run_views(trace, chosen, style.theme, channels=True)
    if view not in views:
        raise NotRecorded(f'This run has no view "{view}".', f"It has: {', '.join(views)}.")
    facts = run_facts(trace)
    shown = [views[view]]
    layout = strip_layout(style.size, max(1, len(facts.seeds)), grid_unit(shown))
    timeline = run_timeline(facts, layout, style.theme)
    base = Image.new("RGB", style.size, style.theme.ground)
    draw_labels(base, layout.grid, shown, facts.seeds, style.theme, layout.measures.text, captions=False)
    timeline.draw_track(base)
    _draw_caption(base, layout.head, facts, shown[0], style.theme, layout.measures)
    for state in range(len(facts.rows)):
        image = base.copy()
        draw_panels(image, layout.grid, shown, state, layout.measures.px(6))
        mark_fixed(image, layout, shown, facts, state, style.theme)
        _draw_state(image, layout.head, facts, state, style.theme, layout.measures)
        timeline.draw_now(image, state)
        yield np.asarray(image)


def _baselines(box: Box, measures: Measures) -> tuple[float, float]:
    return box.y + 0.8 * 1.15 * measures.text, box.bottom - 0.3 * measures.text


def _draw_caption(image: Image.Image, box: Box, facts: Facts, view: View, theme: Theme, measures: Measures) -> None:
    """Write which view this is and, beside it, the prompt."""
    text = measures.text
    first, second = _baselines(box, measures)
    name, symbol, prompt = STRONG.at(text * 1.15), MONO.at(text), PROMPT.at(text)
    draw_text(image, (box.x, first), view.title, name, theme.ink)
    draw_text(image, (box.x + measure(view.title, name) + 0.5 * text, first), view.symbol, symbol, theme.quiet)
    room = box.width - (0 if measures.shape == "tall" else 12 * text)
    draw_text(image, (box.x, second), shorten(facts.prompt, prompt, room), prompt, theme.quiet)


def _draw_state(image: Image.Image, box: Box, facts: Facts, state: int, theme: Theme, measures: Measures) -> None:
    """Write the state's number and values, right-aligned."""
    text = measures.text
    first, second = _baselines(box, measures)
    row = facts.rows[state]
    of = f" of {facts.steps}"
    number, rest = MONO_STRONG.at(text * 1.15), MONO.at(text)
    draw_text(image, (box.right, first), of, rest, theme.quiet, "right")
    draw_text(image, (box.right - measure(of, rest), first), str(state), number, theme.ink, "right")
    if measures.shape == "tall":
        return
    values = f"t {timestep(row.get('timestep'))}  σ {three_figures(row.get('sigma'))}"
    draw_text(image, (box.right, second), values, rest, theme.quiet, "right")
