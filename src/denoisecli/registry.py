"""The labs by name: the one list, and the one place that looks a lab's parts up.

Every room may ask here, so it stands on the ground and imports no lab: a lab names its parts as "module:name" in its
own `__init__.py`, and each is imported when somebody asks for it. A new lab is a folder, a line in ROOMS, and a row of
flags in `cli/labs.py`; see docs/house.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

ROOMS = {
    "noise": "denoisecli.labs.noise",
    "sample": "denoisecli.labs.sample",
    "cfg-sweep": "denoisecli.labs.cfg_sweep",
    "walk": "denoisecli.labs.walk",
    "fork": "denoisecli.labs.fork",
    "words": "denoisecli.labs.words",
    "lora-rank": "denoisecli.labs.lora_rank",
}
"""Each lab's package, in the order in which labs are listed."""


POSTER = 2 / 3
"""The share of a film's length that usually shows most."""


@dataclass(frozen=True)
class Lab:
    """Everything that the rest of the house may ask of a lab, each part as ".module:name" from its own package.

    config: the LabConfig. plan: (config, out, runs_dir, force) -> Plan. draw: (job, trace, pictures), from stored
    things only. words: (record, config) -> Words. lesson: record -> the one
    sentence that the run teaches, from its numbers, or None. record: what trace.json holds (`trace_schema`); without
    it, what all records do. shots: (config, record, notes) -> the pictures that other tools are told of; without it,
    one for each seed. rows: Trace -> Rows, what `compare` compares; without it, nothing.
    work: config, as a dict -> Work: how much a run makes, for estimates.
    fault: (trace, shapes of its pictures) -> what in a stored run does not fit together, or None, before it is drawn.
    imported: fits what `import` found in a picture to the lab; without it, nothing is imported for the lab.
    axes: those of x_t before its states; None for a lab whose arrays are not laid out so.
    keep, drawing: how a trace that `record` filled becomes a run of this lab, or one of its drawings. recorded: the
    config of such a run. card: (trace, theme) -> pictures for a gallery's card, of a run that keeps none; without it,
    its sheet. poster: the share of the film's length that shows most, for the still picture on a slide.
    """

    config: str
    plan: str = ".lab:plan"
    draw: str = ".lab:draw"
    words: str = ".words:words"
    lesson: str | None = None
    record: str | None = None
    shots: str | None = None
    rows: str | None = None
    work: str = "denoisecli.runs.rates:sampled"
    fault: str | None = None
    imported: str | None = None
    keep: str | None = None
    drawing: str | None = None
    recorded: str | None = None
    card: str | None = None
    axes: tuple[str, ...] | None = ("seed",)
    poster: float = POSTER


def lab(name: str) -> Lab:
    """Return the lab called so. Raises KeyError for another name: ask CONFIGS first."""
    found: Lab = import_module(ROOMS[name]).LAB
    return found


def part(name: str, which: str) -> Any:
    """Return one of a lab's parts by the name of its field in `Lab`; None where the lab has none."""
    place = getattr(lab(name), which)
    if place is None:
        return None
    module, _, attribute = place.partition(":")
    return getattr(import_module(module, ROOMS[name]), attribute)


def importing() -> list[str]:
    """Return the labs that a picture's settings from another tool can be fitted to."""
    return [name for name in ROOMS if lab(name).imported]


def axes(name: str) -> tuple[str, ...] | None:
    """Return the axes of x_t before its states, in runs of a lab; where there is no such lab, what most have."""
    return lab(name).axes if name in ROOMS else Lab.axes


def config_of(record: Mapping[str, Any]) -> Any:
    """Return the config class of a stored run, its lab's or that of what `record` saved; None of no lab."""
    name = str(record.get("lab"))
    if name not in CONFIGS:
        return None
    return (part(name, "recorded") if record.get("recorded") else None) or CONFIGS[name]


class _Configs(Mapping[str, Any]):
    """The config class of each lab, by name; a class is imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return part(name, "config")

    def __iter__(self) -> Iterator[str]:
        return iter(ROOMS)

    def __len__(self) -> int:
        return len(ROOMS)

    def __contains__(self, name: object) -> bool:
        return name in ROOMS


CONFIGS = _Configs()
