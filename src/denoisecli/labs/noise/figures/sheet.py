"""The noise lab's contact sheet: one row for each schedule or view, one column for each chosen t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from denoisecli.figures.facts import three_figures, timestep
from denoisecli.figures.sheet import Column, SheetRow, contact_sheet
from denoisecli.figures.theme import FilmStyle
from denoisecli.trace import Trace

from .views import FORMULAS, Floats, Lane, Picture, StackView, View, formula_of, noise_lanes, noise_views, settings_of

LEAST_SIDE, MOST_SIDE = 240, 512  # of a picture on the sheet, in pixels


def noise_sheet(trace: Trace, style: FilmStyle, timesteps: Sequence[int]) -> Image.Image:
    """Return the sheet. timesteps: 0..999; where pictures were decoded beforehand, the nearest frames are taken."""
    lanes = noise_lanes(trace, style.theme)
    views = noise_views(trace, lanes)
    if any(isinstance(view, StackView) for view in views):
        chosen = [int(np.abs(lanes[0].timesteps - t).argmin()) for t in timesteps]
    else:
        chosen = list(range(len(timesteps)))
        lanes = [_at(lane, trace, number, timesteps) for number, lane in enumerate(lanes)]
        views = noise_views(trace, lanes)
    rows = [SheetRow(view.title, "", [shown(view.picture(index)) for index in chosen]) for view in views]
    settings = " · ".join(settings_of(trace, lanes, views[0].size))
    cell = max(rows[0].pictures[0].shape[:2])
    return contact_sheet(rows, _columns(lanes, views, chosen), FORMULAS[formula_of(lanes)], settings, style.theme, cell)


def _at(lane: Lane, trace: Trace, number: int, timesteps: Sequence[int]) -> Lane:
    """Return the lane with the levels of whole `timesteps` instead of the film's frames."""
    places = list(timesteps)
    signals, noises = (
        trace[name].reshape(-1, lane.last + 1)[number][places] for name in ("table_signals", "table_noises")
    )
    return replace(lane, timesteps=np.array(places, dtype=np.float64), signals=signals, noises=noises)


def _columns(lanes: Sequence[Lane], views: Sequence[View], chosen: Sequence[int]) -> list[Column]:
    lane = lanes[0]
    errors = next((view.errors["whole"] for view in views if view.errors), None)
    below = [_below(lane, errors, k) if len(lanes) == 1 else "" for k in chosen]
    return [Column(f"t {timestep(lane.timesteps[k])}", said) for k, said in zip(chosen, below, strict=True)]


def _below(lane: Lane, errors: Floats | None, index: int) -> str:
    if errors is not None:
        return f"error {three_figures(errors[index])}"
    return f"ᾱ {three_figures(lane.alpha_bars[index])}"


def shown(picture: Picture) -> Picture:
    """Return a picture with its pixels enlarged to whole squares, or every n-th of them where it is large."""
    side = max(picture.shape[:2])
    if side > MOST_SIDE:
        stride = math.ceil(side / MOST_SIDE)
        return np.ascontiguousarray(picture[::stride, ::stride])
    scale = math.ceil(LEAST_SIDE / side)
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)
