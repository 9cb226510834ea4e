"""What a page shows, before it is made into a file, and how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli.runs.course import phase_lines

from .drawn import said
from .facts import MOST_TURNS, Facts
from .hues import hues
from .text import clean
from .theme import HERO, MONO, PAPER, PLAIN, PROMPT, RGB, Theme, mix

MOST_PICTURES = 3000  # that a page holds; of longer runs it shows fewer states
FONTS = {
    ("Inter", 400): PLAIN.face,
    ("Inter Display", 500): PROMPT.face,
    ("Inter Display", 600): HERO.face,
    ("JetBrains Mono", 400): MONO.face,
}


@dataclass(frozen=True)
class Body:
    """The content of a page.

    script: the module that builds the page, `page.js` of the lab's room.
    data: what it reads, serialises to JSON; "title" and "settings" are on every page.
    pictures: the stored pictures that it shows, (view, index, …), each embedded as "view/index/…".
    arrays: uint8, int16 or float32.
    """

    script: Path
    data: dict[str, Any]
    pictures: Sequence[tuple[Any, ...]] = ()
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def shown_states(count: int, pictures_each: int) -> list[int]:
    """Return which of `count` states a page shows: all, or evenly spread ones with both ends, at least two."""
    most = max(2, MOST_PICTURES // max(1, pictures_each))
    if count <= most:
        return list(range(count))
    return sorted({int(index) for index in np.linspace(0, count - 1, most).round()})


def phases_note(record: Mapping[str, Any]) -> str:
    """Return a sentence that says which steps had which settings."""
    lines = list(phase_lines(record))
    return f"Phases: {'; '.join(lines)}." if lines else ""


def turn_places(facts: Facts, states: Sequence[int]) -> list[dict[str, Any]]:
    """Return where a run begins on the way or changes, by the place among the states that a page shows."""
    turns = facts.turns if len(facts.turns) <= MOST_TURNS else ()
    return [{"index": int(np.searchsorted(states, state)), "text": words} for state, words in turns]


def notes(shown: int, states: int, scales: NDArray[np.float64]) -> str | None:
    """Return what a page says at its foot: that it shows some of the states only, and that guesses were scaled."""
    found = [] if shown == states else [f"{shown} of {states} states are shown."]
    if (scales < 1).any():
        found.append(
            "Guesses whose latents lie outside the finished picture's range are drawn scaled into it (drawn ×)."
        )
    return " ".join(found) or None


def drawn_words(scales: NDArray[np.float64]) -> list[list[str | None]] | None:
    """Return for each guess (run, state) how it was scaled to be drawn, None where it was not; None if none was."""
    if not (scales < 1).any():
        return None
    return [[f"drawn {said(value)}" if value < 1 else None for value in row] for row in scales]


def model_word(record: Mapping[str, Any]) -> list[str]:
    """Return the model's name, or nothing where the settings name it, as they do in films, or nobody knows it."""
    configured, ref = (record.get("config") or {}).get("model"), (record.get("model") or {}).get("ref")
    if configured is None:
        return [clean(str(ref))] if ref else []
    return ["pocket"] if configured == "pocket" else []


def seeds_word(seeds: Sequence[str]) -> str:
    """Return "seed 7" or "4 seeds"."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"


def page_colours(theme: Theme) -> dict[str, str]:
    """Return the theme's colours, and those that only pages need, as CSS custom properties by role."""
    roles = ("ground", "panel", "line", "tick", "quiet", "ink", "amber", "teal", "rose")
    colours = {role: _code(getattr(theme, role)) for role in roles}
    return colours | {
        "raised": _code(mix(theme.panel, theme.ink, 0.09)),
        "veil": f"{_code(theme.ground)}c8",
        "dim": f"{_code(theme.ground)}70",
        "halo": f"{_code(theme.amber)}55",
        **{f"hue-{index}": _code(hue) for index, hue in enumerate(hues(theme))},
    }


def paper_colours() -> dict[str, str]:
    """Return the colours of a printed page: the light theme on white."""
    return page_colours(PAPER)


def page_fonts() -> dict[tuple[str, int], bytes]:
    """Return the typefaces of the house: (family, weight) and the font file's bytes."""
    folder = resources.files("denoisecli.figures") / "fonts"
    return {face: (folder / f"{name}.ttf").read_bytes() for face, name in FONTS.items()}


def _code(colour: RGB) -> str:
    return "#" + bytes(colour).hex()
