"""How fast this machine makes runs: learnt from each that was made, kept in the cache, asked before the next one.

Sampling and decoding take their seconds for each piece, one step of one sample; drawing for each frame; loading once.
Runs of one kind share these rates: a lab, a model, the sizes of pictures and film, and the device. Of a kind that was
never made here only sampling is known, from another lab's runs on the same model at the same size.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from denoisecli.cache import cache_dir
from denoisecli.config.phases import enlarged_size
from denoisecli.registry import ROOMS, part
from denoisecli.safe_files import read_file, write_file
from denoisecli.safe_json import parse

MOST_NOTE = 1 << 14
MOST_NOTES = 500
NEWEST = 0.5  # what the newest run counts beside all before it
Kind = tuple[str, str, str, str]


@dataclass(frozen=True)
class Rate:
    """What runs of a kind take: seconds to load, for a piece sampled and decoded, for a frame; bytes a piece."""

    load_s: float
    sample_s: float
    decode_s: float
    frame_s: float
    piece_bytes: float

    def seconds(self, config: dict[str, Any]) -> float:
        """Return what a run of this config takes, beside loading."""
        return (self.sample_s + self.decode_s) * pieces(config) + self.frame_s * work(config).frames


@dataclass(frozen=True)
class Work:
    """What a run makes, roughly, and how much that is: what its cost grows with.

    samples: full runs of the model that it is worth. frames: different frames of its film. made: in words,
    "4 pictures of 256×256, 20 steps each". paints: whether pictures are sampled.
    """

    samples: int
    frames: int
    made: str
    paints: bool = True


def sampled(config: dict[str, Any]) -> Work:
    """Return the work of a lab that samples every seed at every scale, state by state."""
    count = length(config.get("seeds")) * length(config.get("scales"))
    return Work(samples=count, frames=int(config.get("steps") or 0) + 1, made=painted(config, count))


def painted(config: dict[str, Any], count: int, what: str = "picture") -> str:
    """Return so many pictures in words, with their size and steps."""
    steps = config.get("steps")
    size = f" of {_pair(_painted_size(config)).replace('x', '×')}" if config.get("size") else ""
    many, each = ("", "") if count == 1 else ("s", " each")
    return f"{count} {what}{many}{size}, {steps} step{'' if steps == 1 else 's'}{each}"


def length(values: Any, none: int = 1) -> int:
    """Return how many values a key has; `none` where it has no list of them."""
    return len(values) if isinstance(values, (list, tuple)) and values else none


def work(config: dict[str, Any]) -> Work:
    """Return the work of a run of this config, as its lab counts it."""
    name = str(config.get("lab"))
    count: Callable[[dict[str, Any]], Work] = part(name, "work") if name in ROOMS else sampled
    return count(config)


def kind(config: dict[str, Any]) -> Kind:
    """Return what decides the cost of a piece."""
    film = config.get("film") or {}
    model = str(config.get("model")) if work(config).paints else ""
    drawn = "no films" if film.get("formats") == [] else _pair(film.get("size"))
    sizes = f"{_pair(_painted_size(config))} {drawn} {config.get('quality') or ''}".rstrip()
    return str(config.get("lab")), model, sizes, str(config.get("device") or "")


def pieces(config: dict[str, Any]) -> int:
    """Return how many steps of single samples a run has, roughly: what its cost grows with."""
    done = work(config)
    return done.samples * (int(config.get("steps") or 1) if done.paints else 1)


def learn(config: dict[str, Any], timings: dict[str, float], size: int) -> None:
    """Remember what a run took that was made from beginning to end; a cache that cannot be written is no error."""
    count = pieces(config)
    drawn = timings.get("figures", 0.0) + timings.get("encode", 0.0)
    parts = (timings.get("sample", 0.0) / count, timings.get("decode", 0.0) / count, drawn / work(config).frames)
    new = Rate(timings.get("load", 0.0), *parts, size / count)
    old = _read(_note(kind(config)))
    if old is not None:
        mixed = {key: NEWEST * value + (1 - NEWEST) * asdict(old)[key] for key, value in asdict(new).items()}
        new = Rate(**mixed)
    with contextlib.suppress(OSError):
        path = _note(kind(config))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps({"kind": kind(config)} | asdict(new)).encode())
        _prune(path.parent)


def known_rate(one: Kind) -> Rate | None:
    """Return the rates of a kind of run; None where none was made here yet."""
    return _read(_note(one))


def sampling_rate(one: Kind) -> float | None:
    """Return the seconds for a piece sampled on the same model at the same size, in whichever lab; None if unknown."""
    size = one[2].partition(" ")[0]
    for other, rate in _all() if one[1] else ():
        if (other[1], other[2].partition(" ")[0], other[3]) == (one[1], size, one[3]) and rate.sample_s:
            return rate.sample_s
    return None


def details(config: dict[str, Any], *, drawn: bool = False) -> dict[str, Any]:
    """Return what `Report.start` is told of a run that is about to be made: `makes`, and `seconds` where known.

    `sampling_s` instead, where only sampling is known. drawn: whether all but its drawings is there.
    """
    rate = known_rate(kind(config))
    if drawn:
        seconds = None if rate is None else float(f"{rate.frame_s * work(config).frames:.2g}")
        return {"makes": f"new drawings of {work(config).made}", "seconds": seconds}
    if rate is not None:
        return {"makes": work(config).made, "seconds": float(f"{rate.load_s + rate.seconds(config):.2g}")}
    found: dict[str, Any] = {"makes": work(config).made, "seconds": None}
    each = sampling_rate(kind(config))
    return found if each is None else found | {"sampling_s": float(f"{each * pieces(config):.2g}")}


def _painted_size(config: dict[str, Any]) -> Any:
    """Return the (width, height) of a config's pictures, which a phase may have enlarged; what stands there else."""
    size, phases = config.get("size"), config.get("phases")
    scales = [phase.get("scale") or 1.0 for phase in phases or () if isinstance(phase, dict)]
    if not scales or max(scales) == 1 or not isinstance(size, (list, tuple)):
        return size
    return enlarged_size((int(size[0]), int(size[1])), float(max(scales)))


def _pair(size: Any) -> str:
    return "x".join(map(str, size)) if isinstance(size, (list, tuple)) else ""


def _note(one: Kind) -> Path:
    return cache_dir() / "rates" / f"{hashlib.sha256(json.dumps(one).encode()).hexdigest()[:32]}.json"


def _all() -> Iterator[tuple[Kind, Rate]]:
    with contextlib.suppress(OSError):
        for path in sorted((cache_dir() / "rates").glob("*.json"))[:MOST_NOTES]:
            told, rate = _table(path), _read(path)
            named = told.get("kind")
            if rate is not None and isinstance(named, list) and len(named) == 4:
                yield (str(named[0]), str(named[1]), str(named[2]), str(named[3])), rate


def _read(path: Path) -> Rate | None:
    """Return the rate in a note; None where there is none, or it is none of ours."""
    found = _table(path)
    with contextlib.suppress(KeyError, TypeError, ValueError):
        rate = Rate(**{each.name: float(found[each.name]) for each in fields(Rate)})
        return rate if all(0 <= value < 1e15 for value in asdict(rate).values()) else None
    return None


def _table(path: Path) -> dict[str, Any]:
    try:
        found = parse(read_file(path, MOST_NOTE))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _prune(folder: Path) -> None:
    notes = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for note in notes[: max(0, len(notes) - MOST_NOTES)]:
        note.unlink(missing_ok=True)
