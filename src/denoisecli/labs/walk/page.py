"""The walk's page: every frame to be scrubbed and played, the map of the way, and what the runs had in mind on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli import glossary
from denoisecli.figures.facts import three_figures, timestep
from denoisecli.figures.page_body import Body, drawn_words, model_word, notes, shown_states
from denoisecli.metrics import significant
from denoisecli.trace import Trace

from .figures.facts import WalkFacts, walk_facts
from .figures.map import Course
from .places import Place

SCRIPT = Path(__file__).with_name("page.js")

ON_LEG = 24  # points that draw one leg of the map


def walk_page(trace: Trace, shapes: Mapping[str, tuple[int, ...]], *, back: bool) -> Body:
    """Return the page of a walk.

    shapes: of the stored pictures, final (frame, H, W, 3) and guess (column, row, H, W, 3).
    back: whether it plays there and back, as the film does.
    """
    facts, record = walk_facts(trace.record), trace.record
    sheet = record["sheet"]
    rows = sheet["states"]
    at_ends = [frame for frame, place in enumerate(facts.places) if place.end is not None]
    frames = sorted({*shown_states(len(facts.places), 1), *sheet["frames"], *at_ends})
    height, width = shapes["final"][1:3]
    scales = guess_scales(sheet)
    said = [None if len(frames) == len(facts.places) else f"{len(frames)} of {len(facts.places)} frames are shown."]
    data = {
        "title": " → ".join(facts.prompts) or "no prompt",
        "settings": " · ".join([*model_word(record), facts.settings]),
        "note": " ".join(filter(None, [*said, notes(0, 0, scales)])) or None,
        "drawn": drawn_words(scales),
        "notes": list(facts.notes),
        "frames": [_frame(facts, frame) for frame in frames],
        "count": len(facts.places),
        "map": _map(facts.course, [facts.places[frame] for frame in frames]),
        "jumps": _jumps(record, facts, frames),
        "columns": [frames.index(frame) for frame in sheet["frames"]],
        "rows": [{"state": state, "level": _level(record["schedule"][state])} for state in rows],
        "ratio": width / height,
        "terms": glossary.terms("frame", "state", "guess", "change to the next", "t", "σ", "drawn ×", "seed", "cfg"),
        "captions": glossary.captions("change"),
        "loop": facts.course.loop,
        "back": back and not facts.course.loop,
    }
    pictures: list[tuple[Any, ...]] = [("final", frame) for frame in frames]
    pictures += [
        ("guess", column, row) for column in range(len(sheet["frames"])) for row in range(len(rows) - 1)
    ]  # fmt: skip
    return Body(SCRIPT, data, pictures)


def guess_scales(sheet: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return by how much each picture of walk × step was scaled to be drawn, (column, row); 1 for finished ones."""
    columns, rows = len(sheet["frames"]), len(sheet["states"])
    guesses = np.array(sheet.get("drawn_scale") or np.ones((columns, rows - 1)), dtype=np.float64)
    return np.concatenate([guesses, np.ones((columns, 1))], axis=1)


def _frame(facts: WalkFacts, frame: int) -> dict[str, Any]:
    """Return what is said of a frame. at: how far along the whole way it is, 0..1; end: it is one of the ends."""
    place = facts.places[frame]
    big, beside = facts.hero(frame)
    return {
        "index": frame,
        "big": big,
        "beside": beside,
        "at": significant((place.leg + place.share) / facts.course.legs, 5),
        "end": place.end is not None,
        "jump": significant(facts.jumps[frame], 4),
        "change": significant(facts.speeds[frame], 4),
    }


def _map(course: Course, places: list[Place]) -> dict[str, Any]:
    """Return the map in a plane of its own, y down: points of the legs, the ends and the frames.

    Raises ValueError where an end is none of the places.
    """
    last = Place(course.legs - 1, 1.0)
    ends = [Place(leg, 0.0) for leg in range(course.legs)] + ([] if course.loop else [last])
    line = [(leg, k / ON_LEG) for leg in range(course.legs) for k in range(ON_LEG + 1)]
    return {
        "line": [_point(course, place) for place in line],
        "ends": [_point(course, place) for place in ends],
        "points": [_point(course, place) for place in places],
        "names": list(course.names),
        "pictures": [places.index(place) for place in ends],
    }


def _point(course: Course, place: tuple[int, float]) -> list[float]:
    """Return [x, y, share of the whole way] of a place."""
    leg, share = place
    return [round(value, 5) for value in (*course.at(leg, share), (leg + share) / course.legs)]


def _jumps(record: Mapping[str, Any], facts: WalkFacts, frames: list[int]) -> dict[str, Any]:
    """Return how the jumps are shown: the top of the plot, and the largest one of each pacing that was measured."""
    pacings = record["walk"].get("jumps") or {}
    largest = {name: significant(row["largest"], 4) for name, row in pacings.items() if row}
    highest = max([float(np.max(facts.speeds[frames])), *(value or 0.0 for value in largest.values())])
    return {"top": 1.1 * highest or 1.0, "largest": largest if len(largest) > 1 else {}}


def _level(row: Mapping[str, Any]) -> str:
    if row.get("timestep") is not None:
        return f"t {timestep(row['timestep'])}"
    return f"σ {three_figures(row.get('sigma'))}"
