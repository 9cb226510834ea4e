"""The same seeds under a LoRA at falling rank or rising strength: films and contact sheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import Curve, Plot
from denoisecli.figures.facts import three_figures
from denoisecli.figures.film import Frame
from denoisecli.figures.layout import DeckLayout, deck_layout
from denoisecli.figures.panels import PictureView, draw_labels, draw_panels
from denoisecli.figures.sheet import Column, SheetRow, contact_sheet
from denoisecli.figures.slider import Slider, Stop, slider_rail
from denoisecli.figures.theme import FilmStyle, Theme
from denoisecli.figures.timeline import Mark, Timeline
from denoisecli.glossary import caption_line

from .blocks import end_word, file_marks, hero, size
from .matrix import EXACT_ERROR, percent

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Painted:
    """What was painted: `pictures` by variant ("off", "rank-4", "whole", "scale-0.5"), each (seed, H, W, 3)."""

    prompt: str
    settings: str
    seeds: tuple[str, ...]
    pictures: Mapping[str, NDArray[np.uint8]]
    rank: int
    bytes: int


def rank_frames(shown: Painted, rows: Rows, style: FilmStyle) -> Iterator[Frame]:
    """Draw one frame a cut: without the LoRA, the cut, and the whole file, one below the other."""
    views = [
        _still("Without", "no LoRA", shown.pictures["off"], len(rows)),
        _moving("Cut", "rank r", [shown.pictures[row["rule"]] for row in rows]),
        _still("Whole", f"rank {shown.rank}", shown.pictures["whole"], len(rows)),
    ]
    distance = _column(rows, "distance_to_full")
    energy = _column(rows, "energy")
    curves = [Curve(energy, "energy kept", style.theme.amber), Curve(distance, "picture’s distance", style.theme.teal)]
    ends = (end_word(dict(rows[0])), end_word(dict(rows[-1])).removeprefix("rank "))
    titles = ("energy kept, and distance to the whole LoRA’s picture", "energy, and distance to the whole", "distance")
    plot = Plot(curves, titles, ends=ends, top=max(1.0, float(distance.max())), caption=caption_line("rank_picture"))
    stops = tuple(
        Stop(
            *hero(dict(row), shown.rank),
            (size(row["bytes"]), percent(row["energy"]), three_figures(row["distance_to_full"])),
        )
        for row in rows
    )
    slider = Slider(
        shown.prompt, shown.settings, ("file", "energy", "distance"), stops, plot if len(rows) > 1 else None
    )
    yield from _frames(shown, views, slider, file_marks(tuple(map(dict, rows)), style.theme), style)


def scale_frames(shown: Painted, rows: Rows, style: FilmStyle) -> Iterator[Frame]:
    """Draw one frame a strength of the whole file."""
    views = [
        _still("Without", "no LoRA", shown.pictures["off"], len(rows)),
        _moving("Scaled", "scale s", [shown.pictures[row["rule"]] for row in rows]),
        _still("Whole", "scale 1", shown.pictures["whole"], len(rows)),
    ]
    distance = _column(rows, "distance_to_full")
    ends = (f"scale {rows[0]['scale']:g}", f"{rows[-1]['scale']:g}")
    plot = Plot([Curve(distance, "", style.theme.teal)], ("distance to the picture at scale 1", "distance to scale 1"),
                ends=ends, caption=caption_line("strength"))  # fmt: skip
    stops = tuple(
        Stop(f"{row['scale']:g}", "× its strength", (three_figures(row["distance_to_full"]),)) for row in rows
    )
    slider = Slider(shown.prompt, shown.settings, ("distance",), stops, plot if len(rows) > 1 else None)
    at = next((i for i, row in enumerate(rows) if row["scale"] == 1), None)
    marks = () if at is None else (Mark("as it was trained", style.theme.amber, (at,)),)
    yield from _frames(shown, views, slider, marks, style)


def rank_sheet(shown: Painted, rows: Rows, theme: Theme) -> Image.Image:
    """Return the contact sheet: rows are seeds, columns no LoRA, every cut and the whole file."""
    heads = [_head(dict(row), shown.rank) for row in rows]
    columns = [Column("without", "0 kB"), *heads, Column("whole", size(shown.bytes))]
    return _sheet(shown, ["off", *(row["rule"] for row in rows), "whole"], columns, theme)


def scale_sheet(shown: Painted, rows: Rows, theme: Theme) -> Image.Image:
    """Return the contact sheet: rows are seeds, columns strengths."""
    columns = [Column(f"scale {row['scale']:g}", f"Δ {three_figures(row['distance_to_full'])}") for row in rows]
    return _sheet(shown, [row["rule"] for row in rows], columns, theme)


def _sheet(shown: Painted, labels: Sequence[str], columns: Sequence[Column], theme: Theme) -> Image.Image:
    lines = [
        SheetRow(f"seed {seed}", "", [shown.pictures[label][index] for label in labels], group=seed)
        for index, seed in enumerate(shown.seeds)
    ]
    return contact_sheet(lines, columns, shown.prompt, shown.settings, theme)


def _head(row: dict[str, Any], rank: int) -> Column:
    word, _ = hero(row, rank)
    energy = 100 if row["error"] < EXACT_ERROR else min(99, round(100 * row["energy"]))
    return Column(f"rank {word}" if row["rule"].startswith("rank") else word, f"{energy}% {size(row['bytes'])}")


def _frames(
    shown: Painted, views: Sequence[PictureView], slider: Slider, marks: tuple[Mark, ...], style: FilmStyle
) -> Iterator[Frame]:
    theme = style.theme
    layout = deck_layout(style.size, len(views), len(shown.seeds), views[0].cells)
    text = layout.measures.text
    rail = slider_rail(slider, layout, theme)
    timeline = Timeline(_track(layout), len(slider.stops), marks, theme, text)
    base = Image.new("RGB", style.size, theme.ground)
    draw_labels(base, layout.grid, views, shown.seeds, theme, text)
    if len(slider.stops) > 1:
        timeline.draw_track(base)
    plot = rail.draw_static(base)
    for index in range(len(slider.stops)):
        image = base.copy()
        draw_panels(image, layout.grid, views, index, layout.measures.px(6))
        rail.draw_stop(image, index, plot)
        if len(slider.stops) > 1:
            timeline.draw_now(image, index)
        yield np.asarray(image)


def _track(layout: DeckLayout) -> Box:
    """Return where the timeline stands: in wide frames under the panels, not under their labels."""
    box = layout.timeline
    if layout.grid.beside and layout.grid.view_labels and layout.measures.shape == "wide":
        left = layout.grid.panels[0][0].x
        return Box(left, box.y, box.right - left, box.height)
    return box


def _still(title: str, symbol: str, pictures: NDArray[np.uint8], count: int) -> PictureView:
    """Return a view that shows the same (seed, H, W, 3) at every stop."""
    height, width = pictures.shape[1:3]
    return PictureView(
        title, symbol, np.broadcast_to(pictures[:, None], (len(pictures), count, height, width, 3)), (width, height)
    )


def _moving(title: str, symbol: str, pictures: Sequence[NDArray[np.uint8]]) -> PictureView:
    stack = np.stack(pictures, axis=1)
    return PictureView(title, symbol, stack, (stack.shape[3], stack.shape[2]))


def _column(rows: Rows, name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in rows], dtype=np.float64)
