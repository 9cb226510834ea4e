"""The mark on guesses that were scaled to be drawn: their own latents lie outside of what pictures have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .paint import rounded_mask
from .text import draw_text, measure
from .theme import MONO, Theme

LEGEND = "×: drawn in the finished picture's range"
VEIL = 0.72  # opacity of the mark's ground


def drawn_scales(runs: Sequence[Mapping[str, Any]], states: int) -> NDArray[np.float64]:
    """Return by how much each guess was scaled to be drawn, (run, state); 1 where the runs of a trace say nothing."""
    table = np.ones((len(runs), states))
    for index, run in enumerate(runs):
        for k, state in enumerate(run.get("states", [])[:states]):
            table[index, k] = state.get("drawn_scale", 1)
    return table


def legend(scales: NDArray[np.float64]) -> tuple[str, ...]:
    """Return the words that explain the mark, where there is one."""
    return (LEGEND,) if (scales < 1).any() else ()


def said(scale: float) -> str:
    """Return a factor as the mark has it: "×0.21"."""
    return f"×{scale:.2g}"


def marked(picture: Image.Image, scale: float, theme: Theme) -> Image.Image:
    """Return a picture with the mark in its lower left corner; the same picture for a factor of 1."""
    if scale >= 1:
        return picture
    style = MONO.at(min(26.0, max(11.0, 0.075 * min(picture.size))))
    words = f"drawn {said(scale)}"
    if measure(words, style) > 0.62 * picture.width:
        words = said(scale)
    room = 0.62 * picture.width / measure(words, style)
    if room < 1:  # a very small picture: it has no room for a text that can be read
        style = MONO.at(style.size * room)
    edge, inner = round(0.5 * style.size), 0.42 * style.size
    width, height = math.ceil(measure(words, style) + 2 * inner), math.ceil(style.cap_height + 2 * inner)
    left, top = edge, picture.height - edge - height
    picture = picture.copy()
    mask = rounded_mask(width, height, 0.25 * style.size).point([round(level * VEIL) for level in range(256)])
    picture.paste(theme.ground, (left, top), mask)
    draw_text(picture, (left + inner, top + inner + style.cap_height), words, style, theme.ink)
    return picture


def marked_array(picture: NDArray[np.uint8], scale: float, theme: Theme) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) with the mark; see `marked`."""
    if scale >= 1:
        return picture
    return np.asarray(marked(Image.fromarray(np.ascontiguousarray(picture)), scale, theme))
