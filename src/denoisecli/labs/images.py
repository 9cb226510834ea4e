"""Finished pictures of a run, lossless, in `images/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from denoisecli.media.images import save_png

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .job import Job


def save_images(job: Job[Any], named: Iterable[tuple[str, NDArray[np.uint8], Mapping[str, str]]]) -> None:
    """Write pictures, each by its name without an ending, (H, W, 3), and the texts that are put inside."""
    folder = job.folder.partial / "images"
    folder.mkdir(exist_ok=True)
    with job.timed("encode"):
        for name, picture, texts in named:
            job.artifact(save_png(picture, folder / f"{name}.png", texts), "image")
