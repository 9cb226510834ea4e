"""A run in a few words, from its record alone: what slides, galleries and comparisons say beside its pictures."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from denoisecli.config.samplers import SAMPLERS
from denoisecli.registry import CONFIGS, part

from .course import course

Words = tuple[str, list[str], list[str]]
"""A run's title, its settings and its findings, as its lab tells them; an empty setting is left out."""


@dataclass(frozen=True)
class Summary:
    """What a run is, in words: its lab, a title, and its settings in the order of their weight.

    findings: what came out of it, a sentence each. differs: settings that all labs share, where they are not the usual
    ones: by these alone two runs may differ.
    """

    lab: str
    title: str
    settings: tuple[str, ...]
    findings: tuple[str, ...]
    differs: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The settings on one line."""
        return " · ".join(self.settings)

    @property
    def whole_line(self) -> str:
        """The settings on one line, with all by which this run differs from a usual one."""
        return " · ".join((*self.settings, *self.differs))


def summary(record: dict[str, Any]) -> Summary:
    """Return what `trace.json` says of a run; what it lacks is left out."""
    lab = str(record.get("lab", "sample"))
    config = record.get("config") or {}
    words = part(lab if lab in CONFIGS else "sample", "words")
    title, settings, findings = words(record, config)
    told = tuple(word for word in settings if word)
    return Summary(lab, title, told, tuple(findings), tuple(_differs(config)))


TOLD = {
    "lab", "prompt", "sampler", "steps", "cfg", "seeds", "model", "loras", "device", "film.formats", "phases",
    "start.image", "start.strength", "start.mask",
}  # fmt: skip
"""Shared keys that a lab's own words tell, or that make no other run."""
POCKET_SIZE = [256, 256]


def _differs(config: dict[str, Any]) -> Iterator[str]:
    """Yield the words for each shared setting that is not its lab's default."""
    usual = _usual(str(config.get("lab")))
    for key, value in _flat(config):
        if key not in usual or key in TOLD or value == usual[key]:
            continue
        if not (key == "size" and value == POCKET_SIZE and config.get("model") == "pocket"):
            yield _setting(key, value)


@functools.cache
def _usual(lab: str) -> dict[str, Any]:
    """Return the defaults of the keys that labs share, by key.path, as a trace holds them."""
    from denoisecli.config.base import SamplingConfig

    if lab not in CONFIGS:
        return {}
    default = CONFIGS[lab]().model_dump(mode="json")
    return dict(_flat({key: default[key] for key in SamplingConfig.model_fields if key in default}))


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _setting(key: str, value: Any) -> str:
    if key in ("quality", "film.theme"):
        return "draft" if key == "quality" else f"{value} theme"
    if key.rpartition(".")[2] == "size" and isinstance(value, list):
        return f"{'film ' if key == 'film.size' else ''}{'×'.join(map(str, value))}"
    words = key.removeprefix("decode.").replace("film.", "film ").replace("_", " ")
    return f"{words} {figure(value) if isinstance(value, float) else value}"


def seeds_of(config: dict[str, Any]) -> tuple[int, ...]:
    """Return the seeds of a config, of a lab with one or several."""
    seeds = config.get("seeds") or ([config["seed"]] if config.get("seed") is not None else [])
    return tuple(seed for seed in seeds if isinstance(seed, int))


def sampling(config: Mapping[str, Any]) -> list[str]:
    """Return the sampler, "" where none is known, and the number of steps."""
    sampler, steps = SAMPLERS.get(str(config.get("sampler"))), config.get("steps")
    count = f"{steps} step{'' if steps == 1 else 's'}" if isinstance(steps, int) else ""
    return [sampler.label if sampler else str(config.get("sampler") or ""), count]


def extras(config: dict[str, Any], record: dict[str, Any] | None = None) -> list[str]:
    """Return what differs from a plain run: another model, LoRAs, a picture to start from, phases."""
    model = str(config.get("model") or "pocket")
    loras = [
        f"{PurePath(str(lora.get('file'))).stem} × {figure(lora.get('scale'))}" for lora in config.get("loras") or []
    ]
    return [*([PurePath(model).name] if model != "pocket" else []), *loras, *course(config, record)]


def named(noun: str, values: Sequence[int]) -> str:
    """Return "seed 7", "seeds 7, 21" or "64 seeds"."""
    if len(values) > 8:
        return f"{len(values)} {noun}s"
    return f"{noun}{'s' if len(values) > 1 else ''} {', '.join(map(str, values))}" if values else ""


def middle(values: Sequence[Any]) -> int | None:
    """Return the middle one of the whole numbers among `values` (the later of two), None where there are none."""
    known = sorted(value for value in values if isinstance(value, int))
    return known[len(known) // 2] if known else None


def mean_of(values: Sequence[Any]) -> float | None:
    """Return the mean of the numbers among `values`, None where there are none."""
    known = [float(value) for value in values if isinstance(value, (int, float))]
    return sum(known) / len(known) if known else None


def figure(value: Any) -> str:
    """Return a number in words; nothing for what is none."""
    return f"{value:g}" if isinstance(value, (int, float)) else ""


def committed(record: dict[str, Any]) -> list[str]:
    """Return when each run was decided: "seed 7: layout fixed at state 5, detail at 13 of 20"."""
    last = len(record.get("schedule") or []) - 1
    found, several = [], len({figure(run.get("cfg")) for run in record.get("runs") or []}) > 1
    for row, run in enumerate(record.get("runs") or [], 1):
        at = run.get("committed_at") or {}
        if at.get("layout") is None or at.get("detail") is None:
            continue
        scale = f", cfg {figure(run.get('cfg'))}" if several else ""
        name = f"picture {row}" if run.get("seed") is None else f"seed {run['seed']}"
        found.append(f"{name}{scale}: layout fixed at state {at['layout']}, detail at {at['detail']} of {last}")
    return found
