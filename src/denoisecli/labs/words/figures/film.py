"""The film of words: the guess, and on it each word's place; in the prompt the words light up as they speak."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.curves import draw_labels, draw_playhead, draw_plot
from denoisecli.figures.drawn import marked
from denoisecli.figures.facts import three_figures, timestep
from denoisecli.figures.film import Frame
from denoisecli.figures.paint import paste_rounded
from denoisecli.figures.panels import framed
from denoisecli.figures.text import draw_text, measure, shorten
from denoisecli.figures.theme import HERO, MONO, PLAIN, STRONG, FilmStyle, Theme, mix
from denoisecli.figures.timeline import Mark, Timeline, turn_marks
from denoisecli.trace import Trace

from .facts import Word, WordsFacts, finding_plot, found_word, hue_of, seed_levels, words_facts
from .layout import WordsLayout, most_words, words_layout
from .lit import Lit, lit_prompt
from .shares import draw_shares
from .tint import tinted

MARKS = 3  # words on the timeline, those that found their place last
Levels = Mapping[bool, NDArray[np.float32]]


def words_frames(trace: Trace, pictures: Mapping[str, Any], style: FilmStyle) -> Iterator[Frame]:
    """Draw the film of one seed (`shown_seed`), one frame (H, W, 3) a state.

    A map is of a step, which begins at a state: the finished picture is shown with the last step's. pictures: "guess",
    (seed, state, H, W, 3) uint8.
    """
    facts, theme = words_facts(trace), style.theme
    drawn, guesses = seed_levels(trace, facts.seed), pictures["guess"][facts.seed]
    shown = facts.loudest(most_words(style.size))
    height, width = np.shape(guesses[0])[:2]
    layout = words_layout(style.size, 1 + len(shown), (width, height))
    text = layout.measures.text
    timeline = Timeline(layout.timeline, len(facts.run.rows), _marks(facts, theme), theme, text)
    settings = _settings(facts, shown, lambda said: measure(said, MONO.at(text)) <= layout.prompt.width)
    lit = lit_prompt(trace, facts, layout, settings, theme)
    base = Image.new("RGB", style.size, theme.ground)
    _draw_meta(base, layout, settings, lit, theme)
    timeline.draw_track(base)
    curves = finding_plot(shown, facts.run.steps, theme)
    plot = draw_plot(base, layout.plot, curves, theme, text, grows=True) if curves else None
    for state in range(len(facts.run.rows)):
        image, step = base.copy(), min(state, facts.run.steps - 1)
        lit.draw(image, {word: _loudness(word, drawn, step) for word in facts.words}, facts.found_by(state))
        _draw_panels(image, layout, facts, shown, guesses[state], drawn, state, theme)
        _draw_state(image, layout, facts, state, theme)
        if layout.shares is not None:
            draw_shares(image, layout.shares, facts, shown, step, theme, text)
        if plot is not None:
            draw_playhead(image, plot, state, theme)
            draw_labels(image, plot, theme, text)
        timeline.draw_now(image, state)
        yield np.asarray(image)


def _loudness(word: Word, drawn: Levels, step: int) -> float:
    """Return how loudly a word speaks in this step, 0 to 1: how strongly it is drawn where it is drawn most."""
    return float(drawn[word.negative][step, word.index].max())


def _marks(facts: WordsFacts, theme: Theme) -> tuple[Mark, ...]:
    late = [word for word in facts.words if (word.found or 0) > facts.begins and not word.negative and not word.silent]
    late = sorted(late, key=lambda word: -(word.found or 0))[:MARKS]
    found = [Mark(f"{word.label} found", hue_of(word, theme), (round(word.found or 0),)) for word in reversed(late)]
    return (*turn_marks(facts.run.turns, theme), *found)


def _settings(facts: WordsFacts, shown: list[Word], fits: Callable[[str], bool]) -> str:
    """Return the settings, and what of the run is shown; that comes first where there is no room for both."""
    left_out = len(facts.words) - len(shown)
    part = [facts.said_seed, *([f"the {len(shown)} loudest of {len(facts.words)} words"] if left_out else [])]
    whole = " · ".join([facts.run.settings, *part])
    return whole if fits(whole) else " · ".join([*part, facts.run.settings])


def _draw_meta(image: Image.Image, layout: WordsLayout, said: str, lit: Lit, theme: Theme) -> None:
    """Write the settings under the prompt."""
    style = MONO.at(layout.measures.text)
    draw_text(image, (layout.prompt.x, lit.bottom), shorten(said, style, layout.prompt.width), style, theme.quiet)


def _draw_state(image: Image.Image, layout: WordsLayout, facts: WordsFacts, state: int, theme: Theme) -> None:
    """Write the state's number large, and its noise level under it."""
    box, text, row = layout.head, layout.measures.text, facts.run.rows[state]
    big, small, mono = HERO.at(4 * text), PLAIN.at(1.1 * text), MONO.at(text)
    wide = layout.measures.shape == "wide"
    of, said = f"of {facts.run.steps}", f"t {timestep(row.get('timestep'))}  σ {three_figures(row.get('sigma'))}"
    foot = box.bottom - 0.2 * text
    baseline = box.y + big.cap_height if wide else foot
    draw_text(image, (box.right, baseline), of, small, theme.quiet, "right")
    draw_text(image, (box.right - measure(of, small) - 0.35 * text, baseline), str(state), big, theme.ink, "right")
    draw_text(image, (box.right if wide else box.x, foot), said, mono, theme.quiet, "right" if wide else "left")


def _draw_panels(
    image: Image.Image,
    layout: WordsLayout,
    facts: WordsFacts,
    shown: list[Word],
    guess: NDArray[np.uint8],
    drawn: Levels,
    state: int,
    theme: Theme,
) -> None:
    """Draw the guess as it is, and under each word."""
    boxes, labels = layout.grid.panels[0], layout.grid.seed_labels
    measures, step = layout.measures, min(state, facts.run.steps - 1)
    radius, size = measures.px(6), (boxes[0].width, boxes[0].height)
    plain = Image.fromarray(np.ascontiguousarray(guess)).resize(size, Image.Resampling.LANCZOS)
    paste_rounded(image, (boxes[0].x, boxes[0].y), marked(plain, facts.drawn[facts.seed, state], theme), radius)
    _label(image, labels[0], "guess", "", theme.ink, theme, measures.text)
    for word, box, over in zip(shown, boxes[1:], labels[1:], strict=True):
        hue = hue_of(word, theme)
        picture = tinted(guess, drawn[word.negative][step, word.index][None], [hue], theme, size)
        paste_rounded(image, (box.x, box.y), picture, radius)
        found = facts.found(word)
        said = "hardly speaks" if word.silent else found_word(found, facts.begins) if found and found <= state else ""
        _label(image, over, word.label, said, hue, theme, measures.text)
        if found is not None and found == state and state > facts.begins:
            framed(image, box, "found", hue, theme, measures)


def _label(image: Image.Image, box: Any, name: str, said: str, colour: Any, theme: Theme, text: float) -> None:
    """Write a word over its panel and, at the right where there is room, what was found of it."""
    bold, mono = STRONG.at(text), MONO.at(0.85 * text)
    y = box.bottom - 0.5 * text
    draw_text(image, (box.x, y), shorten(name, bold, box.width), bold, colour)
    if said and measure(name, bold) + measure(said, mono) + text <= box.width:
        draw_text(image, (box.right - 0.4 * text, y), said, mono, mix(theme.quiet, theme.ground, 0.1), "right")
