"""Bars: what share of all attention each word gets in a step, and what no word gets."""

from __future__ import annotations

from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.paint import rectangle
from denoisecli.figures.text import draw_text, measure, shorten
from denoisecli.figures.theme import MONO, PLAIN, RGB, Theme

from .facts import Word, WordsFacts, hue_of

NAME = 0.36  # of the width
REST = "no word"


def draw_shares(
    image: Image.Image, box: Box, facts: WordsFacts, words: list[Word], step: int, theme: Theme, text: float
) -> None:
    """Draw a bar for each word, on one scale for the whole film. The rest, many times as much, is a number alone."""
    style = PLAIN.at(text)
    draw_text(image, (box.x, box.y + style.cap_height), "share of the attention now", style, theme.quiet)
    rows = _rows(facts, words, step, theme)
    most = max([*(float(word.share.max()) for word in words if len(word.share)), 1e-9])
    pitch = min(1.5 * text, (box.height - 1.6 * text) / max(1, len(rows)))
    left, right = box.x + NAME * box.width, box.right - 3.4 * text
    for number, (name, share, colour) in enumerate(rows):
        y = box.y + 1.9 * text + number * pitch
        draw_text(
            image,
            (box.x, y + 0.75 * text),
            shorten(name, style, left - box.x - 0.4 * text),
            style,
            theme.quiet if colour == theme.tick else colour,
        )
        if name != REST:
            reach = share / most * (right - left)
            rectangle(image, (left, y + 0.14 * text, left + max(2, reach), y + 0.7 * text), colour, 2)
        said = f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
        mono = MONO.at(0.9 * text)
        draw_text(image, (box.right - measure(said, mono), y + 0.75 * text), said, mono, theme.quiet)


def _rows(facts: WordsFacts, words: list[Word], step: int, theme: Theme) -> list[tuple[str, float, RGB]]:
    rows = [(word.label, float(word.share[step]), hue_of(word, theme)) for word in words if step < len(word.share)]
    if step < len(facts.rest):
        rows.append((REST, float(facts.rest[step]), theme.tick))
    return rows
