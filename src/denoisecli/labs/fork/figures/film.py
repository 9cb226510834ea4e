"""The film of forks: the run goes its way, branches leave it at their states, and all end side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from denoisecli.figures.curves import draw_labels, draw_playhead_at, draw_plot
from denoisecli.figures.drawn import marked
from denoisecli.figures.facts import three_figures, timestep
from denoisecli.figures.film import Frame
from denoisecli.figures.layout import Measures
from denoisecli.figures.paint import paste_rounded
from denoisecli.figures.text import draw_text, measure, shorten
from denoisecli.figures.theme import HERO, MONO, PLAIN, PROMPT, STRONG, FilmStyle, Theme
from denoisecli.figures.timeline import Mark, Timeline, turn_marks
from denoisecli.trace import Trace

from ..numbers import BANDS
from .facts import ForkFacts, causal_plot, chosen_branches, fork_facts
from .layout import ForkLayout, fork_layout

MOST_BRANCHES, TALL_BRANCHES = 8, 5  # beside the run; a narrow frame has two lines of three
ASIDE = 0.62  # of the ground over a branch that has not left yet


def fork_frames(trace: Trace, pictures: Mapping[str, Any], style: FilmStyle) -> Iterator[Frame]:
    """Draw the film, one frame (H, W, 3) a state: the run first, then its branches, each dimmed until it leaves.

    pictures: "guess" (seed, state, H, W, 3) and "branch" (at, state, H, W, 3) uint8; the first seed is shown.
    """
    facts, theme = fork_facts(trace), style.theme
    shown = chosen_branches(facts, TALL_BRANCHES if Measures(*style.size).narrow else MOST_BRANCHES)
    height, width = np.shape(pictures["guess"][0][0])[:2]
    layout = fork_layout(style.size, 1 + len(shown), (width, height))
    text = layout.measures.text
    timeline = Timeline(layout.timeline, len(facts.run.rows), _marks(facts, theme), theme, text)
    base = Image.new("RGB", style.size, theme.ground)
    _draw_head(base, layout, facts, theme)
    timeline.draw_track(base)
    plot = draw_plot(base, layout.plot, causal_plot(facts, theme), theme, text, grows=True)
    for state in range(len(facts.run.rows)):
        image = base.copy()
        _draw_panels(image, layout, facts, pictures, shown, state, theme)
        _draw_state(image, layout, facts, state, theme)
        draw_playhead_at(image, plot, state / max(1, facts.run.steps), _dots(facts, state, theme), theme)
        draw_labels(image, plot, theme, text)
        timeline.draw_now(image, state)
        yield np.asarray(image)


def _marks(facts: ForkFacts, theme: Theme) -> tuple[Mark, ...]:
    roles = {"layout": theme.amber, "detail": theme.teal}
    known = {band: facts.decided[band] for band in BANDS}
    found = (Mark(f"{band} decided", roles[band], (round(at),)) for band, at in known.items() if at is not None)
    return (*turn_marks(facts.run.turns, theme), *found)


def _dots(facts: ForkFacts, state: int, theme: Theme) -> list[tuple[float, tuple[int, int, int]]]:
    """Return what a change at this state would decide, read off the curves."""
    x = [*facts.asked, facts.run.steps]
    if state < x[0]:
        return []
    roles = {"layout": theme.amber, "detail": theme.teal}
    return [(float(np.interp(state, x, [*facts.share[band], 0.0])), roles[band]) for band in BANDS]


def _draw_head(image: Image.Image, layout: ForkLayout, facts: ForkFacts, theme: Theme) -> None:
    """Write the prompt, what is changed, and the settings."""
    box, text = layout.head, layout.measures.text
    room = box.width - (0 if layout.measures.shape == "tall" else round(10 * text))
    prompt, mono = PROMPT.at(1.15 * text), MONO.at(text)
    first = box.y + prompt.cap_height
    for number, (line, style, colour) in enumerate(
        [
            (facts.run.prompt or "no prompt", prompt, theme.ink),
            (facts.change, prompt, theme.amber),
            (f"{facts.run.settings} · seed {facts.run.seeds[0]}", mono, theme.quiet),
        ]
    ):
        draw_text(image, (box.x, first + number * 1.75 * text), shorten(line, style, room), style, colour)


def _draw_state(image: Image.Image, layout: ForkLayout, facts: ForkFacts, state: int, theme: Theme) -> None:
    """Write the state's number large and its noise level under it."""
    box, text, row = layout.head, layout.measures.text, facts.run.rows[state]
    big, small, mono = HERO.at(4 * text), PLAIN.at(1.1 * text), MONO.at(text)
    of = f"of {facts.run.steps}"
    tall = layout.measures.shape == "tall"
    baseline = box.bottom - 0.2 * text if tall else box.y + big.cap_height
    draw_text(image, (box.right, baseline), of, small, theme.quiet, "right")
    draw_text(image, (box.right - measure(of, small) - 0.35 * text, baseline), str(state), big, theme.ink, "right")
    said = f"t {timestep(row.get('timestep'))}  σ {three_figures(row.get('sigma'))}"
    draw_text(image, (box.x, box.bottom - 0.2 * text), said, mono, theme.quiet)


def _draw_panels(
    image: Image.Image,
    layout: ForkLayout,
    facts: ForkFacts,
    pictures: Mapping[str, Any],
    shown: list[int],
    state: int,
    theme: Theme,
) -> None:
    """Draw the run and its branches; those that have not left yet lie under a veil."""
    boxes, text = layout.grid.panels[0], layout.measures.text
    radius = layout.measures.px(6)
    for number, box in enumerate(boxes):
        branch = shown[number - 1] if number else None
        at = facts.at[branch] if branch is not None else None
        waits = at is not None and state < at
        source = pictures["guess"][0][state] if branch is None else pictures["branch"][branch][state]
        picture = Image.fromarray(np.ascontiguousarray(source)).resize(
            (box.width, box.height), Image.Resampling.LANCZOS
        )
        if branch is None or waits:
            picture = marked(picture, facts.drawn[0, state], theme)
        if waits:
            picture = Image.blend(picture, Image.new("RGB", picture.size, theme.ground), ASIDE)
        paste_rounded(image, (box.x, box.y), picture, radius)
        if state == at:
            ring = (box.x - 2, box.y - 2, box.right + 1, box.bottom + 1)
            ImageDraw.Draw(image).rounded_rectangle(ring, radius + 2, outline=theme.amber, width=max(2, radius // 2))
        word = "unchanged" if at is None else f"changed at {at}"
        colour = theme.ink if at is None else theme.quiet if waits else theme.amber
        over = layout.grid.seed_labels[number]
        style = STRONG.at(text)
        if measure(word, style) > over.width:
            word = "kept" if at is None else f"at {at}"
        draw_text(image, (over.x, over.bottom - 0.5 * text), shorten(word, style, over.width), style, colour)
