"""What a config of each lab holds. Descriptions here are the comments of `configs/*.yaml` and of `config init`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
    model_validator,
)

from denoisecli.safe_text import brief, shown

from .fields import (
    MOST_STEPS,
    FilmSize,
    Float,
    Int,
    Name,
    PictureSize,
    Scale,
    Seeds,
    Steps,
    Text,
    did_you_mean,
    one_of,
    whole_texts,
)
from .samplers import SAMPLERS, SCHEDULES

DRAFT_FILM = {"size": "960x540"}
PROMPT = "a lighthouse on a rocky cliff at dusk, dramatic golden clouds, crashing waves, oil painting"
SPACINGS = ["leading", "linspace", "trailing"]
SYNTAXES = ["plain", "comfy", "a1111"]
FORMATS = ["mp4", "webm", "gif", "webp"]
USUAL = {"title": False, "lesson": True}  # cards of a film
MEMORY = ["auto", "full", "model-offload", "group-offload", "sequential"]
MOST_SCALE = 8  # times the sides of a run, in a hi-res phase
QUANTIZE = ["none", "fp8-layerwise", "int8", "nf4", "gguf"]


def _sampler(value: Any) -> Any:
    """Take a sampler by key ("dpmpp_2m_karras") or label ("DPM++ 2M Karras"), however it is written ("dpm++2m")."""
    if isinstance(value, str):
        known = {_bare(name): key for key, row in SAMPLERS.items() for name in (row.label, key)}
        if _bare(value) in known:
            return known[_bare(value)]
        guess = did_you_mean(value, list(SAMPLERS))
        raise ValueError(
            f'"{brief(value)}" is not a sampler we know{guess or " (want one of " + ", ".join(SAMPLERS) + ")"}'
        )
    raise ValueError(f"{shown(value)} is not the name of a sampler")


SamplerName = Annotated[str, BeforeValidator(_sampler)]
"""A sampler by key or label."""


def _bare(name: str) -> str:
    """Return a sampler's name without what people write differently: case, spaces, marks; + is p."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("+", "p"))


@dataclass(frozen=True)
class Role:
    """What a key is for, beside deciding what is computed: said once, on the field; `keys` asks for it.

    look: how a run is drawn, nothing of what is computed. figure: adds a figure, leaves the pictures as they are.
    row: may differ between the samples of one batch. split: how samples are put into batches. machine: where it runs.
    pictures: which decoder draws.
    """

    name: Literal["look", "figure", "row", "split", "machine", "pictures"]


LOOK, FIGURE, ROW, SPLIT = Role("look"), Role("figure"), Role("row"), Role("split")
MACHINE, PICTURES = Role("machine"), Role("pictures")


def keys(config: type[BaseModel], *roles: Role) -> tuple[str, ...]:
    """Return the keys of a config that have one of these roles, in their order."""
    return tuple(key for key, field in config.model_fields.items() if any(role in field.metadata for role in roles))


class Closed(BaseModel):
    """A frozen part of a config that takes no keys but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _text_alone(cls, values: Any) -> Any:
        """Refuse what is no text, wherever it stands, before pydantic or a key's own reader sees it."""
        return whole_texts(values)

    def texts(self) -> list[str] | None:
        """Return this part as the words that its flag takes; None where it has no flag, or words cannot say it."""
        return None


class Film(Closed):
    """How the films look."""

    size: FilmSize = (1920, 1080)
    """width x height in pixels: 1920x1080, 1080x1080, 1080x1920, 3840x2160"""
    fps: Annotated[Int, Field(ge=1, le=120)] = 10
    """frames a second of the file; it does not change how long a state is held"""
    hold_s: Annotated[Float, Field(gt=0, le=60)] = 0.4
    """how long each state is held, in seconds; the last is held five times as long"""
    theme: Annotated[Literal["dark", "light", "contrast"], one_of(["dark", "light", "contrast"])] = "dark"
    """dark, light or contrast"""
    formats: tuple[Annotated[str, one_of(FORMATS)], ...] = ("mp4",)
    """mp4 (there in any case), and any of webm, gif, webp beside it; [] leaves films away"""
    title: Annotated[bool, Strict()] = False
    """begin with a card that says what the run is"""
    lesson: Annotated[bool, Strict()] = True
    """end with a card that says in one sentence what was measured"""

    @model_serializer(mode="wrap")
    def _without_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the cards out where they are as usual, as in files from before them."""
        return {
            key: value
            for key, value in plain(self).items()
            if key not in ("title", "lesson") or value is not USUAL[key]
        }


class Decode(Closed):
    """Which decoder draws what: the model's small one (preview) or its full VAE."""

    states: Annotated[Literal["preview", "vae"], one_of(["preview", "vae"])] = "preview"
    """states on the way: preview is the model's tiny autoencoder, else a linear map latents to RGB"""
    finals: Annotated[Literal["preview", "vae"], one_of(["preview", "vae"])] = "vae"
    """the finished pictures"""
    in_range: bool = True
    """draw guesses whose latents lie outside the finished picture's range scaled into it; the figures mark them"""
    preview: Name | None = None
    """a small autoencoder that draws the states, such as madebyollin/taesd; null: `preview` in the model's folder"""

    @model_serializer(mode="wrap")
    def _without_none(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave `preview` out where it is not set, as in files from before it."""
        return {key: value for key, value in plain(self).items() if key != "preview" or value is not None}


class Vae(Closed):
    """How the autoencoder does with less memory."""

    tiling: Annotated[bool, Strict()] = False
    """decode large pictures tile by tile; seams may be seen faintly"""
    slicing: Annotated[bool, Strict()] = False
    """decode pictures one by one"""


def without_usual_memory(config: BaseModel, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """Return a config as plain values, without what saves memory where nothing does, as in files from before it."""
    usual = {"memory": "auto", "quantize": "none", "vae": Vae()}
    return {
        key: value for key, value in plain(config).items() if key not in usual or getattr(config, key) != usual[key]
    }


def without_usual(config: BaseModel, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """Return a lab's config as plain values, without what most runs do not have, as in files from before it."""
    told = without_usual_memory(config, plain)
    return {key: value for key, value in told.items() if key not in ("start", "phases") or value}


class Lora(Closed):
    """One LoRA file and its strength."""

    file: Name
    """path of a .safetensors LoRA, or a built-in one: pocket/woodcut-print"""
    scale: Annotated[Float, Field(ge=-10, le=10)] = 1.0
    """strength; 1 is what it was trained for"""
    text_scale: Annotated[Float, Field(ge=-10, le=10)] | None = None
    """strength of its part for the text encoder; null: the same"""

    @model_serializer(mode="wrap")
    def _without_none(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave `text_scale` out where it is not set, as in files from before it."""
        return {key: value for key, value in plain(self).items() if key != "text_scale" or value is not None}

    @property
    def strengths(self) -> tuple[float, float]:
        """The strengths of its parts for the denoiser and for the text encoder."""
        return self.scale, self.scale if self.text_scale is None else self.text_scale

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, value: Any) -> Any:
        """Take `style.safetensors` for `{file: style.safetensors}`."""
        return {"file": value} if isinstance(value, str) else value


class Start(Closed):
    """A picture that a run starts from, instead of noise alone."""

    image: Name
    """path of a picture; another shape than `size` is cut to its middle"""
    strength: Annotated[Float, Field(gt=0, le=1)] = 0.6
    """share of the steps that are taken; the picture is noised to the level where they begin. 1 is all"""
    mask: Name | None = None
    """path of a mask, as large as the picture: white is painted anew, black is kept"""

    @model_validator(mode="before")
    @classmethod
    def _image_alone(cls, value: Any) -> Any:
        """Take `harbour.png` for `{image: harbour.png}`."""
        return {"image": value} if isinstance(value, str) else value


class Phase(Closed):
    """A stretch of a run's steps with settings of its own; a key that is null stays as the run has it."""

    until: Annotated[Float, Field(le=1)] | None = None
    """share of the steps at which it ends, rounded down to a whole step; null: the end"""
    prompt: Annotated[Text, Field(max_length=100_000)] | None = None
    """what to paint in it"""
    negative_prompt: Annotated[Text, Field(max_length=100_000)] | None = None
    """what to keep away from in it"""
    cfg: Scale | None = None
    """its guidance scale; 1 is none"""
    loras: tuple[Lora, ...] | None = None
    """its LoRAs, instead of the run's: [{file: style.safetensors, scale: 0.8}]; [] for none"""
    sampler: SamplerName | None = None
    """its sampler; it begins without a history, at the same noise level"""
    scale: Annotated[Float, Field(ge=1, le=MOST_SCALE)] | None = None
    """sides of the picture, as a multiple of the run's, from here on: the guess is enlarged and noised anew"""
    model: Name | None = None
    """another model of the same latent space, such as a refiner; LoRAs on it are those that the phase names"""

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that it has of its own."""
        keys = (key for key in type(self).model_fields if key != "until")
        return {key: own for key in keys if (own := getattr(self, key)) is not None}

    @model_serializer(mode="wrap")
    def _without_null(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what stays as the run has it."""
        return {key: value for key, value in plain(self).items() if value is not None}


class LabConfig(Closed):
    """What every lab's config has."""

    lab: str
    """which instrument this config is for"""
    quality: Annotated[Literal["full", "draft"], one_of(["full", "draft"])] = "full"
    """draft: fewer and smaller, for a first look in seconds; keys that are set stay as they are"""
    film: Annotated[Film, LOOK] = Film()
    """how the films look"""

    without_flag: ClassVar[tuple[str, ...]] = ()
    """keys that have a flag in other labs"""
    draft: ClassVar[dict[str, Any]] = {}
    """what a draft has in the place of the defaults"""
    draft_too: ClassVar[str] = ""
    """what a draft leaves away besides"""

    title_key: ClassVar[str] = "prompt"
    by_command: ClassVar[bool] = True
    """whether a command makes such a run"""

    @model_validator(mode="before")
    @classmethod
    def _drafted(cls, values: Any) -> Any:
        """Put the draft's values in the place of those that nobody set."""
        if not isinstance(values, dict) or values.get("quality") != "draft":
            return values
        film = values.get("film", {})
        small = {"film": DRAFT_FILM | film} if isinstance(film, dict) else {}
        return cls.draft_for(values) | values | small

    @classmethod
    def draft_for(cls, values: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG003 - labs look at them
        """Return the draft's values beside those that were set."""
        return dict(cls.draft)

    @property
    def draft_keys(self) -> tuple[str, ...]:
        """The keys of the draft that count in this run."""
        return tuple(self.draft)

    @property
    def title(self) -> str:
        """The words that name the run's folder."""
        return str(getattr(self, self.title_key))

    @property
    def needs_model(self) -> bool:
        """Whether a model is loaded at all."""
        return False


def _listed(value: Any) -> Any:
    """Take null for no phases, and one for a list of one. Raises ValueError where they are not in order."""
    found = [value] if isinstance(value, dict) else [] if value is None else value
    last = 0.0
    for number, phase in enumerate(found if isinstance(found, (list, tuple)) else (), 1):
        until = phase.get("until") if isinstance(phase, dict) else getattr(phase, "until", None)
        until = 1 if until is None and number == len(found) else until
        if until is None:
            raise ValueError(f"phase {number} of {len(found)} has no until: only the last one goes on to the end")
        if isinstance(until, bool) or not isinstance(until, (int, float)):
            continue  # its own key says what it wants
        if last >= 1:
            raise ValueError(f"phase {number} begins after the end: the one before it lasts until {last:g}")
        if until <= last:
            what = f"which the one before it has ({last:g})" if last else "and so has no steps"
            raise ValueError(f"phase {number} lasts until {until:g}, {what}: want a larger share of the steps, up to 1")
        last = until
    return found


class SamplingConfig(LabConfig):
    """What every lab that runs a model has."""

    @property
    def needs_model(self) -> bool:
        """Whether a model is loaded at all."""
        return True

    @property
    def prompts(self) -> tuple[str, ...]:
        """The texts that the model is told to paint."""
        return tuple(dict.fromkeys((self.prompt, *(p.prompt for p in self.phases if p.prompt is not None))))

    @property
    def pictures(self) -> tuple[tuple[str, str], ...]:
        """The pictures of the user's own that it names, by their keys."""
        named = {"start.image": self.start.image, "start.mask": self.start.mask} if self.start else {}
        return tuple((key, image) for key, image in named.items() if image is not None)

    @property
    def worn(self) -> tuple[Lora, ...]:
        """All LoRAs that it names, wherever."""
        return (*self.loras, *(lora for phase in self.phases for lora in phase.loras or ()))

    @property
    def taught_by(self) -> tuple[str, ...]:
        """The files of LoRAs whose words the run's prompts may use."""
        return tuple(lora.file for lora in self.worn)

    @property
    def varied(self) -> tuple[str, ...]:
        """The keys that the lab itself varies from picture to picture, so that no phase can set them."""
        return ()

    model: Name = "pocket"
    """pocket (built in, offline), a hub id, a diffusers folder, or one .safetensors file"""
    prompt: Annotated[Text, Field(max_length=100_000), ROW] = PROMPT
    """what to paint"""
    negative_prompt: Annotated[Text, Field(max_length=100_000), ROW] = ""
    """what to keep away from"""
    prompt_syntax: Annotated[str, one_of(SYNTAXES)] = "plain"
    """plain: every mark is text, cut at 77 tokens; comfy, a1111: (word:1.3) and any length, as these tools have it"""
    clip_skip: Annotated[Int, Field(ge=1, le=12)] = 1
    """layer of CLIP that is heard, counted from the end: 1 the last, 2 the one before (XL: 2 at least)"""
    seeds: Annotated[Seeds, ROW] = (7, 21, 42, 99)
    """starting noises: a list, or a range such as 1-8"""
    steps: Steps = 20
    """denoising steps; a run has one state more"""
    cfg: Annotated[Scale, ROW] = 7.5
    """guidance scale: 0 ignores the prompt, 1 is no guidance, 7.5 is usual"""
    guidance_rescale: Annotated[Float, Field(ge=0, le=1)] = 0.0
    """0 to 1: pull the contrast of the guided step back towards the conditional one"""
    sampler: SamplerName = "ddim"
    """ddim, ddpm, pndm, euler, euler_a, heun, lms, dpmpp_2m, dpmpp_2m_karras, unipc, ..."""
    spacing: Annotated[str, one_of(SPACINGS)] | None = None
    """which timesteps the steps take: leading, linspace or trailing; null: as the model. Karras has its own"""
    schedule: Annotated[str, one_of(SCHEDULES)] | None = None
    """the levels as ComfyUI takes them, start included: comfy-normal, comfy-karras, ...; null: by `spacing`"""
    eta: Annotated[Float, Field(ge=0, le=1)] = 0.0
    """fresh noise a step of DDIM puts back: 0 none, 1 as DDPM"""
    size: PictureSize | None = None
    """width x height in pixels, multiples of 8; null takes the model's own"""
    loras: tuple[Lora, ...] = ()
    """LoRAs to apply: [{file: style.safetensors, scale: 0.8}]"""
    start: Start | None = None
    """a picture to start from: {image: harbour.png, strength: 0.6, mask: sky.png}; null: noise alone"""
    phases: Annotated[tuple[Phase, ...], BeforeValidator(_listed), Field(max_length=MOST_STEPS)] = ()
    """stretches of the steps with settings of their own: [{until: 0.4, prompt: a sketch}, {cfg: 3}]"""
    device: Annotated[str, one_of(["auto", "cuda", "mps", "cpu"]), MACHINE] = "auto"
    """auto takes cuda, then mps, then cpu"""
    dtype: Annotated[str, one_of(["auto", "float32", "float16", "bfloat16"]), MACHINE] = "auto"
    """auto takes float16 on cuda, else float32"""
    memory: Annotated[str, one_of(MEMORY), MACHINE] = "auto"
    """full, or parts wait outside the card: model-offload, group-offload, sequential; auto takes the first that fits"""
    quantize: Annotated[str, one_of(QUANTIZE), MACHINE] = "none"
    """weights in fewer bits: fp8-layerwise, int8, nf4, or gguf where the model is a .gguf file"""
    vae: Annotated[Vae, MACHINE] = Vae()
    """how the autoencoder does with less memory"""
    decode: Annotated[Decode, PICTURES] = Decode()
    """which decoder draws what"""

    @model_validator(mode="after")
    def _phases_leave_the_lab_its_own(self) -> SamplingConfig:
        both = [(number, key) for number, phase in enumerate(self.phases, 1) for key in phase.changed]
        taken = next(((number, key) for number, key in both if key in self.varied), None)
        if taken is not None:
            raise ValueError(f"phases: phase {taken[0]} sets {taken[1]}, which this run varies itself; leave it out")
        return self

    @model_validator(mode="after")
    def _phases_only_grow(self) -> SamplingConfig:
        last = 1.0
        for number, phase in enumerate(self.phases, 1):
            if phase.scale is None:
                continue
            if number == 1 and phase.scale > 1:
                raise ValueError("phases: phase 1 begins with noise, so there is nothing to enlarge; set size instead")
            if phase.scale < last:
                raise ValueError(
                    f"phases: phase {number} has scale {phase.scale:g} behind {last:g}: a run grows and does not shrink"
                )
            last = phase.scale
        if last > 1 and self.start is not None and self.start.mask is not None:
            raise ValueError("phases: a run under a mask stays at one size; leave scale or start.mask out")
        return self

    @model_serializer(mode="wrap")
    def _without_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_usual(self, plain)
