"""The walk's film: one large picture, how far between which ends it is, the map of the way, and how it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.film import Frame
from denoisecli.figures.hero import draw_hero, hero_types
from denoisecli.figures.paint import paste_rounded
from denoisecli.figures.text import draw_text, measure, shorten, shorten_list, wrap
from denoisecli.figures.theme import MONO, PLAIN, PROMPT, RGB, FilmStyle, Theme, mix

from .change import ChangeCurve
from .facts import WalkFacts
from .layout import WalkLayout, prompt_size, prompt_width, walk_layout
from .map import way_map

MOST_PROMPT_LINES = {"wide": 4, "square": 3, "tall": 2}


def frame_order(facts: WalkFacts, hold: int, *, back: bool) -> list[tuple[int, int]]:
    """Return (frame, ticks) in the order of the film: ends rest `hold` ticks; `back`: the way back follows."""
    held = [(frame, 1 if place.end is None else hold) for frame, place in enumerate(facts.places)]
    return [*held, *reversed(held[:-1])] if back and not facts.course.loop else held


@dataclass(frozen=True)
class WalkDrawing:
    """Draws the frames of one film. picture: a frame's finished picture, (H, W, 3); ends: those of the ends.

    To draw a frame, it and the next AHEAD ones have to be there (their changes are on its curve), none after those: so
    a film can be drawn while its walk is being sampled. `picture` waits for them.
    """

    facts: WalkFacts
    picture: Callable[[int], NDArray[np.uint8]]
    ends: Sequence[NDArray[np.uint8]]
    style: FilmStyle

    def frames(self, order: Sequence[int]) -> Iterator[Frame]:
        """Draw the frames of these numbers."""
        height, width = self.ends[0].shape[:2]
        lines = self._lines_each((width, height))
        shape = walk_layout(self.style.size, (width, height), 1, 1).measures.shape
        notes = self.facts.notes if shape == "wide" else self.facts.notes[:1]
        layout = walk_layout(self.style.size, (width, height), lines * self._prompts_at_once, len(notes))
        theme, text = self.style.theme, layout.measures.text
        way = way_map(self.facts.course, layout.map, theme, text)
        base = Image.new("RGB", self.style.size, theme.ground)
        _draw_words(base, layout, self.facts.settings, notes, theme)
        way.draw_static(base, self.facts.places)
        thumbs = way.thumbs(self.ends)
        change = ChangeCurve.on(base, layout, self.facts, self.ends, theme)
        for frame in order:
            picture = self.picture(frame)
            if change is not None:
                change.grow(base, frame)
            image = base.copy()
            self._draw_picture(image, layout, picture)
            _draw_hero(image, layout, self.facts.hero(frame), theme)
            if change is not None:
                change.draw_now(image, frame)
            way.draw_now(image, self.facts.places, frame, thumbs)
            self._draw_prompts(image, layout, lines, frame)
            yield np.asarray(image)

    def _draw_picture(self, image: Image.Image, layout: WalkLayout, picture: NDArray[np.uint8]) -> None:
        box = layout.picture
        large = Image.fromarray(np.ascontiguousarray(picture)).resize((box.width, box.height), Image.Resampling.LANCZOS)
        if layout.bleeds:
            image.paste(large, (box.x, box.y))
        else:
            paste_rounded(image, (box.x, box.y), large, layout.measures.px(6))

    @property
    def _prompts_at_once(self) -> int:
        """How many prompts are shown: those of the leg that we are on, or the only one."""
        return min(2, len(self.facts.prompts))

    def _lines_each(self, unit: tuple[int, int]) -> int:
        """Return how many lines each prompt gets: what the longest needs, as far as there is room."""
        measures = walk_layout(self.style.size, unit, 1, 1).measures
        style, room = PROMPT.at(prompt_size(measures)), prompt_width(self.style.size, unit)
        most = max(1, MOST_PROMPT_LINES[measures.shape] // self._prompts_at_once)
        return max(len(wrap(prompt, style, room, most)) for prompt in self.facts.prompts) or 1

    def _draw_prompts(self, image: Image.Image, layout: WalkLayout, lines: int, frame: int) -> None:
        """Write the prompt; of two, the nearer one is the brighter."""
        theme, style = self.style.theme, PROMPT.at(prompt_size(layout.measures))
        leg, share = self.facts.places[frame]
        shown: list[tuple[str, RGB]] = [(self.facts.prompts[0], theme.ink)]
        if self._prompts_at_once > 1:
            a, b = self.facts.ends_of(leg)
            shown = [
                (self.facts.prompts[a], mix(theme.ink, theme.tick, share)),
                (self.facts.prompts[b], mix(theme.tick, theme.ink, share)),
            ]
        top = layout.prompt.y + style.cap_height + 0.12 * style.size
        for number, (prompt, colour) in enumerate(shown):
            for index, line in enumerate(wrap(prompt, style, layout.prompt.width, lines)):
                baseline = top + (number * lines + index) * style.line_height
                draw_text(image, (layout.prompt.x, baseline), line, style, colour)


def _draw_words(image: Image.Image, layout: WalkLayout, settings: str, notes: Sequence[str], theme: Theme) -> None:
    """Write the settings, and what stays the same and what does not."""
    text, meta, note = layout.measures.text, layout.meta, layout.note
    mono, plain = MONO.at(text), PLAIN.at(text)
    draw_text(image, (meta.x, meta.y + 1.1 * text), shorten_list(settings, mono, meta.width), mono, theme.quiet)
    for index, said in enumerate(notes):
        baseline = note.y + (1.1 + 1.5 * index) * text
        draw_text(image, (note.x, baseline), shorten(said, plain, note.width), plain, theme.quiet)


def _draw_hero(image: Image.Image, layout: WalkLayout, words: tuple[str, str], theme: Theme) -> None:
    """Write the big word, smaller where it is long, and the small ones behind it."""
    box, (big, rest) = layout.hero, words
    style, small = hero_types(box.height, layout.measures.text)
    room = box.width * 0.72
    if (wide := measure(big, style)) > room:
        style = style.at(style.size * room / wide)
    after, baseline = draw_hero(image, box, big, style, theme)
    after += 0.1 * style.size
    if after + measure(rest, small) > box.right:
        rest = rest.split(" ", 2)[-1]  # "0 to 7" of "from seed 0 to 7"
    draw_text(image, (after, baseline), shorten(rest, small, box.right - after), small, theme.quiet)
