"""Anti-aliased shapes on a Pillow image: drawn at four times their size, averaged down, pasted in a colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw

from .boxes import Box
from .theme import RGB

OVERSAMPLE = 4
Point = tuple[float, float]


@lru_cache(maxsize=64)
def rounded_mask(width: int, height: int, radius: float) -> Image.Image:
    """Return the coverage (L) of a rectangle with round corners."""
    mask = Image.new("L", (width * OVERSAMPLE, height * OVERSAMPLE))
    edge = (width * OVERSAMPLE - 1, height * OVERSAMPLE - 1)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *edge), radius * OVERSAMPLE, fill=255)
    return mask.reduce(OVERSAMPLE)


def paste_rounded(image: Image.Image, at: tuple[int, int], picture: Image.Image, radius: float) -> None:
    """Paste `picture` with round corners, its top left at `at`."""
    image.paste(picture, at, rounded_mask(picture.width, picture.height, radius))


class Patch:
    """A piece of an image on which shapes are drawn at four times their size; `paste` puts them down."""

    def __init__(self, points: Sequence[Point], margin: float) -> None:
        xs, ys = zip(*points, strict=True)
        self.left, self.top = math.floor(min(xs) - margin), math.floor(min(ys) - margin)
        width, height = math.ceil(max(xs) + margin) - self.left, math.ceil(max(ys) + margin) - self.top
        self.mask = Image.new("L", (max(1, width) * OVERSAMPLE, max(1, height) * OVERSAMPLE))
        self.draw = ImageDraw.Draw(self.mask)

    def local(self, point: Point) -> Point:
        """Return `point` on the enlarged patch (pixel centres are half a pixel in)."""
        return (point[0] - self.left) * OVERSAMPLE - 0.5, (point[1] - self.top) * OVERSAMPLE - 0.5

    def disc(self, centre: Point, radius: float) -> None:
        """Draw a filled circle."""
        x, y = self.local(centre)
        reach = radius * OVERSAMPLE
        self.draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)

    def paste(self, image: Image.Image, colour: RGB, opacity: float = 1.0, clip: Box | None = None) -> None:
        """Put what was drawn onto `image`, only inside `clip` where it is given."""
        mask, left, top = self.mask.reduce(OVERSAMPLE), self.left, self.top
        if opacity < 1:
            mask = mask.point([round(level * opacity) for level in range(256)])
        if clip is not None:
            right, bottom = min(clip.right, left + mask.width), min(clip.bottom, top + mask.height)
            x, y = max(clip.x, left), max(clip.y, top)
            if x >= right or y >= bottom:
                return
            mask, left, top = mask.crop((x - left, y - top, right - left, bottom - top)), x, y
        image.paste(colour, (left, top), mask)


def disc(image: Image.Image, centre: Point, radius: float, colour: RGB) -> None:
    """Draw a filled circle; `centre` and `radius` in pixels, fractions count."""
    patch = Patch([centre], radius + 1)
    patch.disc(centre, radius)
    patch.paste(image, colour)


def discs(image: Image.Image, centres: Sequence[Point], radius: float, colour: RGB) -> None:
    """Draw filled circles of one size and colour at once."""
    if centres:
        patch = Patch(centres, radius + 1)
        for centre in centres:
            patch.disc(centre, radius)
        patch.paste(image, colour)


def polyline(
    image: Image.Image,
    points: Sequence[Point],
    width: float,
    colour: RGB,
    opacity: float = 1.0,
    clip: Box | None = None,
) -> None:
    """Draw a line through `points` with round joints and ends."""
    if clip is not None:  # a steep line may leave far beyond the image
        points = [(x, min(max(y, clip.y - clip.height), clip.bottom + clip.height)) for x, y in points]
    patch = Patch(points, width + 1)
    local = [patch.local(point) for point in points]
    patch.draw.line(local, fill=255, width=max(1, round(width * OVERSAMPLE)), joint="curve")
    for end in (points[0], points[-1]):
        patch.disc(end, width / 2)
    patch.paste(image, colour, opacity, clip)


def rectangle(image: Image.Image, box: tuple[float, float, float, float], colour: RGB, radius: float = 0) -> None:
    """Draw a filled rectangle (left, top, right, bottom), with round corners if asked; fractions count."""
    left, top, right, bottom = box
    patch = Patch([(left, top), (right, bottom)], 1)
    (x0, y0), (x1, y1) = patch.local((left, top)), patch.local((right, bottom))
    if x1 - x0 >= 1 and y1 - y0 >= 1:
        patch.draw.rounded_rectangle((x0 + 0.5, y0 + 0.5, x1 - 0.5, y1 - 0.5), radius * OVERSAMPLE, fill=255)
    patch.paste(image, colour)
