"""What one call of a pipeline left on the tape: its steps, in the pipeline's own layout, and what was told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .branches import Branch, Mixture, mixture
from .latent_layout import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.process.x0 import Level

    from .word_maps import Maps


@dataclass
class Step:
    """What one step left on the tape, as the pipeline lays it out: latents, branches and what the scheduler got."""

    level: Level
    x_t: torch.Tensor
    branches: list[Branch]
    output: torch.Tensor
    denoiser: str | None
    x0: torch.Tensor | None = None
    made: Mixture | None = None

    def mixed(self) -> Mixture | None:
        """Return how its output came from its branches, which are let go of."""
        if self.branches:
            self.made, self.branches = mixture(self.branches, self.output, self.x_t), []
        return self.made


@dataclass
class Run:
    """What one call of the pipeline left on the tape, step by step."""

    layout: Layout = field(default_factory=lambda: Layout("as it came"))
    steps: list[Step] = field(default_factory=list)
    opened: int = 0
    end: Level | None = None
    told: float = 0.0
    outputs: list[torch.Tensor] = field(default_factory=list)
    calls: int = 0
    extra_x_t: list[torch.Tensor] = field(default_factory=list)
    extra: list[dict[str, float]] = field(default_factory=list)
    final: torch.Tensor | None = None
    seeds: list[int | None] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    told_scale: float | None = None
    embedded: bool = False
    maps: list[Maps] = field(default_factory=list)
    exchanged: bool = False


def texts_of_rows(told: Any, rows: int) -> list[str]:
    """Return the text of each row of a call: pipelines take one for all, or a list whose pictures lie side by side."""
    texts = [text if isinstance(text, str) else "" for text in (told if isinstance(told, (list, tuple)) else [told])]
    each = max(1, rows // max(1, len(texts)))
    return [*(text for text in texts for _ in range(each)), *[""] * rows][:rows]


def kept(latents: torch.Tensor) -> torch.Tensor:
    """Return a copy that stays on its device, so that recording never waits for a GPU."""
    return latents.detach().clone()


def as_array(latents: torch.Tensor) -> NDArray[np.float32]:
    """Return latents of any dtype and device as a float32 array."""
    return np.ascontiguousarray(latents.to("cpu", torch.float32).numpy())
