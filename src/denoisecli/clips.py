"""Clips in pictures that stand still: which frames are shown, and how they lie in one picture.

The latents of a clip have a frame axis, (..., C, f, h, w). Whatever measures or draws pictures gets one plane instead:
of every frame for numbers, of the shown frames for drawings.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Show = Literal["grid", "middle"]
FULL = (1, 2, 3, 4, 6, 9)
"""numbers of frames that fill a grid"""
PANEL = 1.5
"""width to height that a grid comes near to"""


def shown_frames(frames: int, show: Show) -> list[int]:
    """Return which of a clip's frames are shown: the middle one, or as many of FULL, from the first to the last."""
    if show == "middle":
        return [frames // 2]
    count = max(number for number in FULL if number <= frames)
    return [round(k * (frames - 1) / max(count - 1, 1)) for k in range(count)]


def first_of_each(clip: NDArray[Any], frames: int) -> NDArray[Any]:
    """Return the pictures of a clip (F, H, W, 3) at which each of its latents' frames begins.

    Where the first one stands for itself alone, F = (f − 1)·r + 1; else all stand for r pictures.
    """
    each = (len(clip) - 1) // (frames - 1) if frames > 1 and (len(clip) - 1) % (frames - 1) == 0 else 0
    places = [k * each if each else k * len(clip) // frames for k in range(frames)]
    return clip[places]


def grid_of(count: int, ratio: float) -> tuple[int, int]:
    """Return (rows, columns) of a full grid of so many frames, each `ratio` times as wide as high."""
    fits = [(rows, count // rows) for rows in range(1, count + 1) if count % rows == 0]
    return min(fits, key=lambda grid: abs(math.log(ratio * grid[1] / grid[0] / PANEL)))


def side_by_side(pictures: NDArray[Any]) -> NDArray[Any]:
    """Return frames (n, frame, H, W, 3), as many as FULL has, as pictures (n, rows·H, columns·W, 3), row by row."""
    n, count, height, width, channels = pictures.shape
    rows, columns = grid_of(count, width / height)
    cells = pictures.reshape(n, rows, columns, height, width, channels).swapaxes(2, 3)
    return cells.reshape(n, rows * height, columns * width, channels)


def frames_of(record: Mapping[str, Any]) -> int:
    """Return how many frames the latents of a run have, by its record; 1 of a run of pictures."""
    told = (record.get("latents") or {}).get("frames")
    return told if isinstance(told, int) and told > 1 else 1


def show_of(record: Mapping[str, Any]) -> Show:
    """Return how a run shows clips, by the config in its record."""
    told = ((record.get("config") or {}).get("video") or {}).get("show")
    return "middle" if told == "middle" else "grid"


def on_plane(latents: NDArray[Any], record: Mapping[str, Any]) -> NDArray[Any]:
    """Return latents (..., C, f, h, w) of a run of clips as they are drawn, (..., C, H, W); pictures as they are."""
    frames = frames_of(record)
    if frames == 1:
        return latents
    shown = latents[..., shown_frames(frames, show_of(record)), :, :]
    *before, channels, count, height, width = shown.shape
    cells = np.moveaxis(shown.reshape(-1, channels, count, height, width), 1, -1)
    planes = np.moveaxis(side_by_side(cells), -1, 1)
    return planes.reshape(*before, channels, *planes.shape[-2:])


def frames_as_channels(latents: NDArray[Any], record: Mapping[str, Any]) -> NDArray[Any]:
    """Return latents (..., C, f, h, w) of a run of clips as (..., C·f, h, w), to be measured; pictures as they are."""
    if frames_of(record) == 1:
        return latents
    *before, channels, frames, height, width = latents.shape
    return latents.reshape(*before, channels * frames, height, width)
