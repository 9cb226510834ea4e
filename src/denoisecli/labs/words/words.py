"""A run of this lab in a few words: for lists, slides, galleries and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from denoisecli.runs.course import begins
from denoisecli.runs.summary import Words, extras, figure, named, sampling, seeds_of

MOST_NAMED = 3


def words(record: dict[str, Any], config: dict[str, Any]) -> Words:
    """Return the title, the settings and the findings of a run."""
    cfg = figure(config.get("cfg"))
    parts = [*sampling(config), f"cfg {cfg}" if cfg else "", named("seed", seeds_of(config)), *extras(config, record)]
    return str(config.get("prompt") or "a run without a prompt"), parts, findings(record)


def findings(record: dict[str, Any]) -> list[str]:
    """Return what the maps say: which word found its place last, which hardly speak, what the padding gets."""
    rows, last = spoken(record), len(record.get("schedule") or []) - 1
    found = [row for row in rows if row.get("found") is not None]
    said = []
    if late := _latest(found):
        when = (
            f"found its place by state {late['found']:g} of {last}"
            if late["found"] > begins(record)
            else "was in its place from the start"
        )
        said.append(f"{quoted(late)} {when}")
    hushed = [row for row in rows if row.get("silent")]
    if hushed:
        said.append(f"{listed(hushed)} hardly spoke")
    rest = (record.get("words_rest") or {}).get("share") or []
    if rest:
        said.append(f"{100 * sum(rest) / len(rest):.0f} % of the attention is on no word")
    return said


def spoken(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the prompt's own words."""
    return [row for row in record.get("words") or [] if not row.get("negative") and not row.get("concept")]


def _latest(found: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return max(found, key=lambda row: (row["found"], row.get("strength") or 0), default=None)


def quoted(row: dict[str, Any]) -> str:
    """Return a word in quotation marks, and which of several equal ones it is."""
    which = row.get("occurrence") or 0
    return f"“{row['text']}”" + (f" ({which + 1})" if which else "")


def listed(rows: Sequence[dict[str, Any]]) -> str:
    """Return “dusk”, “golden” and 2 more."""
    names = [quoted(row) for row in rows]
    if len(names) > MOST_NAMED:
        names = [*names[: MOST_NAMED - 1], f"{len(names) - MOST_NAMED + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def lesson(record: dict[str, Any]) -> str | None:
    """Return which word found its place last, and which were there from the start."""
    rows, last = spoken(record), len(record.get("schedule") or []) - 1
    found = [row for row in rows if row.get("found") is not None]
    late = _latest(found)
    if late is None or last < 1:
        return None
    first = sorted((row for row in found if row["found"] == 0), key=lambda row: -(row.get("strength") or 0))
    if late["found"] == 0:
        return f"All words that speak were in their places from the start, {listed(first)} most loudly."
    start = f"; {listed(first)} had {'its' if len(first) == 1 else 'theirs'} from the start" if first else ""
    return f"{quoted(late)} found its place by state {late['found']:g} of {last}{start}."
