"""What a run's record may hold: every key that we write, with its type and bounds. docs/trace.schema.json describes it.

A record from elsewhere is checked here before anybody uses it. Keys that it lacks are nobody's fault (older runs have
fewer), keys that we do not know stay; a known key with something else in it than we write is refused, by its name.
What a drawing needs besides is in `labs/stored.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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


class Part(BaseModel):
    """A part of a record: known keys have their types, unknown ones stay."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, protected_namespaces=())


class Environment(Part):
    """What ran it."""

    python: Name | None = None
    torch: Name | None = None
    diffusers: Name | None = None
    device: Name | None = None
    dtype: Name | None = None


class Model(Part):
    """Which model painted."""

    ref: Text | None = None
    family: Name | None = None
    sha256: Sha256 | None = None
    prediction_type: Name | None = None
    latent_shape: list[Side] | None = None
    scale_factor: Side | None = None
    timestep_spacing: Name | None = None


class Level(Part):
    """A row of the schedule."""

    index: Count | None = None
    timestep: Number | None = None
    alpha_bar: Share | None = None
    sigma: Positive | None = None
    snr_db: Number | None = None


class State(Part):
    """The numbers of one state of one run."""

    index: Count | None = None
    timestep: Number | None = None
    alpha_bar: Share | None = None
    sigma: Positive | None = None
    snr_db: Number | None = None
    x_norm: Positive | None = None
    x0_norm: Positive | None = None
    x0_to_final: Positive | None = None
    x0_change: Positive | None = None
    low_freq_to_final: Positive | None = None
    high_freq_to_final: Positive | None = None
    clipped: Share | None = None
    contrast: Positive | None = None
    saturation: Positive | None = None
    latent_std: Positive | None = None
    guidance: Positive | None = None
    scale: Number | None = None
    distance_to_scales: list[Positive | None] | None = None
    signal: Number | None = None
    noise: Number | None = None
    correlation: Number | None = None
    correlation_expected: Number | None = None
    sqrt_alpha_bar: Number | None = None


class Committed(Part):
    """At which state layout and detail were decided."""

    layout: Count | None = None
    detail: Count | None = None


class Run(Part):
    """A row of a run: a seed, a scale of a seed, a frame of a walk, a schedule, or a rank."""

    seed: Seed | None = None
    cfg: Guide | None = None
    scale: Number | None = None
    states: list[State] | None = None
    committed_at: Committed | None = None
    frame: Count | None = None
    sample: Count | None = None
    leg: Count | None = None
    share: Share | None = None
    x_norm: Positive | None = None
    jump: Positive | None = None
    schedule: Name | None = None
    family: Name | None = None
    rule: Name | None = None
    rank: Count | None = None
    mean_rank: Positive | None = None
    energy: Positive | None = None
    error: Positive | None = None
    optimum: Positive | None = None
    params: Count | None = None
    full_params: Count | None = None
    bytes: Count | None = None
    file: Text | None = None
    distance_to_full: Positive | None = None
    distance_by_seed: dict[Name, Positive | None] | None = None


class Scale(Part):
    """A guidance scale of a sweep."""

    cfg: Guide | None = None
    label: Name | None = None
    steps: list[Number] | None = None


class Sameness(Part):
    """How alike the seeds' guesses are at one scale."""

    cfg: Guide | None = None
    states: list[Number | None]


class Jumps(Part):
    """How far neighbouring frames are apart under one pacing."""

    frames: Count
    largest: Positive
    mean: Positive


class Walk(Part):
    """Where a walk goes."""

    kind: Literal["seeds", "prompts", "scales", "strengths"] | None = None
    ends: list[Text] | None = None
    loop: bool | None = None
    angles_deg: list[Number | None] | None = None
    sampled: Count | None = None
    jumps: dict[Name, Jumps | None] | None = None


class Sheet(Part):
    """Which frames and states a walk's sheet shows."""

    frames: list[Count]
    states: list[Count]


class Anatomy(Part):
    """Which sample of a sweep is taken apart."""

    sample: Count
    scale: Count


class Bands(Part):
    """A number for layout and one for detail."""

    layout: Share | None = None
    detail: Share | None = None


class Fork(Part):
    """What came of a fork: how much of its picture is the changed run's."""

    at: Count
    layout: Share
    detail: Share
    spread: Bands | None = None
    by_seed: dict[Name, list[Share]] | None = None
    picture: Positive | None = None
    evaluations: Count | None = None


class Decided(Part):
    """At which state the change comes to decide less than half, with its interval and its window."""

    layout: Positive | None = None
    detail: Positive | None = None
    interval: dict[Name, list[Positive] | None] | None = None
    window: dict[Name, list[Positive | None]] | None = None


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
    shape: Annotated[list[Side], Field(min_length=2, max_length=2)]
    ranks: list[Count]
    rows: list[LayerRow]


class Matrix(Part):
    """A matrix at falling rank."""

    name: Text | None = None
    shape: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    rank: Count | None = None


class Picture(Part):
    """The picture that drowns."""

    mean: Number | None = None
    std: Number | None = None


class Packed(Part):
    """The batch of several runs that a run was sampled in."""

    samples: Count
    seconds: Positive
    runs: Count
    rows: Annotated[list[Count], Field(min_length=2, max_length=2)]


class Recorded(Part):
    """Which pipeline `record` listened to."""

    pipeline: Name
    scheduler: Name


class Artifact(Part):
    """A file of the run; what its path may be is checked where a file is touched (`safe_files`)."""

    path: Text
    sha256: Sha256 | None = None
    bytes: Count | None = None
    kind: Name


class FilmKeys(Part):
    """What of a config a stored run is drawn with, where its lab is not asked."""

    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | Side | None = None
    fps: Positive | None = None
    hold_s: Positive | None = None
    theme: Name | None = None
    formats: list[Name] | None = None


class LoraKeys(Part):
    """A LoRA that a config names."""

    file: Text | None = None
    scale: Number | None = None


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
    lab: Name = "sample"
    version: Name | None = None
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")] | None = None
    identity: Text | None = None
    created: Name | None = None
    command: Text | None = None
    config: Config | None = None
    environment: Environment | None = None
    model: Model | None = None
    schedule_kind: Literal["vp", "ve", "flow"] | None = None
    schedule: list[Level] | None = None
    runs: list[Run] | None = None
    batches: list[list[int]] | None = None
    packed: Packed | None = None
    decoders: dict[Name, Name] | None = None
    preview_psnr_db: Number | None = None
    timings: dict[Name, Positive] | None = None
    artifacts: list[Artifact] | None = None
    scales: list[Scale] | None = None
    sameness: list[Sameness] | None = None
    walk: Walk | None = None
    sheet: Sheet | None = None
    anatomy: Anatomy | None = None
    forks: list[Fork] | None = None
    decided_at: Decided | None = None
    branches: list[Count] | None = None
    lora: Lora | None = None
    layer: Layer | None = None
    matrix: Matrix | None = None
    picture: Picture | None = None
    variants: list[Name] | None = None
    recorded: Recorded | None = None


def record_fault(record: dict[str, Any]) -> str | None:
    """Return what is wrong with a record, by its key: "runs[1].seed should be a valid integer"; None where it is right.

    Integers where we write fractions are right, and nothing else is taken for what it is not.
    """
    try:
        Record.model_validate(record)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        said = str(first["msg"]).replace("Input should", "should")
        return f"{_key(first['loc'])} {said[:1].lower()}{said[1:]}"
    return None


def _key(place: Iterable[Any]) -> str:
    """Return schedule[3].sigma of pydantic's ("schedule", 3, "sigma"), shortened, with nothing unseen in it."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    return ascii(text)[1:-1][:120] or "the record"
