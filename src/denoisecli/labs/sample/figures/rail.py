"""The rail beside the panels: the prompt, how it was made, which state this is, and how it settles."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from denoisecli.figures.curves import Curve, Plot, PlotFrame, Threshold, draw_labels, draw_playhead, draw_plot
from denoisecli.figures.facts import Facts, mean, three_figures, timestep
from denoisecli.figures.hero import GAP, draw_hero, hero_types
from denoisecli.figures.layout import DeckLayout, RailBoxes, prompt_room, rail_boxes
from denoisecli.figures.text import draw_text, measure, shorten_list, wrap
from denoisecli.figures.theme import MONO, MONO_STRONG, PROMPT, PROMPT_SIZE, VALUE_SIZE, Theme, Type
from denoisecli.glossary import caption_line
from denoisecli.metrics import DETAIL_COMMITTED, LAYOUT_COMMITTED

TITLES = ("distance of the guess to the final picture", "distance to the final picture", "distance to final")


@dataclass(frozen=True)
class Rail:
    """The rail of one film; `plot` is there once `draw_static` has drawn it."""

    facts: Facts
    layout: DeckLayout
    theme: Theme
    boxes: RailBoxes
    prompt: tuple[str, ...]
    prompt_type: Type

    @property
    def text(self) -> float:
        """Size of the smallest text in pixels."""
        return self.layout.measures.text

    def draw_static(self, image: Image.Image) -> PlotFrame | None:
        """Draw what all frames share; return the plot, where there is one."""
        baseline = self.boxes.prompt.y + self.prompt_type.cap_height + 0.12 * self.prompt_type.size
        for line in self.prompt:
            draw_text(image, (self.boxes.prompt.x, baseline), line, self.prompt_type, self.theme.ink)
            baseline += self.prompt_type.line_height
        meta, style = self.boxes.meta, MONO.at(self.text)
        said = _fitting_settings(self._settings(), style, meta.width)
        draw_text(image, (meta.x, meta.y + 0.5 * meta.height + 0.36 * self.text), said, style, self.theme.quiet)
        names = MONO.at(self.text)
        for name, x in zip(("t", "σ", "ᾱ"), self._columns(), strict=True):
            draw_text(image, (x, self.boxes.numbers.y + 0.8 * self.text), name, names, self.theme.quiet)
        plot = settling_plot(self.facts, self.theme)
        if plot is None or self.boxes.plot is None:
            return None
        return draw_plot(image, self.boxes.plot, plot, self.theme, self.text, grows=True)

    def draw_state(self, image: Image.Image, state: int, plot: PlotFrame | None) -> None:
        """Draw what belongs to one state: its number, its values and the playhead."""
        row = self.facts.rows[state]
        self._draw_hero(image, str(state), f"of {self.facts.steps}")
        values = timestep(row.get("timestep")), three_figures(row.get("sigma")), three_figures(row.get("alpha_bar"))
        style = MONO_STRONG.at(self.text * VALUE_SIZE)
        for value, x in zip(values, self._columns(), strict=True):
            draw_text(image, (x, self.boxes.numbers.y + 2.35 * self.text), value, style, self.theme.ink)
        if plot is not None:
            draw_playhead(image, plot, state, self.theme)
            draw_labels(image, plot, self.theme, self.text)

    def _settings(self) -> str:
        return self.facts.settings + (f" · seed {self.facts.seeds[0]}" if len(self.facts.seeds) == 1 else "")

    def _columns(self) -> list[float]:
        box = self.boxes.numbers
        return [box.x + share * box.width for share in (0, 1 / 3, 2 / 3)]

    def _draw_hero(self, image: Image.Image, number: str, rest: str) -> None:
        big, small = hero_types(self.boxes.hero.height, self.text)
        after, baseline = draw_hero(image, self.boxes.hero, number, big, self.theme)
        draw_text(image, (after + GAP * big.size, baseline), rest, small, self.theme.quiet)


def make_rail(facts: Facts, layout: DeckLayout, theme: Theme) -> Rail:
    """Wrap the prompt and place the parts; a long prompt is set in the smallest text, then shortened."""
    width, most = prompt_room(layout)
    text = layout.measures.text
    style = PROMPT.at(text * PROMPT_SIZE)
    lines = wrap(facts.prompt, style, width, most)
    if len(lines) == most:
        style = PROMPT.at(text)
        lines = wrap(facts.prompt, style, width, most)
    boxes = rail_boxes(layout, len(lines), style.line_height)
    return Rail(facts, layout, theme, boxes, tuple(lines), style)


def settling_plot(facts: Facts, theme: Theme) -> Plot | None:
    """Return the plot of how layout and detail come to rest: means over the seeds, the seeds faintly behind."""
    pairs = [
        ("layout", facts.layout, theme.amber, LAYOUT_COMMITTED),
        ("detail", facts.detail, theme.teal, DETAIL_COMMITTED),
    ]
    known = [pair for pair in pairs if pair[1] is not None]
    curves = [
        Curve(mean(series), name, colour, tuple(series) if 1 < len(series) <= 6 else ())
        for name, series, colour, _ in known
        if series is not None
    ]
    thresholds = [Threshold(value, f"{name} fixed", colour) for name, _, colour, value in known]
    return Plot(curves, TITLES, top=1.0, thresholds=thresholds, caption=caption_line("settling")) if curves else None


def _fitting_settings(settings: str, style: Type, width: float) -> str:
    """Leave out what fits not: the steps first, since the number of the state says how many there are."""
    parts = settings.split(" · ")
    if len(parts) > 2 and measure(settings, style) > width:
        del parts[1]
    return shorten_list(" · ".join(parts), style, width)
