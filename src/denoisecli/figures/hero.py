"""The one large number of a film."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .text import draw_text, measure, side_bearing
from .theme import HERO, PLAIN

if TYPE_CHECKING:
    from PIL import Image

    from .boxes import Box
    from .theme import Theme, Type

RISE = 0.78  # height of a box, in sizes of the digits that fill it
GAP = 0.09  # between the number and the words behind it, in sizes of the number


def hero_types(height: float, text: float) -> tuple[Type, Type]:
    """Return the types of a number that fills a box of this height, and of the words behind it, from `text` up."""
    return HERO.at(height / RISE), PLAIN.at(max(text, height * 0.25))


def draw_hero(image: Image.Image, box: Box, word: str, style: Type, theme: Theme) -> tuple[float, float]:
    """Write the big word, its ink starting where the box does; return where it ends, on its baseline."""
    left, baseline = box.x - side_bearing(word, style), box.bottom - 0.03 * box.height
    draw_text(image, (left, baseline), word, style, theme.ink)
    return left + measure(word, style), baseline
