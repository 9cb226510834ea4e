"""What a config of the cfg-sweep lab holds."""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import BeforeValidator, Field, field_validator, model_validator

from denoisecli.config.base import FIGURE, LOOK, SPLIT, SamplingConfig
from denoisecli.config.fields import Float, Int, Seeds, one_of
from denoisecli.safe_text import shown

MAX_SCALE = 100.0
MAX_SCALES = 32
MAX_POINTS = 64
ROWS = ["canvas", "guess"]

Points = tuple[tuple[float, float], ...]
"""A schedule: (progress, scale) points, progress rising from 0 (noise) to 1 (picture)."""


def parse_scale(value: Any) -> float | Points:
    """Read a guidance scale: 7.5, or a schedule over progress such as [[0, 12], [0.5, 3]]. Raises ValueError."""
    if not isinstance(value, (list, tuple)):
        return _scale(value)
    points = tuple(_point(item) for item in value)
    if not 1 <= len(points) <= MAX_POINTS:
        raise ValueError(f"a schedule has 1 to {MAX_POINTS} points [progress, scale], not {len(points)}")
    if any(later[0] < earlier[0] for earlier, later in itertools.pairwise(points)):
        raise ValueError("the points of a schedule run from 0 to 1, the earliest first")
    return points


def _scale(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{shown(value)} is not a scale (want a number, or [[0, 12], [0.5, 3]] over progress)")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if not 0 <= value <= MAX_SCALE:
        raise ValueError(f"{shown(value)} is out of range (want 0 to {MAX_SCALE:g})")
    return float(value)


def _point(item: Any) -> tuple[float, float]:
    if not isinstance(item, (list, tuple)) or len(item) != 2:
        raise ValueError(f"{shown(item)} is not a point of a schedule (want [progress, scale], such as [0.5, 3])")
    progress = _scale(item[0])
    if progress > 1:
        raise ValueError(f"progress {item[0]} is out of range (want 0, the noise, to 1, the picture)")
    return progress, _scale(item[1])


def _scale_or_none(value: Any) -> float | Points | None:
    return None if value is None else parse_scale(value)


Guide = Annotated[Union[float, Points], BeforeValidator(parse_scale)]  # noqa: UP007 - pydantic reads it on 3.10


class CfgSweepConfig(SamplingConfig):
    """One starting noise at several guidance scales, and what guidance does inside a step."""

    lab: Literal["cfg-sweep"] = "cfg-sweep"
    """which instrument this config is for"""
    seeds: Seeds = (7,)
    """starting noises, each at every scale; two or more also measure how much alike the seeds come out"""
    scales: tuple[Guide, ...] = (1.0, 3.0, 7.5, 12.0)
    """guidance scales: 0 ignores the prompt, 1 is no guidance; or [[0, 12], [0.5, 3]]: 12 falling to 3 half-way"""
    cfg: Annotated[Union[float, Points, None], BeforeValidator(_scale_or_none)] = None  # type: ignore[assignment]  # noqa: UP007
    """one scale or schedule instead of scales"""
    guidance_interval: tuple[Float, Float] = (0.0, 1.0)
    """guide only in this part of the way: [0.2, 0.8]; outside it every scale is 1"""
    rows: Annotated[tuple[Annotated[str, one_of(ROWS)], ...], LOOK] = ("guess",)
    """what the strip shows of each scale: guess (decoded predicted x0), canvas (decoded x_t) or both"""
    anatomy: Annotated[Union[float, Points, None], BeforeValidator(_scale_or_none), FIGURE] = None  # noqa: UP007
    """which of the scales the anatomy film takes apart; null takes the one nearest to 7.5"""
    batch: Annotated[Annotated[Int, Field(ge=1, le=1024)] | None, SPLIT] = None
    """samples at once; null takes what fits. The split belongs to the run: it changes the last bits"""

    draft: ClassVar[dict[str, Any]] = {"scales": (1.0, 7.5, 12.0), "steps": 12}

    @property
    def varied(self) -> tuple[str, ...]:
        """The guidance scale."""
        return ("cfg",)

    @classmethod
    def draft_for(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Leave the scales out where one was named by cfg."""
        return {key: value for key, value in cls.draft.items() if key != "scales" or "cfg" not in values}

    @model_validator(mode="before")
    @classmethod
    def _cfg_is_one_scale(cls, values: Any) -> Any:
        """Let `cfg` take the place of `scales`, and a single number that of a list; what is no scale is said later."""
        if not isinstance(values, dict):
            return values
        if isinstance(values.get("scales"), (int, float)):
            values = values | {"scales": [values["scales"]]}
        with contextlib.suppress(ValueError):
            if values.get("cfg") is not None and parse_scale(values["cfg"]) is not None:
                return values | {"scales": [values["cfg"]], "cfg": None}
        return values

    @field_validator("scales")
    @classmethod
    def _each_once(cls, scales: tuple[float | Points, ...]) -> tuple[float | Points, ...]:
        if not 1 <= len(scales) <= MAX_SCALES:
            raise ValueError(f"{len(scales)} scales; want 1 to {MAX_SCALES}")
        twice = next((scale for i, scale in enumerate(scales) if scale in scales[:i]), None)
        if twice is not None:
            raise ValueError(f"{twice:g} is there twice" if isinstance(twice, float) else "a schedule is there twice")
        return scales

    @field_validator("guidance_interval")
    @classmethod
    def _interval_has_a_length(cls, interval: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= interval[0] < interval[1] <= 1:
            raise ValueError(f"[{interval[0]:g}, {interval[1]:g}] is not a part of 0 to 1; want such as [0.2, 0.8]")
        return interval

    @field_validator("rows")
    @classmethod
    def _some_rows_once(cls, rows: tuple[str, ...]) -> tuple[str, ...]:
        if not rows or len(set(rows)) < len(rows):
            raise ValueError(f"want one or two of {', '.join(ROWS)}, each once")
        return rows

    @model_validator(mode="after")
    def _anatomy_is_a_scale(self) -> CfgSweepConfig:
        if self.anatomy is not None and self.anatomy not in self.scales:
            raise ValueError("anatomy names none of the scales; leave it out, or add that scale")
        return self
