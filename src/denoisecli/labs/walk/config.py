"""What a config of the walk lab holds."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from denoisecli.config.base import LOOK, SPLIT, Closed, Film, SamplingConfig
from denoisecli.config.fields import Float, Int, Scale, Seeds, Text, one_of
from denoisecli.safe_text import shown

PACINGS = ["even", "perceptual"]
MOST_FRAMES = 10_000  # a leg; seven minutes of film
MOST_ENDS = 64
ONE_NOISE = 7
USUAL_STRENGTH = 0.6

Prompt = Annotated[Text, Field(min_length=1, max_length=100_000)]
Strength = Annotated[Float, Field(ge=-10, le=10)]


class WalkFilm(Film):
    """How the film looks."""

    fps: Annotated[Int, Field(ge=1, le=120)] = 24
    """frames a second; each frame of the walk is one frame of the film"""
    hold_s: Annotated[Float, Field(gt=0, le=60)] = 0.5
    """how long the film rests at each seed, in seconds"""


LISTS = ("prompts", "scales", "strengths", "images")
"""What a walk can go between, instead of seeds."""


class Between(Closed):
    """What a walk goes between instead of seeds: one of these lists, two or more values in it."""

    prompts: tuple[Prompt, ...] | None = None
    """their embeddings are interpolated"""
    scales: tuple[Scale, ...] | None = None
    """guidance scales, instead of cfg"""
    strengths: tuple[Strength, ...] | None = None
    """of the LoRAs: their scales are multiplied by it"""
    images: tuple[Prompt, ...] | None = None
    """pictures of your own, by their paths: their latents are interpolated, noised and painted anew"""
    strength: Annotated[Float, Field(gt=0, le=1)] | None = None
    """of images: share of the steps that are taken, as in start; null: 0.6"""
    inversion: Annotated[bool, Strict()] = False
    """of images: find the noise that each would come from (DDIM or flow inversion), and walk between these"""

    @property
    def kind(self) -> str:
        """Which of the lists it is."""
        return next(name for name in LISTS if getattr(self, name) is not None)

    @property
    def share(self) -> float:
        """The share of the steps that are taken of pictures that are noised."""
        return USUAL_STRENGTH if self.strength is None else self.strength

    @property
    def values(self) -> tuple[Any, ...]:
        """The list itself."""
        return tuple(getattr(self, self.kind))

    @model_validator(mode="after")
    def _one_list_of_ends(self) -> Between:
        given = [name for name in LISTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"want one of {', '.join(LISTS)}, and one only")
        _check_ends(self.values, self.kind)
        if self.images is None and (self.inversion or self.strength is not None):
            raise ValueError(f"{'inversion' if self.inversion else 'strength'} is of images, and there are none")
        if self.inversion and self.strength is not None:
            raise ValueError("inversion goes all the way to noise, so it has no strength; leave one of them out")
        return self

    @model_serializer(mode="wrap")
    def _without_pictures(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is of pictures where there are none, as in files from before it."""
        told = plain(self)
        return told if self.images is not None else {key: told[key] for key in LISTS if key != "images"}


def _check_ends(values: tuple[Any, ...], what: str) -> None:
    if len(values) < 2:
        raise ValueError(f"a walk needs two {what} or more, not {len(values)}")
    if len(values) > MOST_ENDS:
        raise ValueError(f"{len(values)} {what} are too many for one walk (at most {MOST_ENDS})")
    twice = next((one for one, other in pairwise(values) if one == other), None)
    if twice is not None:
        raise ValueError(f"{shown(twice)} follows itself, so there is no way between")


class WalkConfig(SamplingConfig):
    """The way from one starting noise to another: every frame its own full run, no cross-fade."""

    lab: Literal["walk"] = "walk"
    """which instrument this config is for"""
    seeds: Seeds = (7, 21, 42)
    """starting noises to walk between, two or more in this order: a list, or a range such as 1-4"""
    frames: Annotated[Int, Field(ge=2, le=MOST_FRAMES)] = 24
    """runs a leg, both its ends counted; where two legs join, one frame is shared. 60 make a smoother film"""
    loop: bool = False
    """whether the walk goes on from the last seed to the first"""
    pacing: Annotated[Literal["even", "perceptual"], one_of(PACINGS)] = "even"
    """even: equal angles; perceptual: more frames where the pictures change most, as many in all"""
    extra: Annotated[Int, Field(ge=0, le=MOST_FRAMES * MOST_ENDS)] | None = None
    """perceptual: runs to spend on finding where the pictures change; null is half of the film's frames"""
    largest_jump: Annotated[Float, Field(ge=0, le=1)] = 0.0
    """perceptual: stop where no two neighbours differ by more than this (RMS of the pictures, 0 to 1)"""
    between: Between | None = None
    """walk between prompts, scales, LoRA strengths or own pictures on one noise: {prompts: [a calm sea, a storm]}"""
    there_and_back: Annotated[bool, LOOK] = True
    """whether the film of a walk that is no loop runs back to its start"""
    cross_fade: Annotated[bool, LOOK] = False
    """make a second film: the walk beside a cross-fade of the pictures at its ends, to see the difference"""
    batch: Annotated[Annotated[Int, Field(ge=1, le=1024)] | None, SPLIT] = None
    """frames at once; null takes what fits. The split belongs to the run: it changes the last bits"""
    film: Annotated[WalkFilm, LOOK] = WalkFilm()
    """how the film looks"""

    draft: ClassVar[dict[str, Any]] = {"seeds": (7, 21), "frames": 8, "steps": 10}

    @classmethod
    def draft_for(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Leave the seeds out where the walk goes between other things."""
        return {key: value for key, value in cls.draft.items() if key != "seeds" or not values.get("between")}

    @property
    def prompts(self) -> tuple[str, ...]:
        """The texts that the model is told to paint: those at the ends, where they are what the walk goes between."""
        return (self.between and self.between.prompts) or super().prompts

    @property
    def varied(self) -> tuple[str, ...]:
        """What it goes between."""
        kinds: dict[str, tuple[str, ...]] = {
            "prompts": ("prompt", "negative_prompt", "model"), "scales": ("cfg",), "strengths": ("loras",),
        }  # fmt: skip
        return kinds.get(self.between.kind, ()) if self.between else ()

    @property
    def pictures(self) -> tuple[tuple[str, str], ...]:
        """The pictures of the user's own that it names, by their keys."""
        ends = self.between.images or () if self.between else ()
        return (*super().pictures, *((f"between.images[{number}]", image) for number, image in enumerate(ends)))

    @property
    def title(self) -> str:
        """The words that name the run's folder."""
        return " to ".join(self.prompts)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that the walk goes between."""
        return self.between.values if self.between else self.seeds

    @property
    def legs(self) -> int:
        """How many ways between two ends there are."""
        return len(self.ends) - (not self.loop)

    @model_validator(mode="before")
    @classmethod
    def _one_noise_will_do(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("between") is not None and "seeds" not in values:
            return values | {"seeds": (ONE_NOISE,)}
        return values

    @field_validator("between")
    @classmethod
    def _enough_ends(cls, between: Between | None, info: ValidationInfo) -> Between | None:
        seeds = info.data.get("seeds")
        if seeds is None:
            return between
        if between is None:
            return None
        if len(seeds) > 1:
            raise ValueError(f"walks on one noise, but there are {len(seeds)} seeds; give one")
        if between.images is not None and info.data.get("start") is not None:
            raise ValueError("images are what it starts from, so leave start out")
        if between.strengths is not None and not info.data.get("loras"):
            raise ValueError("strengths are of LoRAs, but there are none; name them under loras")
        return between

    @model_validator(mode="after")
    def _a_way_to_go(self) -> WalkConfig:
        if self.between is None:
            _check_seeds(self.seeds)
        return self


def _check_seeds(seeds: tuple[int, ...]) -> None:
    if len(seeds) < 2:
        raise ValueError(f"seeds: a walk needs two seeds or more, not {len(seeds)}; try [{seeds[0]}, {seeds[0] + 1}]")
    if len(seeds) > MOST_ENDS:
        raise ValueError(f"seeds: {len(seeds)} are too many for one walk (at most {MOST_ENDS})")
