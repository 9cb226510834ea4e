"""What a config of the noise lab holds."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from denoisecli.config.base import LOOK, MEMORY, PROMPT, QUANTIZE, Film, LabConfig, Vae, without_usual_memory
from denoisecli.config.fields import MAX_SEED, Int, Name, PictureSize, Text, did_you_mean, one_of
from denoisecli.safe_text import shown

SCHEDULES = ("scaled_linear", "linear", "cosine", "zero_snr", "karras", "rectified_flow")
LAST_TIMESTEP = 999
MAX_FRAMES = 1000  # as many as there are timesteps
SHEET_TIMESTEPS = (0, 50, 150, 300, 450, 600, 800, 999)


def _schedule(value: Any) -> Any:
    if value is None or (isinstance(value, str) and value in SCHEDULES):
        return value
    guess = did_you_mean(value, list(SCHEDULES)) if isinstance(value, str) else ""
    raise ValueError(f"{shown(value)} is not a schedule we know{guess or ' (want ' + ', '.join(SCHEDULES) + ')'}")


Schedule = Annotated[str, BeforeValidator(_schedule)]


class NoiseFilm(Film):
    """How the film looks."""

    fps: Annotated[Int, Field(ge=1, le=120)] = 30
    """frames a second; each noise level is one frame"""
    hold_s: Annotated[float, Field(gt=0, le=60, strict=False)] = 0.8
    """how long the film rests at the clean and at the noisy end, in seconds"""


class NoiseConfig(LabConfig):
    """How a picture drowns in noise: the forward process, the same noise all the way."""

    lab: Literal["noise"] = "noise"
    """which instrument this config is for"""
    image: Name | None = None
    """path of a picture; null is the built-in lighthouse"""
    size: PictureSize | None = None
    """width x height in pixels, multiples of 8, filled by the picture; null takes what fills the film's panel"""
    seed: Annotated[Int, Field(ge=0, le=MAX_SEED)] = 7
    """of the noise, drawn once by NumPy's PCG64"""
    frames: Annotated[Int, Field(ge=2, le=MAX_FRAMES)] = 91
    """noise levels from clean to static"""
    schedule: Schedule | None = "scaled_linear"
    """scaled_linear (Stable Diffusion), linear (DDPM), cosine, zero_snr, karras (EDM) or rectified_flow"""
    schedules: tuple[Schedule, ...] | None = None
    """two to six of them side by side, instead of schedule: [scaled_linear, cosine]"""
    pacing: Annotated[Literal["t", "snr"], one_of(["t", "snr"])] = "t"
    """t: even steps in time; snr: even steps in decibels of signal to noise"""
    loop: Annotated[bool, LOOK] = True
    """whether the film runs back to the clean picture"""
    sheet: tuple[Int, ...] = SHEET_TIMESTEPS
    """timesteps on the contact sheet, 0 to 999"""
    space: Annotated[Literal["pixel", "latent"], one_of(["pixel", "latent"])] = "pixel"
    """latent: the same in a model's latent space, decoded, beside the pixels"""
    guess: bool = False
    """put the model beside it: its one-jump guess of the clean picture at each noise level, and the guess's error"""
    model: Name = "pocket"
    """for latent and guess: pocket (built in, offline), a hub id, a diffusers folder, or one .safetensors file"""
    prompt: Annotated[Text, Field(max_length=100_000)] | None = None
    """for guess: what the model is told; null is the usual lighthouse prompt, or nothing for a picture of yours"""
    device: Annotated[str, one_of(["auto", "cuda", "mps", "cpu"])] = "auto"
    """for latent and guess: auto takes cuda, then mps, then cpu"""
    dtype: Annotated[str, one_of(["auto", "float32", "float16", "bfloat16"])] = "auto"
    """for latent and guess: auto takes float16 on cuda, else float32"""
    memory: Annotated[str, one_of(MEMORY)] = "auto"
    """for latent and guess: full, model-offload, group-offload or sequential; auto takes the first that fits"""
    quantize: Annotated[str, one_of(QUANTIZE)] = "none"
    """for latent and guess: weights in fewer bits: fp8-layerwise, int8, nf4, gguf"""
    vae: Vae = Vae()
    """for latent and guess: how the autoencoder does with less memory"""
    film: Annotated[NoiseFilm, LOOK] = NoiseFilm()
    """how the film looks"""

    without_flag: ClassVar[tuple[str, ...]] = ("frames",)
    draft: ClassVar[dict[str, Any]] = {"frames": 31}

    @model_serializer(mode="wrap")
    def _without_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_usual_memory(self, plain)

    @property
    def title(self) -> str:
        """The words that name the run's folder: the picture and the schedules."""
        picture = PurePath(self.image).stem if self.image else "lighthouse"
        return f"{picture} {' '.join(self.compared)}"

    @property
    def needs_model(self) -> bool:
        """Whether a model is loaded at all."""
        return self.space == "latent" or self.guess

    @property
    def told(self) -> str:
        """What the model is told the picture shows."""
        if self.prompt is not None:
            return self.prompt
        return PROMPT if self.image is None else ""

    @property
    def compared(self) -> tuple[str, ...]:
        """The schedules, one or several."""
        return self.schedules or (self.schedule or SCHEDULES[0],)

    @model_validator(mode="before")
    @classmethod
    def _schedules_replace_the_default(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("schedules") is not None and "schedule" not in values:
            return values | {"schedule": None}
        return values

    @field_validator("schedules")
    @classmethod
    def _one_way_to_name_them(cls, names: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if names is None:
            return None
        if info.data.get("schedule") is not None:
            raise ValueError("schedule and schedules are both set; keep one of them, and set the other to null")
        if not 2 <= len(names) <= len(SCHEDULES) or len(set(names)) < len(names):
            raise ValueError(f"want two to {len(SCHEDULES)} schedules, each once; for one there is schedule")
        return names

    @field_validator("space")
    @classmethod
    def _latents_of_one_schedule(cls, space: str, info: ValidationInfo) -> str:
        if space == "latent" and info.data.get("schedules"):
            raise ValueError("latent takes one schedule; leave schedules out")
        return space

    @field_validator("guess")
    @classmethod
    def _guess_from_one_schedule(cls, guess: bool, info: ValidationInfo) -> bool:
        if guess and info.data.get("schedules"):
            raise ValueError("a guess takes one schedule; leave schedules out")
        return guess

    @field_validator("sheet")
    @classmethod
    def _sheet_has_pictures(cls, timesteps: tuple[int, ...]) -> tuple[int, ...]:
        if not 1 <= len(timesteps) <= 24:
            raise ValueError(f"{len(timesteps)} pictures on a sheet; want 1 to 24")
        beyond = next((t for t in timesteps if not 0 <= t <= LAST_TIMESTEP), None)
        if beyond is not None:
            raise ValueError(f"t = {shown(beyond)} is out of range (want 0 to {LAST_TIMESTEP})")
        return timesteps
