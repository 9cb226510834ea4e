"""What the figures and the page say about words, read once from the trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli.figures.curves import Curve, Plot, Threshold
from denoisecli.figures.drawn import drawn_scales
from denoisecli.figures.facts import Facts, run_facts
from denoisecli.figures.hues import COUNT, hues
from denoisecli.figures.text import clean
from denoisecli.figures.theme import RGB, Theme
from denoisecli.glossary import caption_line
from denoisecli.process.words import FOUND
from denoisecli.runs.course import begins
from denoisecli.trace import Trace

from ..levels import levels, scale_of
from ..numbers import groups

CURVES = 4  # in a plot: more of them, and nobody reads any


@dataclass(frozen=True, eq=False)
class Word:
    """A word or phrase. index: in its array. hue: which of the theme's. found: the median state, or None.

    found_at: for each seed. share, overlap: for each step, means over the seeds.
    """

    text: str
    occurrence: int
    index: int
    hue: int
    negative: bool
    concept: bool
    by_outputs: bool
    found: float | None
    found_at: tuple[int | None, ...]
    share: NDArray[np.float64]
    overlap: NDArray[np.float64]
    strength: float
    silent: bool
    first: int = 0
    """the state at which the run begins to be sampled"""

    @property
    def label(self) -> str:
        """The word as figures name it: negative ones with a minus, concepts with a plus, the second with a 2."""
        name = f"{self.text} ({self.occurrence + 1})" if self.occurrence else self.text
        return f"− {name}" if self.negative else f"+ {name}" if self.concept else name

    @property
    def said(self) -> str:
        """What was measured of it, in a few letters."""
        if self.silent:
            return "hardly speaks"
        return "no place" if self.found is None else found_word(self.found, self.first)


def found_word(state: float, first: int = 0) -> str:
    """Return when a word found its place, in a few letters. first: the state at which the run begins."""
    return "from the start" if state <= first else f"found {state:g}"


@dataclass(frozen=True)
class WordsFacts:
    """The words and numbers of a run. words: the prompt's, the concepts, then the negative prompt's."""

    run: Facts
    words: tuple[Word, ...]
    rest: NDArray[np.float64]
    drawn: NDArray[np.float64]
    seed: int = 0
    """number of the one that film and sheet show"""
    begins: int = 0
    """the state at which the run begins to be sampled; words that are in their places there are so from the start"""

    @property
    def said_seed(self) -> str:
        """Which seed is shown, and of how many."""
        seeds = self.run.seeds
        return f"seed {seeds[self.seed]}" + (f" ({self.seed + 1} of {len(seeds)})" if len(seeds) > 1 else "")

    def found(self, word: Word) -> int | None:
        """Return the state at which a word found its place in the seed that is shown."""
        return word.found_at[self.seed] if self.seed < len(word.found_at) else None

    def found_by(self, state: int) -> list[Word]:
        """Return the words that found their place by a state in the seed that is shown."""
        return [word for word in self.words if (at := self.found(word)) is not None and at <= state]

    def loudest(self, most: int) -> list[Word]:
        """Return the words that a small figure has room for, in their order: the loudest, the prompt's own first."""
        order = sorted(self.words, key=lambda word: (word.negative, -word.strength))
        kept = {id(word) for word in order[:most]}
        return [word for word in self.words if id(word) in kept]


def words_facts(trace: Trace) -> WordsFacts:
    """Read the facts of `trace`."""
    record = trace.record
    run = run_facts(trace)
    rows = [*_rows(record, negative=False), *_rows(record, negative=True)]
    turns = _hues([row for _, row in rows])
    first = begins(record)
    words = tuple(_word(row, hue, index, first) for hue, (index, row) in zip(turns, rows, strict=True))
    rest = np.array((record.get("words_rest") or {}).get("share") or [], np.float64)
    wanted = (record.get("config") or {}).get("shown_seed")
    seeds = [row.get("seed") for row in record.get("runs", [])]
    seed = seeds.index(wanted) if wanted is not None and wanted in seeds else 0
    drawn = drawn_scales(record.get("runs", []), len(run.rows))
    return WordsFacts(run, words, rest, drawn, seed, first)


def _rows(record: dict[str, Any], *, negative: bool) -> list[tuple[int, dict[str, Any]]]:
    rows = [row for row in record.get("words") or [] if bool(row.get("negative")) == negative]
    return list(enumerate(rows))


def _hues(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Return each word's hue: no two of the loudest have the same."""
    loud = sorted(range(len(rows)), key=lambda k: (bool(rows[k].get("negative")), -(rows[k].get("strength") or 0)))
    order = [*sorted(loud[:COUNT]), *sorted(loud[COUNT:])]
    return [order.index(number) % COUNT for number in range(len(rows))]


def _word(row: dict[str, Any], hue: int, index: int, first: int) -> Word:
    found_at = tuple(row.get("found_at") or ())
    return Word(
        text=clean(str(row["text"])),
        occurrence=int(row.get("occurrence") or 0),
        index=index,
        hue=hue,
        negative=bool(row.get("negative")),
        concept=bool(row.get("concept")),
        by_outputs=bool(row.get("by_outputs")),
        found=row.get("found"),
        found_at=found_at,
        share=np.array(row.get("share") or [], np.float64),
        overlap=np.array(row.get("overlap") or [], np.float64),
        strength=float(row.get("strength") or 0),
        silent=bool(row.get("silent")),
        first=first,
    )


def seed_levels(trace: Trace, seed: int) -> dict[bool, NDArray[np.float32]]:
    """Return how strongly one seed's words are drawn, (step, word, h, w), by whether they are the negative prompt's."""
    found = {}
    rows = trace.record.get("words") or []
    for name, negative in (("words", False), ("negative_words", True)):
        if name not in trace:
            continue
        maps = trace[name][seed]
        own = [row for row in rows if bool(row.get("negative")) == negative]
        drawn = np.empty(maps.shape, np.float32)
        for group in groups(own):
            drawn[:, group] = levels(maps[:, group], scale_of(maps[:, group]))
        found[negative] = drawn
    return found


def hue_of(word: Word, theme: Theme) -> RGB:
    """Return a word's colour."""
    return hues(theme)[word.hue]


def finding_plot(words: Sequence[Word], steps: int, theme: Theme) -> Plot | None:
    """Return how near each word's place is to its final one: of the prompt's loudest, at most CURVES."""
    own = [word for word in words if not word.negative and not word.silent and len(word.overlap)]
    # words that are there from the start lie on each other: those that had a way to go come first
    chosen = sorted(own, key=lambda word: (-(word.found or 0), -word.strength))[:CURVES]
    if not chosen:
        return None
    curves = [Curve(np.append(word.overlap, 1.0), word.label, hue_of(word, theme)) for word in chosen]
    titles = ("overlap of each word's place with its final one", "overlap with the final place", "overlap")
    x = np.arange(steps + 1) / max(1, steps)
    found = [Threshold(FOUND, "found", theme.quiet)]
    return Plot(curves, titles, x, ("noise", "picture"), 1.0, 0.0, found, caption=caption_line("finding"))
