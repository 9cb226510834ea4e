"""Walk × step: rows are states of the runs, columns points of the walk. The whole way is coherent at every state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.facts import level
from denoisecli.figures.sheet import Column, SheetRow, choose_columns, contact_sheet
from denoisecli.figures.theme import Theme

from ..places import Place
from .facts import walk_facts

MOST_COLUMNS = 9
MOST_ROWS = 6
CELL = 192


def sheet_states(steps: int) -> list[int]:
    """Return which states a sheet shows, the last one too."""
    return choose_columns(steps + 1, MOST_ROWS)


def sheet_frames(places: Sequence[Place], legs: int, most: int = MOST_COLUMNS) -> list[int]:
    """Return the frames that a sheet shows: every end where they fit, and those nearest to even shares between."""
    each = max(1, (most - 1) // legs)
    at = np.array([leg + share for leg, share in places])
    wanted = np.linspace(0, legs, legs * each + 1)
    frames = sorted({int(np.argmin(np.abs(at - point))) for point in wanted})
    return [frames[index] for index in choose_columns(len(frames), most)]


def walk_sheet(
    record: Mapping[str, Any],
    frames: Sequence[int],
    states: Sequence[int],
    picture: Callable[[int, int], NDArray[np.uint8]],
    theme: Theme,
    words: Sequence[str] = (),
) -> Image.Image:
    """Return the sheet; `words` are added to its second line.

    picture(row, frame): what the run at this frame had in mind at states[row], (H, W, 3).
    """
    facts = walk_facts(record)
    rows = [
        SheetRow(
            "finished" if state == states[-1] else f"state {state}",
            level(record["schedule"][state]),
            [picture(row, frame) for frame in frames],
        )
        for row, state in enumerate(states)
    ]
    title = " → ".join(facts.prompts)
    subtitle = " · ".join([facts.settings, "the guess x̂₀ at each state, along the walk", *words])
    return contact_sheet(rows, [Column(*facts.point(frame)) for frame in frames], title, subtitle, theme, CELL)
