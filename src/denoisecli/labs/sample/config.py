"""What a config of the deck holds."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from denoisecli.config.base import LOOK, ROW, SPLIT, SamplingConfig
from denoisecli.config.fields import Float, Int, Text, one_of

VIEWS = ["canvas", "guess", "latent"]


class SampleConfig(SamplingConfig):
    """The deck: every state of a run, three views, several seeds."""

    lab: Literal["sample"] = "sample"
    """which instrument this config is for"""
    views: Annotated[tuple[Annotated[str, one_of(VIEWS)], ...], LOOK] = ("canvas", "guess", "latent")
    """canvas (decoded x_t), guess (decoded predicted x0), latent (the raw channels)"""
    batch: Annotated[Annotated[Int, Field(ge=1, le=1024)] | None, SPLIT] = None
    """seeds at once; null takes what fits. The split belongs to the run: it changes the last bits"""

    draft: ClassVar[dict[str, Any]] = {"seeds": (7, 21), "steps": 12}
    draft_words: ClassVar[str] = (
        "two seeds of 12 steps instead of four of 20, a film of 960×540, no films of single views"
    )

    @field_validator("views")
    @classmethod
    def _some_views_once(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        if not views or len(set(views)) < len(views):
            raise ValueError(f"want one to three of {', '.join(VIEWS)}, each once")
        return views


class RecordedConfig(SampleConfig):
    """The config of a run that `record` saved: what the pipeline was told, as far as that can be said."""

    by_command: ClassVar[bool] = False

    seeds: Annotated[tuple[Int, ...], ROW] = ()
    """those that are known; the trace names one for each picture"""
    cfg: Annotated[Float | None, ROW] = None  # type: ignore[assignment]
    """guidance scale; null where the pictures differ in it, or nobody knows"""
    sampler: Text = ""
    """one of our samplers, or the class of a scheduler that is none of them"""
    size: tuple[Int, Int] | None = None
    """width x height in pixels"""
