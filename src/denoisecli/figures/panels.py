"""The panels of a film: each view of each seed, and their labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.clips import frames_of, on_plane
from denoisecli.errors import NotRecorded
from denoisecli.scale import canvas_latents, latent_sizes
from denoisecli.trace import Trace

from .boxes import Box
from .drawn import drawn_scales, marked
from .grid import SNAP_LOSS, Grid
from .latent import channel_mosaic, enlarged, latent_rgb, mosaic_side, robust_limits
from .layout import Measures
from .paint import paste_rounded, rectangle
from .text import draw_text, measure, shorten
from .theme import DARK, MONO, RGB, STRONG, Theme

NAMES = {"canvas": ("Canvas", "xₜ"), "guess": ("Guess", "x̂₀"), "latent": ("Latent", "")}


class View(Protocol):
    """Something that can be seen of every state of every seed."""

    @property
    def title(self) -> str:
        """Its name."""
        ...

    @property
    def symbol(self) -> str:
        """Its usual symbol, or nothing."""
        ...

    @property
    def cells(self) -> tuple[int, int]:
        """Its proportions: (width, height)."""
        ...

    def picture(self, seed: int, state: int, size: tuple[int, int]) -> Image.Image:
        """Return the picture of one state, exactly `size` = (width, height)."""
        ...


@dataclass(frozen=True)
class PictureView:
    """A view that was decoded: `pictures` (seed, state, H, W, 3) uint8, an array or anything indexed like one.

    scales: by how much each was scaled to be drawn, (seed, state), in `theme` told on the picture; None: not at all.
    """

    title: str
    symbol: str
    pictures: Any
    cells: tuple[int, int]
    scales: NDArray[np.float64] | None = None
    theme: Theme = DARK

    def picture(self, seed: int, state: int, size: tuple[int, int]) -> Image.Image:
        """Return one picture, resampled (Lanczos) only where its size is another."""
        image = Image.fromarray(np.ascontiguousarray(self.pictures[seed][state]))
        image = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
        return image if self.scales is None else marked(image, self.scales[seed, state], self.theme)


@dataclass(frozen=True)
class LatentView:
    """The raw latents (seed, state, C, h, w), as RGB or, with `channels`, RGB and each channel in grey."""

    latents: NDArray[Any]
    limits: NDArray[np.float32]
    theme: Theme
    channels: bool = False
    title: str = "Latent"
    begins: tuple[int, int] | None = None
    """(h, w) that the first states were sampled at, where a phase enlarged the picture"""
    shape: tuple[int, ...] = ()
    """of a state, where it is not that of the latents: a clip's frames lie side by side in them"""

    @property
    def symbol(self) -> str:
        """The shape, such as 4×32×32, or 4×32×32 to 48×48, or 4×5×32×32 of a clip."""
        if self.shape:
            return "×".join(map(str, self.shape))
        channels, *last = self.latents.shape[-3:]
        first = tuple(last) if self.begins is None else self.begins
        grows = [first, tuple(last)] if first != tuple(last) else [first]
        return f"{channels}×{' to '.join('×'.join(map(str, size)) for size in grows)}"

    @property
    def cells(self) -> tuple[int, int]:
        """Proportions: with channels, the RGB picture, a gap, and the tiles at the same size."""
        height, width = self.latents.shape[-2:]
        if not self.channels:
            return width, height
        side = mosaic_side(self.latents.shape[-3])
        return 2 * side * width + self._gap, side * height

    @property
    def _gap(self) -> int:
        """Between the RGB picture and the tiles, in cells of the tiles."""
        return max(1, int(self.latents.shape[-1]) // 12)

    def picture(self, seed: int, state: int, size: tuple[int, int]) -> Image.Image:
        """Return one state, its cells whole pixels wide where that leaves little of `size` empty."""
        latents = self.latents[seed, state]
        picture = latent_rgb(latents, self.limits)
        if not self.channels:
            return enlarged(picture, size, self.theme.panel)
        fit = min(size[0] / self.cells[0], size[1] / self.cells[1])
        scale = math.floor(fit) if math.floor(fit) >= fit * (1 - SNAP_LOSS) else math.ceil(fit)  # `_placed` averages
        tiles = channel_mosaic(latents, self.limits, scale, self.theme.ground)
        left = tiles.width + self._gap * scale
        panel = Image.new("RGB", (left + tiles.width, tiles.height), self.theme.ground)
        panel.paste(enlarged(picture, tiles.size, self.theme.ground), (0, 0))
        panel.paste(tiles, (left, 0))
        return _placed(panel, size, self.theme)


def _placed(picture: Image.Image, size: tuple[int, int], theme: Theme) -> Image.Image:
    """Return `picture` at the top left of an image of `size`, under its label; averaged down where it is larger."""
    shrink = max(picture.width / size[0], picture.height / size[1])
    if shrink > 1:
        smaller = max(1, int(picture.width / shrink)), max(1, int(picture.height / shrink))
        picture = picture.resize(smaller, Image.Resampling.BOX)
    panel = Image.new("RGB", size, theme.ground)
    panel.paste(picture, (0, 0))
    return panel


def run_views(trace: Trace, pictures: Mapping[str, Any], theme: Theme, *, channels: bool = False) -> dict[str, View]:
    """Return the views of a run by name: those in `pictures`, and "latent" where the trace holds latents.

    pictures: "canvas", "guess" or others, (seed, state, H, W, 3) uint8.
    """
    views: dict[str, View] = {}
    for name, stack in pictures.items():
        title, symbol = NAMES.get(name, (name.capitalize(), ""))
        height, width = np.shape(stack[0][0])[:2]
        scales = drawn_scales(trace.record.get("runs", []), len(stack[0])) if name == "guess" else None
        views[name] = PictureView(title, symbol, stack, (width, height), scales, theme)
    if "latent" not in views and "x_t" in trace:
        latents = on_plane(canvas_latents(trace), trace.record)
        shape = trace.x_t.shape[-4:] if frames_of(trace.record) > 1 else ()
        begins = None if shape else latent_sizes(trace)[0]
        views["latent"] = LatentView(latents, robust_limits(latents), theme, channels, begins=begins, shape=shape)
    if not views:
        raise NotRecorded("This trace holds nothing to show: no pictures and no x_t.")
    return views


def grid_unit(views: Sequence[View]) -> tuple[int, int]:
    """Return the proportions that all panels get: the latent's, so that its cells are whole pixels."""
    latent = [view.cells for view in views if isinstance(view, LatentView)]
    return latent[0] if latent else views[0].cells


def draw_labels(
    image: Image.Image,
    grid: Grid,
    views: Sequence[View],
    seeds: Sequence[str],
    theme: Theme,
    text: float,
    *,
    captions: bool = True,
    lead: str = "seed ",
) -> None:
    """Write the seeds' labels, `lead` before them where there is room, and, with `captions`, the views'."""
    for box, view in zip(grid.view_labels, views if captions else (), strict=True):
        _view_label(image, box, view, theme, text, beside=grid.beside and box.width < grid.panels[0][0].x)
    style = MONO.at(text)
    if not grid.seed_labels:
        return
    room = grid.seed_labels[0].width
    labels = [f"{lead}{seed}" for seed in seeds]
    if any(measure(label, style) > room for label in labels):
        labels = [label.removeprefix("seed ") for label in labels]
    for box, label in zip(grid.seed_labels, labels, strict=False):
        draw_text(image, (box.x, box.bottom - 0.5 * text), shorten(label, style, room), style, theme.quiet)


def _view_label(image: Image.Image, box: Box, view: View, theme: Theme, text: float, *, beside: bool) -> None:
    name, symbol = STRONG.at(text), MONO.at(text)
    if beside:
        middle = box.y + box.height / 2
        baseline = middle - 0.12 * text if view.symbol else middle + 0.36 * text
        draw_text(image, (box.x, baseline), view.title, name, theme.ink)
        draw_text(image, (box.x, middle + 1.24 * text), view.symbol, symbol, theme.quiet)
        return
    baseline = box.bottom - 0.5 * text
    draw_text(image, (box.x, baseline), shorten(view.title, name, box.width), name, theme.ink)
    left = measure(view.title, name) + 0.55 * text
    if view.symbol and left + measure(view.symbol, symbol) <= box.width:
        draw_text(image, (box.x + left, baseline), view.symbol, symbol, theme.quiet)


def framed(image: Image.Image, box: Box, word: str, colour: RGB, theme: Theme, measures: Measures) -> None:
    """Draw a frame around a panel and, on its upper edge, a word that says why."""
    wide, text = measures.px(5), measures.text
    sides = (
        (box.x - wide, box.y - wide, box.right + wide, box.y),
        (box.x - wide, box.bottom, box.right + wide, box.bottom + wide),
        (box.x - wide, box.y, box.x, box.bottom),
        (box.right, box.y, box.right + wide, box.bottom),
    )
    for side in sides:
        rectangle(image, side, colour)
    style = STRONG.at(text)
    width = measure(word, style) + text
    if width <= box.width:
        rectangle(image, (box.x, box.y, box.x + width, box.y + 1.5 * text), colour)
        draw_text(image, (box.x + 0.5 * text, box.y + 1.1 * text), word, style, theme.ground)


def draw_panels(image: Image.Image, grid: Grid, views: Sequence[View], state: int, radius: float) -> None:
    """Draw every view of every seed at `state`."""
    for boxes, view in zip(grid.panels, views, strict=True):
        for seed, box in enumerate(boxes):
            picture = view.picture(seed, state, (box.width, box.height))
            paste_rounded(image, (box.x, box.y), picture, radius)
