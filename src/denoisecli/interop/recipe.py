"""What other tools are told of a run: which pictures it holds, what each is made of, and what cannot be said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from denoisecli.config.base import Lora, Phase, SamplingConfig, Start
from denoisecli.config.samplers import SAMPLERS, Sampler
from denoisecli.errors import NotRecorded, UsageError
from denoisecli.registry import CONFIGS, part

MOST_SHOTS = 64  # a graph of more is no help to anyone


@dataclass(frozen=True)
class Shot:
    """One picture: everything that may differ between the pictures of a run."""

    seed: int
    cfg: float
    prompt: str
    loras: tuple[Lora, ...]


@dataclass(frozen=True)
class Recipe:
    """The pictures of a run and what they share. size: (width, height), pixels.

    spacing: of the timesteps: leading, linspace or trailing. notes: a sentence for each thing that no other tool takes.
    """

    shots: tuple[Shot, ...]
    negative_prompt: str
    steps: int
    sampler: Sampler
    spacing: str
    schedule: str | None
    prompt_syntax: str
    clip_skip: int
    eta: float
    guidance_rescale: float
    size: tuple[int, int]
    model: str
    model_sha256: str
    phases: tuple[Phase, ...] = ()
    start: Start | None = None
    notes: tuple[str, ...] = ()

    def of_seed(self, seed: int) -> Recipe:
        """Return the recipe of one seed's pictures. Raises UsageError where the run has none of it."""
        shots = tuple(shot for shot in self.shots if shot.seed == seed)
        if not shots:
            seeds = dict.fromkeys(shot.seed for shot in self.shots)
            raise UsageError(f"The run has no seed {seed}.", f"It has: {', '.join(map(str, seeds))}.")
        return replace(self, shots=shots)


def recipe(
    config: SamplingConfig,
    shots: Sequence[Shot],
    size: tuple[int, int],
    model_sha256: str,
    spacing: str | None,
    notes: Sequence[str] = (),
) -> Recipe:
    """Return the recipe of some pictures of a config."""
    return Recipe(
        shots=tuple(shots),
        negative_prompt=config.negative_prompt,
        steps=config.steps,
        sampler=SAMPLERS[config.sampler],
        spacing=config.spacing or spacing or "leading",
        schedule=config.schedule,
        prompt_syntax=config.prompt_syntax,
        clip_skip=config.clip_skip,
        eta=config.eta,
        guidance_rescale=config.guidance_rescale,
        size=size,
        model=config.model,
        model_sha256=model_sha256,
        phases=config.phases,
        start=config.start,
        notes=tuple(notes),
    )


def shot(config: SamplingConfig, seed: int, cfg: float) -> Shot:
    """Return a picture with the config's own prompt and LoRAs."""
    return Shot(seed, cfg, config.prompt, config.loras)


def recipe_of(record: dict[str, Any]) -> Recipe:
    """Return the recipe of a stored run by its `trace.json`. Raises NotRecorded where no model painted in it."""
    config = _config(record)
    if config is None:
        raise NotRecorded(
            "No model painted in this run, so there is nothing to export.",
            "Export runs of a lab that samples, such as sample, or of lora-rank with --images.",
        )
    notes: list[str] = []
    shots = list(dict.fromkeys(_shots(config, record, notes)))
    if not shots:
        raise NotRecorded("No picture of this run can be made elsewhere.", " ".join(notes))
    if len(shots) > MOST_SHOTS:
        notes.append(f"Of {len(shots)} pictures the first {MOST_SHOTS} are here.")
    model = record.get("model") or {}
    spacing = model.get("timestep_spacing")
    if config.size is None:
        raise NotRecorded("The run's config has no size.", "Make the run again.")
    return recipe(config, shots[:MOST_SHOTS], config.size, str(model.get("sha256") or ""), spacing, notes)


def _config(record: dict[str, Any]) -> SamplingConfig | None:
    """Return the run's config; None where it ran no model."""
    found = record.get("config")
    if not isinstance(found, dict) or found.get("lab") not in CONFIGS:
        raise NotRecorded("The run does not say with which settings it was made.", "Only a lab's run can be exported.")
    try:
        config = CONFIGS[found["lab"]].model_validate(found)
    except ValidationError as error:
        if record.get("recorded"):
            keys = ", ".join(dict.fromkeys(str(fault["loc"][0]) for fault in error.errors() if fault["loc"]))
            hint = "Call it with generators of known seeds and one of our samplers to export what it paints."
            raise NotRecorded(
                f"The pipeline that was recorded does not say all that an export needs: {keys}.", hint
            ) from None
        raise NotRecorded("The run's settings are not as denoisecli writes them.") from None
    paints = isinstance(config, SamplingConfig) and getattr(config, "paints", True)
    return config if paints and isinstance(config, SamplingConfig) else None


def _shots(config: SamplingConfig, record: dict[str, Any], notes: list[str]) -> Iterator[Shot]:
    shots = part(config.lab, "shots")
    if shots is None:
        return (shot(config, seed, config.cfg) for seed in config.seeds)
    found: Iterator[Shot] = shots(config, record, notes)
    return found
