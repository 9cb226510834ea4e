"""The frame of a film: panels, rail, plot and timeline as boxes. Pure; no pixels.

Wide frames have the rail on the right, square ones a head in three columns, tall ones a head, and the plot under the
panels. Text is never smaller than 1/45 of the frame's height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .boxes import Box, around
from .grid import Grid, GridSpec, fit_grid

TEXT_SHARE = 1 / 45  # of the height: the smallest text
SQUARE_PROMPT = 0.42  # of the width: the prompt's column in a square frame
Shape = Literal["wide", "square", "tall"]


@dataclass(frozen=True)
class Measures:
    """Sizes that follow from the frame's size, in pixels."""

    width: int
    height: int

    @property
    def shape(self) -> Shape:
        """Which of the three compositions fits."""
        ratio = self.width / self.height
        return "wide" if ratio >= 1.3 else "square" if ratio >= 0.85 else "tall"  # 4:5 is tall

    @property
    def narrow(self) -> bool:
        """Whether there is no room for words beside pictures: 9:16 is narrow, 4:5 is tall and not narrow."""
        return self.width < 0.7 * self.height

    @property
    def unit(self) -> float:
        """One pixel of a 1080-line frame."""
        return min(self.width / (1920 if self.shape == "wide" else 1080), self.height / 1080)

    @property
    def text(self) -> float:
        """Smallest text; in frames narrower than 5:9, as large as 25 times its size fits across."""
        return min(self.height * TEXT_SHARE, self.width / 25)

    @property
    def line(self) -> int:
        """Height of a line of small text."""
        return round(self.text * 1.5)

    def px(self, at_1080: float) -> int:
        """Scale a length of the 1080-line frame."""
        return round(at_1080 * self.unit)

    @property
    def inner(self) -> Box:
        """The frame without its margins."""
        x, y = self.px(56), self.px(40)
        return Box(x, y, self.width - 2 * x, self.height - 2 * y)

    @property
    def timeline(self) -> int:
        """Height of the timeline: the track and a line of labels."""
        return round(self.text * 2.65)


@dataclass(frozen=True)
class RailBoxes:
    """What tells which state this is; `plot` is None where it has no room."""

    prompt: Box
    meta: Box
    hero: Box
    numbers: Box
    plot: Box | None

    @property
    def boxes(self) -> list[Box]:
        """Everything that is placed."""
        return [box for box in (self.prompt, self.meta, self.hero, self.numbers, self.plot) if box is not None]


@dataclass(frozen=True)
class DeckLayout:
    """The parts of a frame. `head` holds prompt and numbers; `foot`, in tall frames, the plot."""

    measures: Measures
    grid: Grid
    head: Box
    foot: Box | None
    timeline: Box


def deck_layout(size: tuple[int, int], views: int, seeds: int, unit: tuple[int, int] = (1, 1)) -> DeckLayout:
    """Place the parts of a deck.

    size: the frame's (width, height) in pixels. unit: the latent's (width, height); panels have its proportions.
    """
    measures = Measures(*size)
    place = {"wide": _wide, "square": _stacked, "tall": _stacked}[measures.shape]
    return place(measures, views, seeds, unit)


def strip_layout(size: tuple[int, int], seeds: int, unit: tuple[int, int] = (1, 1)) -> DeckLayout:
    """Place the parts of a film with one view: a caption over the panels, the timeline under them."""
    measures = Measures(*size)
    inner, air = measures.inner, measures.px(22)
    timeline = _timeline(measures)
    head = Box(inner.x, inner.y, inner.width, round(measures.text * 2.9))
    area = Box(inner.x, head.bottom + air, inner.width, timeline.y - air - head.bottom - air)
    gap = measures.px(24 if seeds <= 6 else 14)
    spec = GridSpec(1, seeds, unit, gap, round(measures.text * 1.55), 0, captions=False)
    return DeckLayout(measures, fit_grid(area, spec), head, None, timeline)


def _spec(measures: Measures, views: int, seeds: int, unit: tuple[int, int], lead: int) -> GridSpec:
    gap = measures.px(14 if seeds <= 6 else 10 if seeds <= 9 else 7)
    return GridSpec(views, seeds, unit, gap, round(measures.text * 1.55), lead)


def _lead(measures: Measures) -> int:
    """Width of the column of view labels: seven digits and the air beside them."""
    return round(measures.text * 5.6)


def _timeline(measures: Measures) -> Box:
    inner = measures.inner
    return Box(inner.x, inner.bottom - measures.timeline, inner.width, measures.timeline)


def _wide(measures: Measures, views: int, seeds: int, unit: tuple[int, int]) -> DeckLayout:
    inner, air = measures.inner, measures.px(56)
    timeline = _timeline(measures)
    content = Box(inner.x, inner.y, inner.width, timeline.y - measures.px(26) - inner.y)
    least = round(measures.width * 0.25)
    area = Box(content.x, content.y, content.width - least - air, content.height)
    grid = fit_grid(area, _spec(measures, views, seeds, unit, _lead(measures)))
    bounds = around(grid.boxes)
    rail_width = min(inner.right - area.x - bounds.width - air, round(measures.width * 0.34))
    left = inner.right - rail_width
    free = left - air - area.x - bounds.width
    grid = grid.moved(area.x + free // 2 - bounds.x, 0)
    tight = bounds.height >= 0.85 * content.height
    head = Box(left, *((bounds.y, rail_width, bounds.height) if tight else (content.y, rail_width, content.height)))
    return DeckLayout(measures, grid, head, None, timeline)


def _stacked(measures: Measures, views: int, seeds: int, unit: tuple[int, int]) -> DeckLayout:
    inner, air = measures.inner, max(measures.px(28), round(measures.text))
    tall = measures.shape == "tall"
    timeline = _timeline(measures)
    head_height = round(measures.text * (8.6 if tall else 8.4))
    head = Box(inner.x, inner.y, inner.width, head_height)
    room = timeline.y - air - head.bottom - air
    least = round(measures.text * 9) if tall else 0  # of plot
    area = Box(inner.x, head.bottom + air, inner.width, room - (least + air if tall else 0))
    grid = fit_grid(area, _spec(measures, views, seeds, unit, 0 if measures.narrow else _lead(measures)))
    bounds = around(grid.boxes)
    grid = grid.moved(inner.x - bounds.x, 0)  # under the words' left edge
    if not tall:
        return DeckLayout(measures, grid, head, None, timeline)
    free = area.height - bounds.height
    plot_height = min(least + free, round(measures.text * 12))
    spare = (least + free - plot_height) // 2
    grid = grid.moved(0, area.y + spare - bounds.y)
    foot = Box(inner.x, timeline.y - air - spare - plot_height, inner.width, plot_height)
    return DeckLayout(measures, grid, head, foot, timeline)


def rail_boxes(layout: DeckLayout, prompt_lines: int, prompt_line: float) -> RailBoxes:
    """Divide the head among prompt, settings, state number, values and plot.

    prompt_lines: how many lines the prompt takes, of `prompt_line` pixels each; see `prompt_room`.
    """
    shape = layout.measures.shape
    prompt_height = round(prompt_lines * prompt_line)
    if shape == "wide":
        return _rail(layout, prompt_height)
    return _tall_head(layout, prompt_height) if shape == "tall" else _square_head(layout, prompt_height)


def prompt_room(layout: DeckLayout) -> tuple[int, int]:
    """Return the (width in pixels, most lines) that the prompt may take."""
    width = layout.head.width
    if layout.measures.shape == "wide":
        return width, 6
    return (round(width * SQUARE_PROMPT), 4) if layout.measures.shape == "square" else (width, 2)


def _rail(layout: DeckLayout, prompt_height: int) -> RailBoxes:
    measures, head = layout.measures, layout.head
    meta = Box(head.x, head.y + prompt_height + measures.px(10), head.width, measures.line)
    hero = Box(head.x, meta.bottom + measures.px(34), head.width, measures.px(118))
    numbers = Box(head.x, hero.bottom + measures.px(26), head.width, round(measures.text * 2.9))
    height = min(head.bottom - numbers.bottom - measures.px(36), round(head.width * 0.72))
    plot = Box(head.x, head.bottom - height, head.width, height) if height >= measures.text * 7 else None
    return RailBoxes(Box(head.x, head.y, head.width, prompt_height), meta, hero, numbers, plot)


def _square_head(layout: DeckLayout, prompt_height: int) -> RailBoxes:
    measures, head = layout.measures, layout.head
    first, air = round(head.width * SQUARE_PROMPT), measures.px(28)
    second = round(measures.text * 11.4)
    middle = Box(head.x + first + air, head.y, second, head.height)
    prompt = Box(head.x, head.y, first, prompt_height)
    meta = Box(head.x, prompt.bottom + measures.px(6), first, measures.line)
    hero = Box(middle.x, middle.y, second, measures.px(92))
    numbers = Box(middle.x, hero.bottom + measures.px(18), second, round(measures.text * 2.9))
    plot = Box(middle.right + air, head.y, head.right - middle.right - air, head.height)
    return RailBoxes(prompt, meta, hero, numbers, plot)


def _tall_head(layout: DeckLayout, prompt_height: int) -> RailBoxes:
    measures, head = layout.measures, layout.head
    prompt = Box(head.x, head.y, head.width, prompt_height)
    meta = Box(head.x, prompt.bottom + measures.px(8), head.width, measures.line)
    left = round(head.width * 0.46)
    height = round(measures.text * 2.9)
    hero = Box(head.x, head.bottom - height, left - measures.line // 2, height)
    numbers = Box(head.x + left, head.bottom - height, head.width - left, height)
    return RailBoxes(prompt, meta, hero, numbers, layout.foot)
