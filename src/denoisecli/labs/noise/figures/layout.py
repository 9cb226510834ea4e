"""Where things stand in a frame of the noise film. Boxes only, no pixels.

Pictures come first and as large as they can be, at a whole number of screen pixels each where their pixels are what is
looked at. Wide frames have the words,
the terms and the plots in a rail on the right; square and tall frames have a head, and the rest beside or under the
pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from denoisecli.figures.boxes import Box, around
from denoisecli.figures.layout import Measures

RAIL_SHARE = 0.25  # of a wide frame's width, at least
LABEL = 1.55  # height of a picture's label, in sizes of text
WHOLE_LOSS = 0.25  # pictures give up this share of their side to be enlarged by a whole number
NUMBERS = 2.9  # height of the numbers and their names
COMPARED = 3.6  # height of one schedule's name and numbers, where several are compared


@dataclass(frozen=True)
class NoiseLayout:
    """The parts of a frame. `scale`: screen pixels for each of a picture's, 0 where they are no whole number.

    numbers: ᾱ, σ, SNR of each schedule; terms: the sum of picture and noise; histogram: of x_t's values. What is
    None has no room or is not wanted.
    """

    measures: Measures
    scale: int
    panels: tuple[Box, ...]
    labels: tuple[Box, ...]
    title: Box
    settings: Box
    hero: Box
    plot: Box
    numbers: Box | None = None
    terms: Box | None = None
    histogram: Box | None = None

    @property
    def boxes(self) -> list[Box]:
        """Everything that is placed."""
        single = (self.title, self.settings, self.hero, self.plot, self.numbers, self.terms, self.histogram)
        return [*self.panels, *self.labels, *(box for box in single if box is not None)]


@dataclass(frozen=True)
class Wanted:
    """What is to be placed: pictures of `unit` = (width, height) pixels, the title's lines, and the optional parts."""

    panels: int
    unit: tuple[int, int]
    single: bool = True  # one schedule: its numbers, terms and histogram are shown
    title_lines: int = 1
    smooth: bool = False  # all pictures may be resampled, so they fill their room


@dataclass
class _Panels:
    boxes: list[Box] = field(default_factory=list)
    labels: list[Box] = field(default_factory=list)
    scale: int = 0
    factor: float = 0.0

    @property
    def bounds(self) -> Box:
        return around([*self.boxes, *self.labels])


def noise_layout(size: tuple[int, int], wanted: Wanted) -> NoiseLayout:
    """Place the parts of a frame of `size` = (width, height) pixels."""
    measures = Measures(*size)
    return {"wide": _wide, "square": _square, "tall": _tall}[measures.shape](measures, wanted)


def picture_room(size: tuple[int, int], panels: int, unit: tuple[int, int], single: bool) -> tuple[int, int]:
    """Return the largest (width, height) in pixels that a panel with the proportions of `unit` gets."""
    fine = tuple(max(1, round(side * 8192 / max(unit))) for side in unit)  # too fine to be enlarged: fills the panel
    layout = noise_layout(size, Wanted(panels, (fine[0], fine[1]), single))
    return layout.panels[0].width, layout.panels[0].height


def _scale(room: tuple[float, float], wanted: Wanted) -> float:
    """Return how many screen pixels one of the picture's gets: whole unless that is vain or wastes much room."""
    scale = min(room[0] / wanted.unit[0], room[1] / wanted.unit[1])
    whole = math.floor(scale)
    return whole if not wanted.smooth and whole >= 1 and whole >= scale * (1 - WHOLE_LOSS) else scale


def _fit(area: Box, wanted: Wanted, gap: int, label: int) -> _Panels:
    """Return the arrangement with the largest pictures, at the top left of `area`."""
    label = label if wanted.panels > 1 or not wanted.single else 0
    best: tuple[float, int, int] = (0, 0, 0)
    for columns in range(1, wanted.panels + 1):
        rows = math.ceil(wanted.panels / columns)
        room = (area.width - (columns - 1) * gap) / columns, (area.height - (rows - 1) * gap) / rows - label
        best = max(best, (_scale(room, wanted), -rows, columns))
    scale, _, columns = best
    if columns == 0:
        raise ValueError(f"no room for {wanted.panels} pictures in {area.width} × {area.height} pixels")
    width, height = (max(1, math.floor(side * scale)) for side in wanted.unit)
    found = _Panels(scale=int(scale) if scale == int(scale) else 0, factor=scale)
    for index in range(wanted.panels):
        x = area.x + index % columns * (width + gap)
        y = area.y + index // columns * (height + label + gap)
        found.boxes.append(Box(x, y + label, width, height))
        if label:
            found.labels.append(Box(x, y, width, label))
    return found


def _moved(panels: _Panels, dx: int, dy: int) -> _Panels:
    boxes, labels = ([box.moved(dx, dy) for box in some] for some in (panels.boxes, panels.labels))
    return _Panels(boxes, labels, panels.scale, panels.factor)


def _layout(
    measures: Measures, panels: _Panels, title: Box, settings: Box, hero: Box, plot: Box, *rest: Box | None
) -> NoiseLayout:
    """Return the layout of the panels and the parts; `rest` are numbers, terms and histogram."""
    shown = tuple(panels.boxes), tuple(panels.labels)
    return NoiseLayout(measures, panels.scale, *shown, title, settings, hero, plot, *rest)


def _head(measures: Measures, x: int, y: int, width: int, lines: int) -> tuple[Box, Box]:
    """Return the boxes of title and settings."""
    title = Box(x, y, width, round(lines * measures.text * 1.6))
    return title, Box(x, title.bottom + measures.px(6), width, measures.line)


def _wide(measures: Measures, wanted: Wanted) -> NoiseLayout:
    """Put the words in a rail, or under a row of pictures where that leaves them as large."""
    inner, air = measures.inner, measures.px(56)
    gap, label = measures.px(14), round(measures.text * LABEL)
    rail = _fit(
        Box(inner.x, inner.y, inner.width - round(measures.width * RAIL_SHARE) - air, inner.height), wanted, gap, label
    )
    foot = round(measures.text * (14.5 if wanted.single else 10.5))
    row = _fit(Box(inner.x, inner.y, inner.width, inner.height - foot - measures.px(36)), wanted, gap, label)
    if wanted.panels > 1 and row.factor >= rail.factor and len({box.y for box in row.boxes}) == 1:
        return _footed(measures, wanted, row, foot)
    return _railed(measures, wanted, rail)


def _footed(measures: Measures, wanted: Wanted, panels: _Panels, foot: int) -> NoiseLayout:
    """Place a row of pictures over the whole width, and words and plot under it."""
    inner, air = measures.inner, measures.px(56)
    bounds = panels.bounds
    spare = inner.height - bounds.height - foot - measures.px(36)
    panels = _moved(panels, (inner.width - bounds.width) // 2, 0)
    bounds = panels.bounds
    top = bounds.bottom + measures.px(36) + spare // 2
    width = max(bounds.width, round(inner.width * 0.56))
    left, right = inner.x + (inner.width - width) // 2, inner.x + (inner.width + width) // 2
    words = round(width * 0.4)
    title, settings = _head(measures, left, top, words, wanted.title_lines)
    hero = Box(left, settings.bottom + measures.px(24), words, measures.px(104))
    below = Box(left, hero.bottom + measures.px(22), words, round(measures.text * NUMBERS))
    numbers = below if wanted.single else None
    plot = Box(left + words + air, top, right - left - words - air, inner.bottom - top)
    return _layout(measures, panels, title, settings, hero, plot, numbers)


def _railed(measures: Measures, wanted: Wanted, panels: _Panels) -> NoiseLayout:
    """Place the pictures at the left and a rail beside them; the plot goes under the pictures if there is room."""
    inner, air = measures.inner, measures.px(56)
    bounds = panels.bounds
    below = inner.bottom - bounds.bottom - measures.px(40)
    under = below >= measures.text * 8  # the plot stands under the pictures
    if not under:
        panels = _moved(panels, 0, (inner.height - bounds.height) // 2)
        bounds = panels.bounds
    top, bottom = (inner.y, inner.bottom) if under else (bounds.y, bounds.bottom)
    if bottom - top < measures.text * 26:
        top, bottom = inner.y, inner.bottom
    rail = Box(bounds.right + air, top, inner.right - bounds.right - air, bottom - top)
    title, settings = _head(measures, rail.x, rail.y, rail.width, wanted.title_lines)
    hero = Box(rail.x, settings.bottom + measures.px(36), rail.width, measures.px(118))
    height = round(measures.text * (NUMBERS if wanted.single else COMPARED * wanted.panels * under))
    numbers = Box(rail.x, hero.bottom + measures.px(28), rail.width, height) if height else None
    left = (numbers or hero).bottom + measures.px(44)
    terms, histogram, rest = _rail_parts(measures, Box(rail.x, left, rail.width, rail.bottom - left), wanted, under)
    plot = Box(bounds.x, bounds.bottom + measures.px(40), bounds.width, below) if under else rest
    return _layout(
        measures,
        panels,
        title,
        settings,
        hero,
        plot,
        numbers,
        terms,
        histogram,
    )


def _rail_parts(measures: Measures, room: Box, wanted: Wanted, under: bool) -> tuple[Box | None, Box | None, Box]:
    """Return the boxes of terms, histogram and plot below the numbers of a rail."""
    gap, terms_height = measures.px(40), round(measures.text * 8.2)
    if wanted.panels > 1 and not (wanted.single and under and room.height >= terms_height):
        height = min(room.height, round(room.width * 0.72))
        return None, None, Box(room.x, room.bottom - height, room.width, height)
    if wanted.panels > 1:  # the sum goes on a level with the plot
        tall = min(room.height, round(measures.text * 10.8))
        return Box(room.x, room.bottom - tall, room.width, tall), None, room
    if room.width >= measures.text * 28:  # terms and histogram side by side
        half = (room.width - measures.px(56)) // 2
        terms = Box(room.x, room.y, half, terms_height)
        histogram = Box(room.right - half, room.y, half, terms_height)
        return terms, histogram, Box(room.x, histogram.bottom + gap, room.width, room.bottom - histogram.bottom - gap)
    terms = Box(room.x, room.y, room.width, terms_height)
    rest = Box(room.x, terms.bottom + gap, room.width, room.bottom - terms.bottom - gap)
    if under:
        height = min(rest.height, round(measures.text * 10))
        return terms, Box(rest.x, rest.bottom - height, rest.width, height), rest
    if rest.height < measures.text * 16:
        return terms, None, rest
    share = round((rest.height - gap) * 0.42)
    histogram = Box(rest.x, rest.y, rest.width, share)
    return terms, histogram, Box(rest.x, histogram.bottom + gap, rest.width, rest.bottom - histogram.bottom - gap)


def _square(measures: Measures, wanted: Wanted) -> NoiseLayout:
    inner, air = measures.inner, measures.px(28)
    text = measures.text
    left = round(inner.width * 0.56)
    title, settings = _head(measures, inner.x, inner.y, left, wanted.title_lines)
    hero = Box(inner.x + left + air, inner.y, inner.width - left - air, round(text * 3.4))
    top = max(settings.bottom, hero.bottom) + air
    plot = Box(inner.x, inner.bottom - round(text * 8.4), inner.width, round(text * 8.4))
    side = round(text * 11.5) + air if wanted.single and wanted.panels == 1 else 0
    area = Box(inner.x, top, inner.width - side, plot.y - air - top)
    panels = _fit(area, wanted, measures.px(14), round(text * LABEL))
    bounds = panels.bounds
    if not side:
        panels = _moved(panels, (area.width - bounds.width) // 2, 0)
        height = min(inner.bottom - bounds.bottom - air, round(inner.width * 0.5))
        plot = Box(inner.x, inner.bottom - height, inner.width, height)
        return _layout(measures, panels, title, settings, hero, plot)
    panels = _moved(panels, 0, (area.height - bounds.height) // 2)
    bounds = panels.bounds
    x = bounds.right + air
    column = Box(x, bounds.y, inner.right - x, bounds.height)
    numbers = Box(column.x, column.y, column.width, round(text * NUMBERS))
    terms = Box(column.x, numbers.bottom + air, column.width, round(text * 7.6))
    histogram = Box(column.x, terms.bottom + air, column.width, column.bottom - terms.bottom - air)
    roomy = histogram.height >= text * 5
    return _layout(measures, panels, title, settings, hero, plot, numbers, terms,
        histogram if roomy else None,
    )  # fmt: skip


def _tall(measures: Measures, wanted: Wanted) -> NoiseLayout:
    inner, air, text = measures.inner, measures.px(32), measures.text
    title, settings = _head(measures, inner.x, inner.y, inner.width, wanted.title_lines)
    half = round(inner.width * 0.5) if wanted.single else inner.width  # the numbers stand beside t
    hero = Box(inner.x, settings.bottom + air, half, round(text * NUMBERS))
    numbers = Box(inner.x + half, hero.y, inner.width - half, hero.height) if wanted.single else None
    top = hero.bottom + air
    least = round(text * 9)
    panels = _fit(
        Box(inner.x, top, inner.width, inner.bottom - least - air - top), wanted, measures.px(14), round(text * LABEL)
    )
    bounds = panels.bounds
    panels = _moved(panels, (inner.width - bounds.width) // 2, 0)
    left = inner.bottom - bounds.bottom - air
    terms = None
    if wanted.single and left - round(text * 6) - air >= least:
        terms = Box(inner.x, bounds.bottom + air, inner.width, round(text * 6))
        left = inner.bottom - terms.bottom - air
    height = min(left, round(text * 14))
    plot = Box(inner.x, inner.bottom - height, inner.width, height)
    return _layout(measures, panels, title, settings, hero, plot, numbers, terms)
