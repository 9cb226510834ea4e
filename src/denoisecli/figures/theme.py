"""Colours by role, and the sizes of type: what films, sheets, curves and pages share."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from denoisecli.errors import UsageError

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


# Tests hold that words have a contrast of 4.5 on ground and panel, and that roles stay apart to colour-blind eyes.
DARK = _theme(
    "dark",
    ground="#0f1115",
    panel="#171a21",
    line="#2a2f3a",
    tick="#4a5160",
    quiet="#9aa0ab",
    ink="#eceae4",
    amber="#f2b950",
    teal="#64d0bc",
    rose="#e2727c",
)
LIGHT = _theme(
    "light",
    ground="#faf8f3",
    panel="#efece4",
    line="#d8d3c7",
    tick="#aaa596",
    quiet="#4f535c",
    ink="#1b1d22",
    amber="#945e08",
    teal="#0a786d",
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
PAPER = replace(LIGHT, name="paper", ground=rgb("#ffffff"))
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
class Type:
    """A face at a size in pixels; `tracking` in em; `tabular` gives all digits one width."""

    face: str = "Inter-Regular"
    size: float = 24
    tracking: float = 0.0
    tabular: bool = False

    def at(self, size: float) -> Type:
        """Return the same type at another size."""
        return replace(self, size=size)

    @property
    def line_height(self) -> float:
        """Distance between baselines in pixels."""
        return 1.36 * self.size

    @property
    def cap_height(self) -> float:
        """Height of a capital letter or digit in pixels."""
        return 0.73 * self.size


# Faces by what they are for; sizes are multiples of the smallest text (`layout.Measures.text`, or a sheet's).
PLAIN = Type()
STRONG = Type("Inter-SemiBold")
COLUMN = Type("Inter-SemiBold", tabular=True)
HEADING = Type("InterDisplay-SemiBold", tracking=-0.01)
PROMPT = Type("InterDisplay-Medium", tracking=-0.005)
HERO = Type("InterDisplay-SemiBold", tracking=-0.04)
MONO = Type("JetBrainsMono-Regular")
MONO_STRONG = Type("JetBrainsMono-Medium")
PROMPT_SIZE, VALUE_SIZE, HEADING_SIZE = 28 / 24, 1.08, 1.8


@dataclass(frozen=True)
class FilmStyle:
    """How a film looks: its size in pixels (width, height) and its theme."""

    size: tuple[int, int] = (1920, 1080)
    theme: Theme = DARK
