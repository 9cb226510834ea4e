"""What forks cost: rows that the denoiser runs against those that are needed, and time against bare pipeline calls.

A fork at every other state of 20 for four seeds. Needed are the run's own rows, and behind each fork those of the steps
that are left. The bare calls have as many steps in batches of four, alternating with ours in one process, in CPU time.
Run it: python benchmarks/fork.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import results
from denoisecli.config.base import PROMPT
from denoisecli.diffusion.batch import Batch, sample_batch
from denoisecli.diffusion.models import Model, load_model
from denoisecli.diffusion.noise import starting_noise
from denoisecli.diffusion.take_up import TakeUp
from denoisecli.labs.fork.config import TO_PROMPT

SEEDS, STEPS = (7, 21, 42, 99), 20
AT = tuple(range(0, STEPS, 2))
GOAL_ROWS, GOAL_TIME = 1.05, 1.15


def forks(model: Model) -> None:
    """Sample the run and all its forks, as the lab does."""
    run = sampled(model, PROMPT, SEEDS, outputs=True)
    states = np.repeat(AT, len(SEEDS)).tolist()
    sampled(model, TO_PROMPT, SEEDS * len(AT), take_up=TakeUp(states, np.concatenate([run["outputs"]] * len(AT))))


def sampled(model: Model, prompt: str, seeds: tuple[int, ...], **more: object):  # noqa: ANN201
    """Return the trace of one batch."""
    batch = Batch(
        prompt=prompt,
        noise=starting_noise(seeds, model.info.latent_shape),
        scales=[7.5] * len(seeds),
        steps=STEPS,
        sampler="ddim",
        seeds=seeds,
    )
    return sample_batch(model, batch, **more)


def bare(model: Model) -> None:
    """Call the pipeline for the run, and for as many steps as each fork has left."""
    noise = starting_noise(SEEDS, model.info.latent_shape)
    for steps in (STEPS, *(STEPS - at for at in AT)):
        model.pipe(
            PROMPT, latents=noise, num_images_per_prompt=len(SEEDS), num_inference_steps=steps, output_type="latent"
        )


def rows_run(model: Model, work: Callable[[Model], None]) -> int:
    """Return how many rows the denoiser runs in `work`."""
    counted: list[int] = []
    first = model.pipe.unet.conv_in  # behind the recorder's taps: what it hears is really run
    handle = first.register_forward_pre_hook(lambda _, args: counted.append(len(args[0])))
    work(model)
    handle.remove()
    return sum(counted)


def seconds(model: Model, work: Callable[[Model], None]) -> float:
    """Return the CPU time of a call."""
    began = time.process_time()
    work(model)
    return time.process_time() - began


def main() -> None:
    """Print both ratios."""
    model = load_model("pocket")
    model.pipe.set_progress_bar_config(disable=True)
    needed = 2 * len(SEEDS) * (STEPS + sum(STEPS - at for at in AT))
    run = rows_run(model, forks)
    print(f"rows run / rows needed         {run / needed:.3f}  ({run} / {needed}, goal {GOAL_ROWS})")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    ratios = [seconds(model, forks) / seconds(model, bare) for _ in range(rounds)]
    print(f"forks / bare pipeline calls    {statistics.median(ratios):.2f}  (CPU time, goal {GOAL_TIME})")
    results.note(
        "forks of four seeds",
        "bare pipeline calls of as many steps, in batches of four",
        statistics.median(ratios),
        GOAL_TIME,
    )


if __name__ == "__main__":
    main()
