"""The film of the noise lab: one picture drowns in noise, and the curve says how far it has gone.

What does not move is drawn once; a frame is a copy of it with the pictures, the numbers and the playhead put in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import Curve, Plot, PlotFrame, draw_labels, draw_plot, reveal
from denoisecli.figures.facts import three_figures, timestep
from denoisecli.figures.film import Frame
from denoisecli.figures.hero import GAP, draw_hero, hero_types
from denoisecli.figures.paint import disc, rectangle
from denoisecli.figures.text import draw_text, measure, shorten, shorten_list, side_bearing, wrap
from denoisecli.figures.theme import (
    MONO,
    MONO_STRONG,
    PROMPT,
    PROMPT_SIZE,
    RGB,
    STRONG,
    VALUE_SIZE,
    FilmStyle,
)
from denoisecli.glossary import caption_line
from denoisecli.trace import Trace

from .layout import COMPARED, NoiseLayout, Wanted, noise_layout
from .parts import Histogram, Panel, Terms
from .views import FORMULAS, View, formula_of, noise_lanes, noise_views, settings_of

PLOT_TITLES = ("ᾱ, the picture's share of the power", "ᾱ, the picture's share", "ᾱ over t")
ERROR_TITLES = ("ᾱ, and how wrong the guess is: in layout, in detail", "ᾱ, and the guess's error", "ᾱ and error")

MOST_ERROR = 1.5  # at the plot's upper edge


def frame_order(count: int, hold: int, *, loop: bool = True) -> list[tuple[int, int]]:
    """Return (frame, ticks): 0 … count−1 and, looping, back to 1. Both ends rest for `hold` ticks."""
    there = [(index, hold if index in (0, count - 1) else 1) for index in range(count)]
    back = [(index, 1) for index in range(count - 2, 0, -1)] if loop else []
    return [(index, max(1, ticks)) for index, ticks in there + back]


@dataclass(frozen=True)
class _Tile:
    """A piece of the frame that is drawn anew each time, over what stays."""

    box: Box
    still: Image.Image

    @classmethod
    def cut(cls, image: Image.Image, box: Box) -> _Tile:
        return cls(box, image.crop((box.x, box.y, box.right, box.bottom)))

    def put(self, frame: Frame, image: Image.Image) -> None:
        frame[self.box.y : self.box.bottom, self.box.x : self.box.right] = np.asarray(image)


class NoiseDrawing:
    """Everything that the frames of one film share; `frame` draws one of them."""

    def __init__(self, trace: Trace, style: FilmStyle) -> None:
        self.theme, self.lanes = style.theme, noise_lanes(trace, style.theme)
        self.views: list[View] = noise_views(trace, self.lanes)
        self.single = len(self.lanes) == 1
        self.count = len(self.lanes[0].timesteps)
        self.last = self.lanes[0].last
        self.settings = settings_of(trace, self.lanes, self.views[0].size)
        self.layout = self._placed(style.size)
        base = Image.new("RGB", style.size, self.theme.ground)
        self.plot = self._draw_still(base)
        self._cut(base, trace)

    @property
    def text(self) -> float:
        """Size of the smallest text in pixels."""
        return self.layout.measures.text

    def frame(self, index: int) -> Frame:
        """Return frame `index`, (H, W, 3), an array of its own."""
        frame = self.still.copy()
        for view, panel in zip(self.views, self.panels, strict=True):
            panel.put(frame, view.picture(index), smooth=view.smooth)
        for view, tile in zip(self.views, self.label_tiles, strict=False):
            tile.put(frame, self._label(tile.still.copy(), view, index))
        self.hero_tile.put(frame, self._hero(self.hero_tile.still.copy(), index))
        self.plot_tile.put(frame, self._now(self.plot_tile.still.copy(), index))
        if self.numbers_tile:
            self.numbers_tile.put(frame, self._numbers(self.numbers_tile.still.copy(), index))
        if self.terms:
            self.terms.put(frame, index)
        if self.histogram:
            self.histogram.put(frame, self.views[0].values(index))
        return frame

    # What stays

    def _placed(self, size: tuple[int, int]) -> NoiseLayout:
        smooth = all(view.smooth for view in self.views)
        wanted = Wanted(len(self.views), self.views[0].size, self.single, smooth=smooth)
        layout = noise_layout(size, wanted)
        self.formula_type = PROMPT.at(layout.measures.text * PROMPT_SIZE)
        self.title = wrap(FORMULAS[formula_of(self.lanes)], self.formula_type, layout.title.width, 2)
        return noise_layout(size, replace(wanted, title_lines=len(self.title)))

    def _draw_still(self, base: Image.Image) -> PlotFrame:
        layout, theme, text = self.layout, self.theme, self.text
        for number, line in enumerate(self.title):
            baseline = layout.title.y + (1.0 + 1.6 * number) * text
            draw_text(base, (layout.title.x, baseline), line, self.formula_type, theme.ink)
        said = shorten_list(" · ".join(self.settings), MONO.at(text), layout.settings.width)
        draw_text(base, (layout.settings.x, layout.settings.y + 1.05 * text), said, MONO.at(text), theme.quiet)
        bold = STRONG.at(text)
        for view, box in zip(self.views, layout.labels, strict=False):
            said = shorten(view.title, bold, box.width)
            draw_text(base, (box.x, box.bottom - 0.5 * text), said, bold, view.colour(theme))
        if layout.numbers:
            self._name_numbers(base, layout.numbers)
        return draw_plot(base, layout.plot, self._plot(), theme, text, grows=True)

    def _name_numbers(self, base: Image.Image, box: Box) -> None:
        """Write what the numbers are: their names, or the schedule that they belong to."""
        for row, lane in enumerate(self.lanes):
            baseline = box.y + (COMPARED * row + 0.8) * self.text
            if not self.single:
                draw_text(base, (box.x, baseline), lane.label, STRONG.at(self.text), lane.colour)
                continue
            for name, x in zip(("ᾱ", "σ", "SNR"), self._columns(box.width), strict=False):
                draw_text(base, (box.x + x, baseline), name, MONO.at(self.text), self.theme.quiet)

    def _plot(self) -> Plot:
        lanes = self.lanes
        errors = self._errors()
        colours = [self.theme.quiet if errors else lane.colour for lane in lanes]
        alone = "ᾱ" if errors else ""  # a single line is named by the title
        names = [lane.label if len(lanes) > 1 else alone for lane in lanes]
        named = zip(lanes, names, colours, strict=True)
        curves = [Curve(lane.curve, name, colour) for lane, name, colour in named]
        spots = np.linspace(0, self.last, len(lanes[0].curve))
        for name, values, colour in errors:
            curves.append(Curve(np.minimum(np.interp(spots, lanes[0].timesteps, values), MOST_ERROR), name, colour))
        titles = ERROR_TITLES if errors else PLOT_TITLES
        top = min(MOST_ERROR, max(1.0, *(float(values.max()) for _, values, _ in errors))) if errors else 1.0
        caption = caption_line("guess_error" if errors else "alpha_bar")
        return Plot(curves, titles, top=top, ends=("t = 0", f"t = {lanes[0].last}"), caption=caption)

    def _errors(self) -> list[tuple[str, NDArray[np.float64], RGB]]:
        """Return the guess's errors that are plotted: layout and detail, each in its colour."""
        found = next((view.errors for view in self.views if view.errors), {})
        colours = {"layout": self.theme.amber, "detail": self.theme.teal}
        return [(name, found[name], colour) for name, colour in colours.items() if name in found]

    def _cut(self, base: Image.Image, trace: Trace) -> None:
        layout = self.layout
        radius = layout.measures.px(6)
        self.panels = [Panel(box, layout.scale, radius, self.theme.ground) for box in layout.panels]
        self.label_tiles = [_Tile.cut(base, box) for box in layout.labels]
        self.hero_tile, self.plot_tile = _Tile.cut(base, layout.hero), _Tile.cut(base, _loose(layout.plot, base))
        self.numbers_tile = _Tile.cut(base, layout.numbers) if layout.numbers else None
        self.terms = Terms(base, layout.terms, trace, self.lanes[0], self.theme, self.text) if layout.terms else None
        self.histogram = Histogram(base, layout.histogram, self.theme, self.text) if layout.histogram else None
        self.still = np.array(base)

    def _columns(self, width: float) -> list[float]:
        """Return where ᾱ, σ and SNR stand; without SNR, which follows from the others, where three would touch."""
        style = MONO_STRONG.at(self.text * VALUE_SIZE)
        count = 3 if width / 3 >= measure("−12.3 dB", style) else 2
        return [column * width / count for column in range(count)]

    # What moves

    def _hero(self, image: Image.Image, index: int) -> Image.Image:
        times = {float(lane.timesteps[index]) for lane in self.lanes}
        number, rest = f"{100 * index / (self.count - 1):.0f}", "% of the way"
        if len(times) == 1:
            number, rest = timestep(times.pop()), f"t of {self.lanes[0].last}"
        big, small = hero_types(image.height, self.text)
        after, baseline = draw_hero(image, Box(0, 0, *image.size), number, big, self.theme)
        after += side_bearing(number, big) + GAP * big.size
        if after + measure(rest, small) <= image.width:
            draw_text(image, (after, baseline), rest, small, self.theme.quiet)
        return image

    def _numbers(self, image: Image.Image, index: int) -> Image.Image:
        style = MONO_STRONG.at(self.text * VALUE_SIZE)
        for row, lane in enumerate(self.lanes):
            numbers = three_figures(lane.alpha_bars[index]), three_figures(lane.sigmas[index])
            if not self.single:
                numbers = f"ᾱ {numbers[0]}", f"σ {numbers[1]}"
            baseline = (2.35 if self.single else COMPARED * row + 2.3) * self.text
            for value, x in zip((*numbers, decibels(lane.snr_db[index])), self._columns(image.width), strict=False):
                draw_text(image, (x, baseline), value, style, self.theme.ink)
        return image

    def _label(self, image: Image.Image, view: View, index: int) -> Image.Image:
        said = view.label(index)
        style = MONO.at(self.text)
        if measure(said, style) + measure(view.title, STRONG.at(self.text)) + self.text < image.width:
            draw_text(image, (image.width, image.height - 0.5 * self.text), said, style, self.theme.quiet, "right")
        return image

    def _now(self, image: Image.Image, index: int) -> Image.Image:
        """Draw the playhead, a dot for each curve, and the curves' names over it."""
        tile = self.plot_tile.box
        plot = _shifted(self.plot, -tile.x, -tile.y)
        scale, area = plot.scale, plot.area
        places = [float(lane.timesteps[index]) / lane.last for lane in self.lanes]
        reveal(image, plot, max(places))
        if len(set(places)) == 1:
            x, half = plot.at(places[0], 0)[0], max(0.5, scale)
            rectangle(image, (x - half, area.y - 6 * scale, x + half, area.bottom), self.theme.ink)
        dots = [(place, float(lane.alpha_bars[index])) for place, lane in zip(places, self.lanes, strict=True)]
        dots += [(places[0], float(values[index])) for _, values, _ in self._errors()]
        for (place, value), curve in zip(dots, plot.plot.curves, strict=True):
            x, y = plot.at(place, min(value, MOST_ERROR))
            disc(image, (x, y), 10 * scale, self.theme.ground)
            disc(image, (x, y), 8 * scale, curve.colour)
        draw_labels(image, plot, self.theme, self.text)
        return image


def decibels(value: float) -> str:
    """Return a ratio in decibels with its unit and a true minus: −12.3 dB."""
    if not np.isfinite(value):
        return "−∞ dB" if value < 0 else "∞ dB"
    return f"{value:.1f} dB".replace("-", "−")


def _loose(box: Box, image: Image.Image) -> Box:
    """Return `box` with the room that dots at its edges need, inside the image."""
    pad = min(8, box.x, box.y, image.width - box.right, image.height - box.bottom)
    return Box(box.x - pad, box.y - pad, box.width + 2 * pad, box.height + 2 * pad)


def _shifted(plot: PlotFrame, dx: int, dy: int) -> PlotFrame:
    labels = tuple((box.moved(dx, dy), curve) for box, curve in plot.labels)
    return replace(plot, area=plot.area.moved(dx, dy), labels=labels)
