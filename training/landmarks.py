"""The landmarks: each a few bold shapes, so that they survive the eightfold squeeze into latents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from training.canvas import Array, Light, Pen, Puffs, X, Y, mix, rgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.layout import Layout

LAMP = rgb(255, 218, 120)
DARK = rgb(54, 48, 58)
WOOD = rgb(96, 66, 50)
SLATE = rgb(74, 76, 96)
COLOURS = {"red": rgb(206, 46, 40), "blue": rgb(48, 92, 196), "white": rgb(250, 248, 244)}


class Site:
    """Where a landmark is built: a pen, its foot (x, y), its scale k and the scene's lamps."""

    def __init__(self, scene: Layout, picture: Array) -> None:
        # A landmark gets a little more light than its surroundings, or it drowns in night and storm.
        extra = 0.10 if scene.words.time == "night" else 0.09 if scene.stormy else 0.03
        light = Light(
            scene.light.ambient * 1.12 + extra,
            scene.light.sun * 1.05,
            scene.light.side,
        )
        self.scene = scene
        self.pen = Pen(picture, light)
        self.x, self.y, self.k = scene.landmark_x, scene.ground + 3, scene.scale
        self.rng = scene.rng
        self.turned = 1.0
        """−1 draws it upside down, as still water does."""

    def painted(self, colour: Array) -> Array:
        """The colour that the words give the landmark, or its own."""
        return COLOURS.get(self.scene.words.colour, colour)

    def at(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        """Points given in landmark units from the foot (right, up), as picture points."""
        return [(self.x + right * self.k, self.y - self.turned * up * self.k) for right, up in points]

    def shape(self, *points: tuple[float, float], colour: Array, lambert: float = 0.6) -> None:
        """A flat polygon in landmark units."""
        self.pen.polygon(self.at(*points), colour, lambert=lambert)

    def drum(self, low: float, high: float, wide: float, narrow: float, colour: Array, right: float = 0) -> None:
        """A round, tapering body from height `low` to `high`, half width `wide` below and `narrow` above."""
        points = self.at((right - wide, low), (right - narrow, high), (right + narrow, high), (right + wide, low))
        self.pen.polygon(points, colour, axis=(self.x + right * self.k, max(wide, narrow) * self.k))

    def window(self, right: float, up: float, width: float, height: float, halo: float = 0) -> None:
        """A window centred at (right, up); when lit it can throw a halo of that radius."""
        (x, y), k = self.at((right, up))[0], self.k / 2
        lit = self.scene.lit_windows
        self.pen.box(x - width * k, y - height * k, x + width * k, y + height * k, LAMP if lit else DARK, glow=lit)
        if lit and halo:
            self.scene.lamps.append((x, y, halo * self.k, False))


def _lighthouse(site: Site) -> None:
    site.drum(-2, 6, 25, 23, rgb(150, 140, 132))
    for band in range(5):
        low, high = 6 + 16 * band, 6 + 16 * (band + 1)
        told = site.scene.words.colour in COLOURS
        colour = site.painted(rgb(214, 50, 44)) if band % 2 == 0 or told else rgb(250, 246, 238)
        site.drum(low, high, 19 - 1.7 * band, 19 - 1.7 * (band + 1), colour * (0.86 if told and band % 2 else 1.0))
    site.drum(86, 91, 16, 16, rgb(62, 56, 66))
    site.drum(91, 106, 9.5, 9.5, rgb(120, 128, 140))
    x, y = site.at((0, 98))[0]
    lit = site.scene.lit_windows
    site.pen.disc(x, y, 7.5 * site.k, 6.5 * site.k, rgb(255, 240, 176) if lit else rgb(206, 226, 236), glow=lit)
    site.drum(105, 108, 13, 13, rgb(62, 56, 66))
    x, y = site.at((0, 107))[0]
    roof = site.painted(rgb(200, 44, 40)) * (0.8 if site.scene.words.colour else 1.0)
    site.pen.disc(x, y, 11.5 * site.k, 12 * site.k, roof, upper=True, axis=(x, 11.5 * site.k))
    site.shape((-5, -2), (-5, 14), (5, 14), (5, -2), colour=DARK, lambert=0.3)
    if lit:
        x, y = site.at((0, 98))[0]
        site.scene.lamps.append((x, y, 26 * site.k, site.scene.words.time in ("dusk", "night")))


def _battlements(site: Site, right: float, up: float, half: float, count: int, colour: Array) -> None:
    """A crenellated edge: `count` teeth over a band that sticks out a little."""
    site.drum(up - 6, up + 2, half, half, colour, right)
    tooth = 2 * half / (2 * count - 1)
    for index in range(count):
        left = right - half + 2 * index * tooth
        site.shape((left, up), (left, up + 8), (left + tooth, up + 8), (left + tooth, up), colour=colour, lambert=0.62)


def _castle(site: Site) -> None:
    stone = site.painted(rgb(206, 196, 184)) * site.scene.tint
    roof = [rgb(196, 56, 50), rgb(62, 88, 150)][int(site.rng.integers(2))]
    roof = SLATE if site.scene.words.colour else roof
    site.drum(-2, 74, 16, 15, stone * 0.94)
    _battlements(site, 0, 74, 18, 4, stone * 0.94)
    site.shape((-19, 82), (0, 106), (19, 82), colour=roof, lambert=0.7)
    site.shape((-46, -2), (-46, 38), (46, 38), (46, -2), colour=stone, lambert=0.55)
    _battlements(site, 0, 38, 46, 7, stone)
    for right in (-46, 46):
        site.drum(-2, 58, 14, 13, stone * 1.02, right)
        site.drum(56, 61, 16, 16, stone * 0.8, right)
        site.shape((right - 18, 61), (right, 94), (right + 18, 61), colour=roof, lambert=0.62)
        site.window(right, 42, 7, 12, halo=12)
    site.window(0, 62, 8, 12, halo=14)
    x, y = site.at((0, 14))[0]
    site.pen.disc(x, y, 11 * site.k, 11 * site.k, DARK, upper=True, lambert=0.25)
    site.shape((-11, -2), (-11, 14), (11, 14), (11, -2), colour=DARK, lambert=0.25)


def _windmill(site: Site) -> None:
    site.drum(-2, 66, 24, 15, site.painted(rgb(238, 226, 200)) * site.scene.tint)
    x, y = site.at((0, 65))[0]
    site.pen.disc(x, y, 17 * site.k, 17 * site.k, rgb(168, 72, 54), upper=True, axis=(x, 17 * site.k))
    site.shape((-7, -2), (-7, 20), (7, 20), (7, -2), colour=WOOD, lambert=0.4)
    site.window(0, 42, 9, 11, halo=14)
    hub = np.array(site.at((0, 72))[0])
    start = math.pi / 4 + site.rng.uniform(-0.3, 0.3)
    for blade in range(4):
        along = np.array([math.cos(start + blade * math.pi / 2), math.sin(start + blade * math.pi / 2)]) * site.k
        across = np.array([-along[1], along[0]])
        cloth = [hub + along * 12 - across * 1, hub + along * 50 - across * 1]
        cloth += [hub + along * 50 + across * 15, hub + along * 12 + across * 12]
        site.pen.polygon(cloth, rgb(255, 250, 236), lambert=0.72 if along[0] * site.scene.light.side > 0 else 0.5)
        spar = [
            hub - across * 2.4,
            hub + along * 52 - across * 2.4,
            hub + along * 52 + across * 2.4,
            hub + across * 2.4,
        ]
        site.pen.polygon(spar, WOOD * 0.9, lambert=0.5)
    site.pen.disc(hub[0], hub[1], 6 * site.k, 6 * site.k, WOOD * 0.8)


def _cottage(site: Site) -> None:
    wall = [rgb(244, 232, 208), rgb(224, 188, 156), rgb(238, 238, 236)][int(site.rng.integers(3))]
    roof = [rgb(178, 74, 52), rgb(134, 100, 66), rgb(98, 92, 108)][int(site.rng.integers(3))]
    wall, roof = site.painted(wall), SLATE if site.scene.words.colour else roof
    site.drum(44, 76, 7, 7, rgb(158, 98, 82), _chimney(site.scene))
    site.shape((-44, -2), (-44, 34), (44, 34), (44, -2), colour=wall, lambert=0.66)
    site.shape((-53, 31), (-36, 68), (36, 68), (53, 31), colour=roof, lambert=0.66)
    site.shape((-53, 31), (-53, 35), (53, 35), (53, 31), colour=roof * 0.7, lambert=0.5)
    site.shape((-8, -2), (-8, 24), (8, 24), (8, -2), colour=WOOD, lambert=0.5)
    for right in (-27, 27):
        site.shape(
            (right - 9, 8), (right - 9, 27), (right + 9, 27), (right + 9, 8), colour=rgb(252, 248, 240), lambert=0.6
        )
        site.window(right, 17.5, 13, 14, halo=16)


def _chimney(scene: Layout) -> float:
    """The chimney stands on the side away from the light, and its smoke drifts further that way."""
    return -25.0 * scene.light.side


def smoke(scene: Layout, picture: Array) -> Array:
    """A cottage's smoke: drawn before the cottage, so that it does not count as a part of it."""
    if scene.words.landmark != "cottage":
        return picture
    picture = picture.copy()
    site, right = Site(scene, picture), _chimney(scene)
    white = site.pen.light.on(rgb(240, 240, 244), 0.5)
    puffs = Puffs(white, white * 0.86, softness=0.5)
    drift = -site.scene.light.side
    balls = [(*site.at((right + drift * 2.6 * i**1.4, 80 + 5.4 * i))[0], (4.5 + 1.7 * i) * site.k) for i in range(4)]
    puffs.draw(picture, balls)
    return picture


def _pine_tree(site: Site) -> None:
    site.drum(-3, 24, 6.5, 6, rgb(104, 70, 50))
    dark, bright = rgb(30, 84, 58) * site.scene.tint, rgb(66, 138, 76) * site.scene.tint
    if site.scene.words.colour:
        dark, bright = site.painted(dark) * 0.8, site.painted(bright)
    snowy = site.scene.words.foreground == "snowy field"
    for tier in range(4):
        low, half, high = 16 + 24 * tier, 40 - 7.6 * tier, 52 + 22.5 * tier
        if snowy:
            dark, bright = dark * 0.86 + 0.12, bright * 0.86 + 0.12
        lit = site.scene.light.side
        site.shape(
            (-half, low),
            (0, high),
            (half, low),
            (half * 0.5, low - 4),
            (-half * 0.5, low - 4),
            colour=dark,
            lambert=0.55,
        )
        site.shape((0, high), (lit * half, low), (lit * half * 0.5, low - 4), (0, low + 2), colour=bright, lambert=0.8)


def _stone_tower(site: Site) -> None:
    stone = site.painted(rgb(168, 158, 148)) * site.scene.tint
    site.drum(-2, 84, 26, 22, stone)
    for row in range(7):
        for column in (-1, 0, 1):
            right, up = column * 14 + (row % 2) * 7 - 3, 7 + row * 11.5
            shade = stone * (0.76 if (row + column) % 2 else 1.12)
            if abs(right) < 17:
                site.drum(up - 2.6, up + 2.6, 4.6, 4.6, shade, right)
    _battlements(site, 0, 88, 28, 5, stone * 0.92)
    site.window(0, 64, 8, 15, halo=16)
    site.window(-9, 38, 7, 12, halo=10)
    x, y = site.at((4, 15))[0]
    site.pen.disc(x, y, 9 * site.k, 9 * site.k, DARK, upper=True, lambert=0.25)
    site.shape((-5, -2), (-5, 15), (13, 15), (13, -2), colour=DARK, lambert=0.25)


def _hot_air_balloon(site: Site) -> None:
    """Only for the LoRA: a striped balloon that has just left the ground."""
    lift, radius = 36.0, 38.0
    stripes = (rgb(226, 64, 52), rgb(250, 208, 72), rgb(236, 120, 48), rgb(250, 240, 222))
    if site.scene.words.colour:
        stripes = tuple(site.painted(stripe) * shade for stripe, shade in zip(stripes, (1, 0.8, 0.9, 0.7), strict=True))
    angle = np.linspace(-math.pi / 2, math.pi / 2, 7)
    up = np.linspace(-1.0, 1.0, 24)
    outline = np.where(up > -0.25, np.sqrt(np.clip(1 - ((up + 0.0) ** 2), 0, 1)), 0.30 + 0.888 * (up + 1.0))
    for index in range(6):
        left, right = math.sin(angle[index]), math.sin(angle[index + 1])
        edge = [(left * radius * w, lift + 44 + radius * u) for u, w in zip(up, outline, strict=True)]
        edge += [(right * radius * w, lift + 44 + radius * u) for u, w in zip(up[::-1], outline[::-1], strict=True)]
        site.shape(
            *edge, colour=stripes[index % 4], lambert=0.75 - 0.09 * abs(index - 2.5 - 1.5 * site.scene.light.side)
        )
    for right in (-8, 8):
        site.shape(
            (right - 1, lift - 8),
            (right * 1.3 - 1, lift + 8),
            (right * 1.3 + 1, lift + 8),
            (right + 1, lift - 8),
            colour=DARK,
        )
    site.shape((-10, lift - 22), (-11, lift - 6), (11, lift - 6), (10, lift - 22), colour=rgb(150, 96, 58), lambert=0.6)


def _church(site: Site) -> None:
    """A nave under a slate roof, and a spire with a cross on the side of the light."""
    wall, side = site.painted(rgb(226, 214, 192)) * site.scene.tint, site.scene.light.side
    right = 27 * side
    site.shape((-50, -2), (-50, 34), (50, 34), (50, -2), colour=wall * 0.94, lambert=0.58)
    site.shape((-55, 32), (-44, 60), (44, 60), (55, 32), colour=SLATE, lambert=0.6)
    for at in (-38, -20, -2):
        site.window(at * side, 16, 8, 15, halo=12)
    site.drum(-2, 72, 16, 16, wall, right)
    site.drum(70, 74, 18, 18, wall * 0.8, right)
    site.shape((right - 19, 73), (right, 112), (right + 19, 73), colour=SLATE * 0.9, lambert=0.66)
    site.window(right, 52, 9, 15, halo=14)
    site.shape((right - 6, -2), (right - 6, 18), (right + 6, 18), (right + 6, -2), colour=WOOD * 0.8, lambert=0.4)
    for wide, low, high in ((1.7, 108, 126), (6.5, 117, 120.5)):
        site.shape((right - wide, low), (right - wide, high), (right + wide, high), (right + wide, low), colour=DARK)


def _bridge(site: Site) -> None:
    """A stone bridge of three arches, through which one sees what lies behind."""
    stone = site.painted(rgb(186, 172, 156)) * site.scene.tint
    for right, foot in ((-66, -24), (-23, -8), (23, -8), (66, -24)):
        site.drum(foot, 40, 8, 7, stone * 0.92, right)
        site.drum(foot, foot + 9, 10, 10, stone * 0.78, right)
    for middle in (-44.5, 0, 44.5):
        angle = np.linspace(0, math.pi, 14)
        arch = [(middle + 15.5 * math.cos(a), 24 + 17 * math.sin(a)) for a in angle]
        over = [(middle - 24, 24), (middle - 24, 50), (middle + 24, 50), (middle + 24, 24)]
        site.shape(*arch, *over, colour=stone, lambert=0.6)
    site.shape((-74, 46), (-74, 56), (0, 64), (74, 56), (74, 46), (0, 54), colour=stone * 1.06, lambert=0.7)
    site.shape((-74, 55), (-74, 59), (0, 67), (74, 59), (74, 55), (0, 63), colour=stone * 0.74, lambert=0.5)


def _boat(site: Site) -> None:
    """A sailing boat with two sails, the larger one in the colour that is told."""
    hull, sail = site.painted(WOOD * 1.25), site.painted(rgb(250, 242, 224))
    side = site.scene.light.side
    site.shape((-1.6, 10), (-1.6, 100), (1.6, 100), (1.6, 10), colour=DARK, lambert=0.5)
    site.shape((4 * side, 24), (4 * side, 98), (44 * side, 24), colour=sail, lambert=0.78)
    site.shape((-4 * side, 26), (-4 * side, 86), (-32 * side, 26), colour=rgb(250, 242, 224), lambert=0.5)
    site.shape((-50, 20), (-36, -3), (34, -3), (52, 22), colour=hull, lambert=0.6)
    site.shape((-50, 20), (-48, 16), (50, 17.5), (52, 22), colour=hull * 0.6, lambert=0.5)


DRAW: dict[str, Callable[[Site], None]] = {
    "lighthouse": _lighthouse,
    "castle": _castle,
    "windmill": _windmill,
    "cottage": _cottage,
    "pine tree": _pine_tree,
    "stone tower": _stone_tower,
    "hot-air balloon": _hot_air_balloon,
    "church": _church,
    "bridge": _bridge,
    "boat": _boat,
}
AFLOAT = ("boat",)
"""Landmarks that stand in the foreground, before what the words call their terrain."""


def landmark(scene: Layout, picture: Array) -> Array:
    """Draw the scene's landmark on its seat, if that is where it stands."""
    picture = picture.copy()
    if scene.words.landmark not in AFLOAT:
        DRAW[scene.words.landmark](Site(scene, picture))
    return picture


def afloat(scene: Layout, picture: Array, base: tuple[float, float]) -> Array:
    """Draw a landmark that stands in the foreground, on calm water with its mirror image."""
    if scene.words.landmark not in AFLOAT:
        return picture
    before, picture = picture, picture.copy()
    site = Site(scene, picture)
    site.y = max(base[1], scene.shore) + 16 + 40 * (scene.scale - 0.88)
    draw = DRAW[scene.words.landmark]
    if scene.words.foreground == "calm sea":
        site.turned = -1.0
        draw(site)
        picture[:] = mix(before, picture, 0.35)
        site.turned = 1.0
    draw(site)
    return picture


def lamps(scene: Layout, picture: Array) -> Array:
    """Add the glow of lit windows, and the lighthouse's beam."""
    strength = {"night": 0.55, "dusk": 0.45, "dawn": 0.28, "noon": 0.25}[scene.words.time]
    for x, y, radius, beam in scene.lamps:
        halo = np.exp(-((np.hypot(X - x, Y - y) / radius) ** 1.4)) * strength
        picture = picture + halo[..., None] * np.float32([1, 0.78, 0.40])
        if beam:
            reach = (X - x) * (-1 if x > 128 else 1)
            ray = np.exp(-(((Y - y + 0.06 * reach) / np.maximum(3 + reach * 0.15, 1)) ** 2)) * (reach > 0)
            ray = ray * np.exp(-np.maximum(reach, 0) / 130) * strength * 0.9
            picture = picture + ray[..., None] * np.float32([1, 0.90, 0.60])
    return np.clip(picture, 0, 1)
