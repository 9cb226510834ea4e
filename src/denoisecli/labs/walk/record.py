"""What this lab's record holds beside that of all."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from denoisecli.trace_schema import (
    ALWAYS,
    Count,
    Name,
    Number,
    Part,
    Positive,
    SampledRecord,
    Seed,
    Share,
    Text,
)


class Walked(Part):
    """A frame."""

    frame: Count = ALWAYS
    sample: Count | None = None
    """its number in batches: the ends are sampled first, and perceptual pacing samples more than it keeps"""
    leg: Count = ALWAYS
    share: Share = ALWAYS
    """where on its leg"""
    seed: Seed | None = ALWAYS
    """null between two"""
    cfg: Positive = ALWAYS
    x_norm: Positive | None = ALWAYS
    jump: Positive | None = ALWAYS
    """to the next frame; null at the end"""


class Jumps(Part):
    """How far neighbouring frames are apart: RMS difference of their pictures, 0 to 1."""

    frames: Annotated[int, Field(ge=2)]
    largest: Share
    mean: Share


class EndPicture(Part):
    """A picture of the user's own at an end."""

    image: Name
    sha256: Name
    size: Annotated[list[Count], Field(min_length=2, max_length=2)]
    """its own (width, height)"""
    apart: Share | None = None
    """RMS difference to it of the frame that should be it, 0 to 1"""


class Walk(Part):
    """Where a walk goes."""

    kind: Literal["seeds", "prompts", "scales", "strengths", "images"] = ALWAYS
    ends: Annotated[list[Text], Field(min_length=2)] = ALWAYS
    loop: bool = ALWAYS
    inversion: bool = False
    """whether the noises are those that the pictures would come from"""
    pictures: list[EndPicture] | None = None
    """those at the ends, where it goes between pictures"""
    strength: Share | None = None
    state: Count | None = None
    sigma: Positive | None = None
    """the state at which its runs begin, and its level, where they start from pictures"""
    angles_deg: list[Number | None] = ALWAYS
    """between the starting noises of each leg"""
    sampled: Annotated[int, Field(ge=2)] = ALWAYS
    """runs made, those left out by perceptual pacing too"""
    jumps: dict[Name, Jumps | None] = ALWAYS
    """of as many frames spaced either way, even and perceptual"""


class Sheet(Part):
    """Which frames and states the sheet shows."""

    frames: list[Count]
    states: list[Count]


class WalkRecord(SampledRecord):
    """Of a walk: a row for each frame."""

    runs: list[Walked] = ALWAYS  # type: ignore[assignment]
    batches: list[list[int]] = ALWAYS
    """what was sampled together, by the numbers of its samples"""
    decoders: dict[Name, Name] = ALWAYS
    walk: Walk = ALWAYS
    sheet: Sheet | None = None
