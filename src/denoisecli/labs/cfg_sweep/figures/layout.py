"""The frame of a sweep's films: head, panels, plots and timeline as boxes. Pure; no pixels.

The plots stand in a row under the panels or in a column beside them, whichever leaves the panels larger.
"""

from __future__ import annotations

from dataclasses import dataclass

from denoisecli.figures.boxes import Box, around
from denoisecli.figures.grid import Grid, GridSpec, fit_grid, panel_size
from denoisecli.figures.layout import Measures

from .head import Head

UNDER_PREFERRED = 1.15  # plots under the panels read best: beside only where panels are this much larger
PLOTS_ACROSS = {"wide": 4, "square": 4, "tall": 2}


@dataclass(frozen=True)
class SweepLayout:
    """The parts of a frame."""

    words: Head
    head: Box
    grid: Grid
    plots: tuple[Box, ...]
    timeline: Box

    @property
    def measures(self) -> Measures:
        """Sizes that follow from the frame's size."""
        return self.words.measures

    @property
    def boxes(self) -> list[Box]:
        """Everything that is placed."""
        return [self.head, *self.grid.boxes, *self.plots, self.timeline]


def sweep_layout(words: Head, rows: int, columns: int, unit: tuple[int, int], plots: int) -> SweepLayout:
    """Place the head, `rows` × `columns` panels of the proportions `unit`, and `plots` plots in the head's frame."""
    measures = words.measures
    inner, air = measures.inner, measures.px(24)
    timeline = Box(inner.x, inner.bottom - measures.timeline, inner.width, measures.timeline)
    head = Box(inner.x, inner.y, inner.width, words.height)
    area = Box(inner.x, head.bottom + air, inner.width, timeline.y - air - head.bottom - air)
    lead = round(measures.text * 5.6) if rows > 1 else 0
    gap = measures.px(14 if columns <= 6 else 10)
    spec = GridSpec(rows, columns, unit, gap, round(measures.text * 1.55), lead, captions=rows > 1)
    under = _under(measures, area, spec, plots)
    if measures.shape == "tall":
        grid, boxes = under
    else:
        beside = _beside(measures, area, spec, plots)
        grid, boxes = under if under[0].weight * UNDER_PREFERRED >= beside[0].weight else beside
    return SweepLayout(words, head, grid, boxes, timeline)


def _panels(area: Box, spec: GridSpec) -> Grid:
    """Return the panels as large as they can be: one row breaks into lines where that helps, several make a table."""
    return (_table(area, spec) if spec.views > 1 else None) or fit_grid(area, spec)


def _table(area: Box, spec: GridSpec) -> Grid | None:
    """Return a table, every row under the same column labels; None where its panels would be too small."""
    across = (area.width - spec.lead - (spec.seeds - 1) * spec.gap) / spec.seeds
    panel = panel_size(across, (area.height - spec.seed_line - (spec.views - 1) * spec.gap) / spec.views, spec.unit)
    if panel is None:
        return None
    width, height = panel
    whole = spec.lead + spec.seeds * (width + spec.gap) - spec.gap
    x = area.x + (area.width - whole) // 2
    y = area.y + (area.height - spec.seed_line - spec.views * (height + spec.gap) + spec.gap) // 2
    xs = [x + spec.lead + column * (width + spec.gap) for column in range(spec.seeds)]
    ys = [y + spec.seed_line + row * (height + spec.gap) for row in range(spec.views)]
    return Grid(
        panels=tuple(tuple(Box(x, y, width, height) for x in xs) for y in ys),
        view_labels=tuple(Box(x, y, spec.lead - spec.gap, height) for y in ys),
        seed_labels=tuple(Box(x, y, width, spec.seed_line) for x in xs) if spec.seed_line else (),
        beside=True,
    )


def _under(measures: Measures, area: Box, spec: GridSpec, plots: int) -> tuple[Grid, tuple[Box, ...]]:
    """The plots in a row (two rows in tall frames) under the panels, as wide as they are."""
    across = max(1, min(plots, PLOTS_ACROSS[measures.shape]))
    lines = -(-plots // across)
    gap, air = measures.px(36), measures.px(30)
    least = round(measures.text * (11 if measures.shape == "tall" else 10.5))
    room = Box(area.x, area.y, area.width, area.height - lines * (least + air))
    grid = _panels(room, spec)
    bounds = around(grid.boxes)
    spare = room.height - bounds.height
    height = min(least + spare // lines, round(measures.text * 14))
    left = spare - lines * (height - least)
    grid = grid.moved(0, area.y + left // 2 - bounds.y)
    width = (area.width - (across - 1) * gap) // across
    top = area.bottom - left // 2 - lines * height - (lines - 1) * air
    boxes = [
        Box(area.x + index % across * (width + gap), top + index // across * (height + air), width, height)
        for index in range(plots)
    ]
    return grid, tuple(boxes)


def _beside(measures: Measures, area: Box, spec: GridSpec, plots: int) -> tuple[Grid, tuple[Box, ...]]:
    """The plots in a column right of the panels."""
    air = measures.px(48)
    least = round(measures.width * 0.2)
    grid = _panels(Box(area.x, area.y, area.width - least - air, area.height), spec)
    bounds = around(grid.boxes)
    top = area.y + (area.height - bounds.height) // 3  # a little above the middle
    grid = grid.moved(area.x - bounds.x, top - bounds.y)
    left = area.x + bounds.width + air
    width = min(area.right - left, round(measures.width * 0.44))
    gap = measures.px(22)
    height = (bounds.height - (plots - 1) * gap) // max(1, plots)
    return grid, tuple(Box(area.right - width, top + k * (height + gap), width, height) for k in range(plots))
