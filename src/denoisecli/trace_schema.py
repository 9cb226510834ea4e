"""What a run's record holds: our keys, with their types and bounds. docs/trace.schema.json is made from it.

A record from elsewhere is checked by the same types first: keys that it lacks are nobody's fault (older
runs have fewer), keys that we do not know stay; a known key with anything else in it is refused. What one lab keeps
is in its own room (`labs/<lab>/record.py`, `registry.Lab.record`); what a drawing needs is in `labs/stored.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .registry import ROOMS, part

MOST = 1e30  # no number of ours is larger: what squares it stays a number
Number = Annotated[float, Field(ge=-MOST, le=MOST)]
Positive = Annotated[float, Field(ge=0, le=MOST)]
Share = Annotated[float, Field(ge=0, le=1.000001)]
Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Seed = Annotated[int, Field(ge=0, lt=1 << 64)]
Text = Annotated[str, Field(max_length=1_000_000)]
Name = Annotated[str, Field(max_length=1000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1, le=1 << 24)]
Guide = Union[Number, list[Annotated[list[Positive], Field(min_length=2, max_length=2)]]]  # noqa: UP007 - 3.10, at run time


def _absent() -> None:
    """Return what a key holds that an older record lacks."""


ALWAYS: Any = Field(default_factory=_absent)
"""Of a key that we always write; that a record lacks it is nobody's fault."""


def _written(schema: dict[str, Any], part: type[BaseModel]) -> None:
    """Call the keys that are always written required."""
    fields = part.model_fields.items()
    named = [field.alias or name for name, field in fields if field.is_required() or field.default_factory is _absent]
    if named:
        schema["required"] = named


class Part(BaseModel):
    """A part of a record: known keys have their types, unknown ones stay."""

    model_config = ConfigDict(
        extra="allow", strict=True, allow_inf_nan=False, protected_namespaces=(), use_attribute_docstrings=True,
        json_schema_extra=_written,
    )  # fmt: skip


class Environment(Part):
    """What ran it."""

    python: Name = ALWAYS
    torch: Name | None = ALWAYS
    diffusers: Name | None = ALWAYS
    device: Name | None = ALWAYS
    dtype: Name | None = ALWAYS
    memory: Name | None = None
    """how the weights were placed, where not all of them lay on the device"""
    quantize: Name | None = None
    """how the weights were quantised"""


class Model(Part):
    """Which model painted."""

    ref: Text | None = ALWAYS
    family: Name = ALWAYS
    sha256: Sha256 | None = ALWAYS
    prediction_type: Name = ALWAYS
    latent_shape: Annotated[list[Side], Field(min_length=3, max_length=4)]
    scale_factor: Side | None = ALWAYS
    """pixels a latent pixel stands for"""
    timestep_spacing: Name | None = None
    """which timesteps the steps took: leading, linspace or trailing; Karras samplers choose their own levels"""


class Level(Part):
    """A row of the schedule."""

    index: Count = ALWAYS
    timestep: Number | None = ALWAYS
    alpha_bar: Share | None = ALWAYS
    sigma: Positive | None = ALWAYS
    snr_db: Number | None = ALWAYS
    """null where it is infinite"""


class State(Part):
    """The numbers of one state of one run."""

    index: Count = ALWAYS
    timestep: Number | None = ALWAYS


class Settling(State):
    """How far a state's guess is from the finished picture; null where a number is infinite."""

    x_norm: Positive | None = ALWAYS
    """root mean square of the canvas; unit noise has 1"""
    x0_norm: Positive | None = ALWAYS
    x0_to_final: Positive | None = ALWAYS
    x0_change: Positive | None = ALWAYS
    low_freq_to_final: Positive | None = ALWAYS
    high_freq_to_final: Positive | None = ALWAYS
    clipped: Share | None = ALWAYS
    """share of the guess's pixels with a channel at 0 or 255; null where nothing was decoded"""
    drawn_scale: Share = 1.0
    """what the guess's latents were drawn with: below 1 where they lie outside the finished picture's range"""


class Committed(Part):
    """At which state layout and detail were decided."""

    layout: Count | None = ALWAYS
    detail: Count | None = ALWAYS


class Run(Part):
    """A row of a run: a seed, a scale of a seed, a frame of a walk, a schedule, or a rank."""

    seed: Seed | None = None
    cfg: Guide | None = None
    states: list[State] | None = None


class Sampled(Part):
    """A seed: how its picture settled."""

    seed: Seed | None = ALWAYS
    cfg: Number | None = ALWAYS
    states: list[Settling] = ALWAYS
    committed_at: Committed = ALWAYS


class Packed(Part):
    """The batch of several runs that this one was sampled in."""

    samples: Count
    seconds: Positive
    runs: Count
    rows: Annotated[list[Count], Field(min_length=2, max_length=2)]
    """which of its samples are ours: the first, and the one behind the last"""


class Latents(Part):
    """How the pipeline lays its latents out; the arrays are unpacked."""

    kind: Literal["plain", "packed", "patched", "channels last", "frames first", "as it came"] = ALWAYS
    patch: Side = ALWAYS
    scale: Number = ALWAYS
    """what the pipeline multiplies unit-variance latents by"""
    frames: Side | None = None
    """of a clip's latents, an axis behind the channels"""


class Guidance(Part):
    """How guidance worked."""

    kind: Literal["two halves", "embedded", "none"] = ALWAYS
    sign: Literal[1, -1] = ALWAYS
    """of the denoiser's output against what the scheduler gets"""
    embedded_scale: Number | None = None
    extra_branches: list[Name] = []
    preconditioned: bool = False
    """eps_uncond and eps_cond are what the scheduler would have got of each half alone, a·x_t + b·output (Cosmos)"""


class LoraKeys(Part):
    """A LoRA that a config names."""

    file: Text | None = None
    scale: Number | None = None


class At(Part):
    """A level of the schedule."""

    timestep: Number | None = ALWAYS
    sigma: Positive | None = ALWAYS
    """null where it is infinite"""
    alpha_bar: Share | None = ALWAYS


class MaskFile(Part):
    """The mask of a picture that was painted anew in a part."""

    image: Name
    sha256: Sha256 = ALWAYS
    share: Share = ALWAYS
    """of the picture that was painted"""


class Started(At):
    """The picture that a run started from, and the level that its strength is."""

    image: Name
    """the file's name"""
    sha256: Sha256 = ALWAYS
    size: Annotated[list[Side], Field(min_length=2, max_length=2)] = ALWAYS
    """its own width and height, before it was cut to the run's"""
    strength: Share = ALWAYS
    state: Count = ALWAYS
    """the first that was sampled from; those before it are the picture, noised to their levels"""
    mask: MaskFile | None = ALWAYS


class PhaseRow(Part):
    """Steps of a run with settings of their own."""

    first: Count = ALWAYS
    until: Count = ALWAYS
    """the states between which it lies"""
    begins: At = ALWAYS
    ends: At = ALWAYS
    prompt: Text | None = None
    negative_prompt: Text | None = None
    cfg: Number | None = None
    sampler: Name | None = None
    loras: list[LoraKeys] | None = None
    scale: Positive | None = None
    """sides of the picture from here on, as a multiple of the run's"""
    size: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)] | None = None
    """(width, height) in pixels at which it was sampled, where a run has states of several sizes"""
    model: Name | None = None
    """another model than the run's"""


class Measured(Part):
    """The scale s in g = u + s·(c − u) of a step, by least squares against what the scheduler got."""

    scale: Number | None = ALWAYS
    residual: Positive | None = ALWAYS
    """‖g − formula‖ / ‖g‖"""
    scales: list[Number | None] = []
    """of each sample, where they differ"""
    gain: Number | None = None
    """mean factor on the rows, where a norm was applied after the mixing"""
    weights: dict[Name, Number | None] = {}
    """of the branches beside the two halves"""


class HeardWord(Part):
    """A word that was listened to, in the order of the arrays `words` and, behind them, `negative_words`."""

    text: Text
    occurrence: Count = 0
    """which of several equal ones, counted from 0"""
    tokens: list[Count] = ALWAYS
    """the numbers of its tokens among those that the picture reads"""
    negative: bool = False
    """whether it is the negative prompt's"""
    concept: bool = False
    """whether it is not in the prompt: heard, never read by the picture"""
    by_outputs: bool = False
    """whether its maps are how alike its outputs are to a place's, beside the other concepts': the share among them"""
    found_at: list[Count | None] | None = None
    """for each seed, the first state from which it keeps its place; null where it has none"""
    share: list[Share] = ALWAYS
    """for each step, its share of the picture's attention; mean over the seeds"""


class HeardRest(Part):
    """What no word has of the picture's attention, for each step."""

    share: list[Share] = ALWAYS
    """of start, end and padding tokens"""
    other: list[Share] = ALWAYS
    """of the prompt's other tokens: words that were not listened to, and punctuation"""


class Recorded(Part):
    """Which pipeline `record` listened to."""

    pipeline: Name
    scheduler: Name


class Artifact(Part):
    """A file of the run; what its path may be is checked where a file is touched (`safe_files`)."""

    path: Text = Field(json_schema_extra={"pattern": r"^[^/\\].*$"})
    sha256: Sha256 = ALWAYS
    bytes: Count = ALWAYS
    kind: Name


class VideoKeys(Part):
    """How many frames a clip has, and how they are shown."""

    frames: Side | None = None
    show: Name | None = None


class FilmKeys(Part):
    """What of a config a stored run is drawn with, where its lab is not asked."""

    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | Side | None = None
    fps: Positive | None = None
    hold_s: Positive | None = None
    theme: Name | None = None
    formats: list[Name] | None = None


class Config(Part):
    """The keys of a config that are read as they stand; drawing and exporting check all of it by its lab's schema."""

    lab: Name | None = None
    model: Text | None = None
    prompt: Text | None = None
    negative_prompt: Text | None = None
    seeds: list[Seed] | None = None
    seed: Seed | None = None
    steps: Count | None = None
    cfg: Number | None = None
    sampler: Name | None = None
    loop: bool | None = None
    frames: Count | None = None
    video: VideoKeys | None = None
    image: Text | None = None
    schedule: Name | None = None
    schedules: list[Name] | None = None
    ranks: list[Union[Count, Number, Name]] | None = None  # noqa: UP007
    lora: Text | None = None
    images: bool | None = None
    loras: list[LoraKeys] | None = None
    film: FilmKeys | None = None


class Record(Part):
    """trace.json."""

    schema_: Literal["denoisecli/trace/1"] = Field(alias="schema")
    lab: Name = ALWAYS
    version: Name = ALWAYS
    """denoisecli's version"""
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")] = ""
    """of the resolved config and the model's identity; absent from what record() saves"""
    identity: Text = ""
    """what the hash is of besides the config: the weights, or the picture, by their sha256"""
    created: Name | None = ALWAYS
    """UTC, ISO 8601"""
    command: Text | None = ALWAYS
    """the command line that made the run"""
    config: Config = ALWAYS
    """the resolved config"""
    environment: Environment | None = ALWAYS
    model: Model | None = ALWAYS
    schedule_kind: Literal["vp", "ve", "flow"] = "vp"
    """the scale on which x_t is kept"""
    schedule: list[Level] = ALWAYS
    runs: list[Run] = ALWAYS
    batches: list[list[int]] = []
    """what was sampled together: seeds; of a walk the numbers of its samples"""
    packed: Packed | None = None
    decoders: dict[Name, Name] = {}
    """which decoder drew the states and the finished pictures"""
    preview_psnr_db: Number | None = None
    """how near the states' decoder comes to the finals' one on the finished pictures; absent: the same"""
    timings: dict[Name, Positive] = ALWAYS
    """seconds"""
    artifacts: list[Artifact] = ALWAYS
    latents: Latents | None = None
    guidance: Guidance | None = None
    guidance_measured: list[Measured] = []
    """for each step"""
    start: Started | None = None
    """the picture that it started from"""
    phases: list[PhaseRow] = []
    """its stretches of steps with settings of their own; those between them are as the run"""
    denoisers: list[Name | None] = []
    """which denoiser ran each step, where there are several"""
    notes: list[Text] = []
    """what a reader should know about how this was recorded"""
    words: list[HeardWord] = []
    """which words the picture was heard to read"""
    words_rest: HeardRest | None = None
    words_pool: list[Name] = []
    """the attention layers that the maps of words are the mean of"""
    recorded: Recorded | None = None
    """where Python saved the run: its config is what the call said, and each row of runs has its `prompt`"""


class SampledRecord(Record):
    """Of a lab whose rows are seeds that settle."""

    schedule_kind: Literal["vp", "ve", "flow"] = ALWAYS
    """the scale on which x_t is kept"""
    runs: list[Sampled] = ALWAYS  # type: ignore[assignment]


def record_type(lab: object) -> type[Record]:
    """Return the type of a lab's record; of what is no lab, that of all."""
    of_lab: type[Record] | None = part(lab, "record") if isinstance(lab, str) and lab in ROOMS else None
    return of_lab or Record


def record_fault(record: dict[str, Any]) -> str | None:
    """Return what is wrong with a record, by its key: "runs[1].seed should be a valid integer"; None where it is right.

    Integers where we write fractions are right, and nothing else is taken for what it is not.
    """
    try:
        record_type(record.get("lab", "sample")).model_validate(record)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        said = re.sub("dictionary or instance of [A-Za-z]+", "table", str(first["msg"]))
        said = said.replace("Input should", "should").replace("Field required", "is missing")
        return f"{_key(first['loc'])} {said[:1].lower()}{said[1:]}"
    return None


def json_schema() -> dict[str, Any]:
    """Return docs/trace.schema.json: what every record holds, and what each lab's does."""
    from pydantic.json_schema import models_json_schema

    types = {lab: record_type(lab) for lab in ROOMS}
    models: list[type[Record]] = [Record, *types.values()]
    _, whole = models_json_schema([(model, "validation") for model in models])
    base, defs = whole["$defs"]["Record"], whole["$defs"]
    defs |= {found.__name__: _beyond(defs[found.__name__], base) for found in models[1:]}
    rules = [
        {"if": {"properties": {"lab": {"const": lab}}}, "then": {"$ref": f"#/$defs/{found.__name__}"}}
        for lab, found in types.items()
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "denoisecli/trace/1",
        "title": "The record of a denoisecli run (trace.json)",
        "$ref": "#/$defs/Record",
        "properties": {"lab": {"enum": list(ROOMS)}},
        "allOf": rules,
        "$defs": _untitled(defs),
    }


def _beyond(of_lab: dict[str, Any], of_all: dict[str, Any]) -> dict[str, Any]:
    """Return what a lab's record has beside that of all, which holds for it too."""
    more = {key: value for key, value in of_lab["properties"].items() if value != of_all["properties"].get(key)}
    return of_lab | {"properties": more, "required": [key for key in of_lab["required"] if key in more]}


def _untitled(schema: Any) -> Any:
    """Leave out pydantic's titles, which are the keys once more."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if isinstance(schema, dict):
        return {key: _untitled(value) for key, value in schema.items() if key != "title" or isinstance(value, dict)}
    return schema


def _key(place: Iterable[Any]) -> str:
    """Return schedule[3].sigma of pydantic's ("schedule", 3, "sigma"), shortened, with nothing unseen in it."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    return ascii(text)[1:-1][:120] or "the record"
