"""The frame of a film whose slider is the rank: the subject, the rank as the one big number, its values, a plot."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image

from .boxes import Box
from .curves import Plot, PlotFrame, draw_labels, draw_playhead, draw_plot
from .grid import Grid
from .hero import GAP, draw_hero, hero_types
from .layout import DeckLayout, Measures, RailBoxes, prompt_room, rail_boxes
from .text import draw_text, measure, shorten_list, wrap
from .theme import MONO, MONO_STRONG, PLAIN, PROMPT, PROMPT_SIZE, VALUE_SIZE, FilmStyle, Theme, Type


@dataclass(frozen=True)
class Stop:
    """One stop of the slider: the big word, what it is of, and a value for each of the rail's names."""

    hero: str
    rest: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Slider:
    """What the rail says of a run: its subject, how it was made, and the names of the values, three at most."""

    title: str
    settings: str
    names: tuple[str, ...]
    stops: tuple[Stop, ...]
    plot: Plot | None


@dataclass(frozen=True)
class SliderRail:
    """The rail of one film."""

    slider: Slider
    boxes: RailBoxes
    title: tuple[str, ...]
    columns: tuple[float, ...]
    theme: Theme
    text: float

    def draw_static(self, image: Image.Image) -> PlotFrame | None:
        """Draw what all frames share; return the plot, where there is one."""
        style = _title_type(self.text)
        baseline = self.boxes.prompt.y + style.cap_height + 0.12 * style.size
        for line in self.title:
            draw_text(image, (self.boxes.prompt.x, baseline), line, style, self.theme.ink)
            baseline += style.line_height
        meta, mono = self.boxes.meta, MONO.at(self.text)
        said = shorten_list(self.slider.settings, mono, meta.width)
        draw_text(image, (meta.x, meta.y + 0.5 * meta.height + 0.36 * self.text), said, mono, self.theme.quiet)
        for name, x in zip(self.slider.names, self.columns, strict=False):
            draw_text(image, (x, self.boxes.numbers.y + 0.8 * self.text), name, PLAIN.at(self.text), self.theme.quiet)
        if self.slider.plot is None or self.boxes.plot is None:
            return None
        return draw_plot(image, self.boxes.plot, self.slider.plot, self.theme, self.text, grows=True)

    def draw_stop(self, image: Image.Image, index: int, plot: PlotFrame | None) -> None:
        """Draw what belongs to one stop: the big word, its values and the playhead."""
        stop = self.slider.stops[index]
        self._draw_hero(image, stop)
        for value, x in zip(stop.values, self.columns, strict=False):
            baseline = self.boxes.numbers.y + 2.35 * self.text
            draw_text(image, (x, baseline), value, MONO_STRONG.at(VALUE_SIZE * self.text), self.theme.ink)
        if plot is not None:
            draw_playhead(image, plot, index, self.theme)
            draw_labels(image, plot, self.theme, self.text)

    def _draw_hero(self, image: Image.Image, stop: Stop) -> None:
        box = self.boxes.hero
        digits, small = hero_types(box.height, self.text)
        big = digits if stop.hero.isdigit() else digits.at(box.height / 1.2)
        while measure(stop.hero, big) > 0.8 * box.width:  # a word instead of a number
            big = big.at(big.size * 0.9)
        after, baseline = draw_hero(image, box, stop.hero, big, self.theme)
        after += GAP * digits.size
        if after + measure(stop.rest, small) <= box.right:
            draw_text(image, (after, baseline), stop.rest, small, self.theme.quiet)


def slider_rail(slider: Slider, layout: DeckLayout, theme: Theme) -> SliderRail:
    """Wrap the title and place the parts."""
    text = layout.measures.text
    width, most = prompt_room(layout)
    style = _title_type(text)
    lines = wrap(slider.title, style, width, min(3, most))
    boxes = rail_boxes(layout, len(lines), style.line_height)
    slider, columns = _fitted(slider, boxes.numbers, text)
    return SliderRail(slider, boxes, tuple(lines), columns, theme, text)


def _fitted(slider: Slider, box: Box, text: float) -> tuple[Slider, tuple[float, ...]]:
    """Return where the values stand, and the slider with what fits: "96" for "96 of 256", the last value left out."""
    gap = 1.2 * text
    widths = _widths(slider, text)
    if sum(widths) + gap * (len(widths) - 1) > box.width:
        stops = tuple(replace(s, values=tuple(value.partition(" of ")[0] for value in s.values)) for s in slider.stops)
        slider = replace(slider, stops=stops)
        widths = _widths(slider, text)
    while len(widths) > 1 and sum(widths) + gap * (len(widths) - 1) > box.width:
        widths.pop()
    free = (box.width - sum(widths)) / max(1, len(widths))
    columns = [box.x + sum(widths[:index]) + index * min(free, 3 * gap) for index in range(len(widths))]
    return slider, tuple(columns)


def _widths(slider: Slider, text: float) -> list[float]:
    """Return the width of each column: that of its name, or of its longest value."""
    name, value = PLAIN.at(text), MONO_STRONG.at(1.08 * text)
    return [
        max([measure(said, name), *(measure(stop.values[index], value) for stop in slider.stops)])
        for index, said in enumerate(slider.names)
    ]


def slider_layout(style: FilmStyle) -> tuple[DeckLayout, Box]:
    """Return the frame of a film with one large figure, and the box of that figure."""
    measures = Measures(*style.size)
    inner, air = measures.inner, max(measures.px(28), round(measures.text))
    timeline = Box(inner.x, inner.bottom - measures.timeline, inner.width, measures.timeline)
    bottom = timeline.y - air
    none = Grid((), (), (), beside=False)
    if measures.shape == "wide":
        rail = round(0.26 * measures.width)
        head = Box(inner.right - rail, inner.y, rail, bottom - inner.y)
        area = Box(inner.x, inner.y, head.x - measures.px(64) - inner.x, head.height)
        return DeckLayout(measures, none, head, None, timeline), area
    tall = measures.shape == "tall"
    head = Box(inner.x, inner.y, inner.width, round(measures.text * (8.6 if tall else 8.4)))
    foot_height = round(measures.text * 11) if tall else 0
    foot = Box(inner.x, bottom - foot_height, inner.width, foot_height) if tall else None
    end = foot.y - 2 * air if foot else bottom
    area = Box(inner.x, head.bottom + air, inner.width, end - head.bottom - air)
    return DeckLayout(measures, none, head, foot, timeline), area


def _title_type(text: float) -> Type:
    return PROMPT.at(text * PROMPT_SIZE)
