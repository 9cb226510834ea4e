"""The lower half of a scene: water, the ground under the landmark, and the foreground."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from training.canvas import (
    COLUMN,
    ROUGH,
    SIZE,
    SMOOTH,
    Array,
    Puffs,
    X,
    Y,
    blur,
    lookup,
    mix,
    rgb,
    ridge,
    smoothstep,
    warp,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.layout import Layout

SNOW = rgb(240, 245, 252)
BLOSSOMS = (rgb(232, 58, 50), rgb(250, 206, 60), rgb(178, 92, 210), rgb(250, 250, 244), rgb(246, 122, 168))


# ------------------------------------------------------------------------------------------------ water


def water(scene: Layout, picture: Array) -> Array:
    """The sea from the horizon down, with the path of light under the sun or moon."""
    depth = np.clip((Y - scene.horizon) / (SIZE - scene.horizon), 0, 1)
    deep = scene.light.on(rgb(30, 92, 116) * scene.tint, 0.5)
    colour = mix(scene.haze, deep, smoothstep(-0.05, 0.34, depth))
    ripple = np.sin(260 / (depth + 0.22) / 7 + 0.6 * np.sin(X / 29 + scene.phase[0]))
    colour = mix(colour, scene.haze, smoothstep(0.55, 1.0, ripple) * 0.16)
    path = np.exp(-(((X - scene.sun_x) / (12 + 50 * depth)) ** 2)) * (0.0 if scene.stormy else 0.62)
    colour = mix(colour, scene.glow, path * (0.5 + 0.5 * smoothstep(-0.3, 0.6, ripple)) * (1 - 0.5 * depth))
    return mix(picture, colour, smoothstep(-0.7, 0.7, Y - scene.horizon))


def mirror(scene: Layout, picture: Array, line: float) -> Array:
    """Calm water below `line`: everything above it upside down, a little blurred, darker and rippled."""
    depth = np.clip((Y - line) / 70, 0, 1)
    wobble = np.sin((Y - line) / (1.2 + 2.2 * depth) + 1.5 * np.sin(X / 31 + scene.phase[0])) * (0.6 + 2.4 * depth)
    upside = np.clip(2 * line - Y, 0, line - 1)
    deep = scene.light.on(rgb(28, 84, 108), 0.45)
    colour = mix(blur(warp(picture, X + wobble, upside), 1.0), deep, 0.2 + 0.22 * depth)
    glint = smoothstep(0.86, 1.0, np.sin(Y * 0.46 + 1.3 * np.sin(X / 37 + scene.phase[1]))) * depth
    colour = mix(colour, scene.haze, glint * 0.3)
    edge = line + 1.0 * np.sin(X / 23 + scene.phase[1])
    return mix(picture, colour, smoothstep(-1, 1, Y - edge))


# ------------------------------------------------------------------------------------------------ terrain


def terrain(scene: Layout, picture: Array) -> tuple[Array, tuple[float, float]]:
    """Draw the ground under the landmark; also return the point where it meets the foreground."""
    draw = {"rocky cliff": _cliff, "grassy hill": _hill, "small island": _island, "sand dune": _dune}
    return draw[scene.words.terrain](scene, picture)


def _snowy(scene: Layout) -> bool:
    return scene.words.foreground == "snowy field"


def _flat_seat(scene: Layout, line: Array) -> Array:
    """Ease a ground line to the landmark's own height around its foot, so that nothing floats."""
    away = smoothstep(10, 46, np.abs(COLUMN - scene.landmark_x))
    return np.asarray(scene.ground + (line - scene.ground) * away, np.float32)


def _facets(scene: Layout, columns: Array, lean: float) -> Array:
    """Brightness 0..1 of a rock face cut into upright facets that follow the light."""
    bend = columns + lean * (Y - scene.ground) + 5 * lookup(SMOOTH, X * 0.9, Y * 0.9 + scene.phase[1])
    wave = np.sin(bend / 6.5) + 0.6 * np.sin(bend / 3.9 + scene.phase[0])
    return np.clip(0.52 + 0.25 * (0.6 * np.round(wave * 1.3) / 1.3 + 0.4 * wave), 0, 1).astype(np.float32)


def _cliff(scene: Layout, picture: Array) -> tuple[Array, tuple[float, float]]:
    rng, x0, foot = scene.rng, scene.landmark_x, scene.shore + 10
    side = -1.0 if x0 < 128 else 1.0  # which border the plateau runs to
    edge = x0 - side * rng.uniform(38, 54) * scene.scale
    inland = side * (COLUMN - edge)
    plateau = _flat_seat(scene, scene.ground + 2.5 * ridge(rng) - 0.08 * np.clip(inland - 60, 0, 200))
    fall = np.clip(-inland / rng.uniform(14, 30), 0, 1.5)
    fall = fall + 0.09 * np.sin(fall * 9 + rng.uniform(0, 6)) * (fall > 0.05)
    top = plateau + (foot - scene.ground) * np.clip(fall, 0, 1.5)
    facing = _facets(scene, np.broadcast_to(COLUMN, Y.shape), 0.12 * side)
    rock = mix(rgb(92, 78, 78), rgb(186, 158, 132), facing)
    shade = 1 - 0.4 * np.clip((Y - scene.ground) / (foot - scene.ground), 0, 1)
    body = scene.light.on(rock * scene.tint, (0.12 + 0.88 * facing) * shade)
    below = Y - top[None]
    turf = smoothstep(9 + 2 * np.clip(ridge(rng), -1.2, 1.2).max(), 5, below) * (np.abs(np.gradient(top))[None] < 1.2)
    body = mix(body, scene.light.on(SNOW if _snowy(scene) else rgb(112, 148, 66) * scene.tint, 0.75), turf)
    return mix(picture, body, smoothstep(-1, 1, below) * (foot + 20 > Y)), (edge - side * 16, foot)


def _hill(scene: Layout, picture: Array) -> tuple[Array, tuple[float, float]]:
    rng, x0, foot = scene.rng, scene.landmark_x, scene.shore
    rise = foot - scene.ground
    width = rng.uniform(74, 112) * np.where(x0 > COLUMN, rng.uniform(0.8, 1.3), rng.uniform(0.8, 1.3))
    near = _flat_seat(scene, foot - rise * np.exp(-(((COLUMN - x0) / width) ** 2)) + ridge(rng, 2.4))
    x1 = x0 + rng.choice([-1, 1]) * rng.uniform(90, 150)
    far = foot - rise * rng.uniform(0.4, 0.7) * np.exp(-(((COLUMN - x1) / rng.uniform(50, 90)) ** 2))
    for top, dim in ((far, 0.82), (near, 1.0)):
        slope = blur(np.gradient(top)[None].astype(np.float32), 7)
        lambert = np.clip(0.62 + 1.25 * scene.light.side * slope - 0.004 * (Y - top[None]), 0.05, 1)
        grass = SNOW if _snowy(scene) else mix(rgb(66, 116, 52), rgb(154, 190, 82), lambert)
        body = scene.light.on(np.asarray(grass * scene.tint * dim, np.float32), lambert)
        picture = mix(picture, body, smoothstep(-1, 1, Y - top[None]) * (foot + 22 > Y))
    return picture, (x0, foot + 3)


def _island(scene: Layout, picture: Array) -> tuple[Array, tuple[float, float]]:
    rng, x0 = scene.rng, scene.landmark_x
    line = scene.horizon + rng.uniform(9, 14)
    half = rng.uniform(66, 90) * max(scene.scale, 0.9)
    dome = np.clip(1 - ((COLUMN - x0) / half) ** 2, 0, 1)
    height = line - scene.ground
    top = _flat_seat(scene, line - height * dome**0.6 + 1.5 * ridge(rng) * dome)
    bottom = line + 7 * dome**0.5
    facing = _facets(scene, np.broadcast_to(COLUMN, Y.shape), 0.0)
    rock = scene.light.on(mix(rgb(94, 82, 80), rgb(182, 158, 134), facing) * scene.tint, facing)
    green = scene.light.on(SNOW if _snowy(scene) else rgb(112, 150, 68) * scene.tint, 0.4 + 0.4 * facing)
    body = mix(rock, green, smoothstep(height * 0.7, height * 0.5, Y - top[None]))
    ring = np.exp(-((((X - x0) / (half + 8)) ** 2 + ((Y - line - 4) / 8) ** 2) ** 2) * 1.2)
    picture = mix(picture, foam(scene), ring * 0.6 * (scene.horizon + 1 < Y))
    inside = smoothstep(-1, 1, Y - top[None]) * smoothstep(1, -1, Y - bottom[None]) * (dome > 0)[None]
    return mix(picture, body, inside), (x0, line + 4)


def _dune(scene: Layout, picture: Array) -> tuple[Array, tuple[float, float]]:
    rng, x0, foot, side = scene.rng, scene.landmark_x, scene.shore, scene.light.side
    rise = foot - scene.ground
    near = _flat_seat(scene, foot - rise * np.exp(-(np.abs((COLUMN - x0) / rng.uniform(88, 124)) ** 1.7)))
    x1 = x0 + rng.choice([-1, 1]) * rng.uniform(95, 150)
    far = foot - rise * rng.uniform(0.4, 0.7) * np.exp(-(np.abs((COLUMN - x1) / rng.uniform(60, 95)) ** 1.7))
    for top, crest_x, dim in ((far, x1, 0.92), (near, x0, 1.0)):
        down = Y - top[None]
        sway = rng.uniform(8, 18) * np.sin(down / 15 + rng.uniform(0, 6.28)) * np.clip(down / 20, 0, 1)
        crest = crest_x - side * 6 - side * down * rng.uniform(0.5, 1.0) + sway
        facing = smoothstep(-4, 5, (X - crest) * side)
        ripple = 0.05 * np.sin((Y + 0.25 * X * side) * 2 * math.pi / 16)
        lambert = np.clip(0.16 + 0.8 * facing + ripple, 0, 1)
        sand = mix(rgb(200, 150, 98), rgb(252, 220, 154), lambert) * scene.tint * dim
        picture = mix(picture, scene.light.on(sand, lambert), smoothstep(-1, 1, down) * (foot + 22 > Y))
    return picture, (x0, foot + 3)


# ------------------------------------------------------------------------------------------------ foreground


def foam(scene: Layout) -> Array:
    """The colour of white water in this light."""
    lit = np.clip(rgb(250, 252, 255) * (scene.light.ambient * 1.1 + 0.6 * scene.light.sun) + 0.08, 0, 1)
    return np.asarray(np.clip(0.6 * lit + 0.4 * lit.mean() + 0.03, 0, 1), np.float32)


def foreground(scene: Layout, picture: Array, base: tuple[float, float]) -> Array:
    """Draw what lies between the terrain and the viewer."""
    kind = scene.words.foreground
    if kind == "calm sea":
        return mirror(scene, picture, base[1] + 2)
    if kind == "crashing waves":
        splash(scene, picture, base)
        return waves(scene, picture, base[1])
    start = scene.shore + (5 if scene.words.terrain != "small island" else 9)
    return (flowers if kind == "field of flowers" else snow)(scene, picture, start)


def splash(scene: Layout, picture: Array, base: tuple[float, float]) -> None:
    """Spray where the waves meet the ground, in place."""
    rng, white = scene.rng, foam(scene)
    puffs = Puffs(white, mix(white, scene.light.on(rgb(120, 190, 200), 0.5), 0.55), softness=0.75)
    tall = 24.0 if scene.words.terrain == "rocky cliff" else 13.0
    across = np.linspace(-1.4, 1.4, 22) + rng.normal(0, 0.1, 22)
    height = rng.uniform(0, 1.25, 22) * tall * np.exp(-(across**2))
    balls = np.stack([base[0] + across * tall, base[1] + 4 - height, rng.uniform(0.3, 0.62, 22) * tall], 1)
    puffs.draw(picture, balls[np.argsort(-height)])


def _wave_profile(x: Array) -> Array:
    """A trochoid-like crest line in 0..1: sharp crests, wide troughs, period 2π."""
    return np.asarray((1 - np.abs(np.sin(x / 2))) ** 1.5, np.float32)


def waves(scene: Layout, picture: Array, start: float) -> Array:
    """Five rows of breaking waves, each with a bright face and a foaming crest, bigger towards the viewer."""
    rng, white, rows = scene.rng, foam(scene), 5
    bright = scene.light.on(rgb(96, 194, 186) * scene.tint, 0.62)
    dark = scene.light.on(rgb(18, 70, 100) * scene.tint, 0.5)
    for row in range(rows):
        near = row / (rows - 1)
        level = start + 6 + (SIZE - start - 18) * near**1.2 + rng.uniform(-2, 2)
        length = 66 + 84 * near + rng.uniform(-10, 14)
        profile = _wave_profile(COLUMN / length * 2 * math.pi + rng.uniform(0, 6.28))
        crest = level - (7 + 17 * near) * profile + 1.5 * ridge(rng, 2.2)
        down = Y - crest[None]
        face = mix(mix(bright, scene.haze, 0.2), dark, smoothstep(0, 12 + 26 * near, down))
        lace = lookup(ROUGH, X * (1.5 - 0.6 * near) + 97 * row, Y * (2.2 - near))
        cap = smoothstep(1.1, 0.5, down / ((2.4 + 7 * near) * (0.4 + profile[None])) + 0.22 * lace)
        streak = smoothstep(0.9, 1.3, lace) * smoothstep(0, 8, down) * smoothstep(26 + 20 * near, 8, down) * 0.6
        picture = mix(picture, mix(face, white, np.maximum(cap, streak)), smoothstep(-1, 1, down))
    return picture


def flowers(scene: Layout, picture: Array, start: float) -> Array:
    """A meadow in perspective, its blossoms in bands of three colours."""
    rng = scene.rng
    top = start + 4 * ridge(rng, 2.2)
    depth = np.clip((Y - top[None]) / (SIZE - start), 0, 1)
    grass = mix(rgb(134, 176, 74), rgb(56, 116, 50), depth) * scene.tint
    picture = mix(picture, scene.light.on(grass, 0.62), smoothstep(-1, 1, Y - top[None]))
    canvas = np.ascontiguousarray((picture * 255).astype(np.uint8))
    colours = [BLOSSOMS[int(i)] for i in rng.permutation(len(BLOSSOMS))[:3]]
    for row in range(9):
        near = ((row + 0.5) / 9) ** 1.5
        step = 8 + 18 * near
        columns = np.arange(rng.uniform(-step, 0), SIZE + step, step)
        for x in columns + rng.normal(0, step * 0.16, columns.size):
            column = int(np.clip(x, 0, SIZE - 1))
            y = top[column] + 3 + (SIZE - top[column]) * near + rng.normal(0, step * 0.14)
            patch = math.sin(x / 60 + row * 0.8 + scene.phase[0])
            colour = colours[0 if patch > 0.35 else 1 if patch > -0.45 else 2]
            _blossom(canvas, x, y, 2.0 + 5.2 * near, scene.light.on(colour, rng.uniform(0.6, 0.85)))
    return canvas.astype(np.float32) / 255


def _blossom(canvas: np.ndarray, x: float, y: float, r: float, colour: Array) -> None:
    paint: Sequence[float] = [float(part) for part in colour * 255]
    centre = (int(x * 8), int(y * 8))
    cv2.ellipse(canvas, centre, (int(r * 8), int(r * 6.4)), 0, 0, 360, paint, -1, cv2.LINE_AA, 3)
    if r > 4:
        cv2.circle(canvas, centre, int(r * 2.6), [part * 0.5 for part in paint], -1, cv2.LINE_AA, 3)


def snow(scene: Layout, picture: Array, start: float) -> Array:
    """Three drifts, their slopes lit from the side, blue in the shade."""
    rng = scene.rng
    for row in range(3):
        top = start + row * (SIZE - start) * 0.3 + (4 + 4 * row) * ridge(rng, 2.4)
        down = Y - top[None]
        lambert = np.clip(0.95 - 0.5 * smoothstep(0, 50, down) + 0.9 * scene.light.side * np.gradient(top)[None], 0, 1)
        colour = mix(rgb(172, 196, 232), rgb(255, 255, 255), smoothstep(0, 0.9, lambert))
        body = np.clip(colour * (scene.light.ambient * 1.15 + lambert[..., None] * scene.light.sun * 0.72), 0, 1)
        picture = mix(picture, body, smoothstep(-1, 1, down))
    return picture
