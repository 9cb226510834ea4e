"""Bars: what share of all attention each word gets in a step, and what no word gets; concepts by outputs apart."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.paint import rectangle
from denoisecli.figures.text import draw_text, measure, shorten
from denoisecli.figures.theme import MONO, PLAIN, RGB, Theme

from .facts import Word, WordsFacts, hue_of

NAME = 0.36  # of the width
REST = "no word"
AMONG = "share among the concepts"


def draw_shares(
    image: Image.Image, box: Box, facts: WordsFacts, words: list[Word], step: int, theme: Theme, text: float
) -> None:
    """Draw a bar for each word, on one scale for the whole film. The rest, many times as much, is a number alone.

    Concepts whose maps are no attention have a scale of their own, up to the whole.
    """
    style = PLAIN.at(text)
    draw_text(image, (box.x, box.y + style.cap_height), "share of the attention now", style, theme.quiet)
    heard, alike = ([word for word in words if word.by_outputs is by] for by in (False, True))
    most = max([*(float(word.share.max()) for word in heard if len(word.share)), 1e-9])
    heading = [(AMONG, 0.0, 0.0, theme.quiet)] if alike else []
    rows = [*_rows(heard, most, step, theme), *_rest(facts, step, theme), *heading, *_rows(alike, 1.0, step, theme)]
    pitch = min(1.5 * text, (box.height - 1.6 * text) / max(1, len(rows)))
    left, right = box.x + NAME * box.width, box.right - 3.4 * text
    for number, (name, share, reach, colour) in enumerate(rows):
        y = box.y + 1.9 * text + number * pitch
        if name == AMONG:
            draw_text(image, (box.x, y + 0.75 * text), name, style, colour)
            continue
        draw_text(
            image,
            (box.x, y + 0.75 * text),
            shorten(name, style, left - box.x - 0.4 * text),
            style,
            theme.quiet if colour == theme.tick else colour,
        )
        if name != REST:
            end = left + max(2, reach * (right - left))
            rectangle(image, (left, y + 0.14 * text, end, y + 0.7 * text), colour, 2)
        said = f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
        mono = MONO.at(0.9 * text)
        draw_text(image, (box.right - measure(said, mono), y + 0.75 * text), said, mono, theme.quiet)


Row = tuple[str, float, float, RGB]
"""What a bar is of, the share, how far it reaches of the whole way, and its colour."""


def _rows(words: Sequence[Word], most: float, step: int, theme: Theme) -> list[Row]:
    shares = [(word, float(word.share[step])) for word in words if step < len(word.share)]
    return [(word.label, share, share / most, hue_of(word, theme)) for word, share in shares]


def _rest(facts: WordsFacts, step: int, theme: Theme) -> list[Row]:
    return [(REST, float(facts.rest[step]), 0.0, theme.tick)] if step < len(facts.rest) else []
