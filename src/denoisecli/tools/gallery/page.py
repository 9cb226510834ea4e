"""The index of many runs: cards to filter, sort and open, and two of them side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisecli.config.base import LOOK, SPLIT, keys
from denoisecli.figures.page_body import Body
from denoisecli.figures.text import clean
from denoisecli.registry import CONFIGS
from denoisecli.runs.catalog import Entry

SCRIPT = Path(__file__).with_name("page.js")

LONGEST = 300  # characters of a setting that is shown
MOST = 2.0**1000  # beyond it a setting is shown as a word, as NaN is


@dataclass(frozen=True)
class Card:
    """One run as the index shows it. folder: its way from the index. href: of its page, relative and percent-encoded.

    config: of its trace. layout: distance of the guess to the final picture at each state, the mean over its rows.
    picture: is there one.
    """

    entry: Entry
    folder: str
    href: str | None = None
    config: Mapping[str, Any] | None = None
    layout: Sequence[float | None] | None = None
    picture: bool = False


def gallery_page(cards: Sequence[Card], title: str, live: str | None = None) -> Body:
    """Return the index of runs. Its pictures are "thumb/<number of the card>". live: the way to a live page."""
    return Body(SCRIPT, {"title": clean(title), "runs": [_row(card) for card in cards], "live": live})


def _row(card: Card) -> dict[str, Any]:
    entry = card.entry
    return {
        "folder": clean(card.folder),
        "lab": clean(entry.lab),
        "state": entry.state,
        "title": clean(entry.title),
        "settings": clean(entry.settings),
        "created": entry.created,
        "bytes": entry.bytes,
        "href": card.href,
        "error": clean(entry.error) if entry.error else None,
        "config": dict(_flat(card.config or {}, _looks(entry.lab))),
        "layout": None if card.layout is None else [None if x is None else round(x, 4) for x in card.layout],
        "picture": card.picture,
    }


def _flat(config: Mapping[str, Any], left_out: Collection[str], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the settings as (dotted key, number or text)."""
    found: list[tuple[str, Any]] = []
    for key, value in config.items():
        if not prefix and key in left_out:
            continue
        if isinstance(value, Mapping):
            found += _flat(value, left_out, f"{prefix}{key}.")
        elif value is not None and value not in ("", []):
            found.append((clean(f"{prefix}{key}"), value if _is_number(value) else clean(str(value))[:LONGEST]))
    return found


def _looks(lab: str) -> Collection[str]:
    """Return the keys that say how a run looks or was put into batches, not what it is."""
    return {"lab", "film"} | ({*keys(CONFIGS[lab], LOOK, SPLIT)} if lab in CONFIGS else set())


def _is_number(value: object) -> bool:
    """Return whether it is a number that JSON and the page's doubles have: neither NaN, nor infinite, nor huge."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MOST
