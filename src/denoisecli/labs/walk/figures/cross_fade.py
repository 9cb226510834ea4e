"""The walk beside a cross-fade of the pictures at its ends: two pictures laid over each other are not one between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.film import Frame
from denoisecli.figures.layout import strip_layout
from denoisecli.figures.panels import PictureView, draw_panels
from denoisecli.figures.text import draw_text, shorten, shorten_list
from denoisecli.figures.theme import MONO, PROMPT, PROMPT_SIZE, FilmStyle
from denoisecli.figures.timeline import Mark, Timeline

from .facts import WalkFacts

CAPTIONS = ("the walk: a run of its own", "a cross-fade of the ends")


@dataclass(frozen=True)
class SideBySide:
    """Indexed as pictures are, [panel][frame]: the walk's picture, and the cross-fade of its leg's ends."""

    facts: WalkFacts
    picture: Callable[[int], NDArray[np.uint8]]
    ends: Sequence[NDArray[np.uint8]]

    def __getitem__(self, panel: int) -> _Panel:
        return _Panel(self.faded if panel else self.picture)

    def faded(self, frame: int) -> NDArray[np.uint8]:
        """Return (1 − share)·first + share·second of the leg's end pictures, (H, W, 3), in sRGB as editors do it."""
        leg, share = self.facts.places[frame]
        first, second = (self.ends[end].astype(np.float32) for end in self.facts.ends_of(leg))
        mixed: NDArray[np.uint8] = np.rint((1 - share) * first + share * second).astype(np.uint8)
        return mixed


@dataclass(frozen=True)
class _Panel:
    at: Callable[[int], NDArray[np.uint8]]

    def __getitem__(self, frame: int) -> NDArray[np.uint8]:
        return self.at(frame)


def fade_frames(shown: SideBySide, order: Sequence[int], style: FilmStyle) -> Iterator[Frame]:
    """Draw the frames of these numbers: the two pictures, how far we are, and a timeline from end to end."""
    facts, theme = shown.facts, style.theme
    height, width = shown.ends[0].shape[:2]
    view = PictureView("", "", shown, (width, height))
    layout = strip_layout(style.size, len(CAPTIONS), (width, height))
    text, head = layout.measures.text, layout.head
    marks = tuple(
        Mark(facts.hero(frame)[0], theme.teal, (frame,))
        for frame, place in enumerate(facts.places)
        if place.end is not None
    )
    timeline = Timeline(layout.timeline, len(facts.places), marks, theme, text)
    base = Image.new("RGB", style.size, theme.ground)
    timeline.draw_track(base)
    prompt, mono = PROMPT.at(text * PROMPT_SIZE), MONO.at(text)
    for caption, box in zip(CAPTIONS, layout.grid.seed_labels, strict=True):
        draw_text(base, (box.x, box.bottom - 0.5 * text), shorten(caption, mono, box.width), mono, theme.quiet)
    tall = layout.measures.shape == "tall"  # the words of the moment then stand on the second line
    beside = head.width - 16 * text
    said = shorten(" → ".join(facts.prompts), prompt, head.width if tall else beside)
    draw_text(base, (head.x, head.y + text), said, prompt, theme.ink)
    low = head.bottom - 0.3 * text
    draw_text(
        base, (head.x, low), shorten_list(facts.settings, mono, beside if tall else head.width), mono, theme.quiet
    )
    for frame in order:
        image = base.copy()
        draw_panels(image, layout.grid, [view], frame, layout.measures.px(6))
        now = head.right, low if tall else head.y + text
        draw_text(image, now, " ".join(facts.hero(frame)).strip(), mono, theme.quiet, "right")
        timeline.draw_now(image, frame)
        yield np.asarray(image)
