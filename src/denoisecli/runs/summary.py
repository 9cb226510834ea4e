"""A run in a few words, from its record alone: what slides, galleries and comparisons say beside its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from denoisecli.config.samplers import SAMPLERS


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
    words = {"noise": _noise, "walk": _walk, "cfg-sweep": _sweep, "lora-rank": _lora}.get(lab, _sample)
    title, settings = words(record, config)
    findings = (*_committed(record), *_jumps(record), *_energy(record))
    return Summary(lab, title, tuple(part for part in settings if part), findings)


def seeds_of(config: dict[str, Any]) -> tuple[int, ...]:
    """Return the seeds of a config, of a lab with one or several."""
    seeds = config.get("seeds") or ([config["seed"]] if config.get("seed") is not None else [])
    return tuple(seed for seed in seeds if isinstance(seed, int))


def _sample(_: dict[str, Any], config: dict[str, Any]) -> tuple[str, list[str]]:
    cfg = _number(config.get("cfg"))
    parts = [*_sampling(config), f"cfg {cfg}" if cfg else "", _named("seed", seeds_of(config)), *_extras(config)]
    return str(config.get("prompt") or "a run without a prompt"), parts


def _sweep(record: dict[str, Any], config: dict[str, Any]) -> tuple[str, list[str]]:
    labels = [str(scale.get("label")) for scale in record.get("scales") or []]
    scales = f"cfg {', '.join(labels)}" if labels else ""
    parts = [scales, *_sampling(config), _named("seed", seeds_of(config)), *_extras(config)]
    return str(config.get("prompt") or "a sweep without a prompt"), parts


def _walk(record: dict[str, Any], config: dict[str, Any]) -> tuple[str, list[str]]:
    ends = [str(end) for end in (record.get("walk") or {}).get("ends") or []]
    way = " → ".join([*ends, *(ends[:1] if config.get("loop") else [])])
    cfg = _number(config.get("cfg"))
    frames = len(record.get("runs") or [])
    parts = [
        way,
        f"{frames} frames" if frames else "",
        *_sampling(config),
        f"cfg {cfg}" if cfg else "",
        *_extras(config),
    ]
    return str(config.get("prompt") or "a walk"), parts


def _noise(_: dict[str, Any], config: dict[str, Any]) -> tuple[str, list[str]]:
    picture = PurePath(str(config["image"])).stem if config.get("image") else "the lighthouse"
    names = config.get("schedules") or [config.get("schedule") or "scaled_linear"]
    levels = f"{config.get('frames', 0)} noise levels"
    return f"How {picture} drowns in noise", [", ".join(map(str, names)), levels, _named("seed", seeds_of(config))]


def _lora(record: dict[str, Any], config: dict[str, Any]) -> tuple[str, list[str]]:
    ranks = [str(rank) for rank in config.get("ranks") or []]
    cut = f"rank {', '.join(ranks)}" if len(ranks) <= 8 else f"rank {ranks[0]} to {ranks[-1]}"
    file, matrix = record.get("lora") or {}, record.get("matrix") or {}
    if matrix:
        shape = "×".join(str(side) for side in matrix.get("shape") or [])
        return f"A {shape} matrix at falling rank", [cut if ranks else "", str(matrix.get("name", ""))]
    painted = [*_sampling(config), _named("seed", seeds_of(config))] if config.get("images") else []
    name = PurePath(str(file.get("file") or config.get("lora") or "A LoRA")).stem
    return f"{name} at falling rank", [cut if ranks else "", f"{file.get('layers', 0)} layers", *painted]


def _sampling(config: dict[str, Any]) -> list[str]:
    sampler, steps = SAMPLERS.get(str(config.get("sampler"))), config.get("steps")
    count = f"{steps} step{'' if steps == 1 else 's'}" if isinstance(steps, int) else ""
    return [sampler.label if sampler else str(config.get("sampler") or ""), count]


def _extras(config: dict[str, Any]) -> list[str]:
    """Return what differs from a plain run: another model, LoRAs."""
    model = str(config.get("model") or "pocket")
    loras = [
        f"{PurePath(str(lora.get('file'))).stem} × {_number(lora.get('scale'))}" for lora in config.get("loras") or []
    ]
    return [*([PurePath(model).name] if model != "pocket" else []), *loras]


def _named(noun: str, values: Sequence[int]) -> str:
    """Return "seed 7", "seeds 7, 21" or "64 seeds"."""
    if len(values) > 8:
        return f"{len(values)} {noun}s"
    return f"{noun}{'s' if len(values) > 1 else ''} {', '.join(map(str, values))}" if values else ""


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else ""


def _committed(record: dict[str, Any]) -> list[str]:
    """Return when each run was decided: "seed 7: layout fixed at state 5, detail at 13 of 20"."""
    last = len(record.get("schedule") or []) - 1
    found = []
    for run in record.get("runs") or []:
        at = run.get("committed_at") or {}
        if at.get("layout") is None or at.get("detail") is None:
            continue
        scale = f", cfg {_number(run.get('cfg'))}" if record.get("lab") == "cfg-sweep" else ""
        found.append(
            f"seed {run.get('seed')}{scale}: layout fixed at state {at['layout']}, detail at {at['detail']} of {last}"
        )
    return found


def _jumps(record: dict[str, Any]) -> list[str]:
    walk = (record.get("walk") or {}).get("jumps") or {}
    return [
        f"{name} pacing, {way.get('frames')} frames: jumps of {_number(way.get('mean'))} on average,"
        f" {_number(way.get('largest'))} at most"
        for name, way in walk.items()
        if isinstance(way, dict)
    ]


def _energy(record: dict[str, Any]) -> list[str]:
    """Return what each rank of the toy matrix keeps."""
    return [
        f"rank {run['rank']}: {run['params']} of {run['full_params']} numbers, energy {100 * run['energy']:.1f} %"
        for run in record.get("runs") or []
        if {"rank", "params", "full_params", "energy"} <= run.keys() and record.get("matrix")
    ]
