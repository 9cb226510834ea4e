"""The course of a run in words: the picture that it started from, and its phases. From its record alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from denoisecli.config.samplers import SAMPLERS
from denoisecli.safe_text import safe

SHORT = 26  # characters of a prompt on a timeline
SETTINGS = ("model", "prompt", "negative_prompt", "cfg", "sampler", "loras")


def course(config: Mapping[str, Any], record: Mapping[str, Any] | None = None) -> list[str]:
    """Return what a line of settings says of it: "from harbour.png at σ 1.94 (strength 0.6)", "2 phases"."""
    said = []
    start, phases = config.get("start"), config.get("phases") or []
    if isinstance(start, Mapping):
        name, strength = PurePath(str(start.get("image") or "a picture")).name, start.get("strength", 0.6)
        sigma = ((record or {}).get("start") or {}).get("sigma")
        level = f"at σ {sigma:.3g} (strength {strength:g})" if sigma is not None else f"at strength {strength:g}"
        said.append(safe(f"from {name} {level}{', masked' if start.get('mask') else ''}"))
    if phases:
        last = phases[-1].get("until")
        rows = len(phases) + (last is not None and last < 1)  # behind the last one the run goes on as it is
        said.append(f"{rows} phase{'' if rows == 1 else 's'}")
    return said


def begins(record: Mapping[str, Any]) -> int:
    """Return the state at which a run begins to be sampled: 0 unless it starts from a picture."""
    start = record.get("start")
    return int(start.get("state") or 0) if isinstance(start, Mapping) else 0


def turns(record: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Return where a run begins on the way or changes: the state, and what it is from there on."""
    start, config = record.get("start"), record.get("config") or {}
    found = [(int(start["state"]), f"starts at σ {start['sigma']:.3g}")] if start and start.get("state") else []
    rows = [row for row in record.get("phases") or [] if not start or row["until"] > start["state"]]
    for before, row in itertools.pairwise(rows):
        own = [(key, _value(before, key, config), _value(row, key, config)) for key in SETTINGS]
        own.append(("size", before.get("size"), row.get("size")))
        words = ", ".join(_word(key, to) for key, was, to in own if was != to)
        found.append((int(row["first"]), words or "the same"))
    return found


def phase_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each phase: "states 0 to 8: “a castle on a hill”, cfg 3"."""
    for row in record.get("phases") or []:
        own = ", ".join(_word(key, row[key], 200) for key in (*SETTINGS, "size") if row.get(key) is not None)
        yield f"states {row['first']} to {row['until']}: {own or 'as the run'}"


def _value(row: Mapping[str, Any], key: str, config: Mapping[str, Any]) -> Any:
    own = row.get(key)
    return config.get(key) if own is None else own


def _word(key: str, value: Any, most: int = SHORT) -> str:
    """Return a setting in a few words."""
    if key in ("prompt", "negative_prompt"):
        text = " ".join(safe(str(value or "")).split())
        said = f"“{text if len(text) <= most else text[: most - 1].rstrip(' ,') + '…'}”"
        return said if key == "prompt" else f"not {said}"
    if key == "loras":
        names = [f"{PurePath(str(lora.get('file'))).stem} × {lora.get('scale', 1):g}" for lora in value or []]
        return ", ".join(map(safe, names)) or "no LoRA"
    if key == "size":
        return "×".join(f"{side:g}" for side in value)
    if key == "model":
        return safe(PurePath(str(value)).name)
    if key == "sampler":
        return SAMPLERS[value].label if value in SAMPLERS else safe(str(value))
    return f"cfg {value:g}" if isinstance(value, (int, float)) else "cfg"
