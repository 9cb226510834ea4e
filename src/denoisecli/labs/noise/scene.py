"""The toy scene: a lighthouse on a cliff at dusk, drawn from shapes at any size, the same on every machine.

Coordinates are those of the scene's middle square: (0, 0) its centre, −0.5 … 0.5 from edge to edge, y downwards.
Sky and sea go on beyond it, so that every format is filled. Shapes are drawn enlarged and averaged down.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from denoisecli.figures.theme import RGB, mix, rgb

Point = tuple[float, float]
Picture = NDArray[np.uint8]  # (H, W, 3), sRGB

OVERSAMPLE, MOST_PIXELS = 4, 4096  # enlarged so far, but no side beyond so many pixels
HORIZON = 0.15
SUN: Point = (-0.215, 0.085)
LAMP: Point = (0.19, -0.292)

SKY = ((-0.75, "#141b45"), (-0.45, "#26306b"), (-0.2, "#6b4a8f"), (0.0, "#d0667f"), (0.09, "#f39a63"),
       (HORIZON, "#ffd684"))  # fmt: skip
SEA = ((HORIZON, "#e8a878"), (0.17, "#7c7ea6"), (0.24, "#3d6b94"), (0.36, "#1d4873"), (0.7, "#0d2545"))
CLOUDS = (  # (middle x, foot y, half width, height)
    (-0.30, -0.255, 0.27, 0.075), (0.42, -0.16, 0.24, 0.07), (-0.46, -0.07, 0.21, 0.055), (-0.03, -0.085, 0.15, 0.04),
    (0.40, 0.02, 0.20, 0.032), (-0.95, -0.2, 0.28, 0.07), (0.98, -0.27, 0.3, 0.075), (0.9, 0.03, 0.22, 0.04),
    (-0.9, 0.03, 0.22, 0.035),
)  # fmt: skip
STARS = ((-0.42, -0.44), (-0.2, -0.47), (0.03, -0.40), (-0.09, -0.33), (0.35, -0.45), (0.46, -0.36), (0.24, -0.47),
         (-0.47, -0.35), (0.02, -0.62), (-0.3, -0.6), (0.33, -0.68), (-0.75, -0.42), (0.75, -0.46))  # fmt: skip
CLIFF = ((-0.045, 0.62), (-0.06, 0.43), (-0.025, 0.385), (-0.035, 0.315), (0.01, 0.275), (0.005, 0.215), (0.055, 0.17),
         (0.10, 0.142), (0.18, 0.13), (0.30, 0.133), (0.40, 0.155), (0.52, 0.15), (0.70, 0.2), (0.9, 0.3), (1.3, 0.42),
         (1.3, 0.62))  # fmt: skip
FACETS = (  # lit towards the sun, dark away from it
    ("#b98261", ((0.055, 0.17), (0.10, 0.142), (0.105, 0.27), (0.04, 0.36), (0.01, 0.275), (0.005, 0.215))),
    ("#8a5a4d", ((-0.035, 0.315), (0.01, 0.275), (0.04, 0.36), (0.02, 0.47), (-0.06, 0.43), (-0.025, 0.385))),
    ("#6d4748", ((0.105, 0.27), (0.10, 0.142), (0.22, 0.131), (0.2, 0.3), (0.13, 0.41), (0.04, 0.36))),
    ("#563a44", ((0.04, 0.36), (0.13, 0.41), (0.12, 0.62), (-0.045, 0.62), (-0.06, 0.43), (0.02, 0.47))),
    ("#4a3341", ((0.22, 0.131), (0.34, 0.14), (0.36, 0.29), (0.27, 0.4), (0.2, 0.3))),
    ("#39293a", ((0.2, 0.3), (0.27, 0.4), (0.26, 0.62), (0.12, 0.62), (0.13, 0.41))),
    ("#33263a", ((0.34, 0.14), (0.40, 0.155), (0.52, 0.15), (0.5, 0.34), (0.36, 0.29))),
)
GRASS = ((0.05, 0.174), (0.10, 0.142), (0.18, 0.13), (0.30, 0.133), (0.40, 0.155), (0.52, 0.15), (0.7, 0.2), (0.9, 0.3),
         (0.9, 0.325), (0.7, 0.218), (0.53, 0.171), (0.46, 0.178), (0.41, 0.169), (0.35, 0.166), (0.29, 0.147),
         (0.23, 0.156), (0.17, 0.144), (0.12, 0.162), (0.09, 0.163))  # fmt: skip


class Pen:
    """Draws in scene coordinates on an enlarged image; colours may have an opacity, 0..1."""

    def __init__(self, image: Image.Image) -> None:
        self.scale = min(image.size)
        self.middle = image.width / 2, image.height / 2
        self.draw = ImageDraw.Draw(image, "RGBA")

    def at(self, point: Point) -> Point:
        """Return the pixel of a point."""
        return self.middle[0] + point[0] * self.scale, self.middle[1] + point[1] * self.scale

    def polygon(self, points: Sequence[Point], colour: RGB, opacity: float = 1.0) -> None:
        """Fill a polygon."""
        self.draw.polygon([self.at(point) for point in points], fill=(*colour, round(255 * opacity)))

    def box(self, left: float, top: float, right: float, bottom: float, colour: RGB) -> None:
        """Fill an upright rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def oval(self, centre: Point, rx: float, ry: float, colour: RGB, opacity: float = 1.0) -> None:
        """Fill an ellipse."""
        x, y = centre
        self.draw.ellipse(
            (*self.at((x - rx, y - ry)), *self.at((x + rx, y + ry))), fill=(*colour, round(255 * opacity))
        )


def lighthouse(size: tuple[int, int]) -> Picture:
    """Return the scene as sRGB, (height, width, 3), for size = (width, height) in pixels."""
    factor = max(1, min(OVERSAMPLE, MOST_PIXELS // max(size)))
    large = size[0] * factor, size[1] * factor
    image = Image.fromarray(_sky_and_sea(size)).resize(large, Image.Resampling.BILINEAR)
    pen = Pen(image)
    for part in (_sun, _stars, _clouds, _headland, _waves, _beams, _cliff, _surf, _house, _tower, _lantern, _birds):
        part(pen)
    return np.asarray(image.reduce(factor) if factor > 1 else image)


def _gradient(stops: Sequence[tuple[float, str]], y: NDArray[Any]) -> NDArray[np.float32]:
    """Return colours (n, 3) in 0..255 at heights y (n,)."""
    colours = np.array([rgb(code) for _, code in stops])
    places = [height for height, _ in stops]
    return np.stack([np.interp(y, places, colours[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def _array(code: str) -> NDArray[np.float32]:
    return np.array(rgb(code), dtype=np.float32)


def _sky_and_sea(size: tuple[int, int]) -> Picture:
    """Return the background (H, W, 3): sky with the glow around the sun, and the sea, without waves."""
    width, height = size
    unit = min(size)
    y = (((np.arange(height) + 0.5) - height / 2) / unit).astype(np.float32)
    x = (((np.arange(width) + 0.5) - width / 2) / unit).astype(np.float32)
    sky = _gradient(SKY, y)[:, None]
    distance = np.hypot(x[None] - SUN[0], y[:, None] - SUN[1])
    glow = np.minimum(0.75 * np.exp(-np.square(distance / 0.16)) + 0.35 * np.exp(-distance / 0.22), 1)[..., None]
    picture = sky + (_array("#fff0b8") - sky) * glow
    below = y >= HORIZON
    across, down = np.exp(-np.square((x - SUN[0]) / 0.2)), np.exp(-(y[below] - HORIZON) / 0.16)
    shine = 0.55 * across[None, :, None] * down[:, None, None]
    sea = _gradient(SEA, y[below])[:, None]
    picture[below] = sea + (_array("#ffcf8a") - sea) * shine
    rounded: Picture = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return rounded


def _sun(pen: Pen) -> None:
    pen.oval(SUN, 0.061, 0.061, rgb("#fff8dc"))


def _stars(pen: Pen) -> None:
    for index, star in enumerate(STARS):
        pen.oval(star, 0.0035, 0.0035, rgb("#fff6e0"), 0.5 + 0.15 * (index % 4))


def _cloud(middle: float, foot: float, half: float, height: float, lit: float) -> list[Point]:
    """Return a cloud's outline; `lit` 0..1 shrinks it towards its edge that faces the sun."""
    share = np.linspace(-1, 1, 49)
    bumps = 0.62 + 0.38 * np.abs(np.sin(share * 4.1 + middle * 9)) ** 0.7
    shape = np.sqrt(np.maximum(1 - share**2, 0)) * bumps * (1 - 0.62 * lit)
    side = math.copysign(1.0, SUN[0] - middle)
    xs = middle + share * half * (1 - 0.2 * lit) + side * half * 0.1 * lit
    top = foot - height * shape
    sag = foot + height * 0.22 * np.sqrt(np.maximum(1 - share**2, 0)) * (1 - 0.4 * lit)
    return [*zip(xs, top, strict=True), *zip(xs[::-1], sag[::-1], strict=True)]


def _clouds(pen: Pen) -> None:
    for middle, foot, half, height in CLOUDS:
        nearness = 1 - min(1.0, math.dist((middle, foot), SUN) / 0.75)
        shade = mix(rgb("#54437f"), rgb("#d3697a"), nearness)
        gold = mix(rgb("#b9678a"), rgb("#ffb465"), nearness**0.7)
        cream = mix(rgb("#e39a8c"), rgb("#ffe3a6"), nearness**0.7)
        for lit, colour in ((0.0, shade), (0.45, gold), (0.8, cream)):
            pen.polygon(_cloud(middle, foot, half, height, lit), colour)


def _headland(pen: Pen) -> None:
    far = [(-2.2, HORIZON), (-2.2, 0.12), (-0.9, 0.118), (-0.6, 0.1), (-0.5, 0.104), (-0.42, 0.122), (-0.36, HORIZON)]
    pen.polygon(far, rgb("#8a5580"))
    pen.polygon([(-2.2, HORIZON), (-1.0, 0.138), (-0.62, 0.13), (-0.5, HORIZON)], rgb("#6d4675"))


def _crest(y: float, amplitude: float, length: float, phase: float) -> list[Point]:
    """Return a line of waves from far left to far right, sharper at the top."""
    xs = np.linspace(-2.4, 2.4, 961)
    ys = y - amplitude * (1 - np.abs(np.sin(xs * math.pi / length + phase))) ** 1.6
    return [*zip(xs.tolist(), ys.tolist(), strict=True)]


def _waves(pen: Pen) -> None:
    glitter = [(0.165, 0.085), (0.178, 0.06), (0.193, 0.10), (0.212, 0.05), (0.23, 0.075), (0.255, 0.045)]
    for index, (y, half) in enumerate(glitter):
        pen.oval((SUN[0] + 0.018 * (-1) ** index, y), half, 0.0035 + 0.0006 * index, rgb("#fff0c0"), 0.75)
    rows = [(0.215, 0.008, 0.11), (0.27, 0.014, 0.16), (0.34, 0.02, 0.22), (0.43, 0.028, 0.3)]
    tones = ["#4b76a0", "#356490", "#24527e", "#163c66"]
    for index, ((y, amplitude, length), tone) in enumerate(zip(rows, tones, strict=True)):
        crest = _crest(y, amplitude, length, 0.6 + 1.9 * index)
        light = mix(rgb(tone), rgb("#ffd9b0"), 0.5 - 0.06 * index)
        pen.polygon([*crest, (2.4, y + 0.2), (-2.4, y + 0.2)], rgb(tone), 0.55)
        foam = [(x, py + 0.22 * amplitude + 0.0015) for x, py in reversed(crest)]
        pen.polygon([*crest, *foam], light, 0.85)


def _beams(pen: Pen) -> None:
    for side in (-1, 1):
        for spread in (0.34, 0.24, 0.14):
            far = LAMP[0] + side * 2.0
            ends = (far, LAMP[1] - 0.10 - spread), (far, LAMP[1] - 0.10 + spread)
            pen.polygon([LAMP, *ends], rgb("#fff3b0"), 0.11)


def _cliff(pen: Pen) -> None:
    pen.polygon(CLIFF, rgb("#2c2236"))
    for code, points in FACETS:
        pen.polygon(points, rgb(code))
    pen.polygon([(-0.2, 0.425), (-0.17, 0.385), (-0.14, 0.375), (-0.115, 0.41), (-0.1, 0.44)], rgb("#4a3341"))
    pen.polygon([(-0.2, 0.425), (-0.17, 0.385), (-0.15, 0.395), (-0.16, 0.43)], rgb("#8a5a4d"))
    pen.polygon(GRASS, rgb("#5f7d4f"))
    pen.polygon([*GRASS[:4], *GRASS[15:]], rgb("#93a45c"))


def _surf(pen: Pen) -> None:
    for colour, lift in (("#6f9abd", 0.0), ("#bcd3df", 0.009), ("#f6fafa", 0.019)):
        for k in range(34):
            x = -0.25 + 0.025 * k
            radius = 0.017 + 0.011 * math.sin(2.3 * k) ** 2 + 0.012 * math.sin(0.31 * k) ** 2
            y = 0.447 + 0.085 * (x + 0.25) - 0.02 * math.sin(1.1 * k) ** 2
            pen.oval((x - 0.3 * lift, y + 0.004 - 0.5 * lift), 1.5 * radius - lift, radius - 0.75 * lift, rgb(colour))
    fronts = [(0.482, 0.03, 0.38, "#12335c"), (0.6, 0.04, 0.5, "#102e54"), (0.74, 0.045, 0.6, "#0e294c")]
    fronts += [(0.9, 0.05, 0.7, "#0c2444")]
    for index, (y, amplitude, length, tone) in enumerate(fronts):
        crest = _crest(y, amplitude, length, 2.2 + 1.3 * index)
        pen.polygon([*crest, (2.4, 2.4), (-2.4, 2.4)], rgb(tone))
        foam = [(x, py + 0.0085) for x, py in reversed(crest)]
        pen.polygon([*crest, *foam], mix(rgb(tone), rgb("#dfeaf0"), 0.85 - 0.17 * index))


def _house(pen: Pen) -> None:
    pen.box(0.295, 0.085, 0.405, 0.155, rgb("#b99a8f"))
    pen.box(0.295, 0.085, 0.325, 0.155, rgb("#efd9bd"))
    pen.polygon([(0.283, 0.089), (0.318, 0.042), (0.39, 0.042), (0.418, 0.089)], rgb("#7c2f3a"))
    pen.polygon([(0.283, 0.089), (0.318, 0.042), (0.33, 0.042), (0.33, 0.089)], rgb("#b4493f"))
    pen.box(0.375, 0.03, 0.39, 0.06, rgb("#5b3a42"))
    for x in (0.342, 0.374):
        pen.box(x, 0.103, x + 0.019, 0.127, rgb("#ffd46b"))


def _tower(pen: Pen) -> None:
    middle, foot, top = LAMP[0], 0.142, -0.245
    wide, narrow = 0.062, 0.041

    def half(share: float) -> float:
        return wide + (narrow - wide) * math.pow(share, 0.85)

    shares = np.linspace(0, 1, 8)
    for index, (low, high) in enumerate(itertools.pairwise(shares)):
        colour = rgb("#fdf3e3") if index % 2 else rgb("#d8323c")
        steps = np.linspace(low, high, 5)
        heights = foot + (top - foot) * steps
        left = [(middle - half(s), y) for s, y in zip(steps, heights, strict=True)]
        right = [(middle + half(s), y) for s, y in zip(steps[::-1], heights[::-1], strict=True)]
        pen.polygon([*left, *right], colour)
    for k in range(12):  # round: darker away from the sun
        edge = -0.1 + k / 12 * 1.1
        strip = [
            (middle + edge * wide, foot),
            (middle + edge * narrow, top),
            (middle + narrow, top),
            (middle + wide, foot),
        ]
        pen.polygon(strip, rgb("#2a1a4a"), 0.055)
    sunny = [(middle - wide, foot), (middle - narrow, top)]
    pen.polygon([*sunny, (middle - 0.62 * narrow, top), (middle - 0.62 * wide, foot)], rgb("#ffd9a0"), 0.28)
    for x, y in ((0.183, 0.035), (0.189, -0.07), (0.186, -0.175)):
        pen.box(x - 0.0085, y - 0.015, x + 0.0085, y + 0.012, rgb("#332748"))
        pen.oval((x, y - 0.015), 0.0085, 0.0085, rgb("#332748"))
    pen.box(middle - 0.022, 0.098, middle + 0.012, 0.143, rgb("#4a2b3a"))
    pen.oval((middle - 0.005, 0.098), 0.017, 0.017, rgb("#4a2b3a"))


def _lantern(pen: Pen) -> None:
    x, y = LAMP
    pen.oval(LAMP, 0.12, 0.12, rgb("#fff0a0"), 0.16)
    pen.oval(LAMP, 0.08, 0.08, rgb("#fff0a0"), 0.22)
    pen.box(x - 0.036, y - 0.038, x + 0.036, y + 0.03, rgb("#ffe66d"))
    pen.oval(LAMP, 0.023, 0.028, rgb("#fffef0"))
    for offset in (-0.036, -0.0125, 0.0105, 0.032):
        pen.box(x + offset, y - 0.038, x + offset + 0.004, y + 0.03, rgb("#3a2440"))
    pen.box(x - 0.064, y + 0.03, x + 0.064, y + 0.05, rgb("#2f1f3c"))
    for k in range(9):
        post = x - 0.061 + k * 0.015
        pen.box(post, y + 0.006, post + 0.0035, y + 0.03, rgb("#2f1f3c"))
    pen.box(x - 0.063, y + 0.004, x + 0.063, y + 0.009, rgb("#2f1f3c"))
    dome = [(x + 0.047 * math.cos(a), y - 0.036 - 0.052 * math.sin(a)) for a in np.linspace(0, math.pi, 33)]
    pen.polygon(dome, rgb("#8e2230"))
    pen.polygon([p for p in dome if p[0] <= x - 0.008] + [(x - 0.008, y - 0.036)], rgb("#d8323c"))
    pen.box(x - 0.003, y - 0.118, x + 0.003, y - 0.085, rgb("#2f1f3c"))
    pen.oval((x, y - 0.119), 0.008, 0.008, rgb("#2f1f3c"))


def _birds(pen: Pen) -> None:
    for x, y, size in ((-0.02, -0.19, 0.03), (0.045, -0.225, 0.022), (-0.085, -0.165, 0.018)):
        for side in (-1, 1):
            arc = [(x + side * size * s, y - size * 0.55 * math.sin(math.pi * s**0.8)) for s in np.linspace(0, 1, 9)]
            pen.polygon([*arc, *((px, py + size * 0.2 * (1 - i / 9)) for i, (px, py) in reversed([*enumerate(arc)]))],
                        rgb("#2f2342"))  # fmt: skip
