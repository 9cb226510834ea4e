"""What the deck costs: against a plain diffusers script, and the recorder against the plain pipeline call.

Both sides of a ratio are run in turn, in this one process's children, so that a noisy machine hits both alike.
Run it: python benchmarks/sample.py [rounds]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

import results
from denoisecli.diffusion.models import load_model
from denoisecli.diffusion.recorder import record
from denoisecli.diffusion.references import POCKET

GOAL_DECK, GOAL_STILL, GOAL_RECORD = 1.8, 1.5, 1.02
PLAIN_SCRIPT = f"""
import torch
from diffusers import StableDiffusionPipeline
pipe = StableDiffusionPipeline.from_pretrained({str(POCKET)!r}, torch_dtype=torch.float32)
prompt = ("a lighthouse on a rocky cliff at dusk, dramatic golden clouds, crashing waves, oil painting")
generators = [torch.Generator("cpu").manual_seed(seed) for seed in (7, 21, 42, 99)]
images = pipe(prompt, num_images_per_prompt=4, generator=generators, num_inference_steps=20, guidance_scale=7.5).images
for seed, image in zip((7, 21, 42, 99), images):
    image.save(f"{{seed}}.png")
"""


def seconds(command: list[str], folder: str) -> float:
    """Return the wall time of a command."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


def decks_against_script(rounds: int) -> list[float]:
    """Return the median seconds of the plain script, of the deck, and of the deck without its films."""
    ours = [sys.executable, "-m", "denoisecli", "sample", "-o"]
    commands = [[sys.executable, "-c", PLAIN_SCRIPT], [*ours, "deck"], [*ours, "still", "--set", "film.formats=[]"]]
    took: list[list[float]] = [[] for _ in commands]
    for _ in range(rounds):
        for command, times in zip(commands, took, strict=True):
            with tempfile.TemporaryDirectory() as folder:
                times.append(seconds(command, folder))
    return [statistics.median(times) for times in took]


def recorder_against_pipeline(rounds: int) -> float:
    """Return the median over paired rounds of recorded time / plain time of one pipeline call."""
    import torch

    pipe = load_model("pocket").pipe
    noise = torch.randn(4, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    arguments = {"prompt": ["a lighthouse"] * 4, "num_inference_steps": 20, "output_type": "latent"}

    def plain() -> float:
        began = time.process_time()
        pipe(latents=noise.clone(), **arguments)
        return time.process_time() - began

    def recorded() -> float:
        began = time.process_time()
        with record(pipe):
            pipe(latents=noise.clone(), **arguments)
        return time.process_time() - began

    plain(), recorded()  # both warm
    return statistics.median(recorded() / plain() for _ in range(rounds))


def main() -> None:
    """Print the ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    plain, deck, still = decks_against_script(rounds)
    script = "a ten-line diffusers script that saves the four final pictures"
    print(f"deck / plain script    {deck / plain:.2f}   ({deck:.1f} s / {plain:.1f} s, goal {GOAL_DECK})")
    results.note("the default deck: 164 states drawn, four films, sheet, trace", script, deck / plain, GOAL_DECK)
    print(f"without its films      {still / plain:.2f}   ({still:.1f} s, goal {GOAL_STILL})")
    results.note("the same without its films (`film.formats: []`)", script, still / plain, GOAL_STILL)
    recorded = recorder_against_pipeline(4 * rounds)
    print(f"recorded / plain call  {recorded:.3f}  (CPU time, goal {GOAL_RECORD})")
    results.note("a pipeline call under `record`", "the same call without", recorded, GOAL_RECORD)


if __name__ == "__main__":
    main()
