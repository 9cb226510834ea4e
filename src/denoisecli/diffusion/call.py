"""What a pipeline is called with: one function for each thing that families name or want differently."""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

from .canvas import as_given
from .families import REFINERS, family_named
from .guidance import StepScales, guidance_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

AT_ONCE = 1e-9
"""A share of the way that lies before every timestep: diffusers takes 0 for none told, and would noise the latents."""

ANY_GUIDANCE = 2.0
"""Given to a pipeline whose guidance the recorder mixes: any number above 1 makes it run both halves."""


def known(pipe: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the arguments that the pipeline's call has."""
    parameters = inspect.signature(pipe.__call__).parameters
    return {name: value for name, value in arguments.items() if name in parameters}


def prompts(pipe: Any, prompt: str, negative: str, n: int, *, guided: bool) -> dict[str, Any]:
    """Return the prompt for n samples. Without guidance or words no negative one: SDXL may take zeros for none."""
    family = family_named(type(pipe).__name__)
    empty = " " if family and family.needs_negative else ""
    told = {"prompt": prompt, "num_images_per_prompt": n, "num_videos_per_prompt": n}
    return told | ({"negative_prompt": negative or empty} if guided and (negative or empty) else {})


def embedded(embeds: Mapping[str, Any], rows: slice) -> dict[str, Any]:
    """Return what stands for the prompts of these samples: the rows of what they became."""
    alone = {"prompt": None, "negative_prompt": None, "num_images_per_prompt": 1, "num_videos_per_prompt": 1}
    return alone | {name: _some(name, value, rows) for name, value in embeds.items()}


def _some(name: str, value: Any, rows: slice) -> Any:
    """Return some samples of what the prompts of a batch became."""
    if is_lengths(name):
        return torch.nn.functional.pad(value.diff()[rows].cumsum(0), (1, 0)).to(value.dtype)
    if batch_axis(name):
        return value[:, rows]
    return value[rows] if hasattr(value, "__getitem__") else value


def batch_axis(name: str) -> int:
    """Return the axis of the samples: HiDream's Llama has that of its layers before it."""
    return 1 if "llama3" in name else 0


def is_lengths(name: str) -> bool:
    """Return whether these are the running sums of the prompts' lengths (Kandinsky 5)."""
    return name.endswith("cu_seqlens")


def scale(pipe: Any, value: float) -> dict[str, Any]:
    """Return the guidance scale under the family's name for it; one that a guider object has is set there."""
    family = family_named(type(pipe).__name__)
    name = family.scale_argument if family else "guidance_scale"
    if name == "guider":
        for part in ("guider", "ocr_guider"):
            if getattr(pipe, part, None) is not None:
                setattr(pipe, part, getattr(pipe, part).new(guidance_scale=value))
        return {"distilled_guidance_scale": value}
    if name == "true_cfg_scale" and guidance_of(pipe) == "embedded":
        name = "guidance_scale"
    return {name: value}


def steps(pipe: Any, count: int) -> dict[str, Any]:
    """Return what a family wants in every call, and what follows from the number of steps."""
    family = family_named(type(pipe).__name__)
    # SANA-Sprint's call has a level between the ends by default, and takes it at two steps alone
    return {"intermediate_timesteps": 1.3 if count == 2 else None} | (family.extra if family else {})


def taken_up(pipe: Any, latents: torch.Tensor) -> dict[str, Any]:
    """Return how a refiner takes latents: as they are, from its first step on, without noise or a draw of its own."""
    return {"image": latents, "denoising_start": AT_ONCE} if type(pipe).__name__ in REFINERS else {}


def latents(pipe: Any, noise: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return the starting noise (n, C, h, w) as the call takes it."""
    family = family_named(type(pipe).__name__)
    given = as_given(pipe, noise.float())
    return given.to(device) if family and family.float32_latents else given.to(device, dtype)


def of_one_scale(scales: Sequence[float | StepScales]) -> Iterator[slice]:
    """Yield the runs of samples that can share a call of a pipeline that mixes by itself.

    Raises UsageError for a scale that changes on the way, which such a pipeline cannot be told.
    """
    for scale in scales:
        if isinstance(scale, StepScales) and not scale.constant:
            raise UsageError(
                "This model's pipeline mixes its guidance by itself, so the scale cannot change on the way.",
                "Give one number a scale, and no guidance_interval.",
            )
    start = 0
    for _, group in groupby(scales):
        length = len(list(group))
        yield slice(start, start + length)
        start += length
