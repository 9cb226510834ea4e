"""The contact sheet of forks: rows are the run and its branches, columns are states, the causal curve under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import draw_labels, draw_plot
from denoisecli.figures.drawn import legend, marked_array
from denoisecli.figures.facts import turn_words
from denoisecli.figures.sheet import SheetRow, choose_columns, contact_sheet, state_columns
from denoisecli.figures.text import draw_text, wrap
from denoisecli.figures.theme import PROMPT, FilmStyle
from denoisecli.trace import Trace

from .facts import causal_plot, fork_facts

PLOT = 13  # height of the curve under the sheet, in text sizes


def fork_sheet(trace: Trace, pictures: Mapping[str, Any], style: FilmStyle) -> Image.Image:
    """Return the sheet of the first seed's guesses. Only the style's theme counts; pictures: as for `fork_frames`."""
    facts, theme = fork_facts(trace), style.theme
    columns = choose_columns(len(facts.run.rows))
    by = facts.drawn[0]
    own = [marked_array(pictures["guess"][0][state], by[state], theme) for state in columns]
    rows = [SheetRow("unchanged", f"seed {facts.run.seeds[0]}", own, group="run")]
    for branch, at in enumerate(facts.at):
        shown = [
            marked_array(pictures["branch"][branch][state], by[state] if state < at else 1, theme) for state in columns
        ]
        rows.append(SheetRow(f"at {at}", "changed", shown))
    words = " · ".join([facts.change, facts.run.settings, *turn_words(facts.run), *legend(facts.drawn[:1, columns])])
    sheet = contact_sheet(rows, state_columns(facts.run, columns), facts.run.prompt, words, theme)
    return _with_curve(sheet, facts, style)


def _with_curve(sheet: Image.Image, facts: Any, style: FilmStyle) -> Image.Image:
    """Return the sheet with the causal curve under it, in the same margins."""
    theme, text = style.theme, max(22, sheet.width // 85)
    margin, height = round(1.8 * text), PLOT * text
    page = Image.new("RGB", (sheet.width, sheet.height + height + margin), theme.ground)
    page.paste(sheet, (0, 0))
    across = min(sheet.width - 2 * margin, 44 * text)
    frame = draw_plot(page, Box(margin, sheet.height, across, height), causal_plot(facts, theme), theme, text)
    draw_labels(page, frame, theme, text)
    left = margin + across + 2 * text
    room, face = sheet.width - margin - left, PROMPT.at(1.2 * text)
    lines = wrap(facts.lesson, face, room, 4) if room > 10 * text else []
    for number, line in enumerate(lines):
        y = sheet.height + height / 2 + (number - (len(lines) - 1) / 2) * face.line_height
        draw_text(page, (left, y), line, face, theme.ink)
    return page
