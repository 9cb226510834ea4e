"""The scales of a sweep: numbers or schedules over progress, and what each is in every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import CfgSweepConfig, Points

UNGUIDED = 1.0
USUAL = 7.5


@dataclass(frozen=True)
class SweptScale:
    """One scale of a sweep: as the config names it, its word in figures and file names, and its value in each step."""

    guide: float | Points
    label: str
    steps: tuple[float, ...]

    @property
    def record(self) -> dict[str, Any]:
        """What trace.json says of it."""
        return {"cfg": self.guide, "label": self.label, "steps": list(self.steps)}


def swept_scales(config: CfgSweepConfig) -> list[SweptScale]:
    """Return the config's scales with their values in every step; outside the guidance interval all are 1."""
    labels = _labels(config.scales)
    return [
        SweptScale(guide, label, scale_steps(guide, config.steps, config.guidance_interval))
        for guide, label in zip(config.scales, labels, strict=True)
    ]


def scale_steps(guide: float | Points, steps: int, interval: tuple[float, float] = (0.0, 1.0)) -> tuple[float, ...]:
    """Return the scale of each step, (step,). The step that leaves state k of n has the progress k/n.

    Source of the interval: Kynkäänniemi et al. 2024, arXiv 2404.07724 (weight 1 outside it).
    """
    progress = [step / steps for step in range(steps)]
    low, high = interval
    return tuple(scale_at_progress(guide, p) if low <= p < high else UNGUIDED for p in progress)


def scale_at_progress(guide: float | Points, progress: float) -> float:
    """Return the scale at a progress of 0..1: straight lines between a schedule's points, level beyond its ends.

    Where two points share a progress, the scale jumps from the first one's to the second one's.
    """
    if isinstance(guide, float):
        return guide
    before = [point for point in guide if point[0] <= progress]
    after = [point for point in guide if point[0] > progress]
    if not before or not after:
        return before[-1][1] if before else after[0][1]
    (start, first), (end, second) = before[-1], after[0]
    return first + (second - first) * (progress - start) / (end - start)


def _labels(guides: Sequence[float | Points]) -> list[str]:
    """Return a word for each: 7.5, or 12→3 for a schedule; the second of two equal words gets a (2)."""
    words = [guide_label(guide) for guide in guides]
    return [
        f"{word} ({words[: index + 1].count(word)})" if word in words[:index] else word
        for index, word in enumerate(words)
    ]


def guide_label(guide: float | Points) -> str:
    """Return 7.5 of a number, and of a schedule the scales it passes: 12→3."""
    if isinstance(guide, float):
        return f"{guide:g}"
    values = [f"{scale:g}" for _, scale in guide]
    passed = [value for index, value in enumerate(values) if index == 0 or value != values[index - 1]]
    return "→".join(passed if len(passed) <= 4 else [*passed[:2], "…", passed[-1]])


def taken_apart(config: CfgSweepConfig, scales: Sequence[SweptScale]) -> int:
    """Return which scale the anatomy film shows: the config's, else the one whose mean is nearest to 7.5."""
    if config.anatomy in [scale.guide for scale in scales]:
        return [scale.guide for scale in scales].index(config.anatomy or 0.0)
    means = [sum(scale.steps) / len(scale.steps) for scale in scales]
    return min(range(len(means)), key=lambda index: abs(means[index] - USUAL))
