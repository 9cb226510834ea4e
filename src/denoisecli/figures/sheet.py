"""The contact sheet: labelled rows and columns of pictures on one page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from .facts import Facts, three_figures, timestep
from .latent import enlarged
from .paint import paste_rounded
from .text import draw_text, measure, shorten, wrap
from .theme import COLUMN, DARK, HEADING, HEADING_SIZE, MONO, STRONG, Theme, Type

MOST_COLUMNS = 11  # more pictures in a row than this, and nobody compares them
MOST_LINES = 4  # of a title; a longer one is cut
TALLEST = 6000  # pixels; many rows get smaller cells
CELLS = (256, 192, 160, 128, 96)  # sides of a cell in pixels: halves and whole multiples of usual latents


@dataclass(frozen=True)
class SheetRow:
    """One row: its words and a picture for each column, arrays (H, W, 3) uint8 or Pillow images.

    Rows of one `group` stand close together. `nearest`: enlarge cells as they are (latents) instead of smoothly.
    """

    label: str
    sublabel: str
    pictures: Sequence[Any]
    group: str = ""
    nearest: bool = False


@dataclass(frozen=True)
class Column:
    """The head of a column: a number or word, and what it means."""

    label: str
    sublabel: str = ""


@dataclass(frozen=True)
class _Grid:
    """Measures of a sheet in pixels."""

    cell: tuple[int, int]
    text: int
    lead: int
    head: int
    margin: int
    gap: int
    group_gap: int

    def x(self, column: int) -> int:
        return self.margin + self.lead + column * (self.cell[0] + self.gap)

    def ys(self, rows: Sequence[SheetRow]) -> list[int]:
        """Return the top of every row, and the end of the last."""
        tops, y = [], self.margin + self.head
        for index, row in enumerate(rows):
            if index and row.group != rows[index - 1].group:
                y += self.group_gap
            tops.append(y)
            y += self.cell[1] + self.gap
        return [*tops, y - self.gap]


def choose_columns(count: int, most: int = MOST_COLUMNS) -> list[int]:
    """Return which of `count` states to show: all, or the first, the last and others evenly between."""
    if count <= most:
        return list(range(count))
    return [round(index * (count - 1) / (most - 1)) for index in range(most)]


def contact_sheet(
    rows: Sequence[SheetRow],
    columns: Sequence[Column],
    title: str,
    subtitle: str = "",
    theme: Theme = DARK,
    cell: int | None = None,
) -> Image.Image:
    """Return the sheet as one image.

    cell: longer side of a picture in pixels; chosen by the number of rows where it is None.
    """
    if not rows or not columns:
        raise ValueError("a contact sheet needs rows and columns")
    grid = _measures(rows, columns, cell)
    width = grid.x(len(columns)) - grid.gap + grid.margin
    words = _words(grid, title, subtitle, width)
    grid = replace(grid, head=grid.head + round(words.extra))
    tops = grid.ys(rows)
    image = Image.new("RGB", (width, tops[-1] + grid.margin), theme.ground)
    _draw_head(image, grid, words, columns, theme)
    for index, (row, y) in enumerate(zip(rows, tops, strict=False)):
        first = index == 0 or row.group != rows[index - 1].group or not row.group
        _draw_row_label(image, grid, row, y, theme, named=first)
        for number, picture in enumerate(row.pictures[: len(columns)]):
            paste_rounded(image, (grid.x(number), y), _fitted(picture, grid.cell, row.nearest, theme), grid.text / 4)
    return image


def _measures(rows: Sequence[SheetRow], columns: Sequence[Column], cell: int | None) -> _Grid:
    height, width = np.shape(rows[0].pictures[0])[:2]
    longest = cell or next((side for side in CELLS if len(rows) * side * height / max(width, height) <= TALLEST), 96)
    scale = longest / max(width, height)
    text = max(16, round(longest / 7))
    bold, mono = STRONG.at(text), MONO.at(text)
    words = [measure(row.label, bold) for row in rows] + [measure(row.sublabel, mono) for row in rows]
    return _Grid(
        cell=(max(1, round(width * scale)), max(1, round(height * scale))),
        text=text,
        lead=math.ceil(min(max(words), 16 * text) + text),
        head=round(text * (7.4 if any(column.sublabel for column in columns) else 6.2)),
        margin=round(text * 1.8),
        gap=max(4, round(text * 0.4)),
        group_gap=round(text * 0.9),
    )


@dataclass(frozen=True)
class _Words:
    """The lines over a sheet, and the pixels of height that they take beyond one line each."""

    title: Sequence[str]
    subtitle: Sequence[str]
    text: int

    @property
    def heading(self) -> Type:
        return HEADING.at(self.text * HEADING_SIZE)

    @property
    def extra(self) -> float:
        return self.below_title + 1.45 * self.text * (max(1, len(self.subtitle)) - 1)

    @property
    def below_title(self) -> float:
        """Pixels that the title's further lines take."""
        return 1.25 * self.heading.size * (max(1, len(self.title)) - 1)


def _words(grid: _Grid, title: str, subtitle: str, width: int) -> _Words:
    """Break title and subtitle into as many lines as they need, up to MOST_LINES."""
    room = width - 2 * grid.margin
    lines = wrap(title, HEADING.at(grid.text * HEADING_SIZE), room, MOST_LINES)
    return _Words(lines, wrap(subtitle, MONO.at(grid.text), room, MOST_LINES), grid.text)


def _draw_head(image: Image.Image, grid: _Grid, words: _Words, columns: Sequence[Column], theme: Theme) -> None:
    text, x = grid.text, grid.margin
    mono = MONO.at(text)
    for number, line in enumerate(words.title):
        baseline = grid.margin + 1.3 * text + number * 1.25 * words.heading.size
        draw_text(image, (x, baseline), line, words.heading, theme.ink)
    for number, line in enumerate(words.subtitle):
        baseline = grid.margin + 3.3 * text + words.below_title + number * 1.45 * text
        draw_text(image, (x, baseline), line, mono, theme.quiet)
    strong = COLUMN.at(text)
    below = any(column.sublabel for column in columns)
    for number, column in enumerate(columns):
        baseline = grid.margin + grid.head - (1.75 if below else 0.6) * text
        label = shorten(column.label, strong, grid.cell[0])
        draw_text(image, (grid.x(number), baseline), label, strong, theme.ink)
        said = shorten(column.sublabel, mono, grid.cell[0])
        draw_text(image, (grid.x(number), baseline + 1.2 * text), said, mono, theme.quiet)


def _draw_row_label(image: Image.Image, grid: _Grid, row: SheetRow, y: int, theme: Theme, *, named: bool) -> None:
    text, room = grid.text, grid.lead - grid.text / 2
    bold, mono = STRONG.at(text), MONO.at(text)
    if named:
        draw_text(image, (grid.margin, y + 0.9 * text), shorten(row.label, bold, room), bold, theme.ink)
    baseline = y + (2.2 if named else 0.9) * text
    draw_text(image, (grid.margin, baseline), shorten(row.sublabel, mono, room), mono, theme.quiet)


def _fitted(picture: Any, size: tuple[int, int], nearest: bool, theme: Theme) -> Image.Image:
    if nearest:
        return enlarged(np.asarray(picture), size, theme.panel)
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.ascontiguousarray(picture))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def state_columns(facts: Facts, chosen: Sequence[int]) -> list[Column]:
    """Return the heads of the columns for the states `chosen`: the number, and t (or σ where there is no t)."""
    rows = [facts.rows[state] for state in chosen]
    return [
        Column(
            str(state), f"t {timestep(row['timestep'])}" if "timestep" in row else f"σ {three_figures(row['sigma'])}"
        )
        for state, row in zip(chosen, rows, strict=True)
    ]
