"""The command line that makes a run again, from its config alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from .base import Closed, LabConfig
from .fields import number_text

FLAGS = {
    key: f"--{key.rpartition('.')[2]}"
    for key in ("model", "prompt", "run", "steps", "cfg", "sampler", "seed", "image", "lora", "frames", "device",
                "film.theme")
} | {"seeds": "--seed", "at": "--at", "to": "--to", "words": "--word", "concepts": "--concept"}  # fmt: skip
"""The keys that have a flag, which takes a value; the others go by --set."""
SWITCHES = ("loop", "images", "guess")  # flags without a value


def command_of(config: LabConfig, leave_out: Sequence[str] = ()) -> str:
    """Return `denoisecli LAB …` with every key that differs from the lab's defaults.

    leave_out: keys that were resolved and not asked for, such as `batch`.
    """
    words = ["denoisecli", config.lab, *(["--quick"] if config.quality == "draft" else [])]
    given = {"lab", "quality", *leave_out}
    usual = {"lab": config.lab, "quality": config.quality}
    for key, value in _changed(config, type(config)(**(usual | _required(config)))):
        if key.split(".")[0] in given:
            continue
        if key in FLAGS and key not in config.without_flag and value is not None:
            texts = _ranges(value) if key == "seeds" else _each(value)
            words += [word for text in texts for word in (FLAGS[key], text)]
        elif key in SWITCHES and value is True:
            words.append(f"--{key}")
        else:
            words += ["--set", f"{key}={_text(key, value)}"]
    return shlex.join(words)


def _required(config: LabConfig) -> dict[str, Any]:
    return {key: getattr(config, key) for key, field in type(config).model_fields.items() if field.is_required()}


def _changed(config: BaseModel, default: BaseModel, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (key.path, value) of what differs."""
    for key in type(config).model_fields:
        value, usual = getattr(config, key), getattr(default, key)
        if value == usual:
            continue
        if isinstance(value, Closed) and above + key in FLAGS and (texts := value.texts()) is not None:
            yield above + key, texts
        elif isinstance(value, BaseModel) and isinstance(usual, type(value)):
            yield from _changed(value, usual, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _each(value: Any) -> list[str]:
    """Return what a flag is given, once or several times."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return [number_text(one) if isinstance(one, float) else str(one) for one in values]


def _ranges(seeds: Sequence[int]) -> Iterator[str]:
    """Yield "7" or "1-4": three and more seeds in a row as a range."""
    start = 0
    while start < len(seeds):
        end = start
        while end + 1 < len(seeds) and seeds[end + 1] == seeds[end] + 1:
            end += 1
        if end - start >= 2:
            yield f"{seeds[start]}-{seeds[end]}"
        else:
            yield from map(str, seeds[start : end + 1])
        start = end + 1


def _text(key: str, value: Any) -> str:
    """Return a value as `--set` reads it."""
    if isinstance(value, str):
        return value
    if key.split(".")[-1] == "size" and value is not None:
        return f"{value[0]}x{value[1]}"
    return json.dumps(value, ensure_ascii=False, default=lambda part: part.model_dump(mode="json"))
