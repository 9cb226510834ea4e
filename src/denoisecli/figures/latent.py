"""Latents as pictures: channels as grey tiles, or the first three (or mixed ones) as RGB.

The limits are taken once from the whole run, so a brightness means the same value in every frame.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .grid import SNAP_LOSS

Latents = NDArray[Any]  # (..., C, h, w)
Limits = NDArray[np.float32]  # (C, 2): the values that become black and white
Picture = NDArray[np.uint8]  # (H, W, 3), sRGB


def robust_limits(latents: Latents, low: float = 1.0, high: float = 99.0) -> Limits:
    """Return (C, 2): each channel's `low` and `high` percentiles over everything in latents (..., C, h, w)."""
    channels = np.moveaxis(np.asarray(latents, dtype=np.float32), -3, 0).reshape(latents.shape[-3], -1)
    limits = np.percentile(channels, [low, high], axis=1).T.astype(np.float32)
    flat = limits[:, 1] - limits[:, 0] < 1e-6
    limits[flat] += np.array([-0.5, 0.5], dtype=np.float32)  # a constant channel is mid-grey
    return limits


def levels(latents: Latents, limits: Limits) -> NDArray[np.uint8]:
    """Return grey levels (..., C, h, w) of latents with the same axes."""
    low, high = limits[:, 0, None, None], limits[:, 1, None, None]
    return (np.clip((latents - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8)


def channel_pictures(latents: Latents, limits: Limits) -> list[Picture]:
    """Return one grey picture (h, w, 3) for each channel of latents (C, h, w)."""
    return [np.repeat(channel[:, :, None], 3, axis=2) for channel in levels(latents, limits)]


def latent_rgb(latents: Latents, limits: Limits, factors: NDArray[Any] | None = None) -> Picture:
    """Return one picture (h, w, 3) of latents (C, h, w).

    factors: (C, 3) mixes channels into red, green and blue, and `limits` is then (3, 2), that of the mixture;
    without them the first three channels are the three colours (fewer channels: the last is repeated).
    """
    if factors is not None:
        mixed = np.einsum("chw,cr->rhw", latents, factors)
        return np.moveaxis(levels(mixed, limits), 0, -1)
    chosen = [min(index, len(latents) - 1) for index in range(3)]
    return np.moveaxis(levels(latents[chosen], limits[chosen]), 0, -1)


def enlarged(picture: Picture, size: tuple[int, int], ground: tuple[int, int, int]) -> Image.Image:
    """Return `picture` with square cells of whole pixels, centred on `ground` in an image of `size`.

    Where whole pixels would leave much of `size` = (width, height) empty (small panels), the cells' edges are
    averaged instead, so that the picture fills it.
    """
    height, width = picture.shape[:2]
    fit = min(size[0] / width, size[1] / height)
    whole = math.floor(fit)
    image = Image.fromarray(np.ascontiguousarray(picture))
    if whole >= fit * (1 - SNAP_LOSS):
        image = image.resize((width * whole, height * whole), Image.Resampling.NEAREST)
    else:
        larger = image.resize((width * (whole + 1), height * (whole + 1)), Image.Resampling.NEAREST)
        image = larger.resize((max(1, round(width * fit)), max(1, round(height * fit))), Image.Resampling.BOX)
    if image.size == size:
        return image
    panel = Image.new("RGB", size, ground)
    panel.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return panel


def mosaic_side(n_channels: int) -> int:
    """Return how many channel tiles stand in a row, and how many rows there are: as square as can be."""
    return math.ceil(math.sqrt(n_channels))


def channel_mosaic(latents: Latents, limits: Limits, scale: int, ground: tuple[int, int, int]) -> Image.Image:
    """Return the channels of latents (C, h, w) as grey tiles, `scale` pixels a cell, with fine seams of `ground`.

    It is `mosaic_side` tiles wide and high, so it is as large as the RGB picture at `scale` × that number.
    """
    tiles = channel_pictures(latents, limits)
    side = mosaic_side(len(tiles))
    height, width = (length * scale for length in latents.shape[-2:])
    panel = Image.new("RGB", (side * width, side * height), ground)
    seam = max(1, scale // 2)
    for index, picture in enumerate(tiles):
        x, y = index % side * width, index // side * height
        tile = Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST)
        inner = (seam if x else 0), (seam if y else 0)  # the seam is taken off the tile's first cells
        panel.paste(tile.crop((*inner, width, height)), (x + inner[0], y + inner[1]))
    return panel
