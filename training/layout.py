"""Where everything stands in one scene, and its light: drawn once from (attributes, seed), then read by all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from training.canvas import Array, Light, rgb

if TYPE_CHECKING:
    from training.captions import Attributes

SKY = {  # top, middle, horizon
    "dawn": (rgb(104, 146, 206), rgb(228, 184, 204), rgb(255, 220, 178)),
    "noon": (rgb(44, 116, 210), rgb(112, 180, 234), rgb(204, 232, 246)),
    "dusk": (rgb(48, 38, 100), rgb(172, 70, 110), rgb(255, 150, 66)),
    "night": (rgb(10, 14, 46), rgb(24, 38, 88), rgb(56, 82, 134)),
}
AMBIENT = {
    "dawn": (0.54, 0.50, 0.56),
    "noon": (0.52, 0.55, 0.60),
    "dusk": (0.44, 0.35, 0.42),
    "night": (0.25, 0.30, 0.44),
}
SUN = {
    "dawn": (0.60, 0.46, 0.36),
    "noon": (0.62, 0.58, 0.50),
    "dusk": (0.86, 0.50, 0.24),
    "night": (0.26, 0.32, 0.46),
}
GLOW = {
    "dawn": rgb(255, 230, 186),
    "noon": rgb(255, 252, 232),
    "dusk": rgb(255, 198, 100),
    "night": rgb(176, 196, 238),
}
RISE = {"rocky cliff": (34, 62), "grassy hill": (26, 50), "small island": (16, 26), "sand dune": (28, 50)}
HEIGHT = {
    "lighthouse": 122.0,
    "castle": 108.0,
    "windmill": 122.0,
    "cottage": 92.0,
    "pine tree": 122.0,
    "stone tower": 108.0,
    "hot-air balloon": 122.0,
    "church": 124.0,
    "bridge": 70.0,
    "boat": 104.0,
}
"""Height of each landmark at scale 1, so that its top stays in the picture."""

ACROSS = {"": (62, 194), "left": (58, 92), "right": (164, 198)}
"""Where the landmark may stand, by what is told of its side."""
WIDE = ("castle", "church", "bridge")
"""Landmarks that would be cut by the border where others may stand."""


@dataclass
class Layout:
    """The free choices of one scene; all lengths are pixels."""

    rng: np.random.Generator
    words: Attributes
    horizon: float
    shore: float
    """Where the foreground begins."""
    landmark_x: float
    ground: float
    """Height of the ground under the landmark."""
    scale: float
    sun_x: float
    sun_y: float
    sun_r: float
    tint: Array
    light: Light
    phase: tuple[float, float]
    """Offsets into the noise tiles."""
    lamps: list[tuple[float, float, float, bool]] = field(default_factory=list)
    """Lit windows and lanterns: x, y, radius, whether it throws a beam."""

    @property
    def stormy(self) -> bool:
        """Dark clouds hide sun and moon."""
        return self.words.sky == "dark storm clouds"

    @property
    def lit_windows(self) -> bool:
        """Whether somebody has lit the lamps."""
        return self.words.time != "noon" or self.stormy

    @property
    def glow(self) -> Array:
        """The colour of sun or moon light in the air."""
        return GLOW[self.words.time]

    @property
    def haze(self) -> Array:
        """The colour of the air at the horizon, which water and far hills take on."""
        colour = SKY[self.words.time][2] * self.tint
        return np.clip(colour * (0.62 if self.stormy else 1.0), 0, 1)


def _sun(rng: np.random.Generator, time: str, horizon: float, landmark_x: float) -> tuple[float, float, float]:
    """Place of sun or moon, never behind the landmark."""
    x = float(rng.uniform(24, 232))
    if time == "noon":
        y, r = float(rng.uniform(20, 42)), 13.0
    elif time == "night":
        y, r = float(rng.uniform(26, 64)), 14.0
    else:
        y, r = horizon - float(rng.uniform(8, 30)), 15.0
    if abs(x - landmark_x) < 44:
        x = landmark_x + 58 * (1 if landmark_x < 128 else -1)
    return x, y, r


def draw_layout(words: Attributes, seed: int) -> Layout:
    """Draw the composition of one scene: place, size, horizon, light and tint all vary with the seed."""
    rng = np.random.default_rng(seed)
    horizon = float(rng.uniform(138, 168))
    shore = horizon + float(rng.uniform(20, 36))
    landmark_x = float(rng.uniform(*ACROSS[words.side]))
    if words.landmark in WIDE:
        landmark_x = 128 + (landmark_x - 128) * 0.75
    ground = horizon + 10 - float(rng.uniform(*RISE[words.terrain]))
    scale = min(float(rng.uniform(0.88, 1.2)), (ground - 5) / HEIGHT[words.landmark])
    tint = (1 + rng.normal(0, 0.04, 3)).astype(np.float32)
    sun_x, sun_y, sun_r = _sun(rng, words.time, horizon, landmark_x)
    dim = (0.84, 0.5) if words.sky == "dark storm clouds" else (1.0, 1.0)
    light = Light(
        ambient=np.asarray(AMBIENT[words.time], np.float32) * dim[0] * tint,
        sun=np.asarray(SUN[words.time], np.float32) * dim[1],
        side=1.0 if sun_x > landmark_x else -1.0,
    )
    u, v = rng.uniform(0, 512, 2)
    return Layout(rng, words, horizon, shore, landmark_x, ground, scale, sun_x, sun_y, sun_r, tint, light, (u, v))
