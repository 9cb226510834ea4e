"""The sheet of a comparison: A, B and their difference at chosen states, the distances, the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import draw_labels, draw_plot
from denoisecli.figures.facts import three_figures
from denoisecli.figures.paint import rectangle
from denoisecli.figures.sheet import Column, SheetRow, choose_columns, contact_sheet
from denoisecli.figures.text import draw_text, shorten
from denoisecli.figures.theme import MONO, PLAIN, STRONG, Theme
from denoisecli.labs.rows import FRAMES

from .film import Versus, distance_plot, slider_of, value_text
from .states import Setting

MOST_PAIRS = 8  # on a sheet; the film and compare.json have all
TEXT_SHARE = 1 / 95  # of the width
SPACE, PLOT_HEIGHT, LINE = 1.8, 14, 1.5  # of the size of text: around the foot, its plot, a line of its table
LEAST_WIDTH = 1100  # pixels
KEY_SHARE, PLOT_SHARE = 0.28, 0.46  # of the table for the keys, of the foot for the plot


def versus_sheet(versus: Versus) -> Image.Image:
    """Return the sheet as one image."""
    comparison = versus.comparison
    chosen = choose_columns(len(comparison.states))
    slider = slider_of(versus)
    rows = [row for pair in range(min(MOST_PAIRS, len(comparison.pairs))) for row in _rows(versus, pair, chosen)]
    columns = [_column(versus, k) for k in chosen]
    left_out = len(comparison.pairs) - MOST_PAIRS
    more = f" · {left_out} pairs more in compare.json" if left_out > 0 else ""
    top = contact_sheet(rows, columns, slider.title, slider.settings + more, versus.theme)
    width = max(LEAST_WIDTH, top.width)
    foot = _foot(versus, width, round(width * TEXT_SHARE))
    image = Image.new("RGB", (width, top.height + foot.height), versus.theme.ground)
    image.paste(top, (0, 0))
    image.paste(foot, (0, top.height))
    return image


def _foot(versus: Versus, width: int, text: int) -> Image.Image:
    """Return the distances and, beside them, the table of settings."""
    space, settings = round(SPACE * text), versus.comparison.settings
    inner = round(max(PLOT_HEIGHT, LINE * (len(settings) + 1)) * text)
    image = Image.new("RGB", (width, inner + space), versus.theme.ground)
    plot_box = Box(space, 0, round(PLOT_SHARE * width), PLOT_HEIGHT * text)
    draw_labels(image, draw_plot(image, plot_box, distance_plot(versus), versus.theme, text), versus.theme, text)
    left = plot_box.right + space
    _draw_settings(image, Box(left, 0, width - space - left, inner), settings, versus.theme, text)
    return image


def _column(versus: Versus, k: int) -> Column:
    """Return the head of a column: A's state, B's where it is another, and σ."""
    k_a, k_b = versus.comparison.states[k]
    said = str(k_a) if k_a == k_b else f"{k_a} | {k_b}"
    if versus.comparison.a.clock == FRAMES:
        return Column(said)
    return Column(said, f"σ {three_figures(float(versus.comparison.a.sigmas[k_a]))}")


def _rows(versus: Versus, pair: int, chosen: Sequence[int]) -> list[SheetRow]:
    """Return A, B and their difference for every view of the only pair, or for the first view of one of several."""
    several = len(versus.comparison.pairs) > 1
    label = versus.comparison.label(pair)
    found = []
    for view in versus.views[:1] if several else versus.views:
        sides = [[versus.picture(side, view, pair, k) for k in chosen] for side in (0, 1)]
        apart = [versus.difference(view, pair, k) for k in chosen]
        words = [f"{letter} {name}".strip() for letter, name in zip("AB", versus.names, strict=True)]
        head = label if several else view
        drawn: list[Sequence[Any]] = [*sides, apart]
        rows = zip([*words, f"apart ×{versus.gain}"], drawn, strict=True)
        found += [SheetRow(head, word, pictures, group=f"{pair} {view}") for word, pictures in rows]
    return found


def _draw_settings(image: Image.Image, box: Box, settings: Sequence[Setting], theme: Theme, text: int) -> None:
    """Draw the table of what differs: key, A, B."""
    plain, bold, mono = PLAIN.at(text), STRONG.at(text), MONO.at(text)
    first = box.x + round(KEY_SHARE * box.width)
    each = (box.right - first) // 2
    draw_text(image, (box.x, 0.8 * text), "setting" if settings else "no setting differs", plain, theme.quiet)
    for word, x in (("A", first), ("B", first + each)) if settings else ():
        draw_text(image, (x, 0.8 * text), word, bold, theme.quiet)
    for number, found in enumerate(settings, 1):
        y = (0.8 + LINE * number) * text
        rectangle(image, (box.x, y - 1.1 * text, box.right, y - 1.05 * text), theme.line)
        draw_text(image, (box.x, y), shorten(found.key, mono, first - box.x - text), mono, theme.quiet)
        for value, x in ((found.a, first), (found.b, first + each)):
            said = shorten(value_text(found.key, value), mono, each - text)
            draw_text(image, (x, y), said, mono, theme.ink)
