"""The noise that a picture would come from: the sampler's way walked backwards, from the picture to the most noise.

DDIM inversion (Song et al. 2021, arXiv 2010.02502, eq. 14; Mokady et al. 2023, arXiv 2211.09794, section 3.1) by
diffusers' own inverse scheduler, and of a flow Euler's steps in the other direction. The pipeline's own loop runs,
without guidance: under guidance the way back would not meet the way there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

from .batch import Batch, painted
from .clock import Clock
from .families import family_named
from .quiet import quiet
from .scheduler import process_of
from .start import mode_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .models import Model


def inverted(model: Model, pictures: Sequence[NDArray[np.uint8]], prompt: str, steps: int) -> torch.Tensor:
    """Return unit noise (n, C, h, w) from which a deterministic sampler comes back to the pictures (H, W, 3).

    prompt: what the pictures show, heard on the way back. Raises UsageError for a process that has no inverse here.
    """
    pipe, own = model.pipe, model.pipe.scheduler
    try:
        pipe.scheduler = _backwards(own)
        return torch.cat([_noise_of(model, picture, prompt, steps) for picture in pictures])
    finally:
        pipe.scheduler = own


def _noise_of(model: Model, picture: NDArray[np.uint8], prompt: str, steps: int) -> torch.Tensor:
    """Return the noise (1, C, h, w) that the scheduler on the pipeline goes to from a picture (H, W, 3)."""
    family = family_named(type(model.pipe).__name__)
    batch = Batch(
        noise=mode_of(model, picture).float().cpu(), scales=[family.unguided if family else 1.0], seeds=[0],
        prompt=prompt, steps=steps, sampler="ddim", height=picture.shape[0], width=picture.shape[1],
    )  # fmt: skip
    return painted(model, batch).float().cpu()


def _backwards(scheduler: Any) -> Any:
    """Return a scheduler that goes through the levels of this one from the picture to noise."""
    from diffusers import DDIMInverseScheduler, FlowMatchEulerDiscreteScheduler

    process = process_of(Clock(scheduler))
    if process == "noise":
        spacing = scheduler.config.get("timestep_spacing")
        spaced = spacing if spacing == "trailing" else "leading"
        with quiet():  # the options of this scheduler that the other has not
            return DDIMInverseScheduler.from_config(scheduler.config, clip_sample=False, timestep_spacing=spaced)
    if process != "flow":
        raise UsageError("This model's process cannot be inverted.", "Leave inversion out: its pictures are noised.")
    shift = 1 / float(scheduler.config.get("shift") or 1.0)  # of the levels counted from the other end
    there = FlowMatchEulerDiscreteScheduler.from_config(scheduler.config, invert_sigmas=True, shift=shift)
    shifted = there.time_shift
    there.time_shift = lambda mu, sigma, t: shifted(-mu, sigma, t)
    return there
