"""What a walk costs: against bare pipeline calls, and against the walk of stable-diffusion-videos from PyPI.

All go from seed 7 to seed 21 with the same model, steps and batch, and make a PNG or kept picture of every frame; the
rounds alternate in one process, so that a noisy machine hits all alike. Wall time counts; the ratio of CPU times stands
behind it, since other work on the machine touches it less.
The peer is left out where it is not installed; what it imports for sound and upscaling is not needed.
Run it: python benchmarks/walk.py [frames] [steps] [rounds]
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import results
from denoisecli.diffusion.models import Model, load_model
from denoisecli.diffusion.quiet import quiet
from denoisecli.diffusion.scheduler import use_sampler
from denoisecli.labs.job import Job
from denoisecli.labs.walk.config import WalkConfig
from denoisecli.labs.walk.frames import Walker
from denoisecli.labs.walk.lab import plan
from denoisecli.labs.walk.places import even_places
from denoisecli.labs.walk.way import Way
from denoisecli.report import Report

BATCH, DEFAULT = 8, (60, 20)
GOAL_BARE, GOAL_PEER = 1.1, 1.0
NOT_NEEDED = ("librosa", "torchvision", "torchvision.io", "torchvision.transforms.functional", "cv2", "realesrgan")


def walk_of(model: Model, config: WalkConfig) -> Callable[[Path], None]:
    """Return our walk: sampling, decoding and keeping every frame, without the film."""

    def run(folder: Path) -> None:
        job = Job(config, plan(config, folder / "run", None, force=True).folder, Report())
        with job.folder.open():
            walker = Walker(job, model, Way(config, model), [0, config.steps])
            walker.sample(even_places(1, config.frames, loop=False))

    return run


def bare_calls(model: Model, config: WalkConfig) -> Callable[[Path], None]:
    """Return plain pipeline calls, pictures and all, on the same noises in the same batches."""
    way = Way(config, model)
    places = even_places(1, config.frames, loop=False)

    def run(_folder: Path) -> None:
        for start in range(0, len(places), BATCH):
            noises = torch.stack([torch.from_numpy(way.noise(place)) for place in places[start : start + BATCH]])
            model.pipe(
                config.prompt,
                latents=noises.to(model.device, model.dtype),
                num_images_per_prompt=len(noises),
                num_inference_steps=config.steps,
                guidance_scale=config.cfg,
            )

    return run


def peer_walk(model: Model, config: WalkConfig) -> Callable[[Path], None] | None:
    """Return the walk of stable-diffusion-videos on our model's parts; None where it is not installed."""
    if importlib.util.find_spec("stable_diffusion_videos") is None:
        return None
    missing = [name for name in NOT_NEEDED if importlib.util.find_spec(name.partition(".")[0]) is None]
    for name in missing:
        stand_in(name)
    import transformers

    if not hasattr(transformers, "CLIPFeatureExtractor"):  # its old name for the image processor
        transformers.CLIPFeatureExtractor = transformers.CLIPImageProcessor
    from stable_diffusion_videos import StableDiffusionWalkPipeline

    parts = {name: getattr(model.pipe, name) for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    peer = StableDiffusionWalkPipeline(**parts, safety_checker=None, feature_extractor=None)
    peer.set_progress_bar_config(disable=True)

    def run(folder: Path) -> None:
        peer.make_clip_frames(
            config.prompt, config.prompt, *config.seeds, num_interpolation_steps=config.frames, save_path=folder,
            num_inference_steps=config.steps, guidance_scale=config.cfg, batch_size=BATCH,
        )  # fmt: skip

    return run


def stand_in(name: str) -> None:
    """Put an empty module in the place of one that is not installed and not used."""
    module: Any = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    module.write_video = module.pil_to_tensor = None
    sys.modules[name] = module


@dataclass(frozen=True)
class Took:
    """Seconds that one walk took, on the clock and of the CPU."""

    wall: float
    cpu: float


def timed(run: Callable[[Path], None]) -> Took:
    """Return the time that one walk takes."""
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        run(Path(folder))
        return Took(time.perf_counter() - wall, time.process_time() - cpu)


def contenders(model: Model, config: WalkConfig) -> dict[str, Callable[[Path], None]]:
    """Return what is timed, by its name."""
    found = {"walk": walk_of(model, config), "bare pipeline": bare_calls(model, config)}
    peer = peer_walk(model, config)
    return found | ({"stable-diffusion-videos": peer} if peer else {})


def turned(names: list[str], by: int) -> list[str]:
    """Return the names with another one first in each round: who begins finds a cooler machine."""
    return names[by % len(names) :] + names[: by % len(names)]


def main() -> None:
    """Print frames a second of each and the ratios."""
    frames, steps, rounds = (int(value) for value in [*sys.argv[1:4], *(*DEFAULT, 3)[len(sys.argv[1:4]) :]])
    config = WalkConfig(seeds=(7, 21), frames=frames, steps=steps, batch=BATCH, size=(256, 256))
    model = load_model("pocket")
    use_sampler(model.pipe, config.sampler)
    with quiet():
        for warm in contenders(model, config.model_copy(update={"frames": BATCH, "steps": 2})).values():
            timed(warm)
        runs = contenders(model, config)
        took: dict[str, list[Took]] = {name: [] for name in runs}
        for round_ in range(1, rounds + 1):
            for name in turned(list(runs), round_):
                took[name].append(timed(runs[name]))
            said = ", ".join(f"{name} {times[-1].wall:.1f} s" for name, times in took.items())
            print(f"round {round_}: {said}", flush=True)
    for name, times in took.items():
        print(f"{name:<32} {frames / statistics.median(each.wall for each in times):6.2f} frames a second")
    for other, goal in (("bare pipeline", GOAL_BARE), ("stable-diffusion-videos", GOAL_PEER)):
        if other in took:
            pairs = list(zip(took["walk"], took[other], strict=True))
            wall = statistics.median(ours.wall / theirs.wall for ours, theirs in pairs)
            cpu = statistics.median(ours.cpu / theirs.cpu for ours, theirs in pairs)
            print(f"walk / {other:<25} {wall:6.3f}  (CPU time {cpu:.3f}; goal {goal})")
            if (frames, steps) == DEFAULT:
                what = f"a walk of {frames} frames, without its film"
                against = {"bare pipeline": "bare pipeline calls at the same batch size"}.get(
                    other, "the walk of stable-diffusion-videos 0.9.2"
                )
                results.note(what, against, wall, goal)
        else:
            print(f"{other} is not installed: pip install --no-deps {other}")


if __name__ == "__main__":
    main()
