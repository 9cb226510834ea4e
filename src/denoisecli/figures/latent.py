"""Latents as pictures: channels as grey tiles, or the first three (or mixed ones) as RGB.

The limits are taken once from the whole run, so a brightness means the same value in every frame.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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


def variance_preserving(x_t: Latents, sigmas: NDArray[Any]) -> Latents:
    """Return x_t / √(1 + σ²): latents (seed, state, C, h, w) of a sigma-space sampler on the scale of DDPM's."""
    scale: Latents = 1 / np.sqrt(1 + np.square(sigmas.astype(np.float32)))
    return np.asarray(x_t, dtype=np.float32) * scale[None, :, None, None, None]


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
    """Return `picture` with whole-number square cells, centred on `ground` in an image of `size` = (width, height).

    Where even one pixel a cell is too much, it is averaged down to fit.
    """
    height, width = picture.shape[:2]
    scale = min(size[0] // width, size[1] // height)
    image = Image.fromarray(picture)
    if scale >= 1:
        image = image.resize((width * scale, height * scale), Image.Resampling.NEAREST)
    else:
        fit = min(size[0] / width, size[1] / height)
        fitted = max(1, int(width * fit)), max(1, int(height * fit))
        image = image.resize(fitted, Image.Resampling.BOX)
    if image.size == size:
        return image
    panel = Image.new("RGB", size, ground)
    panel.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return panel


def channel_mosaic(latents: Latents, limits: Limits, size: tuple[int, int], ground: tuple[int, int, int]) -> Image.Image:
    """Return the channels of latents (C, h, w) as grey tiles in rows, filling an image of `size`."""
    tiles = channel_pictures(latents, limits)
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    gap = max(2, size[1] // 120)
    tile = (size[0] - (columns - 1) * gap) // columns, (size[1] - (rows - 1) * gap) // rows
    panel = Image.new("RGB", size, ground)
    for index, picture in enumerate(tiles):
        x, y = index % columns * (tile[0] + gap), index // columns * (tile[1] + gap)
        panel.paste(enlarged(picture, tile, ground), (x, y))
    return panel
