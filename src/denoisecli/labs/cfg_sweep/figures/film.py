"""The strip of scales: one starting noise under each guidance scale, all states in step, and what it does to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import draw_playhead, draw_plot
from denoisecli.figures.drawn import marked
from denoisecli.figures.film import Frame
from denoisecli.figures.paint import paste_rounded
from denoisecli.figures.panels import NAMES
from denoisecli.figures.text import draw_text, measure
from denoisecli.figures.theme import MONO, STRONG, FilmStyle, Theme
from denoisecli.figures.timeline import Mark, Timeline, turn_marks
from denoisecli.trace import Trace

from .facts import SweepFacts, sweep_facts, sweep_plots
from .head import make_head
from .labels import draw_column_labels, draw_number, draw_row_labels, draw_values
from .layout import SweepLayout, sweep_layout


def sweep_frames(
    trace: Trace, pictures: Mapping[str, Any], style: FilmStyle, rows: Sequence[str] = ("guess",)
) -> Iterator[Frame]:
    """Draw the strip, one frame (H, W, 3) a state: columns are scales, rows are seeds and, in each, `rows`.

    pictures: "canvas" and "guess", each (sample, state, H, W, 3) uint8, samples scale by scale as in `runs`.
    """
    facts, theme = sweep_facts(trace), style.theme
    lines = [(seed, view) for seed in range(len(facts.seeds)) for view in rows]
    height, width = np.shape(pictures[rows[0]][0][0])[:2]
    words = make_head(style.size, facts.prompt, _settings(facts))
    plots = sweep_plots(facts, theme)
    layout = sweep_layout(words, len(lines), len(facts.labels), (width, height), len(plots))
    timeline = sweep_timeline(facts, layout, theme)
    base = Image.new("RGB", style.size, theme.ground)
    words.draw(base, layout.head, theme)
    draw_column_labels(base, layout, _column_words(facts), facts.colours(theme))
    draw_row_labels(base, layout, _row_words(facts, lines, len(rows)), theme)
    timeline.draw_track(base)
    drawn = [
        draw_plot(base, box, plot, theme, layout.measures.text, grows=True)
        for box, plot in zip(layout.plots, plots, strict=True)
        if box.height >= 4 * layout.measures.text
    ]
    for state in range(len(facts.rows)):
        image = base.copy()
        _draw_panels(image, layout, facts, pictures, lines, state, theme)
        for frame in drawn:
            draw_playhead(image, frame, state, theme)
        draw_number(image, layout, state, f"of {facts.last}", theme)
        draw_values(image, layout, facts.rows[state], _guidance_word(facts, state), theme)
        _draw_scales_now(image, layout, facts, state, theme)
        timeline.draw_now(image, state)
        yield np.asarray(image)


def _settings(facts: SweepFacts) -> str:
    return facts.settings + (f" · seed {facts.seeds[0]}" if len(facts.seeds) == 1 else "")


def _column_words(facts: SweepFacts) -> list[str]:
    return [f"cfg {label}" for label in facts.labels]


def _row_words(facts: SweepFacts, lines: Sequence[tuple[int, str]], n_views: int) -> list[tuple[str, str]]:
    """Return the (word, word under it) of each row: the seed, the view, or both."""
    if len(facts.seeds) == 1:
        return [NAMES[view] for _, view in lines]
    return [(f"seed {facts.seeds[seed]}", NAMES[view][0].lower() if n_views > 1 else "") for seed, view in lines]


def _draw_panels(
    image: Image.Image,
    layout: SweepLayout,
    facts: SweepFacts,
    pictures: Mapping[str, Any],
    lines: Sequence[tuple[int, str]],
    state: int,
    theme: Theme,
) -> None:
    for boxes, (seed, view) in zip(layout.grid.panels, lines, strict=True):
        for scale, box in enumerate(boxes):
            picture = pictures[view][scale * len(facts.seeds) + seed][state]
            by = facts.drawn_scale[scale * len(facts.seeds) + seed, state] if view == "guess" else 1
            drawn = marked(panel_picture(picture, box), by, theme)
            paste_rounded(image, (box.x, box.y), drawn, layout.measures.px(6))


def panel_picture(picture: Any, box: Box) -> Image.Image:
    """Return a picture (H, W, 3) resampled to the size of its panel."""
    drawn, size = Image.fromarray(np.ascontiguousarray(picture)), (box.width, box.height)
    return drawn if drawn.size == size else drawn.resize(size, Image.Resampling.LANCZOS)


def _draw_scales_now(image: Image.Image, layout: SweepLayout, facts: SweepFacts, state: int, theme: Theme) -> None:
    """Write what a scale that changes on the way is in the step that leaves this state."""
    text = layout.measures.text
    places = zip(layout.grid.seed_labels, _column_words(facts), strict=False)
    for scale, (box, word) in enumerate(places):
        if not facts.varies(scale) or state == facts.last:
            continue
        said, left = f"now {facts.steps[scale][state]:.3g}", measure(word, STRONG.at(text)) + text / 2
        if left + measure(said, MONO.at(text)) <= box.width:
            draw_text(image, (box.right, box.bottom - 0.5 * text), said, MONO.at(text), theme.quiet, "right")


def _guidance_word(facts: SweepFacts, state: int) -> str:
    """Return whether the step that leaves this state is guided, where that is not so all the way."""
    if facts.guided == (0, facts.last):
        return ""
    return "guided" if facts.guided[0] <= state < facts.guided[1] else "not guided"


def sweep_timeline(facts: SweepFacts, layout: SweepLayout, theme: Theme, n_states: int | None = None) -> Timeline:
    """Return the timeline, with marks where an interval of guidance begins and ends."""
    on, off = facts.guided
    marks = [Mark("guidance on", theme.teal, (on,))] if on > 0 else []
    marks += [Mark("guidance off", theme.rose, (off,))] if off < facts.last else []
    marks += turn_marks(facts.turns, theme)
    return Timeline(layout.timeline, n_states or facts.last + 1, tuple(marks), theme, layout.measures.text)
