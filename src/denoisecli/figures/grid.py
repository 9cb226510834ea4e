"""Where the panels go: views × seeds in an area, as large as they can be. Boxes only, no pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .boxes import Box, around

SNAP_LOSS = 0.13  # panels give up this share of their side to be a whole multiple of the latent's
ROWS_PREFERRED = 1.2  # views as rows read best: take another arrangement only if its panels are this much larger


@dataclass(frozen=True)
class GridSpec:
    """What is to be placed: counts, the proportions (`unit`, the latent's width and height) and room for labels.

    lead: view labels stand `left` of their rows (width in pixels) or, where it is 0, above them.
    line: height of a line of labels; seeds are labelled once, over the first view, unless there is one seed.
    """

    views: int
    seeds: int
    unit: tuple[int, int]
    gap: int
    line: int
    lead: int
    captions: bool = True  # views are labelled

    @property
    def seed_line(self) -> int:
        """Height of the seeds' labels over a line of panels."""
        return self.line if self.seeds > 1 else 0


@dataclass(frozen=True)
class Grid:
    """Panels by [view][seed], a label box for each view, and for each seed (none where there is one seed)."""

    panels: tuple[tuple[Box, ...], ...]
    view_labels: tuple[Box, ...]
    seed_labels: tuple[Box, ...]
    beside: bool  # view labels stand left of the panels

    @property
    def boxes(self) -> list[Box]:
        """Everything that is placed."""
        return [*(box for row in self.panels for box in row), *self.view_labels, *self.seed_labels]

    @property
    def weight(self) -> int:
        """Pixels that show pictures."""
        return sum(box.width * box.height for row in self.panels for box in row)

    def moved(self, dx: int, dy: int) -> Grid:
        """Return it elsewhere."""
        return Grid(
            tuple(tuple(box.moved(dx, dy) for box in row) for row in self.panels),
            tuple(box.moved(dx, dy) for box in self.view_labels),
            tuple(box.moved(dx, dy) for box in self.seed_labels),
            self.beside,
        )


def fit_grid(area: Box, spec: GridSpec) -> Grid:
    """Return the arrangement with the largest panels, centred in `area`."""
    found = [grid for grid in _arrangements(area, spec) if grid is not None]
    if not found:
        raise ValueError(f"no room for {spec.views} × {spec.seeds} panels in {area.width} × {area.height} pixels")
    best = max(found, key=lambda grid: grid.weight * (ROWS_PREFERRED if grid.beside else 1))
    bounds = around(best.boxes)
    return best.moved(
        area.x - bounds.x + (area.width - bounds.width) // 2,
        area.y - bounds.y + (area.height - bounds.height) // 2,
    )


def _arrangements(area: Box, spec: GridSpec) -> Iterator[Grid | None]:
    for lines in range(1, spec.seeds + 1):
        columns = math.ceil(spec.seeds / lines)
        if math.ceil(spec.seeds / columns) == lines:  # else the last line would be empty
            yield _views_as_rows(area, spec, lines, columns)
            if spec.views > 1:
                yield _views_as_columns(area, spec, lines, columns)
    if spec.views == 3 and spec.seeds == 1:
        yield _mosaic(area, spec)
        yield _tall_mosaic(area, spec)


def panel_size(width: float, height: float, unit: tuple[int, int]) -> tuple[int, int] | None:
    """Return the largest panel (width, height) with the unit's proportions; a whole multiple if that costs little."""
    scale = min(width / unit[0], height / unit[1])
    whole = math.floor(scale)
    if whole >= 1 and whole >= scale * (1 - SNAP_LOSS):
        scale = whole
    panel = math.floor(unit[0] * scale), math.floor(unit[1] * scale)
    return panel if min(panel) >= 8 else None


def _views_as_rows(area: Box, spec: GridSpec, lines: int, columns: int) -> Grid | None:
    above = 0 if spec.lead or not spec.captions else spec.line
    break_ = spec.gap if lines > 1 else 0  # more air between views than between the lines of one view
    rows = lines * spec.views
    room_w = area.width - spec.lead - (columns - 1) * spec.gap
    taken = (rows - 1) * spec.gap + (spec.views - 1) * break_ + lines * spec.seed_line + spec.views * above
    panel = panel_size(room_w / columns, (area.height - taken) / rows, spec.unit)
    if panel is None:
        return None
    width, height = panel
    panels, labels, seeds = [], [], []
    y = 0
    for view in range(spec.views):
        start = y
        row: list[Box] = []
        if above:
            labels.append(Box(0, y, columns * (width + spec.gap) - spec.gap, above))
            y += above
        for line in range(lines):
            members = range(line * columns, min(spec.seeds, (line + 1) * columns))
            xs = [spec.lead + i * (width + spec.gap) for i in range(len(members))]
            if view == 0 and spec.seed_line:
                seeds += [Box(x, y, width, spec.seed_line) for x in xs]
                y += spec.seed_line
                start = start if above or line else y
            row += [Box(x, y, width, height) for x in xs]
            y += height + spec.gap
        if spec.lead:
            labels.append(Box(0, start, spec.lead - spec.gap, y - spec.gap - start))
        panels.append(tuple(row))
        y += break_
    return Grid(tuple(panels), tuple(labels), tuple(seeds), beside=True)


def _views_as_columns(area: Box, spec: GridSpec, lines: int, columns: int) -> Grid | None:
    break_ = 2 * spec.gap
    room_w = area.width - (spec.views * columns - 1) * spec.gap - (spec.views - 1) * (break_ - spec.gap)
    room_h = area.height - spec.line - lines * spec.seed_line - (lines - 1) * spec.gap
    panel = panel_size(room_w / (spec.views * columns), room_h / lines, spec.unit)
    if panel is None:
        return None
    width, height = panel
    block = columns * (width + spec.gap) - spec.gap
    pitch = height + spec.gap + spec.seed_line
    top = spec.line + spec.seed_line
    places = [(i % columns * (width + spec.gap), top + i // columns * pitch) for i in range(spec.seeds)]
    lefts = [view * (block + break_) for view in range(spec.views)]
    return Grid(
        tuple(tuple(Box(left + x, y, width, height) for x, y in places) for left in lefts),
        tuple(Box(left, 0, block, spec.line) for left in lefts),
        tuple(Box(x, y - spec.seed_line, width, spec.seed_line) for x, y in places) if spec.seed_line else (),
        beside=False,
    )


def _mosaic(area: Box, spec: GridSpec) -> Grid | None:
    """One seed, wide: the second view large, the first and third stacked beside it."""
    gap, line = spec.gap, spec.line
    across = (area.width - 3 * gap - line * spec.unit[0] / spec.unit[1]) / 3
    small = panel_size(across, (area.height - 2 * line - gap) / 2, spec.unit)
    if small is None:
        return None
    width, height = small
    tall = 2 * height + gap + line  # from the first small panel's top to the second's bottom
    wide = math.floor(tall * spec.unit[0] / spec.unit[1])
    left, middle = wide + 2 * gap, line + height + gap
    large, first, third = (
        Box(0, line, wide, tall),
        Box(left, line, width, height),
        Box(left, middle + line, width, height),
    )
    return _labelled((first, large, third), line)


def _tall_mosaic(area: Box, spec: GridSpec) -> Grid | None:
    """One seed, tall: the second view large, the first and third side by side under it."""
    gap, line = spec.gap, spec.line
    ratio = spec.unit[0] / spec.unit[1]
    small = panel_size((area.width - gap) / 2, (area.height - 2 * line - gap - gap / ratio) / 3, spec.unit)
    if small is None:
        return None
    width, height = small
    wide = 2 * width + gap
    tall = math.floor(wide / ratio)
    below = line + tall + gap + line
    large = Box(0, line, wide, tall)
    first, third = Box(0, below, width, height), Box(width + gap, below, width, height)
    return _labelled((first, large, third), line)


def _labelled(panels: tuple[Box, ...], line: int) -> Grid:
    """One panel a view, its label over it."""
    labels = tuple(Box(panel.x, panel.y - line, panel.width, line) for panel in panels)
    return Grid(tuple((panel,) for panel in panels), labels, (), beside=False)
