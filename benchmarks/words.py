"""What listening to words costs: CPU time of a pipeline's call with words against without, in turn, in one process.

On the built-in model as the lab runs it, and on a U-Net of Stable Diffusion 1.5's size (random weights, 512², one
evaluation of one row with 20 words), where the attention beside the kernel is a small part of the work.
Run it: python benchmarks/words.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import nullcontext
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel

import results
from denoisecli.config.base import PROMPT
from denoisecli.diffusion.models import load_model
from denoisecli.diffusion.recorder import record

GOAL_POCKET, GOAL_LARGE = 1.5, 1.3
WORDS = {f"word {i}": [i] for i in range(1, 21)}


def seconds(pipe: Any, told: dict[str, Any], **options: Any) -> float:
    """Return the CPU time of a call, with words where there are options."""
    began = time.process_time()
    with record(pipe, **options) if options else nullcontext():
        pipe(**told, output_type="latent")
    return time.process_time() - began


def ratio(pipe: Any, told: dict[str, Any], rounds: int, **options: Any) -> float:
    """Return the median ratio of calls with words to calls without, each pair in turn."""
    seconds(pipe, told)
    return statistics.median(seconds(pipe, told, **options) / seconds(pipe, told) for _ in range(rounds))


def large(pocket: Any) -> tuple[Any, dict[str, Any]]:
    """Return a pipeline with a U-Net of Stable Diffusion 1.5's size, and what to call it with."""
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768).eval()
    pipe = StableDiffusionPipeline(**(pocket.components | {"unet": unet}), requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    embeds = torch.randn(1, 77, 768, generator=torch.Generator().manual_seed(0))
    return pipe, {"prompt_embeds": embeds, "num_inference_steps": 1, "guidance_scale": 1.0, "height": 512, "width": 512}


def main() -> None:
    """Print both ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    pipe = load_model("pocket", "cpu").pipe
    pipe.set_progress_bar_config(disable=True)
    told = {"prompt": PROMPT, "num_images_per_prompt": 4, "num_inference_steps": 20}
    found = ratio(pipe, told, rounds, words=True)
    print(f"built-in model, with words / without  {found:.2f}  (goal {GOAL_POCKET})", flush=True)
    results.note("listening to words, built-in model", "the same call without", found, GOAL_POCKET)
    found = ratio(*large(pipe), 1, words=WORDS)
    print(f"SD 1.5's size, with words / without   {found:.2f}  (goal {GOAL_LARGE})")
    results.note("listening to words, U-Net of SD 1.5's size", "the same call without", found, GOAL_LARGE)


if __name__ == "__main__":
    main()
