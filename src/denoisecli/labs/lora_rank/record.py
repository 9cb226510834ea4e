"""What this lab's record holds beside that of all."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from denoisecli.trace_schema import ALWAYS, Count, Name, Number, Part, Positive, Record, Side, Text

Shape = Annotated[list[Side], Field(min_length=2, max_length=2)]


class Ranked(Part):
    """A cut, or a strength: of the toy's matrix, or of a file."""

    rule: Name | None = None
    rank: Count | None = None
    mean_rank: Positive | None = None
    energy: Positive | None = None
    """share of the squared Frobenius norm that is kept"""
    error: Positive | None = None
    """‖ΔW − ΔW_r‖ / ‖ΔW‖"""
    optimum: Positive | None = None
    """the same by Eckart and Young's theorem"""
    params: Count | None = None
    full_params: Count | None = None
    bytes: Count | None = None
    file: Text | None = None
    scale: Number | None = None
    """the strength it was painted with"""
    distance_to_full: Positive | None = None
    """of its latents to those of the whole file, mean of the seeds"""
    distance_by_seed: dict[Name, Positive | None] | None = None


class Lora(Part):
    """A LoRA file."""

    file: Text | None = None
    layout: Name | None = None
    made_for: Name | None = None
    layers: Count | None = None
    rank: Count | None = None
    bytes: Count | None = None
    params: Count | None = None
    full_params: Count | None = None
    copied: Count | None = None
    blocks: list[Name] | None = None


class LayerRow(Part):
    """One rank of the layer that is shown."""

    rank: Count
    energy: Positive
    error: Positive
    params: Count


class Layer(Part):
    """The layer of a LoRA that is shown."""

    name: Text
    shape: Shape
    ranks: list[Count]
    rows: list[LayerRow]


class Matrix(Part):
    """A matrix at falling rank."""

    name: Text | None = None
    shape: Shape | None = None
    rank: Count | None = None


class LoraRankRecord(Record):
    """Of a LoRA or a matrix: a row for each cut, and for each strength."""

    runs: list[Ranked] = ALWAYS  # type: ignore[assignment]
    lora: Lora | None = None
    layer: Layer | None = None
    matrix: Matrix | None = None
    variants: list[Name] | None = None
    """what was painted, in the order of `final`"""
