"""The frame of a fork's film: words, panels, the causal curve and the timeline as boxes. Pure; no pixels."""

from __future__ import annotations

from dataclasses import dataclass

from denoisecli.figures.boxes import Box
from denoisecli.figures.grid import Grid, GridSpec, fit_grid
from denoisecli.figures.layout import Measures

HEAD = {"wide": 6.4, "square": 8.0, "tall": 9.4}  # height in text sizes


@dataclass(frozen=True)
class ForkLayout:
    """The parts of a frame. grid: one panel for the trunk, then one for each branch shown."""

    measures: Measures
    head: Box
    grid: Grid
    plot: Box
    timeline: Box

    @property
    def boxes(self) -> list[Box]:
        """Everything that is placed."""
        return [self.head, *self.grid.boxes, self.plot, self.timeline]


def fork_layout(size: tuple[int, int], panels: int, unit: tuple[int, int]) -> ForkLayout:
    """Place `panels` panels of the proportions `unit`: the curve stands beside them, in narrow frames under them."""
    measures = Measures(*size)
    inner, air = measures.inner, measures.px(28)
    timeline = Box(inner.x, inner.bottom - measures.timeline, inner.width, measures.timeline)
    head = Box(inner.x, inner.y, inner.width, round(HEAD[measures.shape] * measures.text))
    area = Box(inner.x, head.bottom + air, inner.width, timeline.y - 2 * air - head.bottom)
    spec = GridSpec(1, panels, unit, measures.px(14), round(measures.text * 1.55), 0, captions=False)
    if measures.shape == "wide":
        across = round(inner.width * 0.3)
        room = Box(area.x, area.y, area.width - across - measures.px(56), area.height)
        height = min(area.height, round(across * 0.85))
        plot = Box(area.right - across, area.y + (area.height - height) // 2, across, height)
    else:
        height = max(round(0.27 * area.height), round(10 * measures.text) if measures.shape == "tall" else 0)
        room = Box(area.x, area.y, area.width, area.height - height - air)
        plot = Box(area.x, area.bottom - height, area.width, height)
    return ForkLayout(measures, head, fit_grid(room, spec), plot, timeline)
