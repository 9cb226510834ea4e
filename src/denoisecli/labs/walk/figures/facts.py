"""What a walk's films and sheets say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli.figures.facts import settings_line
from denoisecli.figures.text import clean
from denoisecli.runs.course import course

from ..places import Place
from .map import Course

MOST_PROMPT_LINES = {"wide": 4, "square": 3, "tall": 2}

NOTES = {
    "seeds": ("only the starting noise differs", "every frame is a full run: no cross-fade"),
    "prompts": ("the same noise, only the prompt moves", "every frame is a full run: no cross-fade"),
    "scales": ("the same noise, only guidance changes", "every frame is a full run: no cross-fade"),
    "images": ("the same noise, only the picture changes", "every frame is a run of its own: no cross-fade"),
    "inversion": ("between the noises of two pictures", "every frame is a full run: no cross-fade"),
    "strengths": ("the same noise, only the LoRA’s strength changes", "every frame is a full run: no cross-fade"),
}


@dataclass(frozen=True)
class WalkFacts:
    """What the film says of a walk. prompts: one, or those it goes between. values: of the ends, where it shows them.

    places: of every frame. jumps: of every frame to the next, NaN at the last of an open walk.
    """

    kind: str
    prompts: tuple[str, ...]
    settings: str
    course: Course
    values: tuple[float, ...]
    places: tuple[Place, ...]
    jumps: NDArray[np.float64]

    @property
    def notes(self) -> tuple[str, ...]:
        """What stays the same and what does not, in two short sentences."""
        return NOTES[self.kind]

    @property
    def speeds(self) -> NDArray[np.float64]:
        """Return how much the picture changes around every frame, (frame,): the mean of the jumps on both sides."""
        sides = np.stack([np.roll(self.jumps, 1), self.jumps])
        mean: NDArray[np.float64] = np.nanmean(sides, axis=0)
        return mean

    def ends_of(self, leg: int) -> tuple[int, int]:
        """Return the numbers of the ends of a leg."""
        return leg, (leg + 1) % len(self.course.names)

    def point(self, frame: int) -> tuple[str, str]:
        """Return the label of a frame beside others, and what stands with it: "seed 7", or "25%" and "7 → 21"."""
        place = self.places[frame]
        a, b = self.ends_of(place.leg)
        if place.end is not None:
            return self.course.names[b if place.share else a], ""
        first, second = (self.course.names[end].partition(" ")[2] for end in (a, b))
        return f"{100 * place.share:.0f}%", f"{first} → {second}"

    def hero(self, frame: int) -> tuple[str, str]:
        """Return the big word of a frame, and the small ones behind it."""
        place = self.places[frame]
        a, b = self.ends_of(place.leg)
        if place.end is not None:
            return self.course.names[b if place.share else a], ""
        noun, _, first = self.course.names[a].partition(" ")
        way = f"from {noun} {first} to {self.course.names[b].partition(' ')[2]}"
        if self.values:
            return f"{self.values[a] + place.share * (self.values[b] - self.values[a]):.3g}", way
        return f"{min(99, max(1, round(100 * place.share)))}%", way


def walk_facts(record: Mapping[str, Any]) -> WalkFacts:
    """Read what the film says from a walk's trace.json."""
    config, walk, runs = record["config"], record["walk"], record["runs"]
    kind = walk["kind"]
    ends = (config.get("between") or {}).get(kind) or []
    prompts = ends if kind == "prompts" else [config["prompt"]]
    shown = dict(config) | ({"cfg": None} if kind == "scales" else {})
    settings = " · ".join([settings_line(shown, config["steps"]), *course(config, record)])
    if walk.get("strength"):
        settings += f" · strength {walk['strength']:g}"
    if kind != "seeds":
        settings += f" · seed {config['seeds'][0]}"
    return WalkFacts(
        kind="inversion" if walk.get("inversion") else kind,
        prompts=tuple(clean(prompt) for prompt in prompts),
        settings=settings,
        course=Course(tuple(walk["ends"]), walk["loop"], kind == "seeds" or bool(walk.get("inversion"))),
        values=tuple(ends) if kind in ("scales", "strengths") else (),
        places=tuple(Place(run["leg"], run["share"]) for run in runs),
        jumps=np.array([np.nan if run["jump"] is None else run["jump"] for run in runs]),
    )
