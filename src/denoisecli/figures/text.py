"""Text as pixels: measured, wrapped, shortened and drawn the same on every machine, as far as our fonts reach.

Glyphs are placed one by one and drawn at four times their size, then averaged down: no hinting, no shaping library.
Marks (the macron of ᾱ, the hat of x̂) are centred over their letter; subscripts (xₜ, x̂₀) are small, lowered letters.
What no bundled font has is drawn in one of the machine's, shaped and in its own direction, a whole run at once (灯台,
منارة); what none has, as an empty box.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from . import system_fonts
from .theme import PLAIN, RGB, Type

FONTS = Path(__file__).parent / "fonts"
OVERSAMPLE = 4
ASCENT, DESCENT, OVERHANG = 1.1, 0.35, 0.15  # of the size: the room that a line's mask leaves around its baseline
SUBSCRIPT_SIZE, SUBSCRIPT_DROP = 0.74, 0.16
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₕₖₗₘₙₚₛₜ", "0123456789+−=()aeoxhklmnpst", strict=True))
MISSING = "□"
SELECTORS = {chr(code) for code in range(0xFE00, 0xFE10)}

Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Glyph:
    """One character with its marks, at x (pixels at four times the size) from the start of the line.

    In a font of the machine, whose face is the path of its file, `character` is a whole run.
    """

    x: float
    character: str
    marks: str
    face: str
    subscript: bool


def clean(text: str) -> str:
    """Return `text` on one line, composed, without control, formatting, private or unassigned characters.

    The selectors of a character's colour or shape (behind many emoji) go too: they draw nothing themselves.
    """
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(one for one in spaced if unicodedata.category(one)[0] != "C" and one not in SELECTORS)


def undrawable(text: str) -> str:
    """Return the characters of `text` for which neither we nor this machine have a font, each once."""
    spelled = _spelled(clean(text), PLAIN.face)
    return "".join(dict.fromkeys(one for one in spelled if _source(PLAIN.face, one)[1] == MISSING != one))


@lru_cache(maxsize=256)
def _font(face: str, size: float) -> ImageFont.FreeTypeFont:
    if _is_bundled(face):
        return ImageFont.truetype(FONTS / f"{face}.ttf", size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.truetype(face, size)


@lru_cache(maxsize=256)
def _is_bundled(face: str) -> bool:
    return not Path(face).is_absolute()


@lru_cache(maxsize=4096)
def _has(face: str, character: str) -> bool:
    return character.isspace() or system_fonts.has_glyph(_font(face, 32), character)


@lru_cache(maxsize=4096)
def _source(face: str, character: str) -> tuple[str, str]:
    """Return the (face, character) to draw; where `face` has none, of another of ours, of the machine, or the box."""
    for candidate in (face, PLAIN.face):
        if _has(candidate, character):
            return candidate, character
    found = system_fonts.font_with(character)
    return (found, character) if found else (PLAIN.face, MISSING)


def _is_ours(face: str, character: str) -> bool:
    return _has(face, character) or _has(PLAIN.face, character)


@lru_cache(maxsize=8192)
def _advance(face: str, size: float, character: str) -> float:
    return _font(face, size).getlength(character)


@lru_cache(maxsize=8192)
def _kerning(face: str, size: float, left: str, right: str) -> float:
    both = _font(face, size).getlength(left + right)
    return both - _advance(face, size, left) - _advance(face, size, right)


def _spelled(text: str, face: str) -> str:
    """Compose letters and marks, except where only the letter alone is in our fonts (ᾱ is α and a macron)."""
    if text.isascii():
        return text

    def spelled(character: str) -> str:
        parts = unicodedata.normalize("NFD", character)
        apart = len(parts) > 1 and not _is_ours(face, character) and _is_ours(face, parts[0])
        return parts if apart else character

    return "".join(map(spelled, unicodedata.normalize("NFC", text)))


def _clusters(text: str, face: str) -> list[tuple[str, str]]:
    """Split into (character, its combining marks); what one font of the machine draws is one run, and has no marks."""
    found: list[tuple[str, str]] = []
    before: str | None = None  # the font of the machine that the last character needs
    for character in _spelled(text, face):
        now = _run_font(character, face)
        joins = before and (
            now == before or unicodedata.combining(character) or unicodedata.category(character) == "Mc"
        )
        if joins:
            found[-1] = (found[-1][0] + character, "")
            continue
        if unicodedata.combining(character) and found:
            found[-1] = (found[-1][0], found[-1][1] + character)
        else:
            found.append((character, ""))
        before = now
    return _with_spaces(found, face)


def _with_spaces(clusters: list[tuple[str, str]], face: str) -> list[tuple[str, str]]:
    """Join runs of one font across the spaces between them: so words that go from right to left follow each other."""
    joined: list[tuple[str, str]] = []
    for written, marks in clusters:
        run = _run_font(written, face)
        if run and len(joined) > 1 and joined[-1][0] == " " and _run_font(joined[-2][0], face) == run:
            joined[-2:] = [(f"{joined[-2][0]} {written}", "")]
        else:
            joined.append((written, marks))
    return joined


@lru_cache(maxsize=8192)
def _run_font(written: str, face: str) -> str | None:
    """Return the file of the machine's font that draws this run, None for a character of ours."""
    source = _source(face, SUBSCRIPTS.get(written[0], written[0]))[0]
    return None if _is_bundled(source) else source


@lru_cache(maxsize=2048)
def _place(text: str, style: Type) -> tuple[tuple[Glyph, ...], float]:
    """Return the glyphs of `text` and its length, in pixels at four times the size."""
    size = style.size * OVERSAMPLE
    digit = max(_advance(style.face, size, figure) for figure in "0123456789") if style.tabular else 0.0
    glyphs: list[Glyph] = []
    x = 0.0
    before: tuple[str, str] | None = None
    for written, marks in _clusters(text, style.face):
        run = _run_font(written, style.face)
        face, character = (run, written) if run else _source(style.face, SUBSCRIPTS.get(written, written))
        lowered = written in SUBSCRIPTS
        scale = SUBSCRIPT_SIZE if lowered else 1.0
        advance = _advance(face, size * scale, character)
        if before and before[0] == face and not lowered and not run:
            x += _kerning(face, size, before[1], character)
        inset = (digit - advance) / 2 if style.tabular and character.isdigit() and not run else 0.0
        glyphs.append(Glyph(x + inset, character, marks, face, lowered))
        x += advance + 2 * inset + style.tracking * size
        before = None if lowered or inset else (face, character)
    return tuple(glyphs), max(0.0, x - style.tracking * size)


def measure(text: str, style: Type) -> float:
    """Return the width of `text` in pixels."""
    return _place(text, style)[1] / OVERSAMPLE


def _draw_glyph(draw: ImageDraw.ImageDraw, glyph: Glyph, x: float, baseline: float, size: float) -> None:
    if glyph.subscript:
        size, baseline = size * SUBSCRIPT_SIZE, baseline + SUBSCRIPT_DROP * size
    font = _font(glyph.face, size)
    draw.text((x, baseline), glyph.character, fill=255, font=font, anchor="ls")
    for mark in glyph.marks:
        face, shape = _source(glyph.face, mark)
        if shape == MISSING or not _is_bundled(face):
            continue
        shift = _ink_middle(glyph.face, size, glyph.character) - _ink_middle(face, size, shape)
        draw.text((x + shift, baseline), shape, fill=255, font=_font(face, size), anchor="ls")


def _ink_middle(face: str, size: float, character: str) -> float:
    """Return the middle of a glyph's ink, right of its origin; bounding boxes would count the advance too."""
    mask, (left, _) = _font(face, size).getmask2(character, mode="L", anchor="ls")
    ink = mask.getbbox()
    return float(left + (ink[0] + ink[2]) / 2) if ink else 0.0


@lru_cache(maxsize=1024)
def line_mask(text: str, style: Type) -> Image.Image:
    """Return the coverage of one line (L); its baseline starts at (OVERHANG, ASCENT) × size, rounded."""
    glyphs, length = _place(text, style)
    left, top = round(OVERHANG * style.size), round(ASCENT * style.size)
    width = math.ceil(length / OVERSAMPLE) + 2 * left
    height = top + round(DESCENT * style.size)
    mask = Image.new("L", (width * OVERSAMPLE, height * OVERSAMPLE))
    draw = ImageDraw.Draw(mask)
    for glyph in glyphs:
        _draw_glyph(draw, glyph, left * OVERSAMPLE + glyph.x, top * OVERSAMPLE, style.size * OVERSAMPLE)
    return mask.reduce(OVERSAMPLE)


def side_bearing(text: str, style: Type) -> int:
    """Return how many pixels of air there are before the ink of `text`."""
    ink = line_mask(text, style).getbbox()
    return ink[0] - round(OVERHANG * style.size) if ink else 0


def draw_text(
    image: Image.Image, at: tuple[float, float], text: str, style: Type, colour: RGB, align: Align = "left"
) -> None:
    """Draw one line of `text` with its baseline at `at` = (x, y) in pixels."""
    if not text:
        return
    x, baseline = at
    if align != "left":
        x -= measure(text, style) * (0.5 if align == "center" else 1.0)
    corner = round(x) - round(OVERHANG * style.size), round(baseline) - round(ASCENT * style.size)
    image.paste(colour, corner, line_mask(text, style))


def shorten(text: str, style: Type, width: float) -> str:
    """Return as much of `text` as fits into `width` pixels, with an ellipsis where something is left out."""
    if measure(text, style) <= width:
        return text
    low, high = 0, len(text)
    while low < high:  # the longest start that fits
        middle = (low + high + 1) // 2
        fits = measure(text[:middle].rstrip(" ,;·") + "…", style) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip(" ,;·") + "…"


def shorten_list(text: str, style: Type, width: float) -> str:
    """Return as many of the parts between " · " as fit whole into `width` pixels; at least some of the first."""
    parts = text.split(" · ")
    while len(parts) > 1 and measure(" · ".join(parts), style) > width:
        parts.pop()
    return shorten(" · ".join(parts), style, width)


def _break_word(word: str, style: Type, width: float) -> list[str]:
    pieces: list[str] = []
    while word and measure(word, style) > width:
        cut = max(1, next(i for i in range(1, len(word) + 1) if measure(word[:i], style) > width) - 1)
        pieces.append(word[:cut])
        word = word[cut:]
    return [*pieces, word] if word else pieces


def wrap(text: str, style: Type, width: float, max_lines: int) -> list[str]:
    """Return `text` as at most `max_lines` lines of `width` pixels; the last is shortened where it must be."""
    words = [piece for word in clean(text).split() for piece in _break_word(word, style, width)]
    lines: list[str] = []
    for word in words:
        if lines and measure(f"{lines[-1]} {word}", style) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) <= max_lines:
        return lines
    return [*lines[: max_lines - 1], shorten(" ".join(lines[max_lines - 1 :]), style, width)]
