"""What the shell's Tab key offers as values. Nothing heavy is imported, and whatever fails offers nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

MOST = 100


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Return a completion of fixed words."""
    return lambda incomplete: _fitting(words, incomplete)


def samplers(incomplete: str) -> list[str]:
    """Offer the samplers."""
    from denoisecli.config.samplers import SAMPLERS

    return _fitting(SAMPLERS, incomplete)


def labs(incomplete: str) -> list[str]:
    """Offer the labs."""
    from denoisecli.registry import ROOMS

    return _fitting(ROOMS, incomplete)


def importing_labs(incomplete: str) -> list[str]:
    """Offer the labs that a picture's settings can be imported for."""
    from denoisecli.registry import importing

    return _fitting(importing(), incomplete)


def models(incomplete: str) -> list[str]:
    """Offer the names of models on this machine; files and folders are the shell's own to offer."""
    with contextlib.suppress(Exception):
        from denoisecli.diffusion.references import names_here

        return _fitting(names_here(), incomplete)
    return []


def loras(incomplete: str) -> list[str]:
    """Offer the built-in LoRAs."""
    with contextlib.suppress(Exception):
        from denoisecli.lora.built_in import names

        return _fitting(names(), incomplete)
    return []


def runs(incomplete: str) -> list[str]:
    """Offer the folders that begin so, those that hold a run or lead to some."""
    place, _, start = incomplete.rpartition("/")
    folder = Path(place or ("/" if incomplete.startswith("/") else "."))
    with contextlib.suppress(OSError):
        below = sorted(path for path in folder.iterdir() if path.name.startswith(start) and path.is_dir())
        lead = f"{place}/" if incomplete.rpartition("/")[1] else ""
        found = [path for path in below if not path.name.startswith(".") or start.startswith(".")]
        return [f"{lead}{path.name}{'' if (path / 'trace.json').is_file() else '/'}" for path in found[:MOST]]
    return []


def settings(ctx: Any, incomplete: str) -> list[str]:
    """Offer the keys of the command's lab, and behind `=` the values of a key that has a list of them."""
    with contextlib.suppress(Exception):
        from denoisecli.registry import CONFIGS

        name = ctx.info_name if ctx.info_name in CONFIGS else "sample"
        key, equals, _ = incomplete.partition("=")
        offered = [f"{key}={value}" for value in _values(CONFIGS[name], key)] if equals else _keys(CONFIGS[name])
        return _fitting(offered, incomplete)
    return []


def _keys(config: Any) -> list[str]:
    found = []
    for key, field in config.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        found += [f"{key}.{name}=" for name in inner] if inner else [f"{key}="] if key != "lab" else []
    return found


def _values(config: Any, key: str) -> list[str]:
    from denoisecli.config.load import choices_at

    return choices_at(config, tuple(key.split(".")))


def _fitting(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
