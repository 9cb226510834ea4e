"""Cards of a film: a title before it, and the one sentence that it teaches after its last picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .film import Frame
from .layout import Measures
from .paint import rectangle
from .text import draw_text, wrap
from .theme import HEADING, MONO, Theme

SIZE = 2.2  # of a card's sentence, in sizes of the smallest text
MOST_LINES = 6
VEIL = 0.86  # how much of the picture behind a card is covered


def card(behind: Frame, sentence: str, note: str, theme: Theme) -> Frame:
    """Return a frame (H, W, 3) that says a sentence, a quiet note under it, over the dimmed picture `behind`."""
    height, width = behind.shape[:2]
    measures = Measures(width, height)
    ground = np.array(theme.ground, dtype=np.float32)
    image = Image.fromarray(np.rint(behind * np.float32(1 - VEIL) + ground * np.float32(VEIL)).astype(np.uint8))
    inner, text = measures.inner, measures.text
    room = min(inner.width, round(34 * text))
    style, small = HEADING.at(SIZE * text), MONO.at(text)
    lines, notes = wrap(sentence, style, room, MOST_LINES), wrap(note, small, room, 2)
    tall = len(lines) * style.line_height + 1.8 * text * len(notes)
    left, top = inner.x + (inner.width - room) / 2, (height - tall) / 2
    rectangle(image, (left - 1.2 * text, top, left - 0.95 * text, top + tall), theme.amber, 0.1 * text)
    for number, line in enumerate(lines):
        baseline = top + style.cap_height + (number + 0.1) * style.line_height
        draw_text(image, (left, baseline), line, style, theme.ink)
    for number, line in enumerate(notes):
        baseline = top + len(lines) * style.line_height + (1.4 + 1.6 * number) * text
        draw_text(image, (left, baseline), line, small, theme.quiet)
    return np.asarray(image)
