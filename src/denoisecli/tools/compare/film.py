"""Two runs side by side: the film of A, B and their difference, state by state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import Curve, Plot
from denoisecli.figures.facts import sampler_label, three_figures
from denoisecli.figures.film import Frame
from denoisecli.figures.layout import DeckLayout, deck_layout
from denoisecli.figures.panels import NAMES, View, draw_labels, draw_panels
from denoisecli.figures.slider import Slider, Stop, slider_rail
from denoisecli.figures.text import clean
from denoisecli.figures.theme import FilmStyle, Theme
from denoisecli.figures.timeline import Mark, Timeline
from denoisecli.glossary import caption_line
from denoisecli.labs.rows import FRAMES

from .states import STATES, Comparison, Setting

ORDER = ("guess", "canvas")  # of the views of one pair
GAINS = (1, 2, 4, 8, 16, 32)
BOTH = 56  # letters of each of two prompts
SHORT = 10  # letters of a value that stands beside a panel
TITLES = ("distance of B from A", "B from A")


@dataclass(frozen=True)
class Versus:
    """What is drawn. a, b: views by name, each indexed [row][state] to a picture (H, W, 3) uint8."""

    comparison: Comparison
    a: Mapping[str, Any]
    b: Mapping[str, Any]
    prompts: tuple[str, str]
    theme: Theme

    @property
    def views(self) -> list[str]:
        """The views that both have, the most telling first."""
        both = [name for name in self.a if name in self.b]
        return sorted(both, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def picture(self, side: int, view: str, pair: int, k: int) -> Frame:
        """Return the picture of A (side 0) or B (side 1) for pair number `pair` at aligned state `k`."""
        pictures = (self.a, self.b)[side][view]
        found: Frame = pictures[self.comparison.pairs[pair][side]][self.comparison.states[k][side]]
        return found

    def difference(self, view: str, pair: int, k: int) -> Image.Image:
        """Return how far the channels of a pixel are apart at most, times `gain`, from the panel's grey to ink."""
        share = np.minimum(self._apart(view, pair, k) * self.gain, 255)[..., None] / 255
        ground, ink = np.array(self.theme.panel), np.array(self.theme.ink)
        return Image.fromarray(np.rint(ground + (ink - ground) * share).astype(np.uint8))

    @cached_property
    def gain(self) -> int:
        """The largest gain that leaves 99 % of the finished pictures' differences below white; one for all frames."""
        last = len(self.comparison.states) - 1
        apart = [self._apart(self.views[0], pair, last) for pair in range(len(self.comparison.pairs))]
        high = max(1.0, float(np.quantile(np.concatenate([each.ravel() for each in apart]), 0.99)))
        return max(gain for gain in GAINS if gain == 1 or gain * high <= 255)

    def _apart(self, view: str, pair: int, k: int) -> NDArray[np.int16]:
        one, other = (self.picture(side, view, pair, k) for side in (0, 1))
        if one.shape != other.shape:
            size = one.shape[1], one.shape[0]
            other = np.asarray(Image.fromarray(other).resize(size, Image.Resampling.LANCZOS))
        apart: NDArray[np.int16] = np.abs(one.astype(np.int16) - other).max(axis=-1)
        return apart

    @cached_property
    def names(self) -> tuple[str, str]:
        """What tells A from B in a word: the value of the only setting that differs, or nothing."""
        told = [found for found in self.comparison.settings if "." not in found.key]
        if len(told) != 1:
            return "", ""
        key, values = told[0].key, (told[0].a, told[0].b)
        numbers = all(isinstance(value, int | float) for value in values)
        lead = "seed " if key == "seeds" else f"{key} " if numbers else ""
        one, other = (lead + value_text(key, value) for value in values)
        return (one, other) if max(len(one), len(other)) <= SHORT else ("", "")


@dataclass(frozen=True)
class _SideView:
    """A row of a film of several pairs: A, B or their difference, a pair a column."""

    versus: Versus
    side: int
    view: str
    cells: tuple[int, int]

    @property
    def title(self) -> str:
        return ("A", "B", "Apart")[self.side]

    @property
    def symbol(self) -> str:
        return (*self.versus.names, f"×{self.versus.gain}")[self.side]

    def picture(self, seed: int, state: int, size: tuple[int, int]) -> Image.Image:
        return _panel(self.versus, self.side, self.view, seed, state, size)


@dataclass(frozen=True)
class _PairView:
    """A row of a film of one pair: a view, with A, B and their difference as columns."""

    versus: Versus
    view: str
    cells: tuple[int, int]

    @property
    def title(self) -> str:
        return NAMES.get(self.view, (self.view.capitalize(), ""))[0]

    @property
    def symbol(self) -> str:
        return NAMES.get(self.view, ("", ""))[1]

    def picture(self, seed: int, state: int, size: tuple[int, int]) -> Image.Image:
        return _panel(self.versus, seed, self.view, 0, state, size)


def _panel(versus: Versus, side: int, view: str, pair: int, k: int, size: tuple[int, int]) -> Image.Image:
    if side == 2:
        image = versus.difference(view, pair, k)
    else:
        image = Image.fromarray(np.ascontiguousarray(versus.picture(side, view, pair, k)))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def versus_frames(versus: Versus, style: FilmStyle) -> Iterator[Frame]:
    """Draw the film, one frame (H, W, 3) a state: one pair with its views, several pairs with their guesses."""
    views, columns = panels_of(versus)
    layout = deck_layout(style.size, len(views), len(columns), views[0].cells)
    rail = slider_rail(slider_of(versus), layout, style.theme)
    timeline = _timeline(versus, layout, style.theme)
    base = Image.new("RGB", style.size, style.theme.ground)
    draw_labels(base, layout.grid, views, columns, style.theme, layout.measures.text, lead="")
    timeline.draw_track(base)
    plot = rail.draw_static(base)
    for k in range(len(versus.comparison.states)):
        image = base.copy()
        draw_panels(image, layout.grid, views, k, layout.measures.px(6))
        rail.draw_stop(image, k, plot)
        timeline.draw_now(image, k)
        yield np.asarray(image)


def panels_of(versus: Versus) -> tuple[list[View], list[str]]:
    """Return the rows, and the words over the columns."""
    height, width = versus.picture(0, versus.views[0], 0, 0).shape[:2]
    count = len(versus.comparison.pairs)
    if count > 1:
        rows: list[View] = [_SideView(versus, side, versus.views[0], (width, height)) for side in range(3)]
        return rows, [versus.comparison.label(pair) for pair in range(count)]
    pairs: list[View] = [_PairView(versus, name, (width, height)) for name in versus.views]
    words = [f"{letter} · {name}" if name else letter for letter, name in zip("AB", versus.names, strict=True)]
    return pairs, [*words, f"apart ×{versus.gain}"]


def slider_of(versus: Versus) -> Slider:
    """Return what the rail says: the prompts, the settings that differ, and the distances at every state."""
    comparison = versus.comparison
    one, other = (clean(prompt) for prompt in versus.prompts)
    told = [setting_text(found) for found in comparison.settings if found.key != "prompt" and "." not in found.key]
    frames = comparison.a.clock == FRAMES
    last = len(comparison.states) - 1
    stops = []
    for k, (k_a, k_b) in enumerate(comparison.states):
        values = [f"{three_figures(float(each[:, k].mean()))}" for each in (comparison.canvas, comparison.guess)]
        sigma = [] if frames else [three_figures(float(comparison.a.sigmas[k_a]))]
        rest = f"of {last}" if k_a == k_b or frames else f"A · {k_b} B"
        stops.append(Stop(str(k_a), rest, (*sigma, *values)))
    names = ("noise", "picture") if frames else ("σ", "Δxₜ", "Δx̂₀")
    return Slider(
        title=one if one == other else " | ".join(shorten(each, BOTH, placeholder="…") for each in (one, other)),
        settings=" · ".join(told) or ("no setting differs" if one == other else "the prompts differ"),
        names=names,
        stops=tuple(stops),
        plot=distance_plot(versus),
    )


def distance_plot(versus: Versus) -> Plot:
    """Return the plot of both distances: means over the pairs, the pairs faintly behind."""
    comparison, theme = versus.comparison, versus.theme
    words = ("starting noise", "picture") if comparison.a.clock == FRAMES else ("canvas", "guess")
    series = ((words[0], comparison.canvas, theme.quiet), (words[1], comparison.guess, theme.ink))
    curves = [
        Curve(values.mean(axis=0), word, colour, tuple(values) if 1 < len(values) <= 6 else ())
        for word, values, colour in series
    ]
    top = max(1e-6, float(np.maximum(comparison.canvas, comparison.guess).max()))
    ends = ("first", "last") if comparison.a.clock == FRAMES else ("noise", "picture")
    titles = tuple(f"{title}, 0 to {three_figures(top)}" for title in TITLES)
    return Plot(curves, titles, ends=ends, top=top, caption=caption_line("compare"))


def setting_text(found: Setting) -> str:
    """Return "cfg 7.5 | 12"."""
    return f"{found.key} {value_text(found.key, found.a)} | {value_text(found.key, found.b)}"


def value_text(key: str, value: Any) -> str:
    """Return a setting's value as people write it: "DDIM", "7.5", "256×256", "none"."""
    if value is None or value == [] or value == "":
        return "none"
    if key == "sampler":
        return sampler_label(str(value))
    if key == "size" and isinstance(value, list):
        return "×".join(map(str, value))
    if isinstance(value, list):
        return clean(", ".join(value_text("", each) for each in value))
    if isinstance(value, dict):
        return clean(" ".join(value_text("", each) for each in value.values()))
    return f"{value:g}" if isinstance(value, float) else clean(str(value))


def _timeline(versus: Versus, layout: DeckLayout, theme: Theme) -> Timeline:
    box, first = layout.timeline, versus.comparison.first_apart()
    if layout.grid.beside and layout.measures.shape == "wide":  # it starts under the panels, not under their labels
        left = layout.grid.panels[0][0].x
        box = Box(left, box.y, box.right - left, box.height)
    told = first is not None and versus.comparison.aligned_by == STATES
    marks = (Mark("first difference", theme.rose, (first or 0,)),) if told else ()
    return Timeline(box, len(versus.comparison.states), marks, theme, layout.measures.text)
