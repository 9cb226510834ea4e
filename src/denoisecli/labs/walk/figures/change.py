"""The walk's curve: how much the picture changes from frame to frame, growing as the film goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.figures.curves import Plot, PlotFrame, draw_playhead_at, draw_plot, smooth, top_of
from denoisecli.figures.paint import Point, polyline
from denoisecli.figures.theme import Theme
from denoisecli.glossary import caption_line
from denoisecli.metrics import picture_distance

from .layout import WalkLayout

if TYPE_CHECKING:
    from .facts import WalkFacts

AHEAD = 2  # so many frames beyond the one that is drawn have to be known: the curve's slope depends on them
LEAST, MOST = 0.3, 60.0  # edges of the plot, in even shares of the difference of the ends; pictures take detours
HIGHEST = 1.5  # in differences of the ends
TICKS = {1.0: "100%", 0.1: "10%", 0.01: "1%", 1e-3: "0.1%", 1e-4: "0.01%"}
PIECE = 12  # points of the curve from one frame to the next


@dataclass
class ChangeCurve:
    """How much the picture changes from frame to frame: a line that grows with the film, and stays when it runs back.

    In differences of the ends, on a logarithmic axis whose edges follow from the number of frames, so that no frame has
    to know the largest change.
    """

    facts: WalkFacts
    plot: PlotFrame
    unit: float
    theme: Theme
    reached: int = 0

    @classmethod
    def on(
        cls, image: Image.Image, layout: WalkLayout, facts: WalkFacts, ends: Sequence[NDArray[np.uint8]], theme: Theme
    ) -> ChangeCurve | None:
        """Draw the empty plot; None where it has no room, or the walk no way between its ends."""
        if layout.plot is None or len(facts.places) < 3:
            return None
        names = facts.course.names
        titles = ("change from frame to frame · 100% is from end to end", "change from frame to frame", "change")
        steps = (len(facts.places) - (not facts.course.loop)) / facts.course.legs
        low, high = LEAST / steps, min(MOST / steps, HIGHEST)
        plot = Plot(
            [],
            titles,
            ends=(names[0], names[0 if facts.course.loop else -1]),
            bottom=math.log10(low),
            top=math.log10(high),
            caption=caption_line("change"),
            ticks=[(math.log10(value), word) for value, word in TICKS.items() if 1.2 * low < value < high],
        )
        drawn = draw_plot(image, layout.plot, plot, theme, layout.measures.text)
        return cls(facts, drawn, _end_to_end(facts, ends), theme)

    def height(self, frame: int) -> float:
        """Return the logarithm of the change around a frame; where it is off the plot, that of the plot's edge.

        It is the mean of the jumps before and after. The first frame has none before it, in a loop neither, where the
        last one is not known yet.
        """
        change = float(np.nanmean(self.facts.jumps[max(0, frame - 1) : frame + 1])) / self.unit
        return min(max(math.log10(max(change, 1e-9)), self.plot.plot.bottom), top_of(self.plot.plot))

    def along(self, frame: int) -> float:
        """Return where on the axis a frame is, 0..1."""
        return frame / (len(self.facts.places) - 1)

    def piece(self, frame: int) -> list[Point]:
        """Return the line from the frame before to this one. Its slopes at both depend on their neighbours alone."""
        first = max(0, frame - 2)
        around = range(first, min(frame + AHEAD, len(self.facts.places)))
        points = smooth([self.plot.at(self.along(index), self.height(index)) for index in around], PIECE)
        end = (frame - first) * PIECE
        return points[end - PIECE : end + 1]

    def grow(self, image: Image.Image, frame: int) -> None:
        """Draw the line on to this frame, where it is not yet."""
        while self.reached < frame:
            self.reached += 1
            piece = self.piece(self.reached)
            polyline(image, piece, 4 * self.plot.scale, self.theme.teal, clip=self.plot.clip)

    def draw_now(self, image: Image.Image, frame: int) -> None:
        """Draw the playhead."""
        dots = [(self.height(frame), self.theme.teal)]
        draw_playhead_at(image, self.plot, self.along(frame), dots, self.theme)


def _end_to_end(facts: WalkFacts, ends: Sequence[NDArray[np.uint8]]) -> float:
    """Return how much the pictures at the ends of a leg differ, 0..1, on the mean; 1 where they are the same."""
    legs = [facts.ends_of(leg) for leg in range(facts.course.legs)]
    return float(np.mean([picture_distance(ends[a], ends[b]) for a, b in legs])) or 1.0
