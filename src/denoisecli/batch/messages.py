"""The runs of a batch, and what the engines say of them. Plain data: it goes between processes and machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from denoisecli.config.base import LabConfig

State = Literal["made", "done", "failed", "stopped", "skipped"]
"""made: just now; done: was there already; stopped: by a signal, goes on next time; skipped: not asked for."""


@dataclass(frozen=True)
class Run:
    """One run to be made: its place in the product, what varies in it, its resolved config and its folder."""

    number: int
    label: str
    config: LabConfig
    path: str
    tries: int = 0


Pack = tuple[Run, ...]
"""Runs that one worker gets at once; several where they can be sampled in one batch. Empty: none is there yet."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    number: int
    label: str
    path: str | None
    state: State
    error: str = ""
    hint: str = ""
    seconds: float = 0.0
    worker: int = 0
    fatal: bool = False  # what failed it will fail all others


@dataclass(frozen=True)
class Progress:
    """What a worker is at: `done` of `total` pieces of a stage of the run with this label, or of several at once."""

    worker: int
    label: str
    stage: str
    done: int
    total: int
    numbers: tuple[int, ...] = ()
    path: str | None = None


@dataclass(frozen=True)
class Warned:
    """A warning from a run; it goes on."""

    worker: int
    text: str
    numbers: tuple[int, ...] = ()
    path: str | None = None


@dataclass(frozen=True)
class Told:
    """A run has begun (`start`), or a file of it is ready (`artifact`): what `--json` says of it."""

    worker: int
    event: Literal["start", "artifact"]
    number: int
    path: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Settled:
    """A worker is done with a run, whose outcome is told when all runs before it are settled too."""

    number: int
    worker: int
    made: bool


@dataclass(frozen=True)
class Free:
    """A worker takes the next pack: what it still has in hand needs its model no longer."""

    worker: int


@dataclass(frozen=True)
class Waiting:
    """No run is there to be made until more configs come."""


Message = Outcome | Progress | Warned | Told | Settled | Free | Waiting
