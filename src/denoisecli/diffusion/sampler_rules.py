"""What samplers can and cannot do, in sentences: told before a run by a model's configs, in it by its schedulers."""

from __future__ import annotations

from typing import Any

from denoisecli.config.samplers import SAMPLERS
from denoisecli.errors import UsageError

FIXED_STRIDE = ("DDIMScheduler", "PNDMScheduler")  # whose steps go 1000 // steps timesteps back, wherever they stand
STEPS_OF_LINSPACE = 15  # from there on what is left of the noise is not seen
MEET = 1e-3  # of σ: two samplers' levels closer than this are the same
USUAL = {"noise": "ddim", "flow": "flow_euler", "trigflow": "scm"}
"""The sampler to choose, by what a model has learned to turn round."""


def check_sampler(name: str, process: str, pipeline: str) -> None:
    """Raise UsageError for a sampler that there is not, or that does not fit a model. pipeline: its class."""
    if name not in SAMPLERS:
        raise UsageError(f"There is no sampler {name!r}.", f"Choose one of: {', '.join(SAMPLERS)}.")
    if SAMPLERS[name].process != process:
        raise UsageError(f"The sampler {name!r} does not fit this model.", f"Choose {USUAL[process]!r} for it.")
    if pipeline == "LatentConsistencyModelPipeline" and name != "lcm":
        raise UsageError(
            f"A latent consistency model is not sampled by {name!r}.", "Choose 'lcm' for it, and 4 to 8 steps."
        )


def check_begins(sampler: str, state: int) -> None:
    """Raise UsageError for a sampler that cannot begin at a state."""
    if state and sampler == "pndm":
        raise UsageError("The sampler pndm cannot begin on the way.", "Choose ddim or dpmpp_2m for it.")


def check_meet(gives: tuple[str, float], takes: tuple[str, float], state: int) -> None:
    """Raise UsageError where two samplers, each (name, σ), are not at the same level at a state."""
    (one, sigma), (other, there) = gives, takes
    if abs(sigma - there) > MEET * max(sigma, there):
        raise UsageError(
            f"{name_of(one)} and {name_of(other)} do not meet at state {state}: σ is {sigma:.4g} in one and "
            f"{there:.4g} in the other.",
            "Change the sampler at state 0, or choose one with the same levels (spacing, Karras).",
        )


def leaves_noise(scheduler: Any, steps: int) -> bool:
    """Tell whether a scheduler's steps stop short of where the next begins, and are so few that it shows.

    diffusers' DDIM and PNDM go back by 1000 // steps timesteps; `linspace` puts them 999 / (steps - 1) apart.
    """
    apart = type(scheduler).__name__ in FIXED_STRIDE and scheduler.config.get("timestep_spacing") == "linspace"
    return apart and 1 < steps < STEPS_OF_LINSPACE


def no_clips(ref: str) -> UsageError:
    """Return what is said where a clip is asked of a model that paints pictures."""
    return UsageError(f"video: {ref} paints single pictures, no clips.", "Leave video out.")


def name_of(sampler: str) -> str:
    """Return what a sampler is called."""
    return SAMPLERS[sampler].label if sampler in SAMPLERS else sampler
