"""The contact sheet of words: rows are the guess and the words on it, columns are states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from denoisecli.figures.drawn import legend, marked_array
from denoisecli.figures.sheet import SheetRow, choose_columns, contact_sheet, state_columns
from denoisecli.figures.theme import FilmStyle
from denoisecli.trace import Trace

from .facts import hue_of, seed_levels, words_facts
from .tint import tinted

MOST_ROWS = 24  # of words: the loudest
CELL = 192  # pixels: many rows of soft shapes need no more


def words_sheet(trace: Trace, pictures: Mapping[str, Any], style: FilmStyle) -> Image.Image:
    """Return the sheet of one seed (`shown_seed`). Only the style's theme counts; pictures: as for `words_frames`."""
    facts, theme = words_facts(trace), style.theme
    drawn, seed = seed_levels(trace, facts.seed), facts.seed
    columns = choose_columns(len(facts.run.rows))
    guesses = [np.ascontiguousarray(pictures["guess"][seed][state]) for state in columns]
    plain = [
        marked_array(guess, facts.drawn[seed, state], theme) for guess, state in zip(guesses, columns, strict=True)
    ]
    rows = [SheetRow("guess", f"seed {facts.run.seeds[seed]}", plain, group="guess")]
    for word in facts.loudest(MOST_ROWS):
        maps = drawn[word.negative][:, word.index]
        hue = hue_of(word, theme)
        shown = [
            tinted(guess, maps[min(state, len(maps) - 1)][None], [hue], theme, (guess.shape[1], guess.shape[0]))
            for guess, state in zip(guesses, columns, strict=True)
        ]
        rows.append(SheetRow(word.label, word.said, shown))
    said = [facts.run.settings, facts.said_seed, *legend(facts.drawn[seed : seed + 1, columns]), *_rest(facts)]
    return contact_sheet(rows, state_columns(facts.run, columns), facts.run.prompt, " · ".join(said), theme, CELL)


def _rest(facts: Any) -> list[str]:
    return [f"{100 * facts.rest.mean():.0f} % of the attention is on no word"] if len(facts.rest) else []
