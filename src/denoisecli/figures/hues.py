"""Hues for things that have names of their own, such as words: as light as the theme's amber, and apart to the eye.

They are turned in OKLCH, where equal lightness looks equal. Source: Ottosson 2020, "A perceptual color space for image
processing", https://bottosson.github.io/posts/oklab/.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .theme import RGB, Theme

COUNT = 8
TURN = 137.508  # degrees, the golden angle: neighbours are far apart, and so are all eight
MOST_CHROMA = 0.13  # calm, and within sRGB at most hues
DARKER = 0.025  # on a bright ground: green and cyan of amber's lightness would have less contrast than it has
_TO_CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
_TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip


def hues(theme: Theme) -> tuple[RGB, ...]:
    """Return the theme's COUNT hues, amber's own first, or nearly."""
    lightness, a, b = _TO_LAB @ np.cbrt(_TO_CONES @ _linear(np.array(theme.amber) / 255))
    lightness -= DARKER if sum(theme.ground) > 384 else 0
    start, chroma = math.degrees(math.atan2(b, a)), min(math.hypot(a, b), MOST_CHROMA)
    return tuple(_colour(lightness, chroma, start + TURN * index) for index in range(COUNT))


def _colour(lightness: float, chroma: float, degrees: float) -> RGB:
    """Return the colour of this lightness and hue in sRGB; as strong as asked, or as there is."""
    angle = math.radians(degrees)
    while True:
        lab = np.array([lightness, chroma * math.cos(angle), chroma * math.sin(angle)])
        rgb = np.linalg.solve(_TO_CONES, np.linalg.solve(_TO_LAB, lab) ** 3)
        if chroma < 1e-3 or (rgb.min() >= -1e-4 and rgb.max() <= 1.0001):
            red, green, blue = (round(255 * float(value)) for value in _gamma(np.clip(rgb, 0, 1)))
            return red, green, blue
        chroma *= 0.97


def _linear(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _gamma(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
