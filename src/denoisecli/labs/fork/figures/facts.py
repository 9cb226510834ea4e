"""What the figures and the page say about forks, read once from the trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from denoisecli.figures.curves import Curve, Plot, Threshold, Values
from denoisecli.figures.drawn import drawn_scales
from denoisecli.figures.facts import Facts, run_facts
from denoisecli.figures.text import clean
from denoisecli.figures.theme import Theme
from denoisecli.glossary import caption_line
from denoisecli.trace import Trace

from ..numbers import BANDS
from ..words import changed


@dataclass(frozen=True)
class ForkFacts:
    """The words and numbers of a run's forks.

    at: states of all branches that were drawn, 0 first. asked: those that the config asked for. share: by band, B's
    share (asked,), and by_seed (asked, seed). decided: by band, a state or None. change: "to cfg 1".
    """

    run: Facts
    change: str
    at: tuple[int, ...]
    asked: tuple[int, ...]
    share: dict[str, Values]
    by_seed: dict[str, Values]
    decided: dict[str, float | None]
    interval: dict[str, tuple[float, float] | None]
    drawn: Any

    @property
    def lesson(self) -> str:
        """The sentence that the run teaches, from its own numbers."""
        layout, detail = self.decided["layout"], self.decided["detail"]
        last = self.run.steps
        if layout is None:
            return f"Changed at state {self.asked[0]} or later, the layout stays."
        words = f"Layout was decided by state {layout:.1f} of {last}"
        return f"{words}, detail by {detail:.1f}." if detail is not None else f"{words}."


def fork_facts(trace: Trace) -> ForkFacts:
    """Read the facts of `trace`."""
    record = trace.record
    forks, where = record.get("forks") or [], record.get("decided_at") or {}
    run = run_facts(trace)
    intervals = where.get("interval") or {}
    return ForkFacts(
        run=run,
        change=clean(changed(record.get("config") or {})),
        at=tuple(record.get("branches") or [row["at"] for row in forks]),
        asked=tuple(row["at"] for row in forks),
        share={band: np.array([row[band] for row in forks], np.float64) for band in BANDS},
        by_seed={band: np.array([(row.get("by_seed") or {}).get(band, []) for row in forks]) for band in BANDS},
        decided={band: where.get(band) for band in BANDS},
        interval={band: tuple(intervals[band]) if intervals.get(band) else None for band in BANDS},
        drawn=drawn_scales(record.get("runs", []), len(run.rows)),
    )


def chosen_branches(facts: ForkFacts, most: int) -> list[int]:
    """Return which branches a film shows, by number: all, or evenly spread ones with the first and the last."""
    count = len(facts.at)
    if count <= most:
        return list(range(count))
    return sorted({round(index * (count - 1) / (most - 1)) for index in range(most)})


def causal_plot(facts: ForkFacts, theme: Theme) -> Plot:
    """Return the causal curve: how much of the finished picture the change decides, by the state it comes at."""
    last = facts.run.steps
    x = np.array([*facts.asked, last], np.float64) / last
    colours = {"layout": theme.amber, "detail": theme.teal}
    curves = [
        Curve(
            np.append(facts.share[band], 0.0),
            band,
            colours[band],
            [np.append(row, 0.0) for row in facts.by_seed[band].T] if facts.by_seed[band].ndim == 2 else (),
        )
        for band in BANDS
    ]
    titles = ("how much the change decides, by the state it comes at", "how much a change still decides", "it decides")
    ends = ("changed at the noise", "at the picture")
    return Plot(curves, titles, x, ends, 1.0, 0.0, [Threshold(0.5, "half", theme.quiet)], caption=caption_line("fork"))
