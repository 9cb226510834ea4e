"""Walk × step as a film: points of the walk stand side by side while the states of their runs advance together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.facts import level
from denoisecli.figures.film import Frame
from denoisecli.figures.layout import DeckLayout, strip_layout
from denoisecli.figures.panels import PictureView, draw_panels
from denoisecli.figures.text import draw_text, measure, shorten
from denoisecli.figures.theme import MONO, MONO_STRONG, PROMPT, STRONG, FilmStyle, Theme
from denoisecli.figures.timeline import Timeline

from .facts import WalkFacts, walk_facts

TITLE = "The guess x̂₀ along the walk"
PictureAt = Callable[[int, int], NDArray[np.uint8]]


@dataclass(frozen=True)
class _Point:
    """One point of the walk, indexed by the row of the sheet."""

    at: PictureAt
    frame: int

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        return self.at(row, self.frame)


def step_frames(
    record: Mapping[str, Any], frames: Sequence[int], states: Sequence[int], picture: PictureAt, style: FilmStyle
) -> Iterator[Frame]:
    """Draw one frame (H, W, 3) for each of `states`, the points of the walk at `frames` side by side.

    picture(row, frame): what the run at this frame had in mind at states[row], (H, W, 3).
    """
    facts, theme = walk_facts(record), style.theme
    height, width = picture(0, frames[0]).shape[:2]
    view = PictureView("", "", [_Point(picture, frame) for frame in frames], (width, height))
    layout = strip_layout(style.size, len(frames), (width, height))
    timeline = Timeline(layout.timeline, len(states), (), theme, layout.measures.text)
    base = Image.new("RGB", style.size, theme.ground)
    timeline.draw_track(base)
    _draw_caption(base, layout, facts, theme)
    _draw_points(base, layout, [facts.point(frame) for frame in frames], theme)
    for row, state in enumerate(states):
        image = base.copy()
        draw_panels(image, layout.grid, [view], row, layout.measures.px(6))
        _draw_state(image, layout, state, states[-1], level(record["schedule"][state]), theme)
        timeline.draw_now(image, row)
        yield np.asarray(image)


def _baselines(layout: DeckLayout) -> tuple[float, float]:
    text = layout.measures.text
    return layout.head.y + 0.92 * text, layout.head.bottom - 0.3 * text


def _draw_caption(image: Image.Image, layout: DeckLayout, facts: WalkFacts, theme: Theme) -> None:
    """Write what is shown, and what all the runs share."""
    text, head = layout.measures.text, layout.head
    first, second = _baselines(layout)
    tall = layout.measures.shape == "tall"  # the state's number alone stands at the right there
    name, prompt = STRONG.at(text * 1.15), PROMPT.at(text)
    draw_text(image, (head.x, first), shorten(TITLE, name, head.width - 6 * text), name, theme.ink)
    said = " · ".join([facts.notes[0], " → ".join(facts.prompts)])  # a long prompt may be cut, the note not
    room = head.width - (0 if tall else 12 * text)
    draw_text(image, (head.x, second), shorten(said, prompt, room), prompt, theme.quiet)


def _draw_points(image: Image.Image, layout: DeckLayout, words: Sequence[tuple[str, str]], theme: Theme) -> None:
    """Write over each panel which point of the walk it is: an end's name, or the share and, with room, of which way."""
    text, mono = layout.measures.text, MONO.at(layout.measures.text)
    for box, (first, rest) in zip(layout.grid.seed_labels, words, strict=True):
        low = box.bottom - 0.5 * text
        draw_text(image, (box.x, low), shorten(first, mono, box.width), mono, theme.quiet if rest else theme.ink)
        left = measure(first, mono) + 0.7 * text
        if rest and left + measure(rest, mono) <= box.width:
            draw_text(image, (box.x + left, low), rest, mono, theme.quiet)


def _draw_state(image: Image.Image, layout: DeckLayout, state: int, last: int, noise: str, theme: Theme) -> None:
    """Write the state's number and, where there is room, its noise level at the right."""
    text, right = layout.measures.text, layout.head.right
    first, second = _baselines(layout)
    of = f" of {last}"
    number, rest = MONO_STRONG.at(text * 1.15), MONO.at(text)
    draw_text(image, (right, first), of, rest, theme.quiet, "right")
    draw_text(image, (right - measure(of, rest), first), str(state), number, theme.ink, "right")
    if layout.measures.shape != "tall":
        draw_text(image, (right, second), noise, rest, theme.quiet, "right")
