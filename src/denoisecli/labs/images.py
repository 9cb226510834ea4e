"""Finished pictures of a run, lossless, in `images/`; finished clips in `clips/`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from denoisecli.media.images import save_png

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from denoisecli.config.base import SamplingConfig
    from denoisecli.diffusion.models import Model

    from .job import Job


USUAL_FPS = 8
"""Frames a second of a clip whose family does not say."""


def save_images(job: Job[Any], named: Iterable[tuple[str, NDArray[np.uint8], Mapping[str, str]]]) -> None:
    """Write pictures, each by its name without an ending, (H, W, 3), and the texts that are put inside."""
    folder = job.folder.partial / "images"
    folder.mkdir(exist_ok=True)
    with job.timed("encode"):
        for name, picture, texts in named:
            job.artifact(save_png(picture, folder / f"{name}.png", texts), "image")


def save_clips(job: Job[Any], model: Model, clips: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> None:
    """Write finished clips (F, H, W, 3) by their names without an ending, each at its family's frames a second."""
    from denoisecli.diffusion.families import family_named
    from denoisecli.media.video import write_video

    family = family_named(type(model.pipe).__name__)
    fps = (family.fps if family else 0) or USUAL_FPS
    folder = job.folder.partial / "clips"
    for name, clip in zip(names, clips, strict=False):
        folder.mkdir(exist_ok=True)
        with job.timed("encode"):
            job.artifact(write_video(((frame, 1) for frame in clip), folder / f"{name}.mp4", fps), "clip")


def seed_images(
    model: Model, config: SamplingConfig, finals: NDArray[np.uint8]
) -> Iterator[tuple[str, NDArray[np.uint8], Mapping[str, str]]]:
    """Yield each seed's finished picture for `save_images`, what made it inside. finals: (seed, H, W, 3)."""
    from denoisecli.interop.recipe import shot

    from .sampling import settings_inside

    for seed, picture in zip(config.seeds, finals, strict=True):
        yield f"seed-{seed}", picture, settings_inside(model, config, shot(config, seed, config.cfg), picture)
