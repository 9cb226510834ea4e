"""Line plots and bars that are read at a glance: direct labels, no legend, no frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .boxes import Box
from .paint import Point, disc, polyline, rectangle
from .text import draw_text, measure, shorten
from .theme import PLAIN, RGB, Theme, Type

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One line: `values` (n,), NaN where nothing is known; `faint` are the lines it is the mean of.

    label: its name beside it; "" where the plot's title says it.
    """

    values: Values
    label: str
    colour: RGB
    faint: Sequence[Values] = ()


@dataclass(frozen=True)
class Threshold:
    """A dotted line at `value`, the word beside it, and the colour of both."""

    value: float
    word: str
    colour: RGB


@dataclass(frozen=True)
class Plot:
    """What a plot shows. `titles`: alternatives, the longest first; the first that fits is drawn.

    x: positions (n,) in 0..1; evenly spread where it is None. ends: the words under both ends of the axis.
    top: value at the upper edge (the largest value where None); the lower edge is `bottom`.
    thresholds: dotted lines, each with its own word and colour. ticks: dotted lines whose words stand left of the plot.
    caption: what high and low mean, under the plot where there is room.
    """

    curves: Sequence[Curve]
    titles: Sequence[str] = ()
    x: Values | None = None
    ends: tuple[str, str] = ("noise", "picture")
    top: float | None = None
    bottom: float = 0.0
    thresholds: Sequence[Threshold] = ()
    ticks: Sequence[tuple[float, str]] = ()
    caption: str = ""


@dataclass(frozen=True)
class Label:
    """A word in the plot; its colour, or None for the theme's quiet one."""

    text: str
    colour: RGB | None


@dataclass(frozen=True)
class PlotFrame:
    """A plot that has been drawn: maps values to pixels, so that playheads and dots can be added.

    lines: the curves to the end, a picture of the size of `clip`, where the plot shows them as they happen.
    """

    plot: Plot
    area: Box
    scale: float  # of lines and dots: 1 on a 1080-line frame
    labels: tuple[tuple[Box, Label], ...] = ()
    lines: Image.Image | None = None

    @property
    def clip(self) -> Box:
        """Where lines may be drawn: the area, and the width of a line around it."""
        pad = round(3 * self.scale) + 1
        return Box(self.area.x - pad, self.area.y - pad, self.area.width + 2 * pad, self.area.height + 2 * pad)

    def at(self, fraction: float, value: float) -> Point:
        """Return the pixel of (0..1 along x, value); values beyond the edges stay at them."""
        low, high = self.plot.bottom, top_of(self.plot)
        share = min(max(0.0, (value - low) / (high - low)), 1.0)
        return self.area.x + fraction * self.area.width, self.area.bottom - share * self.area.height

    def points(self, values: Values) -> list[Point]:
        """Return the pixels of a line's finite values."""
        places = positions(self.plot)
        return [self.at(float(x), float(value)) for x, value in zip(places, values, strict=True) if np.isfinite(value)]


def top_of(plot: Plot) -> float:
    """Return the value at the plot's upper edge, always above the lower one."""
    if plot.top is not None:
        return max(plot.top, plot.bottom + 1e-9)  # where nothing is clipped all values are 0
    values = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in plot.curves] or [np.zeros(0)])
    highest = float(values.max()) if values.size else 1.0
    return max(highest, plot.bottom + 1e-9)


def positions(plot: Plot) -> Values:
    """Return where each value stands, (n,) in 0..1."""
    if plot.x is not None:
        return plot.x
    return np.linspace(0.0, 1.0, len(plot.curves[0].values)) if plot.curves else np.zeros(0)


def smooth(points: Sequence[Point], times: int = 12) -> list[Point]:
    """Return a smooth line through `points` (x rising) that never overshoots them.

    Monotone cubic Hermite: Fritsch & Carlson 1980, with their tangents' harmonic-mean form (Fritsch & Butland).
    """
    if len(points) < 3:
        return list(points)
    x, y = np.array(points, dtype=np.float64).T
    step = np.diff(x)
    slope = np.diff(y) / step
    before, after = slope[:-1], slope[1:]
    same = before * after > 0
    safe = np.where(same, before + after, 1.0)
    tangent = np.concatenate([slope[:1], np.where(same, 2 * before * after / safe, 0.0), slope[-1:]])
    along = np.linspace(0, 1, times, endpoint=False)[None, :]
    h00, h10 = 2 * along**3 - 3 * along**2 + 1, along**3 - 2 * along**2 + along
    h01, h11 = -2 * along**3 + 3 * along**2, along**3 - along**2
    s = step[:, None]
    ys = h00 * y[:-1, None] + h10 * s * tangent[:-1, None] + h01 * y[1:, None] + h11 * s * tangent[1:, None]
    xs = x[:-1, None] + along * s
    return [*zip(xs.ravel().tolist(), ys.ravel().tolist(), strict=True), (float(x[-1]), float(y[-1]))]


def draw_plot(image: Image.Image, box: Box, plot: Plot, theme: Theme, text: float, *, grows: bool = False) -> PlotFrame:
    """Draw everything that stays the same while the playhead moves. text: size of words in pixels.

    grows: leave the curves to the playhead, which draws them as far as it has come.
    """
    style = PLAIN.at(text)
    frame = _placed(box, plot, text)
    _draw_words(image, box, frame, style, theme)
    for value, word in plot.ticks:
        _draw_threshold(image, frame, Threshold(value, word, theme.line))
        at = frame.area.x - 2 * _dot(text), frame.at(0, value)[1] + 0.36 * text
        draw_text(image, at, word, style, theme.quiet, "right")
    for threshold in plot.thresholds:
        _draw_threshold(image, frame, threshold)
    if not grows:
        _draw_lines(image, frame)
        return _with_labels(frame, style)
    whole = image.copy()
    _draw_lines(whole, frame)
    clip = frame.clip
    lines = whole.crop((clip.x, clip.y, clip.right, clip.bottom))
    return replace(_with_labels(frame, style), lines=lines)


def _dot(text: float) -> int:
    """Return what dots at the edges need to stay inside."""
    return round(text * 0.3)


def _placed(box: Box, plot: Plot, text: float) -> PlotFrame:
    """Return where the curves are drawn: below the title, above the words, right of the ticks' words."""
    style, dot = PLAIN.at(text), _dot(text)
    title = round(text * 1.6) if plot.titles else 0
    gutter = round(max((measure(word, style) for _, word in plot.ticks), default=0.0) + 0.5 * text * bool(plot.ticks))
    _, below = _caption(plot, box, style)
    area = Box(
        box.x + gutter + dot,
        box.y + title + dot,
        box.width - gutter - 2 * dot,
        box.height - title - dot - round(text * (3.1 if below else 1.7)),
    )
    return PlotFrame(plot, area, text / 24)


def _draw_words(image: Image.Image, box: Box, frame: PlotFrame, style: Type, theme: Theme) -> None:
    """Write the title, and under the axis, which is drawn too, its ends and what high and low mean."""
    plot, text, baseline = frame.plot, style.size, frame.area.bottom
    said, below = _caption(plot, box, style)
    if plot.titles:
        draw_text(image, (box.x, box.y + text * 0.8), _fitting(plot.titles, style, box.width), style, theme.quiet)
    rectangle(image, (box.x, baseline - frame.scale, box.right, baseline + frame.scale), theme.line)
    if sum(measure(word, style) for word in plot.ends) + text <= box.width:
        draw_text(image, (box.x, baseline + text * 1.4), plot.ends[0], style, theme.quiet)
        draw_text(image, (box.right, baseline + text * 1.4), plot.ends[1], style, theme.quiet, "right")
    if said:
        at = (box.x, baseline + text * 2.8) if below else (box.x + box.width / 2, baseline + text * 1.4)
        draw_text(image, at, said, style, theme.quiet, "left" if below else "center")


CAPTION_ROOM = 7.5  # in sizes of text: lower plots have no caption


def _caption(plot: Plot, box: Box, style: Type) -> tuple[str, bool]:
    """Return the caption, "" where it has no room, and whether it stands below the words of the ends."""
    width, ends = measure(plot.caption, style), max(measure(word, style) for word in plot.ends)
    if width + 2 * ends + 2 * style.size <= box.width:
        return plot.caption, False
    fits = width <= box.width and box.height >= CAPTION_ROOM * style.size
    return (plot.caption, True) if plot.caption and fits else ("", False)


def reveal(image: Image.Image, frame: PlotFrame, fraction: float) -> None:
    """Draw a growing plot's curves as far as the place along x, 0..1."""
    if frame.lines is None:
        return
    clip, x = frame.clip, round(frame.at(fraction, 0)[0])
    width = frame.lines.width if fraction >= 1 else min(max(x + 1 - clip.x, 0), frame.lines.width)
    if width > 0:
        image.paste(frame.lines.crop((0, 0, width, frame.lines.height)), (clip.x, clip.y))


def _fitting(titles: Sequence[str], style: Type, width: float) -> str:
    for title in titles:
        if measure(title, style) <= width:
            return title
    return shorten(titles[-1], style, width)


def _draw_threshold(image: Image.Image, frame: PlotFrame, threshold: Threshold) -> None:
    _, y = frame.at(0, threshold.value)
    pitch, dash = 10 * frame.scale, 4 * frame.scale
    x = float(frame.area.x)
    while x < frame.area.right:
        rectangle(image, (x, y - frame.scale, min(x + dash, frame.area.right), y + frame.scale), threshold.colour)
        x += pitch


def _draw_lines(image: Image.Image, frame: PlotFrame) -> None:
    for curve in frame.plot.curves:
        for values in curve.faint:
            points = frame.points(values)
            if len(points) > 1:
                polyline(image, smooth(points), 1.5 * frame.scale, curve.colour, opacity=0.3, clip=frame.clip)
    for curve in frame.plot.curves:
        points = frame.points(curve.values)
        if len(points) > 1:
            polyline(image, smooth(points), 4 * frame.scale, curve.colour, clip=frame.clip)


def _with_labels(frame: PlotFrame, style: Type) -> PlotFrame:
    lines = [_path(frame, curve.values) for curve in frame.plot.curves]
    faint = [_path(frame, values) for curve in frame.plot.curves for values in curve.faint]
    placed: list[tuple[Box, Label]] = []
    for threshold in frame.plot.thresholds:
        label = _threshold_label(frame, threshold, style, [*lines, *faint], placed)
        if label is not None:
            placed.append(label)
    for threshold in frame.plot.thresholds:  # their dots are not to be covered either
        xs = np.linspace(frame.area.x, frame.area.right, 100)
        faint.append(np.stack([xs, np.full(100, frame.at(0, threshold.value)[1])], axis=1))
    for index, curve in enumerate(frame.plot.curves):
        if not curve.label:
            continue
        box = _label_place(frame, curve.label, style, lines[index], lines[:index] + lines[index + 1 :], faint, placed)
        if box is not None:
            placed.append((box, Label(curve.label, curve.colour)))
    return replace(frame, labels=tuple(placed))


def _threshold_label(
    frame: PlotFrame, threshold: Threshold, style: Type, lines: list[Values], placed: list[tuple[Box, Label]]
) -> tuple[Box, Label] | None:
    """Return a threshold's word over its right end, or over its left; None where lines or words are at both."""
    width, height = round(measure(threshold.word, style)), round(style.size)
    y = round(frame.at(0, threshold.value)[1] - 1.3 * style.size)
    for x in (frame.area.right - width, frame.area.x):
        corner = np.array([[x, y]], dtype=np.float64)
        box = Box(x, y, width, height)
        free = not any(box.overlaps(other) for other, _ in placed)
        if free and all(_gaps(corner, width, height, line)[0] > style.size * 0.3 for line in lines):
            return box, Label(threshold.word, threshold.colour)
    return None


def _path(frame: PlotFrame, values: Values) -> Values:
    """Return the pixels (n, 2) along a line, those inside the plot; far away where there are none."""
    points = np.array(smooth(frame.points(values)) or [(-1e6, -1e6)])
    inside = points[points[:, 1] >= frame.area.y - 1]
    return inside if len(inside) else np.array([(-1e6, -1e6)])


def _label_place(
    frame: PlotFrame,
    label: str,
    style: Type,
    own: Values,
    others: list[Values],
    faint: list[Values],
    placed: list[tuple[Box, Label]],
) -> Box | None:
    """Return the free place nearest to the curve's own line, never nearer to another; None if there is none."""
    width, height = round(measure(label, style)), round(style.size)
    area = frame.area
    xs = np.linspace(area.x, max(area.x, area.right - width), 24)
    ys = np.arange(area.y - style.size / 2, area.bottom - height, style.size / 6)
    corners = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).round()
    if not len(corners):
        return None
    far = np.full(len(corners), 1e6)
    near = _gaps(corners, width, height, own)
    rival = np.min([far, *(_gaps(corners, width, height, line) for line in others)], axis=0)
    crossed = np.sum([far <= 0, *(_gaps(corners, width, height, line) <= 0 for line in faint)], axis=0)
    score = near + np.maximum(0, 2.5 * near - rival) + 30 * crossed
    score[rival < near] = np.inf
    for box, _ in placed:
        apart_x = (corners[:, 0] >= box.right + height / 2) | (corners[:, 0] + width + height / 2 <= box.x)
        apart_y = (corners[:, 1] >= box.bottom) | (corners[:, 1] + height <= box.y)
        score[~(apart_x | apart_y)] = np.inf
    for air in (0.45 * style.size, 0.15 * style.size):  # in a low plot, words may come closer
        free = np.where((near < air) | (rival < air), np.inf, score)
        best = int(np.argmin(free))
        if np.isfinite(free[best]):
            return Box(int(corners[best, 0]), int(corners[best, 1]), width, height)
    return None


def _gaps(corners: Values, width: int, height: int, line: Values) -> Values:
    """Return the distance in pixels between boxes at `corners` (k, 2) and the nearest point of `line` (n, 2)."""
    columns, column_of = np.unique(corners[:, 0], return_inverse=True)
    rows, row_of = np.unique(corners[:, 1], return_inverse=True)
    dx, dy = _beyond(columns, width, line[:, 0]), _beyond(rows, height, line[:, 1])
    gaps: Values = np.sqrt((dx[column_of] + dy[row_of]).min(axis=1))
    return gaps


def _beyond(starts: Values, length: int, points: Values) -> Values:
    """Return the squared distances (k, n) of points (n,) from stretches of this length that begin at starts (k,)."""
    before = starts[:, None] - points
    beyond = np.maximum(np.maximum(before, -before - length), 0)
    return np.square(beyond, out=beyond)


def draw_labels(image: Image.Image, frame: PlotFrame, theme: Theme, text: float) -> None:
    """Write the curves' names beside their lines, on a bit of ground so that a playhead behind them is hidden."""
    style = PLAIN.at(text)
    for box, label in frame.labels:
        rectangle(image, (box.x - 3, box.y, box.right + 3, box.bottom + text * 0.1), theme.ground)
        draw_text(image, (box.x, box.y + text * 0.86), label.text, style, label.colour or theme.quiet)


def draw_playhead(image: Image.Image, frame: PlotFrame, index: int, theme: Theme) -> None:
    """Draw the playhead at value number `index`: a line, and a dot on each curve."""
    dots = [(float(curve.values[index]), curve.colour) for curve in frame.plot.curves]
    draw_playhead_at(image, frame, float(positions(frame.plot)[index]), dots, theme)


def draw_playhead_at(
    image: Image.Image, frame: PlotFrame, fraction: float, dots: Sequence[tuple[float, RGB]], theme: Theme
) -> None:
    """Draw the playhead at a place along x, 0..1: a line, and a dot for each (value, colour) that is a number.

    Of a plot that grows, the curves are drawn as far as there.
    """
    reveal(image, frame, fraction)
    x, _ = frame.at(fraction, 0)
    half = max(0.5, frame.scale)
    rectangle(image, (x - half, frame.area.y - 6 * frame.scale, x + half, frame.area.bottom), theme.ink)
    for value, colour in dots:
        if np.isfinite(value):
            centre = frame.at(fraction, value)
            disc(image, centre, 10 * frame.scale, theme.ground)
            disc(image, centre, 8 * frame.scale, colour)


def draw_bars(
    image: Image.Image, box: Box, values: Values, colours: Sequence[RGB], gap_share: float = 0.3
) -> list[Box]:
    """Draw one bar for each of `values` (n,), the largest as high as the box; return their boxes."""
    pitch = box.width / max(1, len(values))
    top = float(np.nanmax(values)) if len(values) and np.nanmax(values) > 0 else 1.0
    boxes = []
    for index, (value, colour) in enumerate(zip(values, colours, strict=True)):
        left = box.x + (index + gap_share / 2) * pitch
        right = left + pitch * (1 - gap_share)
        height = max(0.0, float(value) / top) * box.height
        rectangle(image, (left, box.bottom - max(height, 1.0), right, box.bottom), colour)
        boxes.append(Box(round(left), round(box.bottom - height), round(right - left), round(height)))
    return boxes
