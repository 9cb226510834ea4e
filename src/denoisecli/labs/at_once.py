"""How many samples go through a model at once, and what that asks of memory."""

from __future__ import annotations

from typing import Any, TypeVar

from denoisecli.config.base import SamplingConfig
from denoisecli.config.phases import painted_size
from denoisecli.diffusion.memory import Work
from denoisecli.errors import UsageError

Config = TypeVar("Config", bound=SamplingConfig)
BATCH_LATENTS = 16 * 64 * 64  # latent pixels at once: 16 pictures of 512² in fp16 fit a card of 8 GB


def batch_size(size: tuple[int, int], samples: int, frames: int = 1) -> int:
    """Return how many samples go at once where the config does not say: the same on every machine."""
    pixels = size[0] * size[1] // 64 * frames
    return max(1, min(samples, BATCH_LATENTS // pixels))


def work_of(config: SamplingConfig) -> Work:
    """Return what a resolved config's model is to do at once."""
    size, frames = painted_size(config) or size_of(config), frames_of(config)
    at_once = getattr(config, "batch", None) or batch_size(size, max(1, len(config.seeds)), frames)
    return Work(size, at_once * frames, config.steps)  # a frame takes what a picture takes, at most


def frames_of(config: Any) -> int:
    """Return how many frames a config asks for: 1 for pictures."""
    told = getattr(config, "video", None)
    return int(told.frames) if told is not None else 1


def with_batch(config: Config, samples: int) -> Config:
    """Return the config of a lab that samples in batches with the size of a batch in it, where it names none."""
    told: Any = config
    size = painted_size(config)
    if told.batch is not None or not size:
        return config
    return config.model_copy(update={"batch": batch_size(size, samples, frames_of(config))})


def size_of(config: SamplingConfig) -> tuple[int, int]:
    """Return a resolved config's (width, height) in pixels."""
    if config.size is None:
        raise UsageError("The size is not resolved yet.")
    return config.size
