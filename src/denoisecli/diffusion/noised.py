"""Latents that are noised to the level at which a run goes on: a picture's, or a guess that was enlarged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

from .canvas import noise_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .clock import Clock
    from .models import Model

FILTER = "bilinear"


@dataclass(frozen=True)
class Picture:
    """What the runs of a batch start from: latents x0 of a picture and each seed's noise, both (n, C, h, w).

    drawn: the seeds' generators, which have drawn both.
    """

    x0: torch.Tensor
    noise: torch.Tensor
    drawn: tuple[torch.Generator, ...]

    def latents(self, clock: Clock, state: int) -> torch.Tensor:
        """Return the picture noised to a state's level by the scheduler's own formula."""
        t = clock.scheduler.timesteps[clock.openings[state]].reshape(1)
        return noised(clock.scheduler, self.x0, self.noise, t.repeat(len(self.x0)))


def noised(scheduler: Any, x0: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """Return x0 noised to the level of each timestep."""
    if hasattr(scheduler, "scale_noise"):
        return scheduler.scale_noise(x0, timesteps, noise)  # type: ignore[no-any-return]
    if not hasattr(scheduler, "add_noise"):
        raise UsageError("This model's sampler cannot start from a picture: it has no way to noise one.")
    return scheduler.add_noise(x0, noise, timesteps)  # type: ignore[no-any-return]


def enlarged(
    model: Model, x0: NDArray[Any], size: tuple[int, int], seeds: Sequence[int], drawn: Sequence[torch.Generator]
) -> Picture:
    """Return a guess x0 (n, C, h, w) at a larger size (width, height) in pixels, with fresh noise of that size.

    Enlarged is the guess and not x_t, whose noise would become blotches; bilinear as A1111's "Latent" upscaler, between
    the middles of the cells. drawn: the seeds' generators, whose next draw the noise is.
    """
    noise = noise_for(model.pipe, seeds, size, drawn).to(model.dtype)
    shape = (noise.shape[-2], noise.shape[-1])
    larger = torch.nn.functional.interpolate(torch.from_numpy(x0).float(), size=shape, mode=FILTER)
    return Picture(larger.to(model.dtype), noise, tuple(drawn))
