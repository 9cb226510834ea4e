"""What a sweep costs against four plain pipeline calls, and what a higher scale does to the pictures.

Both sides of a ratio are run in turn, in this one process, in CPU time, so that a noisy machine hits both alike.
Run it: python benchmarks/cfg_sweep.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np

import results
from denoisecli.config.base import PROMPT
from denoisecli.diffusion.batch import Batch, sample_batch
from denoisecli.diffusion.decode import decoder
from denoisecli.diffusion.guidance import StepScales
from denoisecli.diffusion.models import Model, load_model
from denoisecli.diffusion.noise import starting_noise
from denoisecli.metrics import clipped, contrast, sameness, saturation
from denoisecli.trace import Trace

SCALES = (1.0, 3.0, 7.5, 12.0)
SEEDS = (7, 21, 42, 99)
STEPS = 20
GOAL = 0.7


def sweep(model: Model, seed: int, thrifty: bool = True) -> Trace:
    """Return one seed at all scales, in one batch."""
    batch = Batch(
        prompt=PROMPT,
        noise=starting_noise([seed] * len(SCALES), model.info.latent_shape),
        scales=[StepScales((scale,) * STEPS) if thrifty else scale for scale in SCALES],
        steps=STEPS,
        sampler="ddim",
        seeds=[seed] * len(SCALES),
    )
    return sample_batch(model, batch)


def plain(model: Model, seed: int) -> list[Any]:
    """Return the same by four calls of the pipeline, which runs no unconditional half at scale 1 either."""
    noise = starting_noise([seed], model.info.latent_shape)
    call = {"num_inference_steps": STEPS, "output_type": "latent"}
    return [model.pipe(PROMPT, latents=noise, guidance_scale=scale, **call).images.numpy() for scale in SCALES]


def seconds(work: Any, *arguments: Any) -> tuple[float, Any]:
    """Return the CPU time of a call, and its result."""
    began = time.process_time()
    result = work(*arguments)
    return time.process_time() - began, result


def ratios(model: Model, rounds: int) -> None:
    """Print the median ratios to four plain calls, with the thrift and without it, and how far the results differ."""
    model.pipe.set_progress_bar_config(disable=True)
    with_thrift, without = [], []
    for _ in range(rounds):
        apart, finals = seconds(plain, model, SEEDS[0])
        together, trace = seconds(sweep, model, SEEDS[0])
        all_rows, _ = seconds(sweep, model, SEEDS[0], False)
        with_thrift.append(together / apart)
        without.append(all_rows / apart)
    ratio = statistics.median(with_thrift)
    print(f"sweep / four plain calls       {ratio:.2f}  (CPU time, goal {GOAL})")
    results.note("a sweep over four guidance scales", "four plain pipeline calls", ratio, GOAL)
    print(f"  every row run, batch alone   {statistics.median(without):.2f}")
    for index, scale in enumerate(SCALES):
        off = trace.x_t[index, -1] - finals[index][0]
        print(f"  cfg {scale:<4g} differs by {np.sqrt(np.square(off).mean()):.1e} rms, {np.abs(off).max():.1e} at most")


def claims(model: Model) -> None:
    """Print what the finished pictures of four seeds are like at every scale."""
    finals = np.stack([sweep(model, seed).x_t[:, -1] for seed in SEEDS])  # (seed, scale, C, h, w)
    by = decoder(model, "vae")
    alike = sameness(finals)
    print("cfg   clipped  contrast  saturation  sameness of the seeds")
    for index, scale in enumerate(SCALES):
        pictures = by.decode(finals[:, index])
        row = (clipped(pictures).mean(), contrast(pictures).mean(), saturation(pictures).mean(), alike[index])
        print(f"{scale:<4g}  {row[0]:7.3f}  {row[1]:8.3f}  {row[2]:10.3f}  {row[3]:8.3f}")


def main() -> None:
    """Print both."""
    model = load_model("pocket")
    ratios(model, int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    claims(model)


if __name__ == "__main__":
    main()
