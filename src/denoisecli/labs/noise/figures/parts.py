"""The moving parts of a noise frame, drawn straight into its array: pictures, the sum's two terms, the histogram."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.film import Frame
from denoisecli.figures.paint import polyline, rectangle, rounded_mask
from denoisecli.figures.text import draw_text
from denoisecli.figures.theme import MONO_STRONG, PLAIN, RGB, Theme
from denoisecli.trace import Trace

from .views import Lane, Picture

REACH = 3.0  # the histogram goes from −REACH to REACH
DENSITY = 0.8  # at its upper edge; the normal distribution peaks at 0.4


class Panel:
    """Where a picture stands. scale: screen pixels for one of its own, 0 where that is no whole number."""

    def __init__(self, box: Box, scale: int, radius: int, ground: RGB) -> None:
        self.box, self.scale = box, scale
        mask = np.asarray(rounded_mask(box.width, box.height, radius), dtype=np.float32)[..., None] / 255
        reach = radius + 1
        ends = slice(None, reach), slice(-reach, None)
        back = np.array(ground, dtype=np.float32)
        self.corners = [(ys, xs, mask[ys, xs], back * (1 - mask[ys, xs]) + 0.5) for ys in ends for xs in ends]

    def put(self, frame: Frame, picture: Picture, *, smooth: bool = False) -> None:
        """Put a picture there with round corners: each pixel a square where the scale is whole, else resampled.

        smooth: resample it as a photograph; otherwise each pixel shown is one of the picture's.
        """
        box = self.box
        area = frame[box.y : box.bottom, box.x : box.right]
        if self.scale > 1:
            _enlarge(picture, self.scale, area)
        elif picture.shape == area.shape:
            area[:] = picture
        elif smooth:
            area[:] = np.asarray(Image.fromarray(picture).resize((box.width, box.height), Image.Resampling.BICUBIC))
        else:  # one of its pixels for each of ours: averaging would take the noise away
            rows, columns = (_spots(n, of) for n, of in zip(area.shape[:2], picture.shape[:2], strict=True))
            area[:] = picture[rows[:, None], columns[None, :]]
        for ys, xs, share, rest in self.corners:
            area[ys, xs] = area[ys, xs] * share + rest


def _enlarge(picture: Picture, scale: int, area: Frame) -> None:
    """Write each pixel of (h, w, 3) as scale × scale pixels of area (h·scale, w·scale, 3)."""
    height, width = picture.shape[:2]
    wide = np.empty((height, width, scale * 3), dtype=np.uint8)
    for place in range(scale * 3):  # byte by byte: far faster than copying three at a time
        wide[:, :, place] = picture[:, :, place % 3]
    rows = wide.reshape(height, width * scale, 3)
    for row in range(scale):
        area[row::scale] = rows


def _spots(count: int, of: int) -> NDArray[np.intp]:
    return ((np.arange(count) + 0.5) * of / count).astype(np.intp)


class Terms:
    """The sum in pictures: signal·x0 + noise·ε, each with its factor of the moment under it."""

    def __init__(self, base: Image.Image, box: Box, trace: Trace, lane: Lane, theme: Theme, text: float) -> None:
        self.lane, self.theme, self.text = lane, theme, text
        height = box.height - round(1.9 * text)
        plus = round(2.2 * text)
        _, h, w = trace["x0"].shape
        width = min(round(height * w / h), (box.width - plus) // 2)
        height = min(height, max(1, round(width * h / w)))
        plus = max(plus, round(6.4 * text) - width)
        lefts = box.x, box.x + width + plus
        self.panels = [Panel(Box(left, box.y, width, height), 0, round(text / 4), theme.ground) for left in lefts]
        draw_text(
            base,
            ((lefts[0] + width + lefts[1]) / 2, box.y + height / 2 + 0.4 * text),
            "+",
            PLAIN.at(1.3 * text),
            theme.quiet,
            "center",
        )
        self.pictures = _thumbnail(trace["x0"], (width, height)), _piece(trace["eps"], (width, height))
        self.foot = Box(box.x, box.y + height, box.width, box.height - height)
        foot = self.foot
        self.still = base.crop((foot.x, foot.y, foot.right, foot.bottom))

    def put(self, frame: Frame, index: int) -> None:
        """Draw both terms at frame `index`; mid-grey is 0."""
        factors = float(self.lane.signals[index]), float(self.lane.noises[index])
        image = self.still.copy()
        for panel, picture, factor, symbol in zip(self.panels, self.pictures, factors, ("x₀", "ε"), strict=True):
            values = np.clip(picture * np.float32(127.5 * factor) + np.float32(128), 0, 255).astype(np.uint8)
            panel.put(frame, values)
            at = panel.box.x - self.foot.x, 1.5 * self.text
            draw_text(image, at, f"{factor:.3f} {symbol}", MONO_STRONG.at(self.text), self.theme.ink)
        frame[self.foot.y : self.foot.bottom, self.foot.x : self.foot.right] = np.asarray(image)


def _thumbnail(x0: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return x0 (3, h, w) small, (H, W, 3) in −1..1."""
    picture = np.clip((x0.transpose(1, 2, 0) + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)
    small = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32) / np.float32(127.5) - 1


def _piece(eps: NDArray[np.float32], size: tuple[int, int], grain: int = 2) -> NDArray[np.float32]:
    """Return a corner of ε (3, h, w), (H, W, 3), each value `grain` pixels wide; repeated where it is too small."""
    ys, xs = (np.arange(side) // grain for side in (size[1], size[0]))
    return np.ascontiguousarray(eps[:, ys[:, None] % eps.shape[1], xs[None, :] % eps.shape[2]].transpose(1, 2, 0))


class Histogram:
    """The histogram of x_t's values, in front of the normal distribution that it runs into.

    What lies beyond −1..1 is beyond black and white on a screen, and has the colour of clipping.
    """

    def __init__(self, base: Image.Image, box: Box, theme: Theme, text: float) -> None:
        title, foot = round(1.6 * text), round(1.7 * text)
        self.area = Box(box.x, box.y + title, box.width, box.height - title - foot)
        self.bins = max(24, min(96, round(self.area.width / (text / 4))))
        self._draw_still(base, box, theme, text)
        area = self.area
        self.still = np.array(base.crop((area.x, area.y, area.right, area.bottom)))
        places = (np.arange(area.width) + 0.5) / area.width * 2 * REACH - REACH
        colours = np.where(np.abs(places)[:, None] > 1, np.array(theme.rose), np.array(theme.amber))
        self.filled = (0.25 * self.still + 0.75 * colours[None] + 0.5).astype(np.uint8)
        self.columns = ((places + REACH) / (2 * REACH) * self.bins).astype(np.intp)
        self.height_of_row = (area.height - np.arange(area.height))[:, None]

    def _draw_still(self, base: Image.Image, box: Box, theme: Theme, text: float) -> None:
        area, style = self.area, PLAIN.at(text)
        draw_text(base, (box.x, box.y + 0.8 * text), "values of xₜ", style, theme.quiet)
        rectangle(base, (box.x, area.bottom, box.right, area.bottom + max(1, text / 12)), theme.line)
        for value, said in ((-1, "black"), (1, "white")):
            x = area.x + (value + REACH) / (2 * REACH) * area.width
            rectangle(base, (x - 0.75, area.y, x + 0.75, area.bottom), theme.line)
            draw_text(base, (x, area.bottom + 1.4 * text), said, style, theme.quiet, "center")
        xs = np.linspace(-REACH, REACH, 81)
        heights = np.exp(-(xs**2) / 2) / np.sqrt(2 * np.pi) / DENSITY * area.height
        points = [
            (area.x + (x + REACH) / (2 * REACH) * area.width, area.bottom - h) for x, h in zip(xs, heights, strict=True)
        ]
        polyline(base, points, text / 12, theme.tick)

    def put(self, frame: Frame, values: NDArray[np.float32]) -> None:
        """Draw the histogram of `values`."""
        scaled = np.floor((values.ravel() + np.float32(REACH)) * np.float32(self.bins / (2 * REACH)))
        slots = np.clip(scaled, -1, self.bins).astype(np.int64) + 1  # the first and the last: out of reach
        counts = np.bincount(slots, minlength=self.bins + 2)[1:-1]
        density = counts / (values.size * 2 * REACH / self.bins)
        heights = np.round(np.minimum(density / DENSITY, 1) * self.area.height)
        under = self.height_of_row <= heights[self.columns][None, :]
        area = self.area
        frame[area.y : area.bottom, area.x : area.right] = np.where(under[..., None], self.filled, self.still)
