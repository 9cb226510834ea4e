"""The anatomy of guided steps: what the model guesses without and with the prompt, and what guidance makes of both."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import Plot, draw_playhead, draw_plot
from denoisecli.figures.drawn import marked
from denoisecli.figures.facts import three_figures
from denoisecli.figures.film import Frame
from denoisecli.figures.paint import paste_rounded
from denoisecli.figures.text import draw_text, measure, wrap
from denoisecli.figures.theme import PLAIN, RGB, STRONG, FilmStyle, Theme, mix
from denoisecli.trace import Trace

from .facts import Anatomy, SweepFacts, scale_plot, sweep_facts
from .film import panel_picture, sweep_timeline
from .head import make_head
from .labels import draw_column_labels, draw_number, draw_values
from .layout import SweepLayout, sweep_layout

BRIGHTEST = 99.5  # percentile over the whole film that becomes the brightest colour


def anatomy_frames(trace: Trace, anatomy: Anatomy, style: FilmStyle) -> Iterator[Frame]:
    """Draw one frame (H, W, 3) a step: three guesses side by side, a heat map of where they part, and how far."""
    facts, theme = sweep_facts(trace), style.theme
    height, width = anatomy.guided.shape[1:3]
    plots = anatomy_plots(facts, anatomy, theme)
    words = make_head(style.size, facts.prompt, _settings(facts, anatomy))
    layout = sweep_layout(words, 1, 4, (width, height), len(plots))
    timeline = sweep_timeline(facts, layout, theme, facts.last)
    brightest = float(np.percentile(anatomy.pull, BRIGHTEST)) or 1.0
    base = Image.new("RGB", style.size, theme.ground)
    words.draw(base, layout.head, theme)
    titles = _titles(facts, brightest, layout)
    draw_column_labels(base, layout, titles, (theme.quiet, theme.teal, theme.ink, theme.amber))
    timeline.draw_track(base)
    text = layout.measures.text
    drawn = [draw_plot(base, box, plot, theme, text, grows=True) for box, plot in zip(layout.plots, plots, strict=True)]
    for step in range(facts.last):
        image = base.copy()
        _draw_guesses(image, layout, anatomy, step, theme)
        _draw_heat(image, layout, layout.grid.panels[0][3], anatomy, step, brightest, theme)
        for frame in drawn:
            draw_playhead(image, frame, step, theme)
        draw_number(image, layout, step + 1, f"of {facts.last} steps", theme)
        draw_values(image, layout, facts.rows[step], _formula(facts, anatomy, step), theme)
        timeline.draw_now(image, step)
        yield np.asarray(image)


def _settings(facts: SweepFacts, anatomy: Anatomy) -> str:
    return f"{facts.settings} · seed {facts.seeds[0]} at cfg {facts.labels[anatomy.scale]}"


def _titles(facts: SweepFacts, brightest: float, layout: SweepLayout) -> list[str]:
    """Return the words over the panels, the long ones where they fit."""
    without = "negative prompt" if facts.negative else "without prompt"
    long = [f"{without} (uncond)", "with prompt (cond)", "guided", f"|cond − uncond| · 0 to {three_figures(brightest)}"]
    style, room = STRONG.at(layout.measures.text), layout.grid.seed_labels[0].width
    short = ["uncond", "cond", "guided", "|cond − uncond|"]
    told = (long, short, [*short[:-1], "difference"])
    return next((titles for titles in told if all(measure(title, style) <= room for title in titles)), told[-1])


def _formula(facts: SweepFacts, anatomy: Anatomy, step: int) -> str:
    if not anatomy.ran[step]:
        return "guided = cond (scale 1)"
    return f"guided = uncond + {facts.steps[anatomy.scale][step]:.3g} · (cond − uncond)"


def anatomy_plots(facts: SweepFacts, anatomy: Anatomy, theme: Theme) -> list[Plot]:
    """Return two plots over steps: how far the halves are apart (a value's root mean square), and how unevenly."""
    apart = facts.numbers["guidance"][:, :, :-1]
    plots = [
        scale_plot(
            facts, apart, "|cond − uncond|, the prompt’s difference", theme, short="|cond − uncond|", caption="gap"
        )
    ]
    share = top_tenth(anatomy.pull)
    one = np.full((len(facts.labels), 1, len(share)), np.nan)
    one[anatomy.scale, 0] = share
    title = "share of it in the strongest tenth"
    extra = scale_plot(facts, one, title, theme, percent=True, short="strongest tenth", caption="strongest_tenth")
    return [*plots, extra]


def top_tenth(pull: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of the pull's energy (step, h, w) in the tenth of the places where it is strongest, (step,).

    A pull that is even over the picture has 0.1; NaN where there is none.
    """
    energy = np.sort(np.square(pull.reshape(len(pull), -1), dtype=np.float64), axis=1)[:, ::-1]
    total = energy.sum(axis=1)
    top = energy[:, : max(1, energy.shape[1] // 10)].sum(axis=1)
    return np.where(total > 0, top / np.maximum(total, 1e-30), np.nan)


def _draw_guesses(image: Image.Image, layout: SweepLayout, anatomy: Anatomy, step: int, theme: Theme) -> None:
    stacks = {"uncond": anatomy.uncond, "cond": anatomy.cond, "guided": anatomy.guided}
    for box, (name, stack) in zip(layout.grid.panels[0], stacks.items(), strict=False):
        if name == "uncond" and not anatomy.ran[step]:
            _draw_blank(image, layout, box, "not run at scale 1", theme)
            continue
        drawn = marked(panel_picture(stack[step], box), anatomy.scale_of(name, step), theme)
        paste_rounded(image, (box.x, box.y), drawn, layout.measures.px(6))


def _draw_blank(image: Image.Image, layout: SweepLayout, box: Box, said: str, theme: Theme) -> None:
    panel = Image.new("RGB", (box.width, box.height), theme.panel)
    paste_rounded(image, (box.x, box.y), panel, layout.measures.px(6))
    style = PLAIN.at(layout.measures.text)
    lines = wrap(said, style, box.width - layout.measures.text, 3)
    top = box.y + (box.height - (len(lines) - 1) * style.line_height + style.cap_height) / 2
    for number, line in enumerate(lines):
        at = box.x + box.width / 2, top + number * style.line_height
        draw_text(image, at, line, style, theme.quiet, "center")


def _draw_heat(
    image: Image.Image, layout: SweepLayout, box: Box, anatomy: Anatomy, step: int, brightest: float, theme: Theme
) -> None:
    """Draw where cond and uncond differ in this step: the same colours mean the same difference in every frame."""
    if not anatomy.ran[step]:
        _draw_blank(image, layout, box, "no guidance in this step", theme)
        return
    levels = np.clip(anatomy.pull[step] / brightest, 0, 1)
    colours = np.array(heat_colours(theme), dtype=np.uint8)[np.rint(levels * 255).astype(np.uint8)]
    picture = Image.fromarray(colours).resize((box.width, box.height), Image.Resampling.NEAREST)
    paste_rounded(image, (box.x, box.y), picture, layout.measures.px(6))


@lru_cache(maxsize=8)
def heat_colours(theme: Theme) -> tuple[RGB, ...]:
    """Return 256 colours from the panel's over rose and amber to ink: brighter (darker in the light theme) is more."""
    stops = (theme.panel, mix(theme.panel, theme.rose, 0.75), theme.amber, theme.ink)
    places = [3 * level / 255 for level in range(256)]
    return tuple(mix(stops[min(int(p), 2)], stops[min(int(p), 2) + 1], p - min(int(p), 2)) for p in places)
