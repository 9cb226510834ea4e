"""One sample of a sweep taken apart: the guess without the prompt, with it, and where the two disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..figures.sweep_facts import Anatomy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..config.cfg_sweep import CfgSweepConfig
    from ..diffusion.models import Model
    from ..trace import Trace
    from .plan import Job

AT_ONCE = 16  # latents handed to a decoder


def take_apart(job: Job[CfgSweepConfig], model: Model, trace: Trace, scale: int) -> Anatomy | None:
    """Return the three guesses of every step of one sample: the first seed's at `scale`; None without guidance."""
    from ..diffusion.decode import decoder

    if "eps_uncond" not in trace:
        return None
    sample = scale * len(job.config.seeds)
    uncond, cond = (guesses_of(trace, name, sample) for name in ("eps_uncond", "eps_cond"))
    by = decoder(model, job.config.decode.states)
    pull = np.sqrt(np.square(trace.eps_cond[sample] - trace.eps_uncond[sample], dtype=np.float32).mean(axis=1))

    def decoded(latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        return np.concatenate([by.decode(latents[i : i + AT_ONCE]) for i in range(0, len(latents), AT_ONCE)])

    with job.timed("decode"):
        return Anatomy(
            sample=sample,
            scale=scale,
            ran=tuple(bool(step.any()) for step in pull),
            uncond=decoded(uncond),
            cond=decoded(cond),
            guided=decoded(trace.x0[sample]),
            pull=pull,
        )


def guesses_of(trace: Trace, name: str, sample: int) -> NDArray[np.float32]:
    """Return the clean latents that one half predicts at every step, (step, C, h, w), by the formula of the family."""
    from ..diffusion.schedule import Level, predicted_x0

    kind, prediction = trace.record["schedule_kind"], trace.record["model"]["prediction_type"]
    levels = zip(trace.timesteps.tolist(), trace.sigmas.tolist(), trace.alpha_bars.tolist(), strict=True)
    steps = zip(trace.x_t[sample, :-1], trace[name][sample], levels, strict=False)
    return np.stack([predicted_x0(kind, prediction, x_t, output, Level(*level)) for x_t, output, level in steps])
