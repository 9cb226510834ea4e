"""What a walk costs: against bare pipeline calls, and against the walk of stable-diffusion-videos from PyPI.

All go from seed 7 to seed 21 with the same model, steps and batch, and make a PNG or kept picture of every frame; the
rounds alternate in one process, so that a noisy machine hits all alike. CPU time is compared on a CPU, else wall time.
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
from pathlib import Path
from typing import Any

import torch

from denoisecli.config.walk import WalkConfig
from denoisecli.diffusion.loading import quiet
from denoisecli.diffusion.models import Model, load_model
from denoisecli.diffusion.schedule import use_sampler
from denoisecli.labs.plan import Job
from denoisecli.labs.walk import plan
from denoisecli.labs.walk_frames import Walker
from denoisecli.labs.walk_way import Way, even_places
from denoisecli.report import Report

BATCH = 8
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


def seconds(run: Callable[[Path], None], clock: Callable[[], float]) -> float:
    """Return the time that one walk takes."""
    with tempfile.TemporaryDirectory() as folder:
        began = clock()
        run(Path(folder))
        return clock() - began


def contenders(model: Model, config: WalkConfig) -> dict[str, Callable[[Path], None]]:
    """Return what is timed, by its name."""
    found = {"walk": walk_of(model, config), "bare pipeline": bare_calls(model, config)}
    peer = peer_walk(model, config)
    return found | ({"stable-diffusion-videos": peer} if peer else {})


def main() -> None:
    """Print frames a second of each and the ratios."""
    frames, steps, rounds = (int(value) for value in [*sys.argv[1:4], *(60, 20, 3)[len(sys.argv[1:4]) :]])
    config = WalkConfig(seeds=(7, 21), frames=frames, steps=steps, batch=BATCH, size=(256, 256))
    model = load_model("pocket")
    use_sampler(model.pipe, config.sampler)
    clock = time.process_time if model.device.type == "cpu" else time.perf_counter
    with quiet():
        for warm in contenders(model, config.model_copy(update={"frames": 2, "steps": 2})).values():
            seconds(warm, clock)
        runs = contenders(model, config)
        took: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                took[name].append(seconds(run, clock))
    for name, times in took.items():
        print(f"{name:<24} {frames / statistics.median(times):6.2f} frames a second")
    paired = [ours / bare for ours, bare in zip(took["walk"], took["bare pipeline"], strict=True)]
    print(f"walk / bare calls        {statistics.median(paired):6.3f}  (goal {GOAL_BARE})")
    if "stable-diffusion-videos" in took:
        paired = [ours / other for ours, other in zip(took["walk"], took["stable-diffusion-videos"], strict=True)]
        print(f"walk / peer              {statistics.median(paired):6.3f}  (goal {GOAL_PEER})")
    else:
        print("stable-diffusion-videos is not installed: pip install --no-deps stable-diffusion-videos")


if __name__ == "__main__":
    main()
