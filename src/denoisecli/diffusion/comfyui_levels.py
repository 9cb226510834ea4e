"""diffusers' schedulers, run through ComfyUI's levels: its timesteps, and its start."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from denoisecli.errors import UsageError
from denoisecli.process.comfyui_sigmas import Training, levels, start_scale

from .clock import trained_alpha_bars

if TYPE_CHECKING:
    from denoisecli.config.samplers import Sampler

VE = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "LMSDiscreteScheduler", "HeunDiscreteScheduler",
      "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler")  # fmt: skip
VP = ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler")
FLOW = ("FlowMatchEulerDiscreteScheduler",)
INSTEAD = {"DDIMScheduler": "EulerDiscreteScheduler"}
"""ComfyUI's ddim is Euler's method: DDIM without fresh noise is, on the scale where x = x0 + σ·ε."""
PLAIN = {"use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False}
UNIPC, UNIPC_ORDER, UNIPC_LAST = "UniPCMultistepScheduler", 3, 0.001
"""ComfyUI solves with order 3, and stops at a level of 0.001, since the solver's logarithms have no level 0.
Source: its comfy/extra_samplers/uni_pc.py."""


def scheduler_class(sampler: Sampler) -> str:
    """Return the class that runs a sampler through ComfyUI's levels. Raises UsageError where none does."""
    name = INSTEAD.get(sampler.class_name, sampler.class_name)
    if name not in (*VE, *VP, *FLOW) or (sampler.flow and name not in FLOW):
        raise UsageError(
            f"The sampler {sampler.name!r} takes no `schedule`.", "Choose euler or dpmpp_2m, or leave it out."
        )
    return name


def through(base: type[Any], schedule: str, sampler: Sampler) -> type[Any]:
    """Return a scheduler class that takes ComfyUI's levels. schedule: "comfy-normal" and so on."""
    return _through(
        base,  # type: ignore[arg-type]
        schedule.removeprefix("comfy-"),
        sampler.comfyui[0] if sampler.comfyui else "euler",
    )


@functools.lru_cache(maxsize=64)
def _through(base: type[Any], scheduler: str, sampler: str) -> type[Any]:
    class ComfyUILevels(base):  # type: ignore[misc]
        """The scheduler, its levels replaced as soon as they are set."""

        kept_scale = "flow" if base.__name__ in FLOW else "ve" if base.__name__ in VE else "vp"
        comfyui_schedule = scheduler
        comfyui_start: float | None = None

        @property
        def init_noise_sigma(self) -> float:
            """What the starting noise is multiplied by."""
            return 1.0 if self.comfyui_start is None else self.comfyui_start

        @init_noise_sigma.setter
        def init_noise_sigma(self, _: float) -> None:
            """Let the class set its own, which is not used."""

        @functools.wraps(base.set_timesteps)
        def set_timesteps(self, *args: Any, **kwargs: Any) -> None:
            super().set_timesteps(*args, **kwargs)
            _replace(self, scheduler, sampler)

    ComfyUILevels.__name__ = ComfyUILevels.__qualname__ = base.__name__
    return ComfyUILevels


def _training(scheduler: Any) -> Training:
    """Return the levels that the model was trained with."""
    if scheduler.kept_scale == "flow":
        return Training.flow(float(scheduler.config.get("shift") or 1.0))
    alpha_bars = trained_alpha_bars(scheduler)
    return Training(np.sqrt((1 - alpha_bars) / alpha_bars))


def _replace(scheduler: Any, name: str, sampler: str) -> None:
    """Put ComfyUI's levels into a scheduler that has just been set up for as many steps."""
    training = _training(scheduler)
    sigmas = levels(name, training, int(scheduler.num_inference_steps or len(scheduler.timesteps)), sampler)
    if type(scheduler).__name__ == "DEISMultistepScheduler":  # whose logarithms have no level 0
        sigmas[-1] = training.sigmas[0]
    if type(scheduler).__name__ == UNIPC:
        sigmas[-1] = UNIPC_LAST
        order = max(min(UNIPC_ORDER, len(sigmas) - 2), 1)
        scheduler.register_to_config(solver_order=order)
        scheduler.model_outputs, scheduler.timestep_list = [None] * order, [None] * order
    heard = [training.timestep(float(sigma)) for sigma in sigmas[:-1]]
    start = start_scale(float(sigmas[0]), training)
    if scheduler.kept_scale == "vp":  # x is divided by √(1 + σ²) there
        start /= math.sqrt(1 + float(sigmas[0]) ** 2)
    scheduler.comfyui_start = None if scheduler.kept_scale == "flow" else start
    scheduler.num_inference_steps = len(heard)
    sigmas, heard = _interleaved(scheduler, training, sigmas, heard)
    device = scheduler.timesteps.device
    scheduler.sigmas = torch.tensor(np.asarray(sigmas), dtype=torch.float32)
    scheduler.timesteps = torch.tensor(heard, dtype=torch.float32).to(device)
    if scheduler.kept_scale == "vp":
        scheduler.timesteps = scheduler.timesteps.long()


def _interleaved(scheduler: Any, training: Training, sigmas: Any, heard: list[float]) -> tuple[Any, list[float]]:
    """Return levels and timesteps in the order that a second-order scheduler goes through them."""
    kind = type(scheduler).__name__
    if kind == "HeunDiscreteScheduler":  # each level but the first twice: where a step ends, and where the next begins
        doubled = [sigmas[0], *np.repeat(sigmas[1:-1], 2), sigmas[-1]]
        return doubled, [heard[0], *(t for t in heard[1:] for _ in range(2))]
    if kind.startswith("KDPM2"):
        return _midpoints(scheduler, training, sigmas, heard)
    return sigmas, heard


def _midpoints(scheduler: Any, training: Training, sigmas: Any, heard: list[float]) -> tuple[Any, list[float]]:
    """Set the levels between, the geometric mean of where a step begins and (for the ancestral one) goes down to."""
    following = np.asarray(sigmas[1:])
    first, last = np.asarray(sigmas[:-1]), following
    if hasattr(scheduler, "sigmas_up"):
        up = np.minimum(following, np.sqrt(np.maximum(following**2 * (first**2 - following**2) / first**2, 0)))
        last = np.sqrt(np.maximum(following**2 - up**2, 0))
        scheduler.sigmas_up = torch.tensor(np.concatenate([up[:1], np.repeat(up[1:], 2), up[-1:]]), dtype=torch.float32)
        down = np.concatenate([last[:1], np.repeat(last[1:], 2), last[-1:]])
        scheduler.sigmas_down = torch.tensor(down, dtype=torch.float32)
    middle = np.sqrt(first * np.maximum(last, 0))
    between = [training.timestep(float(sigma)) if sigma > 0 else 0.0 for sigma in middle]
    places = middle if hasattr(scheduler, "sigmas_up") else np.append(middle[:1], middle)  # counted from where it ends
    twice = np.concatenate([places[:1], np.repeat(places[1:], 2), places[-1:]])
    scheduler.sigmas_interpol = torch.tensor(twice, dtype=torch.float32)
    doubled = [sigmas[0], *np.repeat(sigmas[1:-1], 2), sigmas[-1]]
    times = [heard[0]]
    for t, mid in zip(heard[1:], between[:-1], strict=True):
        times += [mid, t]
    return doubled, times
