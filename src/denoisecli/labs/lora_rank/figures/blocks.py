"""A LoRA file at falling rank: which blocks carry its change, how much of each a rank keeps, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.amounts import size_words
from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import Curve, Plot, Threshold, draw_labels, draw_plot
from denoisecli.figures.film import Frame
from denoisecli.figures.paint import paste_rounded, rectangle
from denoisecli.figures.slider import Slider, Stop, slider_layout, slider_rail
from denoisecli.figures.text import draw_text, measure, shorten
from denoisecli.figures.theme import HEADING, HEADING_SIZE, MONO, PLAIN, FilmStyle, Theme
from denoisecli.figures.timeline import Mark, Timeline
from denoisecli.glossary import caption_line

from .matrix import percent

Values = NDArray[np.float64]
MOST_OF_IT = 0.9  # of the energy: marked on the timeline
MOST_POINTS = 1000  # of the curve: its label is set away from every one of them


@dataclass(frozen=True)
class RankedFile:
    """A LoRA file and its cuts, the smallest first.

    blocks: names, in the network's order. spectra: (block, i), the root mean square over a block's layers of their
    i-th singular values. shares: (block,), each block's part of the energy. kept: (cut, block), how much of the
    whole energy the cut keeps in a block. rows: what trace.json says of each cut. by_rank: (rank,), energy kept at
    every rank; by_rank_of: (block, rank).
    """

    name: str
    about: str
    rank: int
    bytes: int
    blocks: tuple[str, ...]
    spectra: Values
    shares: Values
    kept: Values
    by_rank: Values
    by_rank_of: Values
    rows: tuple[dict[str, Any], ...]


def file_frames(subject: RankedFile, style: FilmStyle) -> Iterator[Frame]:
    """Draw one frame a cut: a bar for each block, as long as its share, filled as far as the cut keeps it."""
    layout, area = slider_layout(style)
    theme, text = style.theme, layout.measures.text
    rail = slider_rail(file_slider(subject, theme), layout, theme)
    timeline = Timeline(layout.timeline, len(subject.rows), file_marks(subject.rows, theme), theme, text)
    base = Image.new("RGB", style.size, theme.ground)
    if len(subject.rows) > 1:
        timeline.draw_track(base)
    plot = rail.draw_static(base)
    for index in range(len(subject.rows)):
        image = base.copy()
        draw_blocks(image, area, subject, subject.kept[index], theme, text)
        rail.draw_stop(image, index, plot)
        if len(subject.rows) > 1:
            timeline.draw_now(image, index)
        yield np.asarray(image)


def file_slider(subject: RankedFile, theme: Theme) -> Slider:
    """Return what the rail says."""
    stops = tuple(
        Stop(*hero(row, subject.rank), (size(row["bytes"]), percent(row["energy"]), percent(row["error"])))
        for row in subject.rows
    )
    energy = np.array([row["energy"] for row in subject.rows])
    cost = np.array([row["bytes"] for row in subject.rows]) / subject.bytes
    plot = Plot(
        [Curve(energy, "energy kept", theme.amber), Curve(cost, "file size", theme.teal)],
        ("energy kept, and size of the file", "energy and size"),
        ends=(end_word(subject.rows[0]), end_word(subject.rows[-1]).removeprefix("rank ")),
        top=max(1.0, float(cost.max())),
        caption=caption_line("file"),
    )
    return Slider(subject.name, subject.about, ("file", "energy", "error"), stops, plot if len(stops) > 1 else None)


def hero(row: dict[str, Any], rank: int) -> tuple[str, str]:
    """Return the big word of a cut and what it is of."""
    kind, _, value = row["rule"].partition("-")
    if kind == "rank":
        return value, f"of {rank}"
    return (f"{100 * float(value):g} %", "of energy") if kind == "energy" else (f"σ₁/{value}", "and above")


def end_word(row: dict[str, Any]) -> str:
    """Return the word under an end of the plot."""
    kind, _, value = row["rule"].partition("-")
    return {"rank": f"rank {value}", "energy": f"energy {value}"}.get(kind, f"ratio {value}")


def size(count: int) -> str:
    """Return a file's bytes in words, tenths of MB and whole kB: 34 kB, 1.2 MB."""
    return size_words(count, 2 if count < 1_000_000 else 3)


def file_marks(rows: tuple[dict[str, Any], ...], theme: Theme) -> tuple[Mark, ...]:
    """Return the mark of the first cut that keeps most of the energy."""
    at = next((i for i, row in enumerate(rows) if row["energy"] >= MOST_OF_IT), None)
    return () if at is None else (Mark(f"{100 * MOST_OF_IT:.0f} % of the energy", theme.teal, (at,)),)


def draw_blocks(
    image: Image.Image, area: Box, subject: RankedFile, kept: Values, theme: Theme, text: float, title: bool = True
) -> None:
    """Draw a bar for each block: its length is the block's share of the energy, amber what is kept of it."""
    bold, mono = PLAIN.at(text), MONO.at(text)
    top = area.y
    if title:
        draw_text(
            image, (area.x, top + 0.9 * text), "where the change is, and how much of it is kept", bold, theme.quiet
        )
        top += round(2.2 * text)
    said = caption_line("blocks")
    if captioned := measure(said, bold) <= area.width:
        area = Box(area.x, area.y, area.width, area.height - round(2 * text))
    lead = min(max(measure(name, bold) for name in subject.blocks) + 0.9 * text, 0.35 * area.width)
    tail = measure("100.0 %", mono) + 0.8 * text
    pitch = min((area.bottom - top) / len(subject.blocks), 5.2 * text)
    reach = (area.width - lead - tail) / max(float(subject.shares.max()), 1e-12)
    for index, (name, share) in enumerate(zip(subject.blocks, subject.shares, strict=True)):
        y = top + index * pitch
        middle, half = y + pitch / 2, min(0.34 * pitch, 1.2 * text)
        draw_text(image, (area.x, middle + 0.36 * text), shorten(name, bold, lead), bold, theme.ink)
        left = area.x + lead
        end = left + max(float(share) * reach, 1.0)
        rectangle(image, (left, middle - half, end, middle + half), theme.line, 0.2 * text)
        if kept[index] > 0:
            now = left + max(min(float(kept[index]) * reach, end - left), 1.0)
            rectangle(image, (left, middle - half, now, middle + half), theme.amber, 0.2 * text)
        draw_text(image, (end + 0.5 * text, middle + 0.36 * text), percent(float(share)), mono, theme.quiet)
    if captioned:
        draw_text(image, (area.x, top + len(subject.blocks) * pitch + 1.2 * text), said, bold, theme.quiet)


def file_sheet(subject: RankedFile, style: FilmStyle) -> Image.Image:
    """Return one page: the spectrum of every block, what each rank keeps, what it costs, and where the change is."""
    theme = style.theme
    image = Image.new("RGB", (1920, 1080), theme.ground)
    text, margin, gap = 22.0, 56, 72
    heading = HEADING.at(HEADING_SIZE * text)
    draw_text(image, (margin, 78), shorten(subject.name, heading, 1100), heading, theme.ink)
    mono = MONO.at(text)
    draw_text(image, (1920 - margin, 78), subject.about, mono, theme.quiet, "right")
    width, height, top = (1920 - 2 * margin - gap) // 2, 410, 130
    right, low = margin + width + gap, top + height + 56
    _draw_heat(image, Box(margin, top, width, height), subject, theme, text)
    _draw_energy(image, Box(right, top, width, height), subject, theme, text)
    draw_blocks(image, Box(margin, low, width, height), subject, subject.shares, theme, text * 0.95, title=False)
    title = PLAIN.at(text)
    draw_text(image, (margin, low - 0.5 * text), "which blocks carry the change", title, theme.quiet)
    _draw_sizes(image, Box(right, low - round(1.4 * text), width, height + round(1.4 * text)), subject, theme, text)
    return image


def _draw_heat(image: Image.Image, box: Box, subject: RankedFile, theme: Theme, text: float) -> None:
    """Draw the blocks' spectra as rows of cells, σ from the panel's colour to amber, by its square root."""
    style = PLAIN.at(text)
    draw_text(image, (box.x, box.y + 0.8 * text), "singular values, block by block", style, theme.quiet)
    small = PLAIN.at(min(text, (box.height - 3.4 * text) / len(subject.blocks) * 0.8))
    lead = min(max(measure(name, small) for name in subject.blocks) + 0.9 * text, 0.35 * box.width)
    area = Box(round(box.x + lead), box.y + round(1.6 * text), round(box.width - lead), box.height - round(3.4 * text))
    level = np.sqrt(subject.spectra / max(float(subject.spectra.max()), 1e-30))[..., None]
    zero, full = np.array(theme.panel), np.array(theme.amber)
    picture = np.rint(zero + level * (full - zero)).astype(np.uint8)
    heat = Image.fromarray(picture).resize((area.width, area.height), Image.Resampling.NEAREST)
    paste_rounded(image, (area.x, area.y), heat, text / 4)
    pitch = area.height / len(subject.blocks)
    for index, name in enumerate(subject.blocks):
        baseline = area.y + (index + 0.5) * pitch + 0.36 * small.size
        draw_text(image, (box.x, baseline), shorten(name, small, lead), small, theme.ink)
    draw_text(image, (area.x, area.bottom + 1.4 * text), "1st", style, theme.quiet)
    middle = area.x + area.width / 2, area.bottom + 1.4 * text
    draw_text(image, middle, caption_line("spectra"), style, theme.quiet, "center")
    draw_text(
        image, (area.right, area.bottom + 1.4 * text), f"{subject.spectra.shape[1]}th", style, theme.quiet, "right"
    )


def _draw_energy(image: Image.Image, box: Box, subject: RankedFile, theme: Theme, text: float) -> None:
    """Draw the energy kept at every rank: the whole file, and the blocks faintly behind."""
    ranks = len(subject.by_rank)
    drawn = np.linspace(0, ranks - 1, min(ranks, MOST_POINTS)).round().astype(int)
    curve = Curve(subject.by_rank[drawn], "whole file", theme.amber, tuple(subject.by_rank_of[:, drawn]))
    ends = ("rank 1", f"{ranks}")
    levels = [Threshold(level, f"{100 * level:.0f} %", theme.quiet) for level in (0.5, MOST_OF_IT)]
    title = "energy kept at each rank, blocks in the background"
    plot = Plot([curve], (title,), ends=ends, top=1.0, thresholds=levels, caption=caption_line("energy"))
    if ranks > 1:
        draw_labels(image, draw_plot(image, box, plot, theme, text), theme, text)


def _draw_sizes(image: Image.Image, box: Box, subject: RankedFile, theme: Theme, text: float) -> None:
    """Draw a bar for each cut: the size of its file, its number on top."""
    style, mono = PLAIN.at(text), MONO.at(text)
    draw_text(image, (box.x, box.y + 0.9 * text), "size of the file", style, theme.quiet)
    area = Box(box.x, box.y + round(3.2 * text), box.width, box.height - round(7 * text))
    bars = [(row["bytes"], hero(row, subject.rank)[0], theme.teal) for row in subject.rows]
    bars.append((subject.bytes, "as it came", theme.tick))
    most, pitch = max(count for count, _, _ in bars), area.width / len(bars)
    for index, (count, word, colour) in enumerate(bars):
        middle, half = area.x + (index + 0.5) * pitch, min(0.35 * pitch, 2.6 * text)
        top = area.bottom - max(2.0, count / most * area.height)
        rectangle(image, (middle - half, top, middle + half, area.bottom), colour, 0.2 * text)
        for said, y, ink in ((size(count), top - 0.5 * text, theme.ink), (word, area.bottom + 1.4 * text, theme.quiet)):
            if measure(said, mono) <= pitch:
                draw_text(image, (middle, y), said, mono, ink, "center")
    rectangle(image, (area.x, area.bottom - 1, area.right, area.bottom + 1), theme.line)
    draw_text(image, (area.x, box.bottom - 0.4 * text), caption_line("file"), style, theme.quiet)
