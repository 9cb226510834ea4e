"""A small matrix at falling rank: ΔW, the factors B and A that stand for it, their product, and the spectrum.

B (rows × rank) stands left of the product B·A and A (rank × columns) on top of it, as one writes the multiplication;
every cell of theirs is one stored number. Positive numbers are amber, negative ones teal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import Curve, Plot, draw_bars
from denoisecli.figures.film import Frame
from denoisecli.figures.paint import paste_rounded, rectangle
from denoisecli.figures.sheet import MOST_COLUMNS, Column, SheetRow, choose_columns, contact_sheet
from denoisecli.figures.slider import Slider, Stop, slider_layout, slider_rail
from denoisecli.figures.text import draw_text, measure, wrap
from denoisecli.figures.theme import MONO, PLAIN, STRONG, FilmStyle, Theme
from denoisecli.figures.timeline import Mark, Timeline
from denoisecli.glossary import caption_line

Matrix = NDArray[np.floating[Any]]
LABEL = 6.2  # of the size of text: the room that A's name and size take left of A
EXACT_ERROR = 1e-9  # rounding of float64
RULED = 10  # pixels of a cell from which on its edges are drawn, so that numbers that are 0 are seen to be numbers
BREAK_EVEN, EXACT = "as many numbers as ΔW", "nothing lost"


@dataclass(frozen=True)
class RankedMatrix:
    """A matrix and its cuts. `cuts` are (B, A) at each of `ranks`; `rows` say of each what trace.json says of it."""

    name: str
    matrix: Matrix
    values: Matrix
    ranks: tuple[int, ...]
    cuts: tuple[tuple[Matrix, Matrix], ...]
    rows: tuple[dict[str, Any], ...]
    whole: tuple[int, int] | None = None  # rows and columns of ΔW where `matrix` is a piece of it

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of all of ΔW."""
        rows, columns = self.whole or self.matrix.shape
        return rows, columns

    @property
    def limit(self) -> float:
        """The number that is drawn in full colour."""
        return float(np.abs(self.matrix).max()) or 1.0


def signed_picture(matrix: Matrix, limit: float, theme: Theme) -> Frame:
    """Return (H, W, 3): 0 in the lines' colour, +limit amber, −limit teal, straight lines of sRGB between them."""
    share = np.clip(matrix / limit, -1, 1)[..., None]
    zero, up, down = (np.array(colour, dtype=np.float64) for colour in (theme.line, theme.amber, theme.teal))
    mixed = zero + np.maximum(share, 0) * (up - zero) + np.maximum(-share, 0) * (down - zero)
    picture: Frame = np.rint(mixed).astype(np.uint8)
    return picture


@dataclass(frozen=True)
class MatrixBoxes:
    """Where the parts of the figure are. `cell` is the side of one number in pixels."""

    cell: float
    whole: Box
    left: Box  # room for B at the highest rank
    top: Box  # room for A at the highest rank
    product: Box
    spectrum: Box


def matrix_boxes(area: Box, shape: tuple[int, int], rank: int, text: float) -> MatrixBoxes:
    """Place ΔW, B, A, B·A and the spectrum; the cells are the largest that fit, whole pixels where they can be."""
    rows, columns = shape
    gap, label = round(text * 0.6), round(text * 1.7)
    room = area.width - 3 * gap - 4  # roundings
    cell = min(room / (2 * columns + rank), (area.height - label - gap - 4) / (rows + rank))
    cell = float(int(cell)) if cell >= 6 else cell
    width, height, thick = (max(2, round(count * cell)) for count in (columns, rows, rank))
    used = 2 * width + thick + 3 * gap
    x = area.x + max(0, area.width - used) // 2
    band = max(thick, area.height - label - gap - height)
    y = area.y + round(0.2 * text)
    low = y + band + gap
    whole = Box(x, low, width, height)
    left = Box(whole.right + 2 * gap, low, thick, height)
    product = Box(left.right + gap, low, width, height)
    top = Box(product.x, low - gap - thick, width, thick)
    spectrum = Box(x, y, max(1, min(width, round(top.x - LABEL * text) - x)), band - gap)
    return MatrixBoxes(cell, whole, left, top, product, spectrum)


def matrix_frames(subject: RankedMatrix, style: FilmStyle) -> Iterator[Frame]:
    """Draw one frame a rank."""
    layout, area = slider_layout(style)
    theme, text = style.theme, layout.measures.text
    boxes = matrix_boxes(area, subject.matrix.shape, max(subject.ranks), text)
    rail = slider_rail(matrix_slider(subject, theme), layout, theme)
    timeline = Timeline(layout.timeline, len(subject.ranks), matrix_marks(subject, theme), theme, text)
    base = Image.new("RGB", style.size, theme.ground)
    if len(subject.ranks) > 1:
        timeline.draw_track(base)
    plot = rail.draw_static(base)
    _draw_ground(base, subject, boxes, theme, text)
    for index in range(len(subject.ranks)):
        image = base.copy()
        _draw_cut(image, subject, index, boxes, theme, text)
        rail.draw_stop(image, index, plot)
        if len(subject.ranks) > 1:
            timeline.draw_now(image, index)
        yield np.asarray(image)


def matrix_slider(subject: RankedMatrix, theme: Theme) -> Slider:
    """Return what the rail says."""
    rows, columns = subject.shape
    full = rows * columns
    stops = tuple(
        Stop(str(row["rank"]), f"of {len(subject.values)}", (_of(row["params"], full), *_shares(row)))
        for row in subject.rows
    )
    energy, error = (np.array([row[name] for row in subject.rows]) for name in ("energy", "error"))
    plot = Plot(
        [Curve(energy, "energy kept", theme.amber), Curve(error, "error", theme.teal)],
        ("energy kept, and error of the copy", "energy and error"),
        ends=(f"rank {subject.ranks[0]}", f"{subject.ranks[-1]}"),
        top=1.0,
        caption=caption_line("rank"),
    )
    title = f"{subject.name}: ΔW = B·A at rank {ranks_shown(subject.ranks)}"
    settings = f"{rows}×{columns} = {full} numbers"
    return Slider(title, settings, ("numbers", "energy", "error"), stops, plot if len(stops) > 1 else None)


def matrix_marks(subject: RankedMatrix, theme: Theme) -> tuple[Mark, ...]:
    """Return the marks of the timeline: where the factors hold as many numbers as ΔW, and where nothing is lost."""
    full = subject.shape[0] * subject.shape[1]
    dear = next((i for i, row in enumerate(subject.rows) if row["params"] >= full), None)
    exact = next((i for i, row in enumerate(subject.rows) if row["error"] < EXACT_ERROR), None)
    found = ((BREAK_EVEN, theme.rose, dear), (EXACT, theme.teal, exact))
    return tuple(Mark(word, colour, (at,)) for word, colour, at in found if at is not None)


def matrix_sheet(subject: RankedMatrix, theme: Theme) -> Image.Image:
    """Return the contact sheet: the copies in a row, and what each misses; ranks that add nothing are left out."""
    exact = next((i for i, row in enumerate(subject.rows) if row["error"] < EXACT_ERROR), len(subject.rows) - 1)
    chosen = choose_columns(exact + 1, MOST_COLUMNS - 1)
    copies = [subject.matrix, *(product(subject.cuts[index]) for index in chosen)]
    rows, columns = subject.matrix.shape
    heads = [Column("ΔW", f"{rows * columns}")]
    heads += [Column(f"rank {row['rank']}", _under(row)) for row in (subject.rows[index] for index in chosen)]
    return contact_sheet(
        [
            SheetRow("copy", "B·A", [signed_picture(copy, subject.limit, theme) for copy in copies], nearest=True),
            SheetRow(
                "missing",
                "ΔW − B·A",
                [signed_picture(subject.matrix - copy, subject.limit, theme) for copy in copies],
                nearest=True,
            ),
        ],
        heads,
        f"{subject.name} at rank {ranks_shown([subject.ranks[index] for index in chosen])}",
        f"ΔW is {rows}×{columns}; under each rank: numbers stored, share of ΔW’s energy kept",
        theme,
        cell=192,
    )


def product(cut: tuple[Matrix, Matrix]) -> Matrix:
    """Return B·A."""
    B, A = cut
    whole: Matrix = B @ A
    return whole


def percent(share: float) -> str:
    """Return a share with one decimal; 100 % only where nothing at all is missing."""
    return "99.9 %" if 0.9995 <= share < 1 - 1e-9 else f"{100 * share:.1f} %"


def _shares(row: dict[str, Any]) -> tuple[str, str]:
    return percent(row["energy"]), percent(row["error"])


def _under(row: dict[str, Any]) -> str:
    energy = percent(row["energy"]).replace(" ", "").replace("100.0", "100")
    return f"{row['params']} · {energy}" if row["params"] < 1000 else energy


def _of(count: int, full: int) -> str:
    said = f"{count} of {full}"
    return said if len(said) <= 10 else f"{count:,}".replace(",", " ")


def _cells(picture: Frame, size: tuple[int, int], theme: Theme) -> Image.Image:
    """Return the picture at `size`: square cells where it grows, ruled if there is room; averages where it shrinks."""
    rows, columns = picture.shape[:2]
    grows = size[0] >= columns and size[1] >= rows
    image = Image.fromarray(picture).resize(size, Image.Resampling.NEAREST if grows else Image.Resampling.BOX)
    side = min(size[0] / columns, size[1] / rows)
    if side >= RULED:
        half = max(1.0, side / 24) / 2
        for place in (round(k * size[0] / columns) for k in range(1, columns)):
            rectangle(image, (place - half, 0, place + half, size[1]), theme.panel)
        for place in (round(k * size[1] / rows) for k in range(1, rows)):
            rectangle(image, (0, place - half, size[0], place + half), theme.panel)
    return image


def _draw_ground(image: Image.Image, subject: RankedMatrix, boxes: MatrixBoxes, theme: Theme, text: float) -> None:
    """Draw what stays: ΔW, and the places that B and A would fill at the highest rank."""
    radius = text / 4
    for box in (boxes.left, boxes.top):
        rectangle(image, (box.x, box.y, box.right, box.bottom), theme.panel, radius)
    size = (boxes.whole.width, boxes.whole.height)
    whole = _cells(signed_picture(subject.matrix, subject.limit, theme), size, theme)
    paste_rounded(image, (boxes.whole.x, boxes.whole.y), whole, radius)
    rows, columns = subject.matrix.shape
    said = f"{rows}×{columns}" + (" of it" if subject.whole else "")
    _label(image, boxes.whole, boxes.left.x, "ΔW", said, theme, text)
    title = PLAIN.at(text)
    bars = boxes.spectrum
    draw_text(image, (bars.x, bars.y + 0.9 * text), "singular values", title, theme.quiet)
    for above, line in enumerate(reversed(_spectrum_caption(boxes, text))):
        draw_text(image, (bars.x, bars.bottom - (0.3 + 1.3 * above) * text), line, title, theme.quiet)


def _draw_cut(
    image: Image.Image, subject: RankedMatrix, index: int, boxes: MatrixBoxes, theme: Theme, text: float
) -> None:
    """Draw the factors and the copy at one rank, and the spectrum with what is kept of it."""
    B, A = subject.cuts[index]
    rank = subject.ranks[index]
    thick = max(1, round(rank * boxes.cell))
    left = Box(boxes.left.right - thick, boxes.left.y, thick, boxes.left.height)
    top = Box(boxes.top.x, boxes.top.bottom - thick, boxes.top.width, thick)
    reach = max(float(np.abs(B).max()), float(np.abs(A).max())) or 1.0
    parts = ((left, B[:, ::-1], reach), (top, A[::-1], reach), (boxes.product, B @ A, subject.limit))
    for box, matrix, limit in parts:
        picture = signed_picture(matrix, limit, theme)
        paste_rounded(image, (box.x, box.y), _cells(picture, (box.width, box.height), theme), text / 4)
    rows, columns = subject.matrix.shape
    _label(image, boxes.left, boxes.product.x, "B", f"{rows}×{rank}", theme, text)
    _label(image, boxes.product, image.width, "B·A", f"rank {rank}", theme, text)
    name, size = STRONG.at(text), MONO.at(text)
    right, middle = boxes.top.x - 0.6 * text, top.y + top.height / 2 + 0.36 * text
    draw_text(image, (right, middle), f"{rank}×{columns}", size, theme.quiet, "right")
    draw_text(image, (right - measure(f"{rank}×{columns}", size) - 0.5 * text, middle), "A", name, theme.ink, "right")
    _draw_spectrum(image, subject.values, rank, boxes, theme, text)


def _spectrum_caption(boxes: MatrixBoxes, text: float) -> list[str]:
    """Return the lines under the bars; none where there is no room beside A's name, or for high bars above them."""
    said, room = caption_line("spectrum"), round(boxes.top.x - LABEL * text - boxes.spectrum.x)
    lines = wrap(said, PLAIN.at(text), max(1, room), 2)
    fits = " ".join(lines) == said and all(measure(line, PLAIN.at(text)) <= room for line in lines)
    return lines if fits and boxes.spectrum.height >= (4.7 + 1.3 * len(lines)) * text else []


def _draw_spectrum(
    image: Image.Image, values: Matrix, rank: int, boxes: MatrixBoxes, theme: Theme, text: float
) -> None:
    """Draw the singular values as bars, those that are kept in amber."""
    box, title = boxes.spectrum, round(1.9 * text)
    lines = len(_spectrum_caption(boxes, text))
    below = round((0.2 + 1.3 * lines) * text) if lines else 0
    area = Box(box.x, box.y + title, box.width, box.height - title - below)
    if area.height < 2 * text:
        return
    colours = [theme.amber if index < rank else theme.tick for index in range(len(values))]
    draw_bars(image, area, np.asarray(values, dtype=np.float64), colours)


def _label(image: Image.Image, box: Box, end: int, name: str, size: str, theme: Theme, text: float) -> None:
    """Write a name and, where it ends before the next panel's at `end`, a size under a panel."""
    bold, mono = STRONG.at(text), MONO.at(text)
    baseline = box.bottom + 1.35 * text
    draw_text(image, (box.x, baseline), name, bold, theme.ink)
    after = box.x + measure(name, bold) + 0.5 * text
    if after + measure(size, mono) <= min(max(box.right, box.x + 6 * text), end - 0.4 * text):
        draw_text(image, (after, baseline), size, mono, theme.quiet)


def ranks_shown(ranks: Sequence[int]) -> str:
    """Return "1 to 16" or "4"."""
    return str(ranks[0]) if len(ranks) == 1 else f"{ranks[0]} to {ranks[-1]}"
