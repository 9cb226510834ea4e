"""What this lab's record holds beside that of all."""

from __future__ import annotations

from denoisecli.trace_schema import ALWAYS, Name, Number, Part, Positive, Record, Seed, Share, State


class Drowning(State):
    """The numbers of one frame."""

    alpha_bar: Share | None = ALWAYS
    sigma: Positive | None = ALWAYS
    snr_db: Number | None = ALWAYS
    signal: Number | None = ALWAYS
    """√ᾱ, what the picture is multiplied by"""
    noise: Number | None = ALWAYS
    """√(1−ᾱ), what ε is multiplied by"""
    x_norm: Positive | None = ALWAYS
    correlation: Number | None = ALWAYS
    """of x_t with the picture, measured"""
    correlation_expected: Number | None = ALWAYS
    """the same by the formula, knowing the picture's own contrast"""
    sqrt_alpha_bar: Number | None = ALWAYS
    """the same for a picture of unit variance"""
    guess_error: Positive | None = None
    """how far the model's one-jump guess is from the picture: 0 is right, 1 as wrong as no guess"""
    guess_error_layout: Positive | None = None
    guess_error_detail: Positive | None = None


class Drowned(Part):
    """A schedule: the picture at each of its levels."""

    seed: Seed | None = None
    schedule: Name | None = None
    states: list[Drowning] = ALWAYS


class Picture(Part):
    """The picture that drowns."""

    mean: Number | None = ALWAYS
    std: Number | None = ALWAYS


class NoiseRecord(Record):
    """Of the forward process: a row for each schedule."""

    runs: list[Drowned] = ALWAYS  # type: ignore[assignment]
    picture: Picture | None = None
