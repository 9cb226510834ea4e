"""The timeline at the foot of a film: a stop for each state, how far we are, and where things were fixed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from .boxes import Box
from .paint import disc, discs, rectangle
from .text import draw_text, measure
from .theme import PLAIN, RGB, Theme, Type

MOST_WORDS = 4  # turns that a timeline names
GAP = 0.8  # between two words, of their size


@dataclass(frozen=True)
class Mark:
    """Something that happened at a state: its word, its colour, and the states of the single seeds."""

    word: str
    colour: RGB
    states: tuple[int, ...]
    turn: bool = False
    """whether the run changes there, rather than being found to have settled: a bar across the track"""

    @property
    def at(self) -> int:
        """The middle seed's state (the later one of two)."""
        return self.states[len(self.states) // 2]


@dataclass(frozen=True)
class Timeline:
    """A timeline in `box` with `n_states` stops and `marks`. text: size of words in pixels."""

    box: Box
    n_states: int
    marks: tuple[Mark, ...]
    theme: Theme
    text: float

    @property
    def scale(self) -> float:
        """Of strokes and dots: 1 on a 1080-line frame."""
        return self.text / 24

    @property
    def y(self) -> float:
        """Height of the track's middle."""
        return self.box.y + 15 * self.scale

    def x(self, state: float) -> float:
        """Return where a state stands; the ends leave room for the handle."""
        inset = 13 * self.scale
        share = state / max(1, self.n_states - 1)
        return self.box.x + inset + share * (self.box.width - 2 * inset)

    def draw_track(self, image: Image.Image) -> None:
        """Draw what stays: the track and the words of the marks that have room beside each other."""
        half = 3 * self.scale
        left, right = self.x(0), self.x(self.n_states - 1)
        rectangle(image, (left - half, self.y - half, right + half, self.y + half), self.theme.line, half)
        style = PLAIN.at(self.text)
        baseline = self.box.bottom - 0.35 * self.text
        named = self._named(style)
        for mark, x in zip(named, self._word_places(named, style), strict=True):
            draw_text(image, (x, baseline), mark.word, style, mark.colour, "center")

    def draw_now(self, image: Image.Image, state: int) -> None:
        """Draw what moves: the way so far, the stops, the marks and the handle at `state`."""
        half = 3 * self.scale
        here = self.x(state)
        if state:
            rectangle(image, (self.x(0) - half, self.y - half, here, self.y + half), self.theme.amber, half)
        spacing = (self.x(1) - self.x(0)) if self.n_states > 1 else 0
        radius = min(4 * self.scale, spacing / 5)
        if radius >= 1:
            stops = [(self.x(stop), self.y) for stop in range(self.n_states)]
            discs(image, stops[1:state], radius * 0.8, self.theme.ground)  # at 0 it would bite the end off
            discs(image, stops[state + 1 :], radius, self.theme.tick)
        for mark in self.marks:
            if mark.turn:
                self._draw_bar(image, self.x(mark.at), mark.colour)
                continue
            disc(image, (self.x(mark.at), self.y), 11 * self.scale, self.theme.ground)
            disc(image, (self.x(mark.at), self.y), 8 * self.scale, mark.colour)
        disc(image, (here, self.y), 13 * self.scale, self.theme.ink)

    def _draw_bar(self, image: Image.Image, x: float, colour: RGB) -> None:
        for half, height, paint in ((5, 14, self.theme.ground), (2.5, 12, colour)):
            w, h = half * self.scale, height * self.scale
            rectangle(image, (x - w, self.y - h, x + w, self.y + h), paint, w)

    def _named(self, style: Type) -> list[Mark]:
        """Return the marks whose words fit side by side. Turns go unnamed first, and of them the last."""
        named = [mark for mark in self.marks if mark.word]
        while sum(measure(mark.word, style) + GAP * style.size for mark in named) > self.box.width + GAP * style.size:
            named.remove(next((mark for mark in reversed(named) if mark.turn), named[-1]))
        return named

    def _word_places(self, named: Sequence[Mark], style: Type) -> list[float]:
        """Return the middle of each mark's word: under its stop, moved apart and inside where they would touch."""
        widths = [measure(mark.word, style) for mark in named]
        places = [
            min(max(self.x(mark.at), self.box.x + width / 2), self.box.right - width / 2)
            for mark, width in zip(named, widths, strict=True)
        ]
        return kept_apart(places, widths, GAP * style.size, self.box.x, self.box.right)


def turn_marks(turns: Sequence[tuple[int, str]], theme: Theme) -> tuple[Mark, ...]:
    """Return the marks of where a run begins on the way, or goes on with other settings (`Facts.turns`)."""
    worded = len(turns) <= MOST_WORDS  # a prompt that alternates turns at every step
    return tuple(Mark(words if worded else "", theme.quiet, (state,), turn=True) for state, words in turns)


def kept_apart(middles: Sequence[float], widths: Sequence[float], gap: float, left: float, right: float) -> list[float]:
    """Return `middles` moved as little as needed so that words of `widths` keep `gap` and stay in left..right."""
    order = sorted(range(len(middles)), key=lambda i: middles[i])
    moved = list(middles)
    for _ in range(20):
        for a, b in itertools.pairwise(order):
            short = (widths[a] + widths[b]) / 2 + gap - (moved[b] - moved[a])
            if short > 0:
                moved[a] -= short / 2
                moved[b] += short / 2
        moved = [min(max(x, left + w / 2), right - w / 2) for x, w in zip(moved, widths, strict=True)]
    return moved
