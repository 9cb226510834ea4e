"""A stored run as other tools load it: A1111's text, ComfyUI's graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from denoisecli.config.fields import did_you_mean
from denoisecli.errors import NotRecorded, UsageError
from denoisecli.runs.catalog import record_of
from denoisecli.trace_schema import record_fault

from .a1111.write import infotext
from .comfyui.write import api_graph, drawing
from .gaps import a1111_losses, comfyui_losses
from .recipe import Recipe, recipe_of


@dataclass(frozen=True)
class Exported:
    """What goes to stdout or a file, what was lost, and all of it for scripts."""

    text: str
    notes: list[str]
    record: dict[str, Any] = field(default_factory=dict)


def exported(run: Path, to: str, seed: int | None = None, *, api: bool = False) -> Exported:
    """Return a run for a tool. Raises UsageError for an unknown tool, NotRecorded for what is no run with pictures."""
    if to not in TOOLS:
        guess = did_you_mean(to, list(TOOLS)) or "."
        raise UsageError(f'Nothing is exported to "{to}"{guess}', f"Tools: {', '.join(TOOLS)}.")
    if api and to != "comfyui":
        raise UsageError("--api is a form of ComfyUI's graph.", "Add --to comfyui, or leave it out.")
    record = record_of(run)
    if record is None:
        raise NotRecorded(f"{run} is not a run folder: it holds no trace.json of ours.", "See: denoisecli ls")
    if wrong := record_fault(record):
        raise NotRecorded(
            f"{run}/trace.json is not as denoisecli writes it: {wrong}.", "Make the run again with --force."
        )
    found = recipe_of(record)
    return TOOLS[to](found if seed is None else found.of_seed(seed), api)


def _to_a1111(recipe: Recipe, _: bool) -> Exported:
    """Return the text of the first picture, which is what the prompt box takes; the record has all."""
    texts = [infotext(recipe, shot) for shot in recipe.shots]
    notes = a1111_losses(recipe)
    seeds = dict.fromkeys(shot.seed for shot in recipe.shots)
    if len(texts) > 1:
        way = f"--seed takes another ({', '.join(map(str, seeds))})" if len(seeds) > 1 else "--json gives all"
        notes.append(f"This is the first of {len(texts)} pictures; {way}.")
    return Exported(texts[0], notes, {"notes": notes, "texts": texts})


def _to_comfyui(recipe: Recipe, api: bool) -> Exported:
    notes = comfyui_losses(recipe)
    nodes = api_graph(recipe)
    drawn = drawing(nodes, notes)
    text = json.dumps(nodes if api else drawn, indent=2)
    return Exported(text, notes, {"notes": notes, "prompt": nodes, "workflow": drawn})


TOOLS: dict[str, Callable[[Recipe, bool], Exported]] = {"comfyui": _to_comfyui, "a1111": _to_a1111}
