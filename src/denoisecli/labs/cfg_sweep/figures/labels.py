"""The words of a sweep's films that change or stand over the panels: state, noise level, scales, seeds."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from denoisecli.figures.facts import three_figures, timestep
from denoisecli.figures.text import draw_text, measure, shorten
from denoisecli.figures.theme import HERO, MONO, PLAIN, RGB, STRONG, Theme

from .head import NUMBER, NUMBER_ROOM
from .layout import SweepLayout


def draw_number(image: Image.Image, layout: SweepLayout, number: int, rest: str, theme: Theme) -> None:
    """Draw the number of the state, or step, large at the head's right end; in tall frames at its foot."""
    box, text = layout.head, layout.measures.text
    big, small = HERO.at(text * NUMBER), PLAIN.at(text * 1.1)
    baseline = box.bottom - 0.2 * text if layout.measures.shape == "tall" else box.y + big.cap_height
    draw_text(image, (box.right, baseline), rest, small, theme.quiet, "right")
    draw_text(image, (box.right - measure(rest, small) - 0.35 * text, baseline), str(number), big, theme.ink, "right")


def draw_values(image: Image.Image, layout: SweepLayout, row: dict[str, object], said: str, theme: Theme) -> None:
    """Draw the noise level of a state on the head's last line and, where there is room, whatever else is said of it."""
    box, text, style = layout.head, layout.measures.text, MONO.at(layout.measures.text)
    values = [f"{name} {shown}" for name, shown in level_words(row)]
    beside = layout.measures.shape == "tall" or len(layout.words.prompt) + len(layout.words.settings) < 3
    room = box.width - (round(NUMBER_ROOM * text) if beside else 0)
    whole = [*values, said] if said else values
    choices = ["   ".join(whole), "  ".join(whole), "   ".join(values), "   ".join(values[:2])]
    line = next((choice for choice in choices if measure(choice, style) <= room), choices[-1])
    draw_text(image, (box.x, box.bottom - 0.2 * text), shorten(line, style, room), style, theme.ink)


def level_words(row: dict[str, object]) -> list[tuple[str, str]]:
    """Return ("t", "651"), ("σ", "2.83"), ("ᾱ", "0.111") of a row of the schedule."""
    t, sigma, alpha_bar = (row.get(name) for name in ("timestep", "sigma", "alpha_bar"))
    number = [value if isinstance(value, (int, float)) else None for value in (t, sigma, alpha_bar)]
    return [("t", timestep(number[0])), ("σ", three_figures(number[1])), ("ᾱ", three_figures(number[2]))]


def draw_column_labels(image: Image.Image, layout: SweepLayout, labels: Sequence[str], colours: Sequence[RGB]) -> None:
    """Write over each column what it is, in the colour of its curves."""
    text = layout.measures.text
    style = STRONG.at(text)
    if any(measure(label, style) > box.width for box, label in zip(layout.grid.seed_labels, labels, strict=False)):
        labels = [label.removeprefix("cfg ") for label in labels]
    for box, label, colour in zip(layout.grid.seed_labels, labels, colours, strict=False):
        said = shorten(label, style, box.width)
        draw_text(image, (box.x, box.bottom - 0.5 * text), said, style, colour)


def draw_row_labels(image: Image.Image, layout: SweepLayout, labels: Sequence[tuple[str, str]], theme: Theme) -> None:
    """Write beside (or over) the panels which seed they are, and which view: (word, word under it)."""
    text = layout.measures.text
    name, mono = STRONG.at(text), MONO.at(text)
    for box, (word, under) in zip(layout.grid.view_labels, labels, strict=False):
        if not layout.grid.beside:
            line = shorten(f"{word} {under}".strip(), name, box.width)
            draw_text(image, (box.x, box.bottom - 0.5 * text), line, name, theme.ink)
            continue
        middle = box.y + box.height / 2
        if under and box.height < 2.6 * text:  # no room for two lines
            word, under = shorten(f"{word.removeprefix('seed ')} {under}", name, box.width), ""  # noqa: PLW2901
        draw_text(image, (box.x, middle - 0.12 * text if under else middle + 0.36 * text), word, name, theme.ink)
        draw_text(image, (box.x, middle + 1.24 * text), shorten(under, mono, box.width), mono, theme.quiet)
