"""How large a page may get: pictures are embedded as they are stored, or smaller where they would be too many bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..picture_file import webp

MOST_BYTES = 8 << 20  # of all pictures of a page: 11 MB as base64
MOST_PIXELS = 80_000_000  # of all of them decoded, which a browser holds in memory at 4 bytes each
LEAST_SIDE = 48  # below it a picture shows nothing
SHRINK = 0.8  # a second try is that much smaller

Place = tuple[Any, ...]


def fitted(views: Mapping[str, Any], wanted: Sequence[Place]) -> tuple[dict[str, bytes], str | None]:
    """Return the wanted pictures by name ("view/index/…") as WebP, and a sentence where they had to be made smaller.

    views: of a PictureFile. wanted: (view, index, …). Stored bytes are embedded as they are while they fit.
    """
    if not wanted:
        return {}, None
    coded = {_name(place): views[place[0]].coded(*place[1:]) for place in wanted}
    height, width = views[wanted[0][0]].shape[-3:-1]
    total = sum(map(len, coded.values()))
    pixels = sum(math.prod(views[place[0]].shape[-3:-1]) for place in wanted)
    scale = min(1.0, math.sqrt(MOST_PIXELS / pixels), math.sqrt(MOST_BYTES / total))
    if scale == 1:
        return coded, None
    while True:
        coded = {_name(place): webp(_smaller(views, place, scale)) for place in wanted}
        if sum(map(len, coded.values())) <= MOST_BYTES or scale * max(height, width) <= LEAST_SIDE:
            break
        scale *= SHRINK
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    return (
        coded,
        f"Pictures are shown at {small[0]}×{small[1]} instead of {width}×{height}, so that the page stays small.",
    )


def _smaller(views: Mapping[str, Any], place: Place, scale: float) -> Any:
    picture = views[place[0]][place[1:]]
    height, width = picture.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _name(place: Place) -> str:
    return "/".join(map(str, place))
