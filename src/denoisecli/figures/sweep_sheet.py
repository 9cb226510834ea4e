"""The pages of a sweep: the contact sheet (rows are scales, columns are states) and the strip of finished pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from ..trace import Trace
from .facts import run_facts
from .sheet import Column, SheetRow, choose_columns, contact_sheet, state_columns
from .sweep_facts import SweepFacts, sweep_facts
from .theme import FilmStyle


def sweep_sheet(
    trace: Trace, pictures: Mapping[str, Any], style: FilmStyle, rows: Sequence[str] = ("guess",)
) -> Image.Image:
    """Return the sheet: rows are scale × seed × view, columns are states. Only the style's theme counts.

    pictures, rows: as for `sweep.sweep_frames`.
    """
    facts, run = sweep_facts(trace), run_facts(trace)
    chosen = choose_columns(len(facts.rows))
    drawn = [
        _row(facts, pictures, scale, seed, view, chosen)
        for scale in range(len(facts.labels))
        for seed in range(len(facts.seeds))
        for view in rows
    ]
    return contact_sheet(drawn, state_columns(run, chosen), facts.prompt, facts.settings, style.theme)


def _row(
    facts: SweepFacts, pictures: Mapping[str, Any], scale: int, seed: int, view: str, chosen: Sequence[int]
) -> SheetRow:
    sample = scale * len(facts.seeds) + seed
    shown = [pictures[view][sample][state] for state in chosen]
    under = f"seed {facts.seeds[seed]}" if len(facts.seeds) > 1 else view
    return SheetRow(f"cfg {facts.labels[scale]}", under, shown, group=facts.labels[scale])


def finals_strip(trace: Trace, pictures: Mapping[str, Any], style: FilmStyle) -> Image.Image:
    """Return the finished pictures side by side: columns are scales with their share of clipped pixels, rows seeds."""
    facts = sweep_facts(trace)
    clipped = facts.numbers["clipped"][:, :, -1].mean(axis=1)
    columns = [
        Column(f"cfg {label}", f"{100 * share:.1f} % clipped")
        for label, share in zip(facts.labels, clipped, strict=True)
    ]
    count = len(facts.seeds)
    rows = [
        SheetRow(f"seed {name}", "", [pictures["canvas"][k * count + seed][-1] for k in range(len(columns))])
        for seed, name in enumerate(facts.seeds)
    ]
    return contact_sheet(rows, columns, facts.prompt, facts.settings, style.theme, cell=256)
