"""Fonts of this machine, for characters that no bundled font has: Chinese, Arabic, Thai, emoji without colour, ..."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

SUFFIXES = {".ttf", ".otf", ".ttc"}
MOST_TRIED = 600  # fonts that are opened in search of a character
PREFERRED = (
    *("NotoSansCJK-Regular", "NotoSansCJKsc-Regular", "NotoSansCJKjp-Regular", "SourceHanSans-Regular", "PingFang"),
    *("Hiragino Sans GB", "msyh", "YuGothM", "meiryo", "malgun", "AppleSDGothicNeo", "wqy-microhei"),
    *("NotoSansArabic-Regular", "NotoSansHebrew-Regular", "NotoSansDevanagari-Regular", "NotoSansThai-Regular"),
    *("NotoSans-Regular", "NotoSansSymbols-Regular", "NotoSansSymbols2-Regular", "NotoEmoji-Regular", "NotoEmoji"),
    *("segoeui", "seguisym", "seguiemj", "Nirmala", "leelawui", "DejaVuSans", "Arial Unicode", "arial", "Symbola"),
)
"""File names to try first: upright sans-serifs of medium weight, that look well beside ours."""


def folders() -> list[Path]:
    """Return where this system keeps its fonts."""
    home = Path.home()
    if sys.platform == "darwin":
        return [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData/Local"))
        return [local / "Microsoft/Windows/Fonts", Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    data = [os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")]
    data += (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    return [home / ".fonts", *(Path(folder) / "fonts" for folder in data)]


@lru_cache(maxsize=1)
def files() -> tuple[str, ...]:
    """Return the font files of this machine, those that look best first."""
    found = [path for folder in folders() for path in _walk(folder)]
    rank = {name: number for number, name in enumerate(PREFERRED)}
    found.sort(key=lambda path: (rank.get(path.stem, len(rank)), _unlike(path.stem), path.name))
    return tuple(map(str, found[:MOST_TRIED]))


def _walk(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):  # what cannot be read is passed over
        yield from (Path(root) / name for name in names if Path(name).suffix.lower() in SUFFIXES)


def _unlike(name: str) -> int:
    """Return how little a font looks like ours by its name."""
    return sum(
        word in name.lower() for word in ("bold", "italic", "oblique", "serif", "mono", "thin", "light", "black")
    )


@lru_cache(maxsize=4096)
def font_with(character: str) -> str | None:
    """Return the file of the first font that draws this character, or None."""
    return next((file for file in files() if _draws(file, character)), None)


def _draws(file: str, character: str) -> bool:
    font = _opened(file)
    return font is not None and has_glyph(font, character) and font.getmask(character).getbbox() is not None


def has_glyph(font: ImageFont.FreeTypeFont, character: str) -> bool:
    """Return whether the font draws this character as something other than its box for missing ones."""
    drawn, missing = font.getmask(character), font.getmask("\uffff")
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)


@lru_cache(maxsize=MOST_TRIED)
def _opened(file: str) -> ImageFont.FreeTypeFont | None:
    """Return the font at a size to look at; None where it is damaged or has pictures of fixed sizes for glyphs."""
    try:
        return ImageFont.truetype(file, 32, layout_engine=ImageFont.Layout.BASIC)
    except (OSError, ValueError):
        return None
