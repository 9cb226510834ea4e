"""One sample of a sweep taken apart: the guess without the prompt, with it, and where the two disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from denoisecli.labs.pictures import decode_row, drawn_scales, scaled
from denoisecli.metrics import significant
from denoisecli.scale import canvas_latents, latent_sizes, of_one_size

from .figures.facts import Anatomy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.labs.job import Job
    from denoisecli.labs.pictures import Pictures
    from denoisecli.media.picture_file import PictureFile
    from denoisecli.trace import Trace

    from .config import CfgSweepConfig


def taken_pictures(
    job: Job[CfgSweepConfig], trace: Trace, pictures: Pictures, scale: int
) -> dict[str, NDArray[np.uint8]]:
    """Return the pictures (step, H, W, 3) of the three guesses in every step of one sample; none without guidance.

    The sample is the first seed's at `scale`; the trace's record notes which one it was. Its guided guesses are the
    run's own, and the two halves are drawn by what drew those.
    """
    if "eps_uncond" not in trace:
        return {}
    sample = scale * len(job.config.seeds)
    latents = {"uncond": guesses_of(trace, "eps_uncond", sample), "cond": guesses_of(trace, "eps_cond", sample)}
    final = canvas_latents(trace)[sample, -1]
    stacks = latents | {"guided": trace.x0[sample]}
    factors = {name: drawn_scales(job, stack[None], final[None])[0] for name, stack in stacks.items()}
    trace.record["anatomy"] = {"sample": sample, "scale": scale, "drawn_scale": told(factors)}
    sizes, shape = latent_sizes(trace)[:-1], pictures.guess.shape[2:4]

    def drawn(name: str) -> NDArray[np.uint8]:
        stack, parts = scaled(latents[name], factors[name]), zip(pictures.drawers, of_one_size(sizes), strict=True)
        return np.concatenate([decode_row(by, stack[part], sizes[part], shape) for by, (part, _) in parts])

    with job.timed("decode"):
        return {name: drawn(name) for name in latents} | {"guided": pictures.guess[sample, :-1]}


def told(factors: dict[str, NDArray[np.float64]]) -> dict[str, list[float | None]]:
    """Return the factors as the trace has them."""
    return {name: [significant(value) for value in row] for name, row in factors.items()}


def anatomy_of(trace: Trace, pictures: PictureFile) -> Anatomy | None:
    """Return what the anatomy film shows, from what a run has stored; None where there was no guidance."""
    if "anatomy" not in trace.record:
        return None
    sample, scale = (int(trace.record["anatomy"][name]) for name in ("sample", "scale"))
    pull = np.sqrt(np.square(trace.eps_cond[sample] - trace.eps_uncond[sample], dtype=np.float32).mean(axis=1))
    ran = tuple(bool(step.any()) for step in pull)
    uncond, cond, guided = (pictures[name].array() for name in ("uncond", "cond", "guided"))
    return Anatomy(sample, scale, ran, uncond, cond, guided, pull, trace.record["anatomy"].get("drawn_scale") or {})


def guesses_of(trace: Trace, name: str, sample: int) -> NDArray[np.float32]:
    """Return the clean latents that one half predicts at every step, (step, C, h, w), by the formula of the family."""
    from denoisecli.process.x0 import Level, predicted_x0

    kind, prediction = trace.record["schedule_kind"], trace.record["model"]["prediction_type"]
    levels = zip(trace.timesteps.tolist(), trace.sigmas.tolist(), trace.alpha_bars.tolist(), strict=True)
    steps = zip(trace.x_t[sample, :-1], trace[name][sample], levels, strict=False)
    return np.stack([predicted_x0(kind, prediction, x_t, output, Level(*level)) for x_t, output, level in steps])
