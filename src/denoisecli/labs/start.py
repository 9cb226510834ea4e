"""Runs that start from a picture or have phases: the files that a config names, and what a record says of both."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.config.phases import start_state, stretches
from denoisecli.errors import ConfigError

from .own_pictures import cut, picture_path, picture_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from denoisecli.config.base import SamplingConfig, Start
    from denoisecli.diffusion.chain import Opening
    from denoisecli.diffusion.models import Model
    from denoisecli.diffusion.noised import Picture
    from denoisecli.trace import Trace

    from .job import Job

WHITE = 128  # and more is painted anew


@dataclass(frozen=True)
class Opened:
    """What a run starts from: the picture (H, W, 3), the mask (H, W) or None, and the picture's own (width, height)."""

    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    size: tuple[int, int]
    flattened: bool
    animated: bool


def opened(start: Start, size: tuple[int, int]) -> Opened:
    """Return the picture and the mask at the size that is painted, (width, height).

    Raises ConfigError for a mask of another size than the picture, or one without white; MediaError for no picture.
    """
    from denoisecli.media.images import open_picture

    found = opened_picture("start.image", start.image, size)
    if start.mask is None:
        return found
    mask = open_picture(picture_path("start.mask", start.mask))
    return replace(found, mask=_mask(mask, start.mask, found.size, size))


def opened_picture(key: str, image: str, size: tuple[int, int]) -> Opened:
    """Return a picture that the config names under a key at the size that is painted, (width, height)."""
    from denoisecli.media.images import open_picture

    own = open_picture(picture_path(key, image))
    told = {name: bool(own.info.get(name)) for name in ("flattened", "animated")}
    return Opened(np.asarray(cut(own, size)), None, own.size, **told)


def _mask(mask: Image.Image, name: str, own: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint8]:
    if mask.size != own:
        sizes = " and the picture ".join("×".join(map(str, one)) for one in (mask.size, own))
        raise ConfigError(f"start.mask: {name} has {sizes} pixels.", "Draw it on the picture, at the same size.")
    grey: NDArray[np.uint8] = np.asarray(cut(mask.convert("L"), size))
    if not (grey >= WHITE).any():
        raise ConfigError(f"start.mask: {name} has no white, so nothing would be painted.", "White is painted anew.")
    return grey


def tell(job: Job[Any]) -> None:
    """Tell what becomes of the pictures before they are started from: where they are cut, what was transparent."""
    size = job.config.size
    if size is None:
        return
    for key, image in job.config.pictures:
        found, mask = opened_picture(key, image, size), key == "start.mask"
        if found.animated:
            job.report.warn(f"{key} is an animation; its first picture is taken")
        if found.flattened and mask:
            job.report.warn(f"{key} is transparent in places; they count as white, which is painted anew")
        if mask:
            continue
        if found.size[0] * size[1] != found.size[1] * size[0]:
            job.report.warn(f"{key} is {_shape(found.size)} and the run {_shape(size)}: cut to its middle")
        elif found.size[0] < size[0]:
            job.report.warn(f"{key} is {_shape(found.size)} and the run {_shape(size)}: enlarged")
        if found.flattened:
            job.report.warn(f"{key} is transparent in places; they are white here")


def _shape(size: tuple[int, int]) -> str:
    return "×".join(map(str, size))


def check_pictures(config: SamplingConfig) -> None:
    """Raise ConfigError or MediaError for a picture that cannot be read, and for a mask that does not fit it."""
    if config.start is not None and config.size is not None:
        opened(config.start, config.size)
    for key, image in config.pictures if config.start is None else ():
        opened_picture(key, image, config.size or (64, 64))


def first_state(config: SamplingConfig) -> int:
    """Return the state at which a run begins to be sampled: 0 unless it starts from a picture."""
    return start_state(config.start.strength, config.steps, config.sampler) if config.start else 0


def check_entrance(config: SamplingConfig, state: int, key: str = "start") -> None:
    """Raise ConfigError where a run from a picture would begin at a state when it is larger already."""
    begun = next(row for row in stretches(config.phases, config.steps) if state < row.until)
    if state and begun.scale > 1:
        raise ConfigError(
            f"{key}: the run begins at state {state}, when it has scale {begun.scale:g} already, and its picture has "
            "not.",
            "Enlarge it in a later phase, or leave scale out and take a larger size.",
        )


def opening_of(
    model: Model, config: SamplingConfig, seeds: Sequence[int], noise: Sequence[NDArray[np.float32] | None]
) -> tuple[Opening, Picture]:
    """Return where the samples of a batch begin, and what they start from; see `diffusion.start.opening_at`."""
    from denoisecli.diffusion.start import opening_at

    assert config.start is not None
    assert config.size is not None
    found = opened(config.start, config.size)
    return opening_at(model, first_state(config), found.picture, found.mask, seeds, noise)


def start_row(config: SamplingConfig, trace: Trace) -> dict[str, Any]:
    """Return `start` of trace.json. trace: with the states before the start."""
    assert config.start is not None
    assert config.size is not None
    start, state = config.start, first_state(config)
    found = opened(start, config.size)
    mask = None
    if start.mask is not None and found.mask is not None:
        share = float(f"{(found.mask >= WHITE).mean():.4g}")
        mask = {"image": Path(start.mask).name, "sha256": picture_sha256("start.mask", start.mask), "share": share}
    return {
        "image": Path(start.image).name,
        "sha256": picture_sha256("start.image", start.image),
        "size": list(found.size),
        "strength": start.strength,
        "state": state,
        **_level(trace, state),
        "mask": mask,
    }


def phase_rows(config: SamplingConfig, trace: Trace) -> list[dict[str, Any]]:
    """Return `phases` of trace.json: of each the states and levels between which it lies, and its own settings."""
    found = stretches(config.phases, config.steps)
    grows = found[-1].scale > 1
    return [
        {
            "first": stretch.first,
            "until": stretch.until,
            "begins": _level(trace, stretch.first),
            "ends": _level(trace, stretch.until),
            **(json.loads(stretch.phase.model_dump_json(exclude={"until"})) if stretch.phase else {}),
            **({"size": stretch.config(config).size} if grows else {}),
        }
        for stretch in found
    ]


def _level(trace: Trace, state: int) -> dict[str, Any]:
    row = trace.record["schedule"][state]
    return {key: row[key] for key in ("timestep", "sigma", "alpha_bar")}
