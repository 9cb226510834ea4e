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

from denoisecli.clips import frames_as_channels, frames_of
from denoisecli.errors import DenoiseError, NotRecorded
from denoisecli.registry import ROOMS, part

if TYPE_CHECKING:
    from denoisecli.trace import Trace

Shapes = Mapping[str, tuple[int, ...]]
MOST_PIXELS, MOST_FRAMES = 1024, 8  # of one number of the latents: as many as autoencoders are known to make
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
        check = part(trace.lab, "fault") if trace.lab in ROOMS else None
        wrong = (check(trace, views) if check else None) or _size_fault(trace, views)
    if wrong:
        raise NotRecorded(f"{run} is not as denoisecli writes it: {wrong}.", "Make the run again with --force.")


def _size_fault(trace: Trace, views: Shapes) -> str | None:
    """Return which view has pictures that no autoencoder makes of latents as small as the run's."""
    numbers = max((math.prod(a.shape[-3:]) for a in trace.arrays.values() if a.ndim > 3), default=None)
    if numbers is None:
        return None
    most = numbers * MOST_PIXELS * (MOST_FRAMES if frames_of(trace.record) > 1 else 1)
    for name, shape in views.items():
        if math.prod(shape[-3:-1]) > most:
            return f"the view {name} in pictures.zip has pictures of {shape[-2]}×{shape[-3]}, larger than its states"
    return None


def sampled_fault(trace: Trace, views: Shapes) -> str | None:
    """Return what does not fit in a run that keeps every state of every row, and a picture of each."""
    places = tuple(frames_as_channels(trace.x_t[..., :1, :1], trace.record).shape[:-3])
    runs = len(trace.record.get("runs") or [])
    if runs != math.prod(places[:-1]):
        return f"trace.json tells of {runs} runs, and states.safetensors holds {math.prod(places[:-1])}"
    flat = (math.prod(places[:-1]), places[-1])
    return views_fault(views, {"canvas": flat, "guess": flat})


def views_fault(views: Shapes, wanted: Mapping[str, tuple[int, ...]]) -> str | None:
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
