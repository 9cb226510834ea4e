"""The map of a walk: its ends with their pictures, the ways between them, and where on them we are.

Starting noises all lie at one distance from the middle, so ways between seeds are arcs of a circle; other ways are
straight. Distances on the map are angles (shares of a leg), so the dots show how the frames are spaced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.paint import Point, disc, discs, paste_rounded, polyline, rectangle
from denoisecli.figures.text import draw_text, measure, shorten
from denoisecli.figures.theme import MONO, Theme

from ..places import Place

APART = 2.1  # between the middles of two pictures, in their own sides: so that the way between them is seen
SIDES = (0.46, 0.4, 0.34, 0.29, 0.24, 0.2, 0.17, 0.14, 0.11)  # of the box's height: how large pictures are tried
MOST_NUMBERS = 16  # of ends without pictures that still get their number
LEAST_SIDE = 64  # pixels at 1080 lines; smaller pictures are left out
DOTS_APART = 9  # pixels at 1080 lines from dot to dot; where frames lie closer there are none
ON_LEG = 48  # points that draw one leg


@dataclass(frozen=True)
class Course:
    """The shape of a walk: the names of its ends, whether it closes, and whether its legs are arcs of a circle."""

    names: tuple[str, ...]
    loop: bool
    round: bool

    @property
    def legs(self) -> int:
        """How many ways there are."""
        return len(self.names) - (not self.loop)

    def at(self, leg: int, share: float) -> Point:
        """Return a point in a plane of our own, y down: on the unit circle, its chords, or a line of length 1 a leg."""
        if not self.round and not self.loop:
            return leg + share, 0.0
        angles = [self._angle(leg + share)] if self.round else [self._angle(leg), self._angle(leg + 1)]
        ends = [(math.cos(angle), math.sin(angle)) for angle in angles]
        if self.round:
            return ends[0]
        (ax, ay), (bx, by) = ends
        return ax + share * (bx - ax), ay + share * (by - ay)

    def _angle(self, turn: float) -> float:
        """Return where on the circle a point is, in radians; the middle of an open way is at the top."""
        if self.loop:
            return math.tau * turn / self.legs - math.pi / 2
        span = math.radians(min(90 * self.legs, 300))
        return span * (turn / self.legs - 0.5) - math.pi / 2

    def line(self, leg: int, share: float = 1.0) -> list[Point]:
        """Return points along a leg, up to `share` of it."""
        count = max(2, math.ceil(ON_LEG * share))
        return [self.at(leg, share * index / (count - 1)) for index in range(count)]


@dataclass(frozen=True)
class WayMap:
    """A course in a box: `side` is that of its pictures (0: none), `scale` and `shift` bring its plane to pixels."""

    course: Course
    theme: Theme
    text: float
    side: int
    scale: float
    shift: Point

    def pixel(self, point: Point) -> Point:
        """Return a point of the course's plane in pixels."""
        return self.shift[0] + self.scale * point[0], self.shift[1] + self.scale * point[1]

    def draw_static(self, image: Image.Image, places: Sequence[Place]) -> None:
        """Draw what stays: the ways, and a dot for each frame."""
        unit = self.text / 24
        for leg in range(self.course.legs):
            polyline(image, [self.pixel(point) for point in self.course.line(leg)], 6 * unit, self.theme.line)
        if self._has_dots(places):
            discs(image, [self.pixel(self.course.at(*place)) for place in places], 4 * unit, self.theme.tick)

    @cached_property
    def length(self) -> float:
        """How many pixels the whole way has."""
        points = [self.pixel(point) for leg in range(self.course.legs) for point in self.course.line(leg)]
        return sum(math.dist(a, b) for a, b in pairwise(points))

    def _has_dots(self, places: Sequence[Place]) -> bool:
        """Return whether the frames lie far enough apart on the mean to be told from each other."""
        return self.length >= DOTS_APART * self.text / 24 * (len(places) - 1)

    def thumbs(self, ends: Sequence[Any]) -> list[Image.Image]:
        """Return the ends' pictures, (H, W, 3) each, as small squares."""
        return [_thumb(picture, max(1, self.side)) for picture in ends]

    def draw_now(self, image: Image.Image, places: Sequence[Place], frame: int, thumbs: Sequence[Image.Image]) -> None:
        """Draw what moves: the way so far and its frames, the ends' pictures over it, and the dot where we are."""
        unit, (leg, share) = self.text / 24, places[frame]
        for before in range(leg):
            polyline(image, [self.pixel(point) for point in self.course.line(before)], 6 * unit, self.theme.amber)
        if share > 0:
            polyline(image, [self.pixel(point) for point in self.course.line(leg, share)], 6 * unit, self.theme.amber)
        if self._has_dots(places):
            passed = [self.pixel(self.course.at(*place)) for place in places[:frame]]
            discs(image, passed, 2.6 * unit, self.theme.ground)
        for end, thumb in enumerate(thumbs):
            self._draw_end(image, end, thumb)
        here = self.pixel(self.course.at(leg, share))
        disc(image, here, 16 * unit, self.theme.ground)
        disc(image, here, 12 * unit, self.theme.ink)

    def end_point(self, end: int) -> Point:
        """Return the middle of an end's picture."""
        leg = min(end, self.course.legs - 1)
        return self.pixel(self.course.at(leg, float(end - leg)))

    def _draw_end(self, image: Image.Image, end: int, thumb: Image.Image) -> None:
        x, y = self.end_point(end)
        style, name = MONO.at(self.text), self.course.names[end]
        if self.side:
            said = shorten(name, style, max(self.side * 1.9, 4 * self.text))
            below, half = y + self.side / 2, measure(said, style) / 2 + 4 * self.text / 24
            rectangle(image, (x - half, below - 4, x + half, below + 1.5 * self.text), self.theme.ground)
            draw_text(image, (x, below + 1.15 * self.text), said, style, self.theme.quiet, "center")
            corner = round(x - self.side / 2), round(y - self.side / 2)
            paste_rounded(image, corner, thumb, 6 * self.text / 24)
            return
        disc(image, (x, y), 9 * self.text / 24, self.theme.teal)
        inward = self._inward(end)
        value = name.partition(" ")[2]
        if len(self.course.names) <= MOST_NUMBERS and measure(value, style) <= min(3 * self.text, self._between):
            at = x + 1.5 * self.text * inward[0], y + (1.4 * inward[1] + 0.36) * self.text
            draw_text(image, at, value, style, self.theme.quiet, "center")

    @property
    def _between(self) -> float:
        """Pixels that a number may take: the ends' distance where the numbers stand, nearer to the middle, with air."""
        apart = math.dist(self.end_point(0), self.end_point(1))
        inner = 1.5 * self.text / self.scale if self.course.round or self.course.loop else 0.0
        return 0.8 * apart * max(0.0, 1 - inner)

    def _inward(self, end: int) -> Point:
        """Return the direction from an end to the middle of the circle; down where the way is a line."""
        if not self.course.round and not self.course.loop:
            return 0.0, 1.0
        leg = min(end, self.course.legs - 1)
        x, y = self.course.at(leg, float(end - leg))
        return -x, -y


def way_map(course: Course, box: Box, theme: Theme, text: float) -> WayMap:
    """Fit a course into a box, with the largest pictures that leave the ways between them to be seen."""
    points = np.array([point for leg in range(course.legs) for point in course.line(leg)])
    ends = [course.at(leg, 0.0) for leg in range(course.legs)] + (
        [] if course.loop else [course.at(course.legs - 1, 1.0)]
    )
    nearest = min(math.dist(a, b) for i, a in enumerate(ends) for b in ends[:i])
    low, high = points.min(axis=0), points.max(axis=0)
    wide, tall = (max(float(length), 1e-6) for length in high - low)
    style = MONO.at(text)
    label = max(measure(name, style) for name in course.names)
    for share in (*SIDES, 0.0):
        side = round(share * box.height)
        margin_x = max(side, min(label, 1.9 * side)) if side else 2 * text
        margin_y = side + (3.0 * text if side else 2 * text)
        scale = min((box.width - margin_x) / wide, (box.height - margin_y) / tall)
        if not side or (scale * nearest >= APART * side and side >= LEAST_SIDE * text / 24):
            break
    middle = (low + high) / 2 * scale
    lift = 0.75 * text if side else 0.0  # the label under the pictures
    shift = box.x + box.width / 2 - middle[0], box.y + box.height / 2 - middle[1] - lift
    return WayMap(course, theme, text, side, scale, (float(shift[0]), float(shift[1])))


def _thumb(picture: Any, side: int) -> Image.Image:
    """Return the middle square of a picture at a side in pixels."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    return image.resize((side, side), Image.Resampling.LANCZOS, (left, top, left + edge, top + edge))
