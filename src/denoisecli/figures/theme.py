"""Colours by role, and the sizes of type: what films, sheets, curves and pages share."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from ..errors import UsageError

RGB = tuple[int, int, int]


def rgb(code: str) -> RGB:
    """Return the colour of "#rrggbb"."""
    red, green, blue = bytes.fromhex(code.removeprefix("#"))
    return red, green, blue


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Return `first` with `share` (0..1) of `second` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class Theme:
    """Colours by role. The same role means the same thing in every figure."""

    name: str
    ground: RGB
    panel: RGB  # behind pictures that do not fill their panel
    line: RGB  # axes, tracks
    tick: RGB  # states still to come
    quiet: RGB  # words that explain
    ink: RGB  # words and numbers that tell
    amber: RGB  # layout, now
    teal: RGB  # detail
    rose: RGB  # warning, clipped


def _theme(name: str, **roles: str) -> Theme:
    return Theme(name, **{role: rgb(code) for role, code in roles.items()})


# Amber and teal differ in lightness too, so they stay apart without red-green sight and in grey.
DARK = _theme(
    "dark",
    ground="#0f1115",
    panel="#171a21",
    line="#2a2f3a",
    tick="#4a5160",
    quiet="#9aa0ab",
    ink="#eceae4",
    amber="#f2b950",
    teal="#58c4b4",
    rose="#e2727c",
)
LIGHT = _theme(
    "light",
    ground="#faf8f3",
    panel="#efece4",
    line="#d8d3c7",
    tick="#aaa596",
    quiet="#63676f",
    ink="#1b1d22",
    amber="#96600a",
    teal="#0b7d70",
    rose="#b3323f",
)
CONTRAST = _theme(
    "contrast",
    ground="#000000",
    panel="#141414",
    line="#6b6b6b",
    tick="#a0a0a0",
    quiet="#dcdcdc",
    ink="#ffffff",
    amber="#ffc400",
    teal="#4de8ff",
    rose="#ffa3ae",
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST)}


def theme_named(name: str) -> Theme:
    """Return the theme called `name`. Raises UsageError with the names there are."""
    try:
        return THEMES[name]
    except KeyError:
        close = difflib.get_close_matches(name, THEMES, n=1)
        ask = f'did you mean "{close[0]}"?' if close else f"choose from: {', '.join(THEMES)}."
        raise UsageError(f'There is no theme "{name}"; {ask}') from None


@dataclass(frozen=True)
class FilmStyle:
    """How a film looks: its size in pixels (width, height) and its theme."""

    size: tuple[int, int] = (1920, 1080)
    theme: Theme = DARK
