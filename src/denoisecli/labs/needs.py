"""What a planned run needs of memory, before anything is loaded."""

from __future__ import annotations

from typing import Any

from denoisecli.config.base import LabConfig
from denoisecli.diffusion import memory, references

from .at_once import batch_size, frames_of


def memory_needs(config: LabConfig) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the estimates for a resolved config's model, as lines and as JSON has them; none where it loads none."""
    if not config.needs_model:
        return [], []
    told: Any = config
    size = told.size or (512, 512)
    frames = frames_of(told)
    at_once = getattr(told, "batch", None) or batch_size(size, len(getattr(told, "seeds", ())) or 1, frames)
    work = memory.Work(size, at_once * frames, getattr(told, "steps", 1))
    found = memory.needs(references.locate(told.model), work, memory.Saving.of(told), told.device, told.dtype)
    return memory.needs_in_words(found, told.device), [one.record() for one in found]
