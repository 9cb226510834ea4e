"""A run in a few words, from its record alone: what slides, galleries and comparisons say beside its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from denoisecli.config.samplers import SAMPLERS
from denoisecli.registry import CONFIGS, part

Words = tuple[str, list[str], list[str]]
"""A run's title, its settings and its findings, as its lab tells them; an empty setting is left out."""


@dataclass(frozen=True)
class Summary:
    """What a run is, in words: its lab, a title, and its settings in the order of their weight.

    findings: what came out of it, a sentence each.
    """

    lab: str
    title: str
    settings: tuple[str, ...]
    findings: tuple[str, ...]

    @property
    def line(self) -> str:
        """The settings on one line."""
        return " · ".join(self.settings)


def summary(record: dict[str, Any]) -> Summary:
    """Return what `trace.json` says of a run; what it lacks is left out."""
    lab = str(record.get("lab", "sample"))
    config = record.get("config") or {}
    words = part(lab if lab in CONFIGS else "sample", "words")
    title, settings, findings = words(record, config)
    return Summary(lab, title, tuple(word for word in settings if word), tuple(findings))


def seeds_of(config: dict[str, Any]) -> tuple[int, ...]:
    """Return the seeds of a config, of a lab with one or several."""
    seeds = config.get("seeds") or ([config["seed"]] if config.get("seed") is not None else [])
    return tuple(seed for seed in seeds if isinstance(seed, int))


def sampling(config: dict[str, Any]) -> list[str]:
    """Return the sampler and the number of steps."""
    sampler, steps = SAMPLERS.get(str(config.get("sampler"))), config.get("steps")
    count = f"{steps} step{'' if steps == 1 else 's'}" if isinstance(steps, int) else ""
    return [sampler.label if sampler else str(config.get("sampler") or ""), count]


def extras(config: dict[str, Any]) -> list[str]:
    """Return what differs from a plain run: another model, LoRAs."""
    model = str(config.get("model") or "pocket")
    loras = [
        f"{PurePath(str(lora.get('file'))).stem} × {figure(lora.get('scale'))}" for lora in config.get("loras") or []
    ]
    return [*([PurePath(model).name] if model != "pocket" else []), *loras]


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
    found = []
    for row, run in enumerate(record.get("runs") or [], 1):
        at = run.get("committed_at") or {}
        if at.get("layout") is None or at.get("detail") is None:
            continue
        scale = f", cfg {figure(run.get('cfg'))}" if record.get("lab") == "cfg-sweep" else ""
        name = f"picture {row}" if run.get("seed") is None else f"seed {run['seed']}"
        found.append(f"{name}{scale}: layout fixed at state {at['layout']}, detail at {at['detail']} of {last}")
    return found
