"""What this lab's record holds beside that of all."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from denoisecli.trace_schema import (
    ALWAYS,
    Committed,
    Count,
    Guide,
    Name,
    Part,
    Positive,
    SampledRecord,
    Seed,
    Settling,
    Share,
)


class SweptState(Settling):
    """The numbers of one state of one scale."""

    contrast: Annotated[float, Field(ge=0, le=0.500001)] = ALWAYS
    """standard deviation of the guess's luma"""
    saturation: Share = ALWAYS
    """mean of (max − min)/max of the guess's pixels"""
    latent_std: Positive = ALWAYS
    """standard deviation of the guess's latents"""
    guidance: Positive | None = ALWAYS
    """root mean square of cond − uncond in the step that leaves this state; null where the unconditional half was not
    run (eps_uncond then repeats eps_cond)"""
    scale: Positive | None = ALWAYS
    """the guidance scale of the step that leaves this state"""
    distance_to_scales: list[Positive | None] = ALWAYS
    """root mean square difference of the guess to that of every scale, same seed"""


class Swept(Part):
    """A seed at a scale."""

    seed: Seed = ALWAYS
    cfg: Guide = ALWAYS
    scale: Count = ALWAYS
    """its place on the scale axis"""
    states: list[SweptState] = ALWAYS
    committed_at: Committed = ALWAYS


class Scale(Part):
    """A guidance scale of a sweep."""

    cfg: Guide = ALWAYS
    label: Name = ALWAYS
    steps: list[Positive] = ALWAYS
    """its value in every step"""


class Sameness(Part):
    """How alike the seeds' guesses are at one scale: the mean correlation of all pairs."""

    cfg: Guide = ALWAYS
    states: list[Annotated[float, Field(ge=-1.000001, le=1.000001)] | None]


class Anatomy(Part):
    """Which sample of a sweep is taken apart."""

    sample: Count
    scale: Count


class CfgSweepRecord(SampledRecord):
    """Of a sweep: rows scale by scale, and in each seed by seed."""

    runs: list[Swept] = ALWAYS  # type: ignore[assignment]
    batches: list[list[int]] = ALWAYS
    """what was sampled together, by seeds"""
    decoders: dict[Name, Name] = ALWAYS
    scales: list[Scale] = ALWAYS
    """in the order of the arrays' first axis"""
    sameness: list[Sameness] = ALWAYS
    """empty for one seed"""
    anatomy: Anatomy | None = None
