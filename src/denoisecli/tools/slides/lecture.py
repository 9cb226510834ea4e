"""The lecture: all labs in the order of a talk, each slide with a title that says what it shows and words to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from denoisecli.registry import part
from denoisecli.runs.summary import mean_of

from .tool import FILM, Script

TITLE = "How a picture comes out of noise"
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """One slide: the lab that is run, the settings of its config, the film shown, its title, and what is said.

    say: the run's record -> two or three sentences for the speaker, from the measured numbers. drafted: whether a draft
    has this film.
    """

    lab: str
    title: str
    say: Callable[[Record], list[str]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    film: str = FILM
    drafted: bool = True

    def script(self, record: Record) -> Script:
        """Return the title and the words of this part's slide."""
        return Script(self.title, tuple(self.say(record)), self.film)


def _lesson(record: Record) -> list[str]:
    said = part(str(record["lab"]), "lesson")(record)
    return [said] if said else []


def _noise(record: Record) -> list[str]:
    return [
        "Training starts here: take a picture and mix in more and more of one and the same noise.",
        *_lesson(record),
        "The model only ever learns to tell the noise from the picture, at every one of these levels.",
    ]


def _deck(record: Record) -> list[str]:
    last, seeds = len(record.get("schedule") or []) - 1, len(record.get("runs") or [])
    return [
        f"Now backwards: {seeds} noises, the same words, {last} small steps.",
        "Top row: what the sampler holds. Middle row: the picture that the model already sees in it.",
        *_lesson(record),
    ]


def _guesses(record: Record) -> list[str]:
    runs = record.get("runs") or []
    at = [(run.get("committed_at") or {}).get("layout") for run in runs]
    known = sorted(state for state in at if isinstance(state, int))
    spread = f"between state {known[0]} and state {known[-1]}" if known else "at different states"
    return [
        "The same run, only the guesses, large. Each picture is what the model would paint if it had to stop now.",
        f"Their layouts were settled {spread}. Nothing but the starting noise differs between them.",
    ]


def _words(record: Record) -> list[str]:
    shares = (record.get("words_rest") or {}).get("share") or []
    rest = mean_of(shares)
    measured = [f"{rest:.0%} of the attention is on no word at all."] if rest is not None else []
    return [
        "This is where the words come in: at every step, every place of the picture looks at them.",
        *_lesson(record),
        *measured,
    ]


def _sweep(record: Record) -> list[str]:
    return [
        "One noise, one prompt, and more and more guidance from left to right.",
        *_lesson(record),
        "Look at the clouds and at the highlights: the stronger the guidance, the harsher they get.",
    ]


def _anatomy(record: Record) -> list[str]:
    gaps = [state.get("guidance") for run in record.get("runs") or [] for state in run.get("states") or []]
    size = mean_of(gaps)
    measured = f" On average the two differ by {size:.3f} of the noise's own size." if size is not None else ""
    return [
        "Inside one step the model is asked twice: without the words, and with them.",
        f"Guidance exaggerates the difference.{measured}",
        "The map on the right shows where in the picture the words make that difference.",
    ]


def _walk(record: Record) -> list[str]:
    return [
        "One can walk from one noise to another. Every frame is painted from its own noise.",
        *_lesson(record),
    ]


def _steps(record: Record) -> list[str]:
    frames = len((record.get("sheet") or {}).get("frames") or [])
    found = f"{frames} points" if frames else "Points"
    return [
        f"{found} along the same walk, denoised side by side.",
        "Compare two neighbours: look for the state at which their pictures part.",
    ]


def _toy(record: Record) -> list[str]:
    return [
        "A LoRA adds the product of two thin matrices to a model’s weights. Here is one small enough to see.",
        *_lesson(record),
    ]


def _balloon(record: Record) -> list[str]:
    rows = [row for row in record.get("runs") or [] if isinstance(row.get("distance_to_full"), (int, float))]
    ranks = {row.get("rank"): row["distance_to_full"] for row in rows if isinstance(row.get("rank"), int)}
    least = min(ranks, default=None)
    measured = (
        f"At rank {least} the picture is {ranks[least]:.2f} of its own size away from the whole LoRA’s."
        if least is not None
        else ""
    )
    return [
        "The same cut on a real LoRA, which teaches the model a new thing: top without it, middle cut, bottom whole.",
        *_lesson(record),
        *([measured] if measured else []),
    ]


PARTS = (
    Part("noise", "A picture drowns in noise, and every level is one jump away", _noise),
    Part("sample", "Layout first, detail later: four runs, state by state", _deck),
    Part("sample", "What the model already sees in the noise", _guesses, film="views/guess.mp4", drafted=False),
    Part("words", "Where each word speaks, and since when", _words),
    Part("cfg-sweep", "How much to listen to the prompt: the guidance scale", _sweep),
    Part("cfg-sweep", "Inside a step: with the words, without them, and beyond", _anatomy, film="views/anatomy.mp4"),
    Part("walk", "Between two noises lie pictures, not cross-fades", _walk),
    Part("walk", "Along the walk, step by step", _steps, film="views/steps.mp4"),
    Part("lora-rank", "A matrix from a few of its parts: rank", _toy),
    Part(
        "lora-rank",
        "How small a LoRA can be and still paint its subject",
        _balloon,
        {
            "lora": "pocket/hot-air-balloon",
            "images": True,
            "prompt": "a hot-air balloon on a grassy hill at noon, clear sky, watercolor",
        },
    ),
)
"""The slides, in the order of the talk. Parts of one lab with the same settings show one run."""


def parts_of(*, draft: bool) -> list[Part]:
    """Return the slides of a talk, or of one that is made of drafts."""
    return [one for one in PARTS if one.drafted or not draft]


def runs_of(parts: Sequence[Part] = PARTS) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the (lab, settings) of the runs that the parts show, each once."""
    seen: list[tuple[str, Mapping[str, Any]]] = []
    for one in parts:
        if (one.lab, one.settings) not in seen:
            seen.append((one.lab, one.settings))
            yield one.lab, one.settings


def scripts(
    made: Mapping[int, Path], records: Mapping[int, Record], parts: Sequence[Part] = PARTS
) -> list[tuple[Path, Script]]:
    """Return the slides: (run, script), from the runs and their records by their place in `runs_of`."""
    order = list(runs_of(parts))
    places = [order.index((one.lab, one.settings)) for one in parts]
    return [(made[place], one.script(records[place])) for one, place in zip(parts, places, strict=True)]
