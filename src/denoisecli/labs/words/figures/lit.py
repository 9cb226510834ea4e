"""The prompt in a film, word by word: each is as bright as it speaks loudly, and underlined once it found its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from denoisecli.figures.paint import rectangle
from denoisecli.figures.text import clean, draw_text, measure, shorten
from denoisecli.figures.theme import MONO, PROMPT, Theme, Type, mix
from denoisecli.trace import Trace

from ..prompt import pieces
from .facts import Word, WordsFacts, hue_of
from .layout import LINES, WordsLayout

SIZES = (1.5, 1.25, 1.0)  # of the text: the largest in which the prompt fits


Letters = list[tuple[str, Word | None]]


@dataclass(frozen=True)
class Run:
    """Letters of one colour on one line. word: None between words. x, y: of the baseline's start, in pixels."""

    text: str
    style: Type
    word: Word | None
    x: float
    y: float


@dataclass(frozen=True)
class Lit:
    """The prompt, laid out. bottom: the baseline of the line that follows it."""

    runs: tuple[Run, ...]
    bottom: float
    theme: Theme

    def draw(self, image: Image.Image, loudness: Mapping[Word, float], found: Collection[Word]) -> None:
        """Draw it as it is at a state. loudness: of each word, 0 to 1. found: those that found their place by then."""
        dark = mix(self.theme.tick, self.theme.quiet, 0.45)
        for run in self.runs:
            colour = dark if run.word is None else mix(dark, hue_of(run.word, self.theme), loudness[run.word])
            draw_text(image, (run.x, run.y), run.text, run.style, colour)
            if run.word is not None and run.word in found:
                size = run.style.size
                box = (run.x, run.y + 0.2 * size, run.x + measure(run.text, run.style), run.y + 0.27 * size)
                rectangle(image, box, colour, 0.03 * size)


def lit_prompt(trace: Trace, facts: WordsFacts, layout: WordsLayout, settings: str, theme: Theme) -> Lit:
    """Lay out the prompt in the largest size that fits and, behind the settings, the negative one if it fits."""
    text, box, most = layout.measures.text, layout.prompt, LINES[layout.measures.shape]
    config, rows = trace.record.get("config") or {}, trace.record.get("words") or []
    letters = _of(str(config.get("prompt") or ""), rows, [word for word in facts.words if not word.negative])
    for share in SIZES:
        style = PROMPT.at(share * text)
        lines = _lines(letters, style, box.width)
        if len(lines) <= most:
            break
    kept = lines[:most]
    if len(lines) > most:
        kept[-1] = _cut(kept[-1], style, box.width)
    first = box.y + style.cap_height + 0.15 * text
    runs = [run for k, line in enumerate(kept) for run in _set(line, style, box.x, first + k * style.line_height)]
    bottom = first + (len(kept) - 1) * style.line_height + 0.3 * style.size + 1.35 * text
    return Lit((*runs, *_keeps_from(config, rows, facts, layout, settings, bottom)), bottom, theme)


def _set(line: Letters, style: Type, x: float, y: float) -> list[Run]:
    found = []
    for said, word in line:
        found.append(Run(said, style, word, x, y))
        x += measure(said, style)
    return found


def _keeps_from(
    config: dict[str, Any], rows: list[dict[str, Any]], facts: WordsFacts, layout: WordsLayout, settings: str, y: float
) -> list[Run]:
    """Set the negative prompt behind the settings; nothing where it does not fit."""
    negative = [word for word in facts.words if word.negative]
    if not negative:
        return []
    text = layout.measures.text
    style, mono = PROMPT.at(text), MONO.at(text)
    left = layout.prompt.x + measure(settings, mono) + 1.5 * text
    line: Letters = [("− ", None), *_of(str(config.get("negative_prompt") or ""), rows, negative)]
    fits = left + sum(measure(said, style) for said, _ in line) <= layout.prompt.right
    return _set(line, style, left, y) if fits else []


def _of(text: str, rows: list[dict[str, Any]], words: list[Word]) -> Letters:
    own = [row for row in rows if bool(row.get("negative")) == (bool(words) and words[0].negative)]
    named = [row for row in own if not row.get("concept")]
    return [
        (said, None if number is None else words[number])
        for said, number in pieces(" ".join(text.split()), named)
        if clean(said) or said.isspace()
    ]


def _lines(letters: Letters, style: Type, width: float) -> list[Letters]:
    """Break letters at spaces into lines of `width` pixels."""
    lines: list[Letters] = [[]]
    used = 0.0
    for part, word in ((part, word) for said, word in letters for part in _parts(said)):
        breaks = bool(lines[-1]) and used + measure(part.rstrip(), style) > width
        if breaks:
            lines.append([])
            used = 0.0
        if kept := part.lstrip() if breaks else part:
            lines[-1].append((kept, word))
            used += measure(kept, style)
    return [line for line in lines if line]


def _parts(said: str) -> list[str]:
    """Split behind each space: "a rocky " is "a ", "rocky "."""
    parts = said.split(" ")
    return [part + " " for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _cut(line: Letters, style: Type, width: float) -> Letters:
    """Return a line that says that there is more."""
    more = "…"
    used = sum(measure(text, style) for text, _ in line)
    while len(line) > 1 and used + measure(more, style) > width:
        used -= measure(line[-1][0], style)
        line = line[:-1]
    said, word = line[-1]
    return [*line[:-1], (shorten(f"{said.rstrip()}{more}", style, width), word)]
