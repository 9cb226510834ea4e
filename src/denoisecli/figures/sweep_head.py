"""The head of a sweep's films: the prompt, the settings, and which state this is; and the words over the panels."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from .facts import three_figures, timestep
from .rail import HERO, MONO, PROMPT
from .sweep_facts import SweepFacts
from .sweep_layout import SweepLayout
from .text import Type, draw_text, measure, shorten, wrap
from .theme import RGB, Theme

NUMBER_ROOM = 9.0  # in text sizes: what the state's number takes of the head


def draw_head(image: Image.Image, layout: SweepLayout, facts: SweepFacts, settings: str, theme: Theme) -> None:
    """Draw what all frames share: the prompt, and the settings on as many lines as there are."""
    box, text = layout.head, layout.measures.text
    room = box.width - round(NUMBER_ROOM * text)
    wide = layout.measures.shape == "wide"
    prompt, mono = PROMPT.at(text * 28 / 24), MONO.at(text)
    baseline = box.y + prompt.cap_height + 0.1 * text
    for line in wrap(facts.prompt, prompt, room, 1 if wide else 2):
        draw_text(image, (box.x, baseline), line, prompt, theme.ink)
        baseline += prompt.line_height
    for line in _settings_lines(settings, mono, room, 1 if wide else 2):
        draw_text(image, (box.x, baseline), line, mono, theme.quiet)
        baseline += 1.5 * text


def _settings_lines(settings: str, style: Type, width: float, most: int) -> list[str]:
    """Break the settings at their dots; what does not fit on the last line is shortened."""
    lines: list[str] = []
    for part in settings.split(" · "):
        if lines and (measure(f"{lines[-1]} · {part}", style) <= width or len(lines) == most):
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return [shorten(line, style, width) for line in lines]


def draw_number(image: Image.Image, layout: SweepLayout, number: int, rest: str, theme: Theme) -> None:
    """Draw the number of the state, or step, large at the head's right end."""
    box, text = layout.head, layout.measures.text
    big, small = HERO.at(text * 4.6), Type(size=text * 1.1)
    baseline = box.y + big.cap_height
    draw_text(image, (box.right, baseline), rest, small, theme.quiet, "right")
    draw_text(image, (box.right - measure(rest, small) - 0.35 * text, baseline), str(number), big, theme.ink, "right")


def draw_values(image: Image.Image, layout: SweepLayout, row: dict[str, object], said: str, theme: Theme) -> None:
    """Draw the noise level of a state, and whatever else is said of it, on the head's last line."""
    box, text = layout.head, layout.measures.text
    values = [f"{name} {shown}" for name, shown in level_words(row)]
    line = "   ".join([*values, said] if said else values)
    room = box.width - (round(NUMBER_ROOM * text) if layout.measures.shape == "wide" else 0)
    draw_text(image, (box.x, box.bottom - 0.2 * text), shorten(line, MONO.at(text), room), MONO.at(text), theme.ink)


def level_words(row: dict[str, object]) -> list[tuple[str, str]]:
    """Return ("t", "651"), ("σ", "2.83"), ("ᾱ", "0.111") of a row of the schedule."""
    t, sigma, alpha_bar = (row.get(name) for name in ("timestep", "sigma", "alpha_bar"))
    number = [value if isinstance(value, (int, float)) else None for value in (t, sigma, alpha_bar)]
    return [("t", timestep(number[0])), ("σ", three_figures(number[1])), ("ᾱ", three_figures(number[2]))]


def draw_column_labels(
    image: Image.Image, layout: SweepLayout, labels: Sequence[str], colours: Sequence[RGB], theme: Theme
) -> None:
    """Write over each column what it is, with a dot in its curves' colour."""
    text = layout.measures.text
    style = Type("Inter-SemiBold", text)
    for box, label, colour in zip(layout.grid.seed_labels, labels, colours, strict=False):
        said = shorten(label, style, box.width)
        draw_text(image, (box.x, box.bottom - 0.5 * text), said, style, colour or theme.ink)


def draw_row_labels(image: Image.Image, layout: SweepLayout, labels: Sequence[tuple[str, str]], theme: Theme) -> None:
    """Write beside each row which seed it is, and the view where there are several: (word, word under it)."""
    text = layout.measures.text
    name, mono = Type("Inter-SemiBold", text), MONO.at(text)
    for box, (word, under) in zip(layout.grid.view_labels, labels, strict=False):
        middle = box.y + box.height / 2
        draw_text(image, (box.x, middle - 0.12 * text if under else middle + 0.36 * text), word, name, theme.ink)
        draw_text(image, (box.x, middle + 1.24 * text), shorten(under, mono, box.width), mono, theme.quiet)
