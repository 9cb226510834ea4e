"""The frame of the words' film: the prompt over all, panels, the plot and the timeline as boxes. Pure; no pixels."""

from __future__ import annotations

from dataclasses import dataclass

from denoisecli.figures.boxes import Box, around
from denoisecli.figures.grid import Grid, GridSpec, fit_grid
from denoisecli.figures.layout import Measures

HEAD = {"wide": 5.4, "square": 8.9, "tall": 11.0}  # height in text sizes
LINES = {"wide": 2, "square": 2, "tall": 3}  # of the prompt
MOST_PANELS = {"wide": 7, "square": 7, "tall": 8}  # of words, beside the guess


@dataclass(frozen=True)
class WordsLayout:
    """The parts of a frame. grid: one panel for the guess, then one for each word shown. shares: in wide frames."""

    measures: Measures
    head: Box
    prompt: Box
    grid: Grid
    shares: Box | None
    plot: Box
    timeline: Box

    @property
    def boxes(self) -> list[Box]:
        """Everything that is placed."""
        placed = (self.head, *self.grid.boxes, self.shares, self.plot, self.timeline)
        return [box for box in placed if box is not None]


def most_words(size: tuple[int, int]) -> int:
    """Return how many words a frame of this size has panels for."""
    return MOST_PANELS[Measures(*size).shape]


def words_layout(size: tuple[int, int], panels: int, unit: tuple[int, int]) -> WordsLayout:
    """Place `panels` panels of the proportions `unit`: the plot stands beside them, in narrow frames under them."""
    measures = Measures(*size)
    inner, air = measures.inner, measures.px(28)
    timeline = Box(inner.x, inner.bottom - measures.timeline, inner.width, measures.timeline)
    head = Box(inner.x, inner.y, inner.width, round(HEAD[measures.shape] * measures.text))
    area = Box(inner.x, head.bottom + air, inner.width, timeline.y - 2 * air - head.bottom)
    spec = GridSpec(1, panels, unit, measures.px(14), round(measures.text * 1.55), 0, captions=False)
    beside = round(inner.width * 0.27)
    if measures.shape == "wide":
        room = Box(area.x, area.y, area.width - beside - measures.px(48), area.height)
        grid = fit_grid(room, spec)
        bounds, left = around(grid.boxes), area.right - beside
        rows = round((panels + 1.6) * 1.5 * measures.text)
        shares = Box(left, bounds.y, beside, min(rows, bounds.height // 2))
        plot = Box(left, shares.bottom + air, beside, area.bottom - shares.bottom - air)
        prompt = Box(head.x, head.y, head.width - round(11 * measures.text), head.height)
    else:
        height = round(area.height * (0.26 if measures.shape == "square" else 0.22))
        room = Box(area.x, area.y, area.width, area.height - height - air)
        grid, shares, plot = fit_grid(room, spec), None, Box(area.x, area.bottom - height, area.width, height)
        prompt = head
    return WordsLayout(measures, head, prompt, grid, shares, plot, timeline)
