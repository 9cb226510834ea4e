"""What this lab's record holds beside that of all."""

from __future__ import annotations

from denoisecli.trace_schema import ALWAYS, Count, Name, Part, Positive, SampledRecord, Share


class Bands(Part):
    """A number for layout and one for detail."""

    layout: Share | None = None
    detail: Share | None = None


class Fork(Part):
    """What came of a fork: how much of its picture is the changed run's, as means over the seeds."""

    at: Count
    layout: Share
    detail: Share
    spread: Bands | None = ALWAYS
    """the standard deviation over the seeds"""
    by_seed: dict[Name, list[Share]] | None = ALWAYS
    picture: Positive | None = ALWAYS
    """root mean square distance to the unchanged picture, 0 to 1"""
    evaluations: Count | None = ALWAYS
    """rows that the denoiser ran behind the fork"""


class Decided(Part):
    """The state, with a fraction, at which the change comes to decide less than half; null: before the first fork."""

    layout: Positive | None = ALWAYS
    detail: Positive | None = ALWAYS
    interval: dict[Name, list[Positive] | None] | None = ALWAYS
    """95 % of seeds drawn anew; null for one seed"""
    window: dict[Name, list[Positive | None]] | None = ALWAYS
    """where the share falls through 0.9 and 0.1"""


class ForkRecord(SampledRecord):
    """Of a fork: the unchanged run's rows, and what each fork changed."""

    batches: list[list[int]] = ALWAYS
    decoders: dict[Name, Name] = ALWAYS
    forks: list[Fork] = ALWAYS
    """for each state of `at`"""
    decided_at: Decided = ALWAYS
    branches: list[Count] = ALWAYS
    """states whose branches are in pictures.zip: those of `at`, and 0"""
