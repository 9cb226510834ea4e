"""A picture with words on it: dimmed, and tinted in each word's hue where that word speaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.theme import RGB, Theme

GREY, DIM, TINT = 0.75, 0.55, 0.85
"""Shares: of its colour that the picture loses, of the ground that lies over it, of the hue where a word is loudest."""


def tinted(
    picture: NDArray[np.uint8], levels: NDArray[np.float32], hues: Sequence[RGB], theme: Theme, size: tuple[int, int]
) -> Image.Image:
    """Return a picture (H, W, 3) at `size` (width, height) under its words' levels (word, h, w), 0 to 1."""
    image = Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.LANCZOS)
    grey = image.convert("L").convert("RGB")
    below = Image.blend(Image.blend(image, grey, GREY), Image.new("RGB", size, theme.ground), DIM)
    colour, mask = _mixed(levels, np.array(hues, np.float32), size)
    below.paste(colour, (0, 0), mask)
    return below


def _mixed(
    levels: NDArray[np.float32], hues: NDArray[np.float32], size: tuple[int, int]
) -> tuple[Image.Image, Image.Image]:
    """Return the hues mixed by their levels, and how strongly they lie on the picture; several add up."""
    total = levels.sum(axis=0)
    weights = levels / np.maximum(total, 1e-6)
    colour = np.einsum("nhw,nc->hwc", weights, hues)
    smooth = Image.Resampling.BICUBIC
    mask = Image.fromarray(np.clip(total, 0, 1).astype(np.float32)).resize(size, smooth)
    strength = np.clip(np.asarray(mask), 0, 1) * (255 * TINT)
    drawn = Image.fromarray(colour.round().astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    return drawn, Image.fromarray(strength.round().astype(np.uint8))
