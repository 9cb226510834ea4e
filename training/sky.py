"""The upper half of a scene: sky, sun or moon, stars, clouds and far hills."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from training.canvas import SIZE, Array, Puffs, X, Y, mix, rgb, ridge, smoothstep
from training.layout import SKY

if TYPE_CHECKING:
    from training.layout import Layout

CLOUD = {  # lit side, shade, rim
    "soft white clouds": {
        "dawn": (rgb(255, 240, 228), rgb(222, 190, 206), None),
        "noon": (rgb(255, 255, 255), rgb(190, 210, 234), None),
        "dusk": (rgb(255, 214, 190), rgb(168, 108, 142), None),
        "night": (rgb(128, 146, 192), rgb(58, 70, 116), None),
    },
    "dramatic golden clouds": {
        "dawn": (rgb(255, 214, 130), rgb(206, 138, 120), rgb(255, 246, 190)),
        "noon": (rgb(255, 218, 116), rgb(196, 146, 92), rgb(255, 250, 196)),
        "dusk": (rgb(255, 170, 62), rgb(124, 52, 78), rgb(255, 232, 146)),
        "night": (rgb(214, 148, 64), rgb(62, 42, 66), rgb(250, 206, 110)),
    },
    "dark storm clouds": {
        "dawn": (rgb(146, 130, 148), rgb(84, 76, 100), None),
        "noon": (rgb(142, 152, 164), rgb(80, 90, 106), None),
        "dusk": (rgb(126, 86, 104), rgb(58, 44, 68), None),
        "night": (rgb(58, 68, 98), rgb(22, 27, 50), None),
    },
}
DISC = {
    "dawn": rgb(255, 248, 220),
    "noon": rgb(255, 255, 240),
    "dusk": rgb(255, 238, 170),
    "night": rgb(244, 245, 230),
}
GLOW_SHARE = {"dawn": 0.7, "noon": 0.55, "dusk": 0.9, "night": 0.5}


def sky(scene: Layout) -> Array:
    """The whole sky of a scene, as a new picture."""
    depth = np.clip((scene.horizon - Y) / scene.horizon, 0, 1)  # 0 at the horizon, 1 at the top
    top, middle, low = (np.clip(colour * scene.tint, 0, 1) for colour in SKY[scene.words.time])
    picture = mix(mix(low, middle, smoothstep(0, 0.45, depth)), top, smoothstep(0.3, 1.0, depth))
    if scene.stormy:
        grey = CLOUD["dark storm clouds"][scene.words.time][0]
        picture = mix(picture, grey, 0.72)
    else:
        picture = _sun_or_moon(scene, picture)
    draw = {"clear sky": _streaks, "soft white clouds": _cumulus, "dramatic golden clouds": _towers}
    return np.clip(draw.get(scene.words.sky, _storm)(scene, picture), 0, 1)


def _sun_or_moon(scene: Layout, picture: Array) -> Array:
    distance = np.hypot(X - scene.sun_x, Y - scene.sun_y)
    glow = np.exp(-distance / (64 if scene.words.time == "noon" else 50))
    picture = mix(picture, scene.glow, np.clip(glow * GLOW_SHARE[scene.words.time], 0, 1))
    if scene.words.time == "night":
        picture = _stars(scene, picture)
    return mix(picture, DISC[scene.words.time], smoothstep(1, -1, distance - scene.sun_r))


def _stars(scene: Layout, picture: Array) -> Array:
    for _ in range(22):
        x, y = scene.rng.uniform(6, 250), scene.rng.uniform(6, scene.horizon - 28)
        box = np.s_[max(0, int(y) - 4) : int(y) + 5, max(0, int(x) - 4) : int(x) + 5]
        distance = np.hypot(X[box] - x, Y[box] - y)
        picture[box] = mix(picture[box], rgb(236, 240, 255), np.exp(-((distance / 1.5) ** 2)))
    return picture


def _light_direction(scene: Layout) -> tuple[float, float]:
    """Unit vector towards the light as clouds see it: low at dusk and dawn, high otherwise."""
    rise = 0.15 if scene.words.time in ("dawn", "dusk") else -0.8
    along = scene.light.side * 0.75
    length = math.hypot(along, rise)
    return along / length, rise / length


def _heap(rng: np.random.Generator, x: float, base: float, width: float, height: float) -> Array:
    """Balls (x, y, r) of one cumulus with a flat base: big in the middle, the back ones first."""
    count = int(np.clip(width / 9, 5, 13))
    place = np.linspace(-1, 1, count) + rng.uniform(-0.08, 0.08, count)
    bulge = np.clip(1 - place**2, 0.12, 1) ** 0.7
    radius = height * (0.34 + 0.30 * bulge) * rng.uniform(0.85, 1.15, count)
    lift = bulge * height * rng.uniform(0.25, 0.62, count)
    balls = np.stack([x + place * width / 2, base - lift, radius], 1)
    front = np.stack([x + place * width / 2.1, np.full(count, base), radius * 0.8], 1)
    return np.concatenate([balls[np.argsort(balls[:, 1])], front]).astype(np.float32)


def _streaks(scene: Layout, picture: Array) -> Array:
    """A clear sky: nothing, or a thin veil at the horizon."""
    veil = np.exp(-(((scene.horizon - 12 - Y) / 9) ** 2))
    return mix(picture, scene.glow, veil * 0.25)


def _cumulus(scene: Layout, picture: Array) -> Array:
    rng = scene.rng
    lit, shade, _ = CLOUD["soft white clouds"][scene.words.time]
    puffs = Puffs(lit * scene.tint, shade * scene.tint, towards=_light_direction(scene))
    slots = rng.permutation(5)[: int(rng.integers(3, 6))]
    for slot in slots:
        base = rng.uniform(0.22, 0.86) * (scene.horizon - 14)
        near = 1.25 - 0.75 * base / scene.horizon  # clouds get smaller towards the horizon
        x = (slot + rng.uniform(0.1, 0.9)) * SIZE / 5
        balls = _heap(rng, x, base, rng.uniform(70, 120) * near, rng.uniform(22, 34) * near)
        puffs.draw(picture, balls, floor=base + 4)
    return np.clip(picture, 0, 1)


def _towers(scene: Layout, picture: Array) -> Array:
    """Golden clouds: rays, then banks that climb from the horizon and hang from the top, rimmed by the light."""
    rng = scene.rng
    lit, shade, rim = CLOUD["dramatic golden clouds"][scene.words.time]
    angle = np.arctan2(Y - scene.sun_y, X - scene.sun_x)
    rays = smoothstep(0.25, 0.9, np.sin(angle * 9 + scene.phase[0])) * np.exp(
        -np.hypot(X - scene.sun_x, Y - scene.sun_y) / 110
    )
    picture = mix(picture, scene.glow, rays * 0.34)
    puffs = Puffs(lit * scene.tint, shade * scene.tint, rim, softness=0.3, towards=_light_direction(scene))
    rows = ((0.22, 1.35, 3), (0.52, 1.0, 3), (0.80, 0.66, 4), (0.99, 0.42, 5))
    for share, near, count in rows:
        base = (share + rng.uniform(-0.05, 0.05)) * (scene.horizon - 6)
        offset = rng.uniform(0, 1)
        for slot in rng.permutation(count)[: count if share > 0.9 else max(2, count - 1)]:
            x = (slot + offset) * (SIZE + 30) / count + rng.uniform(-14, 14) - 15
            if abs(x - scene.sun_x) < 34 and abs(base - 10 - scene.sun_y) < 30:
                continue  # let the sun out
            balls = _heap(rng, x, base, rng.uniform(84, 128) * near, rng.uniform(26, 40) * near)
            puffs.draw(picture, balls, floor=base + 5)
    return np.clip(picture, 0, 1)


def _storm(scene: Layout, picture: Array) -> Array:
    """A heavy deck from the top down, slanting rain under it and now and then a bolt."""
    rng = scene.rng
    lit, shade, _ = CLOUD["dark storm clouds"][scene.words.time]
    slant = rng.choice([-1, 1]) * 0.32
    rain = smoothstep(0.35, 0.95, np.sin((X - slant * Y) * 2 * math.pi / 16 + scene.phase[0]))
    picture = mix(picture, shade, rain * 0.22)
    if rng.random() < 0.3:
        picture = _bolt(scene, picture)
    deck = scene.horizon * rng.uniform(0.50, 0.64)
    picture = mix(picture, shade * 0.8, smoothstep(deck, deck - 26, Y))
    puffs = Puffs(lit * scene.tint, shade * scene.tint, towards=(0.25 * scene.light.side, -0.95), softness=0.4)
    for row, near in ((0.08, 1.25), (0.38, 1.1), (0.70, 0.95), (1.0, 0.75)):
        offset = rng.uniform(0, 1)
        for slot in range(5):
            x = (slot + offset) * (SIZE + 60) / 5 - 30
            r = rng.uniform(24, 38) * near
            spots = [(x + rng.normal(0, 16), row * deck + rng.normal(0, 7), r * k) for k in (1.0, 0.75, 0.6)]
            puffs.draw(picture, spots)
    return np.clip(picture, 0, 1)


def _bolt(scene: Layout, picture: Array) -> Array:
    """One bright flash of lightning, on the side away from the landmark."""
    rng = scene.rng
    x = (scene.landmark_x + rng.uniform(80, 150)) % 236 + 10
    levels = np.linspace(scene.horizon * 0.45, scene.horizon, 7)
    path = np.interp(Y[:, 0], levels, x + np.cumsum(rng.uniform(-11, 11, 7)))
    distance = np.abs(X - path[:, None].astype(np.float32))
    inside = (scene.horizon > Y) & (levels[0] < Y)
    picture = mix(picture, rgb(214, 220, 255), np.exp(-distance / 9) * 0.5 * inside)
    return mix(picture, rgb(255, 255, 246), smoothstep(2.6, 1.0, distance) * inside)


def far_hills(scene: Layout, picture: Array) -> Array:
    """Two ranges of hills at the horizon, in the colour of the air."""
    for row in range(2):
        top = scene.horizon - 13 + 8 * row - scene.rng.uniform(0, 6) + (6 - 2 * row) * ridge(scene.rng, 2.2)
        top = np.minimum(top, scene.horizon + 1)
        slope = scene.light.ambient + 0.5 * scene.light.sun
        colour = mix(scene.haze, np.clip(rgb(74, 92, 108) * slope, 0, 1), 0.42 + 0.26 * row)
        picture = mix(picture, colour, smoothstep(-1, 1, Y - top[None]) * (scene.horizon + 2 > Y))
    return picture
