"""The head of a sweep's films: the prompt, the settings, broken to the frame."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.layout import Measures
from denoisecli.figures.text import draw_text, measure, shorten, wrap
from denoisecli.figures.theme import MONO, PROMPT, PROMPT_SIZE, Theme, Type

NUMBER = 4.6  # size of the state's number, in text sizes
NUMBER_ROOM = 10.5  # width of the number and its words, in text sizes


@dataclass(frozen=True)
class Head:
    """What all frames say: the prompt and the settings, broken into lines, and the sizes they take."""

    measures: Measures
    prompt: tuple[str, ...]
    settings: tuple[str, ...]

    @property
    def prompt_type(self) -> Type:
        """The prompt's face at its size."""
        return PROMPT.at(self.measures.text * PROMPT_SIZE)

    @property
    def height(self) -> int:
        """Of the words, and of the number where it stands under them."""
        words = len(self.prompt) * self.prompt_type.line_height + 1.5 * len(self.settings) * self.measures.text
        below = 0.8 * NUMBER if self.measures.shape == "tall" else 1.7
        return round(words + below * self.measures.text)

    def draw(self, image: Image.Image, box: Box, theme: Theme) -> None:
        """Draw the words into the head's box."""
        text = self.measures.text
        baseline = box.y + self.prompt_type.cap_height + 0.1 * text
        for line in self.prompt:
            draw_text(image, (box.x, baseline), line, self.prompt_type, theme.ink)
            baseline += self.prompt_type.line_height
        for line in self.settings:
            draw_text(image, (box.x, baseline), line, MONO.at(text), theme.quiet)
            baseline += 1.5 * text


def make_head(size: tuple[int, int], prompt: str, settings: str) -> Head:
    """Break the words of a frame of `size` pixels: the prompt into one line (narrow frames: two), settings into two."""
    measures = Measures(*size)
    text, tall = measures.text, measures.shape == "tall"
    room = measures.inner.width - (0 if tall else round(NUMBER_ROOM * text))
    lines = wrap(prompt, PROMPT.at(text * PROMPT_SIZE), room, 1 if measures.shape == "wide" else 2)
    return Head(measures, tuple(lines), tuple(_settings_lines(settings, MONO.at(text), room)))


def _settings_lines(settings: str, style: Type, width: float, most: int = 2) -> list[str]:
    """Break the settings at their dots; what does not fit on the last line is shortened."""
    lines: list[str] = []
    for part in settings.split(" · "):
        if lines and (measure(f"{lines[-1]} · {part}", style) <= width or len(lines) == most):
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return [shorten(line, style, width) for line in lines]
