"""What a config of the deck holds."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from denoisecli.config.base import LOOK, ROW, SPLIT, Closed, SamplingConfig, without_usual
from denoisecli.config.fields import Float, Int, Text, one_of

VIEWS = ["canvas", "guess", "latent"]
SHOWS = ["grid", "middle"]


class Video(Closed):
    """A clip instead of a picture."""

    frames: Annotated[Int, Field(ge=1, le=1024)] = 1
    """how many frames the model paints; most paint 1 more than a multiple of 4 or 8"""
    show: Annotated[Literal["grid", "middle"], one_of(SHOWS)] = "grid"
    """grid (up to 9 frames of a state's latents, from the first to the last) or middle (that one alone)"""

    @model_validator(mode="before")
    @classmethod
    def _frames_alone(cls, value: Any) -> Any:
        """Take `17` for `{frames: 17}`."""
        return {"frames": value} if isinstance(value, int) and not isinstance(value, bool) else value


class SampleConfig(SamplingConfig):
    """The deck: every state of a run, three views, several seeds."""

    lab: Literal["sample"] = "sample"
    """which instrument this config is for"""
    views: Annotated[tuple[Annotated[str, one_of(VIEWS)], ...], LOOK] = ("canvas", "guess", "latent")
    """canvas (decoded x_t), guess (decoded predicted x0), latent (the raw channels)"""
    batch: Annotated[Annotated[Int, Field(ge=1, le=1024)] | None, SPLIT] = None
    """seeds at once; null takes what fits. The split belongs to the run: it changes the last bits"""

    video: Video | None = None
    """a clip of a video model: {frames: 17, show: grid}; null: one picture"""

    draft: ClassVar[dict[str, Any]] = {"seeds": (7, 21), "steps": 12}
    draft_too: ClassVar[str] = "no films of single views"

    @model_validator(mode="after")
    def _clips_start_from_noise(self) -> SampleConfig:
        if self.video is None or self.video.frames == 1:
            return self
        if self.start is not None:
            raise ValueError("start: a clip starts from noise alone; leave start or video out")
        if any(phase.scale not in (None, 1) for phase in self.phases):
            raise ValueError("phases: a clip stays at one size; leave scale or video out")
        return self

    @model_serializer(mode="wrap")
    def _without_video(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave `video` out of the config of pictures, as in files from before it."""
        told = without_usual(self, plain)
        return {key: value for key, value in told.items() if key != "video" or value}

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
