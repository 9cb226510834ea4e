"""A stored run that is to be drawn again: what its drawings need is there, and fits, before they begin.

Types and bounds of single keys and arrays are checked where they are read (`trace_schema`, `trace`). Here is what only
drawing asks for: that pictures, arrays and record speak of the same rows, states and frames.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from denoisecli.errors import DenoiseError, NotRecorded

if TYPE_CHECKING:
    from denoisecli.trace import Trace

Shapes = Mapping[str, tuple[int, ...]]
AGAIN = "Make the run again with --force; with -v you see where it was noticed."


@contextlib.contextmanager
def as_written(run: object) -> Iterator[None]:
    """Tell of whatever goes wrong in this block as what it is: `run` is not as denoisecli writes it.

    For blocks that only read and draw a stored run. What is checked beforehand is said by name; this is for the rest:
    numbers of a record are told, laid out and drawn in a thousand places, and no list of rules knows them all.
    """
    try:
        yield
    except (DenoiseError, MemoryError, OSError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:100]
        text = f"{run} is not as denoisecli writes it ({type(error).__name__}: {said})."
        raise NotRecorded(text, AGAIN) from error


def check_drawable(run: Path, trace: Trace, views: Shapes) -> None:
    """Raise NotRecorded where a stored run's parts do not fit each other. views: shapes of its pictures, by name."""
    with as_written(run):
        check = {
            "noise": _drowned,
            "sample": _sampled,
            "cfg-sweep": _swept,
            "walk": _walked,
            "fork": _forked,
            "lora-rank": _ranked,
        }.get(trace.lab)
        wrong = check(trace, views) if check else None
    if wrong:
        raise NotRecorded(f"{run} is not as denoisecli writes it: {wrong}.", "Make the run again with --force.")


def _drowned(trace: Trace, _: Shapes) -> str | None:
    return None if trace.record.get("runs") else "trace.json tells of no runs"


def _sampled(trace: Trace, views: Shapes) -> str | None:
    places = tuple(trace.x_t.shape[:-3])
    runs = len(trace.record.get("runs") or [])
    if runs != math.prod(places[:-1]):
        return f"trace.json tells of {runs} runs, and states.safetensors holds {math.prod(places[:-1])}"
    flat = (math.prod(places[:-1]), places[-1])
    return _views_fault(views, {"canvas": flat, "guess": flat})


def _swept(trace: Trace, views: Shapes) -> str | None:
    scales, taken = len(trace.record.get("scales") or []), trace.record.get("anatomy")
    if trace.x_t.shape[0] != scales:
        return f"trace.json tells of {scales} scales, and states.safetensors holds {trace.x_t.shape[0]}"
    rows, steps = math.prod(trace.x_t.shape[:2]), trace.x_t.shape[2] - 1
    if taken and not (taken["sample"] < rows and taken["scale"] < scales):
        return "anatomy in trace.json names a sample that is not there"
    parts = {name: (steps,) for name in ("uncond", "cond", "guided") if name in views}
    return _sampled(trace, views) or _views_fault(views, parts)


def _walked(trace: Trace, views: Shapes) -> str | None:
    record, frames, states = trace.record, trace["x_T"].shape[0], len(trace.record["schedule"])
    if trace["final"].shape != trace["x_T"].shape or len(record["runs"]) != frames:
        return f"trace.json tells of {len(record['runs'])} frames, and states.safetensors holds {frames}"
    if any(run.get(key) is None for run in record["runs"] for key in ("frame", "leg", "share")):
        return "runs in trace.json lack a frame, a leg or a share of the way"
    sheet = record["sheet"]
    inside = max(sheet["frames"], default=frames) < frames and max(sheet["states"], default=states) < states
    if not inside:
        return "sheet in trace.json names frames or states that are not there"
    return _views_fault(views, {"final": (frames,), "guess": (len(sheet["frames"]), len(sheet["states"]) - 1)})


def _forked(trace: Trace, views: Shapes) -> str | None:
    record, steps = trace.record, trace.x_t.shape[1] - 1
    at, asked = record.get("branches") or [], [row["at"] for row in record.get("forks") or []]
    if not asked or not set(asked) <= set(at) or at[0] != 0 or sorted(set(at)) != at or at[-1] >= steps:
        return "branches and forks in trace.json do not name the same states"
    seeds = trace.x_t.shape[0]
    if any(len(row) != seeds for fork in record["forks"] for row in (fork.get("by_seed") or {"": []}).values()):
        return "by_seed in trace.json has not a number for each seed"
    if trace["final"].shape[:2] != (len(asked), seeds):
        return f"trace.json tells of {len(asked)} forks, and states.safetensors holds {trace['final'].shape[0]}"
    return _sampled(trace, views) or _views_fault(views, {"final": (len(at), seeds), "branch": (len(at), steps + 1)})


def _ranked(trace: Trace, views: Shapes) -> str | None:
    variants = trace.record.get("variants")
    if not variants:
        return None
    return _views_fault(views, {"final": (len(variants), *views["final"][1:-3])})


def _views_fault(views: Shapes, wanted: Mapping[str, tuple[int, ...]]) -> str | None:
    """Return which view of pictures.zip is missing, or has other places than are wanted."""
    for name, places in wanted.items():
        if name not in views:
            return f"pictures.zip has no view {name}"
        held = views[name][:-3]
        if (math.prod(held), held[-1]) != (math.prod(places), places[-1]):  # a sweep's rows may be on two axes
            return f"the view {name} in pictures.zip has {_by(held)} pictures, not {_by(places)}"
    return None


def _by(places: tuple[int, ...]) -> str:
    return "×".join(map(str, places))
