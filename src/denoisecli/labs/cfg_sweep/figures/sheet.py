"""The pages of a sweep: the contact sheet (rows are scales, columns are states) and the strip of finished pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import Curve, Plot, draw_plot
from denoisecli.figures.drawn import legend, marked_array
from denoisecli.figures.facts import run_facts
from denoisecli.figures.paint import disc
from denoisecli.figures.sheet import Column, SheetRow, choose_columns, contact_sheet, state_columns
from denoisecli.figures.theme import FilmStyle, Theme
from denoisecli.trace import Trace

from .facts import SweepFacts, sweep_facts

CELL = 256  # side of a finished picture in the strip, in pixels


def sweep_sheet(
    trace: Trace, pictures: Mapping[str, Any], style: FilmStyle, rows: Sequence[str] = ("guess",)
) -> Image.Image:
    """Return the sheet: rows are scale × seed × view, columns are states. Only the style's theme counts.

    pictures, rows: as for `sweep.sweep_frames`.
    """
    facts, run = sweep_facts(trace), run_facts(trace)
    chosen = choose_columns(len(facts.rows))
    drawn = [
        _row(facts, pictures, scale, seed, view, chosen, style.theme)
        for scale in range(len(facts.labels))
        for seed in range(len(facts.seeds))
        for view in rows
    ]
    words = " · ".join([facts.settings, *(legend(facts.drawn_scale[:, chosen]) if "guess" in rows else ())])
    return contact_sheet(drawn, state_columns(run, chosen), facts.prompt, words, style.theme)


def _row(
    facts: SweepFacts,
    pictures: Mapping[str, Any],
    scale: int,
    seed: int,
    view: str,
    chosen: Sequence[int],
    theme: Theme,
) -> SheetRow:
    sample = scale * len(facts.seeds) + seed
    by = facts.drawn_scale[sample] if view == "guess" else np.ones(len(facts.rows))
    shown = [marked_array(pictures[view][sample][state], by[state], theme) for state in chosen]
    under = f"seed {facts.seeds[seed]}" if len(facts.seeds) > 1 else view
    return SheetRow(f"cfg {facts.labels[scale]}", under, shown, group=facts.labels[scale])


def finals_strip(trace: Trace, pictures: Mapping[str, Any], style: FilmStyle) -> Image.Image:
    """Return the finished pictures, columns are scales and rows seeds, over plots of their numbers."""
    facts, theme = sweep_facts(trace), style.theme
    columns = [Column(f"cfg {label}") for label in facts.labels]
    count = len(facts.seeds)
    rows = [
        SheetRow(f"seed {name}", "", [pictures["canvas"][k * count + seed][-1] for k in range(len(columns))])
        for seed, name in enumerate(facts.seeds)
    ]
    seeds = "one noise" if count == 1 else f"{count} noises"
    title = f"{seeds.capitalize()}, {len(columns)} scale{'' if len(columns) == 1 else 's'}"
    strip = contact_sheet(rows, columns, title, facts.settings, theme, cell=CELL)
    return _with_plots(strip, final_plots(facts, theme), theme) if len(columns) > 1 else strip


def final_plots(facts: SweepFacts, theme: Theme) -> list[Plot]:
    """Return the plots of the finished pictures' numbers over the scales, each scale as far along as it is large."""
    means = np.array([np.mean(steps) for steps in facts.steps])
    order = np.argsort(means, kind="stable")
    along = (means[order] - means.min()) / max(float(np.ptp(means)), 1e-9)
    ends = f"cfg {facts.labels[order[0]]}", f"cfg {facts.labels[order[-1]]}"
    numbers = {"clipped pixels": facts.numbers["clipped"], "contrast": facts.numbers["contrast"]}
    numbers |= {"saturation": facts.numbers["saturation"]}
    if facts.sameness is not None:
        numbers["sameness"] = facts.sameness[:, None]
    return [
        _final_plot(values[order, :, -1], title, along, ends, theme)
        for title, values in numbers.items()
        if len(np.unique(along)) == len(along)  # two scales of one mean have no order
    ]


def _final_plot(
    values: NDArray[np.float64], title: str, along: NDArray[np.float64], ends: tuple[str, str], theme: Theme
) -> Plot:
    """Return the plot of one number, (scale, seed), over the scales."""
    low, high = min(0.0, float(values.min())), float(values.max())
    faint = tuple(values.T) if 1 < values.shape[1] <= 6 else ()
    edge = f"{100 * high:.3g} %" if title in ("clipped pixels", "saturation") else f"{high:.2g}"
    titles = f"{title} · {low:.2g} to {edge}", f"{title} ≤ {edge}", title
    return Plot([Curve(values.mean(axis=1), "", theme.amber, faint)], titles, along, ends, high, low)


def _with_plots(strip: Image.Image, plots: Sequence[Plot], theme: Theme) -> Image.Image:
    """Return the strip with a line of plots under it, in the same margins."""
    text = round(CELL / 10)
    margin, height = round(1.8 * CELL / 7), 7 * text
    page = Image.new("RGB", (strip.width, strip.height + (height + margin if plots else 0)), theme.ground)
    page.paste(strip, (0, 0))
    gap = 2 * text
    width = (strip.width - 2 * margin - (len(plots) - 1) * gap) // max(1, len(plots))
    for index, plot in enumerate(plots):
        frame = draw_plot(page, Box(margin + index * (width + gap), strip.height, width, height), plot, theme, text)
        for x, value in zip(frame.plot.x if frame.plot.x is not None else (), plot.curves[0].values, strict=True):
            disc(page, frame.at(float(x), float(value)), 8 * frame.scale, theme.amber)
    return page
