"""What a config of the lora-rank lab holds."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from denoisecli.config.base import LabConfig, SamplingConfig
from denoisecli.config.fields import Float, Name
from denoisecli.safe_text import brief, shown

MAX_RANK = 4096
MAX_CUTS = 64


def parse_ranks(value: Any) -> Any:
    """Read ranks: 4, "1-16", "1, 2, 4" or a list of those, in rising order. Raises ValueError."""
    if value is None:
        return None
    items = value if isinstance(value, (list, tuple)) else [value]
    ranks = [rank for item in items for rank in _ranks_of(item)]
    if not ranks:
        raise ValueError("no ranks; give at least one, such as [4], or null for the usual ones")
    if len(set(ranks)) < len(ranks):
        raise ValueError(f"rank {next(rank for rank in ranks if ranks.count(rank) > 1)} is there twice")
    if len(ranks) > MAX_CUTS:
        raise ValueError(f"{len(ranks)} ranks are too many (at most {MAX_CUTS})")
    return tuple(sorted(ranks))


def _ranks_of(item: Any) -> list[int]:
    if isinstance(item, str):
        return [rank for part in item.split(",") if part.strip() for rank in _rank_range(part.strip())]
    if isinstance(item, bool) or not isinstance(item, int):
        raise ValueError(f'{shown(item)} is not a rank (want a whole number, or a range such as "1-16")')
    if not 1 <= item <= MAX_RANK:
        raise ValueError(f"rank {shown(item)} is out of range (want 1 to {MAX_RANK})")
    return [item]


def _rank_range(text: str) -> list[int]:
    match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text)
    if not match:
        raise ValueError(f'"{brief(text)}" is not a rank (want a whole number, or a range such as "1-16")')
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= MAX_RANK:
        raise ValueError(f'"{text}" is out of range (want 1 to {MAX_RANK}, the smaller first)')
    return list(range(first, last + 1))


Ranks = Annotated[tuple[int, ...] | None, BeforeValidator(parse_ranks)]
Share = Annotated[Float, Field(gt=0, le=1)]
Ratio = Annotated[Float, Field(gt=1, le=1e9)]
Strength = Annotated[Float, Field(ge=-10, le=10)]


class _RankKeys(LabConfig):
    """The lab's own keys; they stand before those of sampling."""

    lab: str
    """which instrument this config is for"""
    lora: Name | None = None
    """a LoRA (.safetensors), or pocket: the embedded model's own; null is the toy, one small matrix"""
    matrix: Name | None = None
    """for the toy: a picture or .npy matrix to be ΔW; null is the built-in 16×16 bolt"""
    ranks: Ranks = None
    """ranks to cut to: [1, 2, 4], 4 or "1-16"; null takes 1, 2, 4, ... up to the file's (the toy: each)"""
    energies: Annotated[tuple[Share, ...], Field(max_length=16)] = ()
    """cut each layer of a LoRA to the fewest ranks that keep this share of its energy, too: [0.5, 0.9]"""
    ratios: Annotated[tuple[Ratio, ...], Field(max_length=16)] = ()
    """cut each layer to the singular values larger than its largest divided by this, too: [10]"""
    images: bool = False
    """paint the same seeds at every rank, beside none and the whole LoRA; without it no model is loaded"""
    scales: Annotated[tuple[Strength, ...], Field(max_length=32)] = ()
    """paint the same seeds at these strengths of the whole LoRA, too: [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5]"""


class LoraRankConfig(SamplingConfig, _RankKeys):
    """How few numbers a LoRA needs: ΔW = B·A at falling rank."""

    lab: Literal["lora-rank"] = "lora-rank"
    """which instrument this config is for"""

    title_key: ClassVar[str] = "lora"

    draft: ClassVar[dict[str, Any]] = {"seeds": (7,), "steps": 12}

    @property
    def draft_keys(self) -> tuple[str, ...]:
        """None where nothing is painted."""
        return super().draft_keys if self.needs_model else ()

    @property
    def title(self) -> str:
        """The words that name the run's folder: the file's name, or the toy's."""
        path = self.lora or self.matrix or "bolt"
        return re.split(r"[/\\]", path)[-1].rsplit(".", 1)[0]

    @property
    def varied(self) -> tuple[str, ...]:
        """The LoRAs, cut to their ranks."""
        return ("loras",)

    @property
    def taught_by(self) -> tuple[str, ...]:
        """The files of LoRAs whose words the run's prompts may use: its subject among them."""
        return (*super().taught_by, *([self.lora] if self.lora else []))

    @property
    def paints(self) -> bool:
        """Whether a model is needed."""
        return self.images or bool(self.scales)

    @property
    def needs_model(self) -> bool:
        """Whether a model is loaded at all."""
        return self.paints

    @model_validator(mode="before")
    @classmethod
    def _one_rank_will_do(cls, values: Any) -> Any:
        """Take `rank: 4` for `ranks: [4]`."""
        if isinstance(values, dict) and "rank" in values and "ranks" not in values:
            return {key: value for key, value in values.items() if key != "rank"} | {"ranks": values["rank"]}
        return values

    @field_validator("energies", "ratios", "scales")
    @classmethod
    def _each_once(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) < len(values):
            raise ValueError(f"{next(value for value in values if values.count(value) > 1):g} is there twice")
        return tuple(sorted(values))

    @model_validator(mode="after")
    def _one_subject(self) -> LoraRankConfig:
        if self.lora and self.matrix:
            raise ValueError("lora and matrix are both set; keep one of them, and set the other to null")
        if self.matrix and (self.paints or self.energies or self.ratios):
            raise ValueError("a matrix has ranks only; images, scales, energies and ratios are for a lora")
        return self
