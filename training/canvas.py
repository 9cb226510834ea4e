"""Drawing primitives of the scenes: noise, soft masks, lit polygons and billowing puffs.

A picture is float32 (256, 256, 3), sRGB in 0..1; x runs right, y runs down, both in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

cv2.setNumThreads(1)  # scenes are rendered in one process a core

SIZE = 256
Array = npt.NDArray[np.float32]
Y, X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
COLUMN = X[0]


def rgb(red: float, green: float, blue: float) -> Array:
    """A colour from its 0..255 parts."""
    return np.array((red, green, blue), np.float32) / 255


def smoothstep(low: float, high: float, value: npt.ArrayLike) -> Array:
    """0 below `low`, 1 above `high`, 3t² − 2t³ between; low > high turns it round."""
    t = np.clip((np.asarray(value, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def mix(first: Array, second: Array, share: npt.ArrayLike) -> Array:
    """First + share · (second − first), where a 2-D share of colours is a mask over their pixels."""
    share = np.asarray(share, np.float32)
    if share.ndim == 2 and first.ndim != 2:
        # Three contiguous channels are several times faster than broadcasting over a last axis of three.
        share = cv2.merge((share, share, share))
        first, second = _spread(first, share), _spread(second, share)
    return np.asarray(first + (second - first) * share, np.float32)


def _spread(colour: Array, like: Array) -> Array:
    """A picture of one colour; a picture stays as it is."""
    if colour.ndim != 1:
        return colour
    return cv2.merge([np.full(like.shape[:2], part, np.float32) for part in colour])


def blur(picture: Array, sigma: float) -> Array:
    """Gaussian blur of standard deviation `sigma` pixels."""
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def _noise_tile(rng: np.random.Generator, slope: float, lowest: float, size: int = 512) -> Array:
    """Periodic noise with amplitude 1/f^slope above frequency `lowest`, mean 0, std 1."""
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(size) * size, np.fft.fftfreq(size) * size))
    amplitude = np.where(f < lowest, 0, 1 / np.maximum(f, 1) ** slope)
    tile = np.fft.ifft2(amplitude * np.exp(2j * np.pi * rng.random((size, size)))).real
    return np.asarray((tile - tile.mean()) / tile.std(), np.float32)


_tiles = np.random.default_rng(7)
SMOOTH = _noise_tile(_tiles, 2.6, 4)
ROUGH = _noise_tile(_tiles, 1.9, 4)
GRAIN = _noise_tile(_tiles, 0.6, 24)


def lookup(tile: Array, u: Array, v: Array) -> Array:
    """Read a periodic tile at the points (u, v), bilinear."""
    u, v = np.ascontiguousarray(u, np.float32), np.ascontiguousarray(v, np.float32)
    return cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def warp(picture: Array, x: Array, y: Array) -> Array:
    """Read a picture at the points (x, y), bilinear, mirrored at the edges."""
    x, y = np.ascontiguousarray(x, np.float32), np.ascontiguousarray(y, np.float32)
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def ridge(rng: np.random.Generator, slope: float = 2.0) -> Array:
    """A random smooth line over the columns: 1/f^slope noise, std 1, shape (256,)."""
    f = np.fft.rfftfreq(2 * SIZE) * 2 * SIZE
    amplitude = np.where(f < 1, 0, 1 / np.maximum(f, 1) ** slope)
    line = np.fft.irfft(amplitude * np.exp(2j * np.pi * rng.random(f.size)))[:SIZE]
    return np.asarray(line / (line.std() + 1e-9), np.float32)


@dataclass(frozen=True)
class Light:
    """The light of a scene: a surface of albedo a shows a · (ambient + lambert · sun)."""

    ambient: Array
    sun: Array
    side: float
    """+1 when the light comes from the right, −1 from the left."""

    def on(self, albedo: Array, lambert: npt.ArrayLike) -> Array:
        """The colour of a surface; lambert is 0 in shadow, 1 facing the light."""
        lambert = np.asarray(lambert, np.float32)
        if lambert.ndim == 2:
            lambert = cv2.merge((lambert, lambert, lambert))
            albedo = _spread(albedo, lambert)
            light = lambert * _spread(self.sun, lambert) + _spread(self.ambient, lambert)
        else:
            light = self.ambient + lambert * self.sun
        return np.clip(albedo * light, 0, 1).astype(np.float32)


class Pen:
    """Draws lit, antialiased shapes into a picture, in place."""

    def __init__(self, picture: Array, light: Light) -> None:
        self.picture = picture
        self.light = light

    def polygon(
        self,
        points: npt.ArrayLike,
        colour: Array,
        *,
        lambert: float = 0.6,
        axis: tuple[float, float] | None = None,
        glow: bool = False,
    ) -> None:
        """Fill a polygon. `axis` = (centre x, half width) shades it as an upright cylinder; `glow` as a lamp."""
        corners = np.asarray(points, np.float64)
        mask = np.zeros((SIZE, SIZE), np.uint8)
        cv2.fillPoly(mask, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        (left, top), (right, bottom) = corners.min(0) - 2, corners.max(0) + 3
        box = np.s_[max(0, int(top)) : max(0, int(bottom)), max(0, int(left)) : max(0, int(right))]
        cover = mask[box].astype(np.float32) / 255
        if not cover.size:
            return
        if glow:
            paint = np.broadcast_to(colour, (*cover.shape, 3))
        elif axis is None:
            paint = np.broadcast_to(self.light.on(colour, lambert), (*cover.shape, 3))
        else:
            across = np.clip((X[box] - axis[0]) / axis[1], -1, 1) * self.light.side
            paint = self.light.on(colour, np.clip(0.42 + 0.62 * across, 0.02, 1.1))
        self.picture[box] = mix(self.picture[box], np.asarray(paint, np.float32), cover)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Array, **how: object) -> None:
        """Fill an upright rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, **how)  # type: ignore[arg-type]

    def disc(
        self, x: float, y: float, rx: float, ry: float, colour: Array, *, upper: bool = False, **how: object
    ) -> None:
        """Fill an ellipse, or its upper half."""
        angle = np.linspace(math.pi, 2 * math.pi if upper else 3 * math.pi, 28)
        points = np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)
        self.polygon(points, colour, **how)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Puffs:
    """How a heap of soft balls (a cumulus, spray) takes the light."""

    lit: Array
    shade: Array
    rim: Array | None = None
    towards: tuple[float, float] = (0.5, -0.8)
    """Unit vector to the light, y down."""
    softness: float = 0.18

    def draw(self, picture: Array, balls: npt.ArrayLike, floor: float | None = None) -> None:
        """Draw balls (x, y, radius), first at the back, in place; `floor` fades all that is below it."""
        for x, y, r in np.asarray(balls, np.float32):
            box = np.s_[
                max(0, int(y - r - 2)) : max(0, min(SIZE, int(y + r + 3))),
                max(0, int(x - r - 2)) : max(0, min(SIZE, int(x + r + 3))),
            ]
            if not X[box].size:
                continue
            nx, ny = (X[box] - x) / r, (Y[box] - y) / r
            distance = np.sqrt(nx * nx + ny * ny)
            facing = nx * self.towards[0] + ny * self.towards[1]
            colour = mix(self.shade, self.lit, smoothstep(-0.75, 0.6, facing))
            if self.rim is not None:
                edge = smoothstep(0.25, 0.95, facing) * smoothstep(0.45, 0.95, distance)
                colour = mix(colour, self.rim, edge * 0.75)
            cover = smoothstep(1.0, 1.0 - self.softness - 2.0 / r, distance)
            if floor is not None:
                cover = cover * smoothstep(floor + 5, floor - 5, Y[box])
            picture[box] = mix(picture[box], colour, cover)
