"""What a batch costs: against a shell loop, a bare diffusers loop, itself on Ray, and nothing at all.

Both sides of each ratio make the same runs and take turns in one go, so that a noisy machine hits both alike.
Run it: python benchmarks/batch.py [shell|films|sampling|ray|scheduling]...
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import results
from denoisecli.batch.cluster import LOCAL
from denoisecli.batch.messages import Outcome
from denoisecli.batch.packing import sample_together
from denoisecli.batch.place import Place
from denoisecli.batch.processes import Stop, Workers
from denoisecli.batch.queue import Engine, Schedule
from denoisecli.batch.ray_engine import RayEngine
from denoisecli.batch.variations import product
from denoisecli.diffusion.model_cache import ModelCache
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.report import Report

LIGHT = ("steps=4", "views=[guess]", "film.size=640x360")  # of every run: one seed, a small film
LOOP_RUNS, BATCH_RUNS, RAY_RUNS, MANY, FILM_RUNS = 6, 64, 40, 10_000, 32
SIZES = (8, 16, 32)  # batches that the bare loop tries; ours is the default
SAMPLES, STEPS = 32, 4


def options(pairs: Iterable[str]) -> list[str]:
    """Return settings as options."""
    return [word for pair in pairs for word in ("--set", pair)]


def denoisecli(*arguments: str) -> tuple[float, float]:
    """Return the seconds, and those of CPU, that a command takes."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "denoisecli", *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def against_loop(what: str, runs: int, goal: float, *, pairs: Iterable[str], loop_runs: int = LOOP_RUNS) -> None:
    """Compare runs through `batch` with a loop over `denoisecli sample`, by runs a second."""

    def loop(seeds: Iterable[int]) -> list[tuple[float, float]]:
        common = ("--runs-dir", folder, *options(pairs))
        return [denoisecli("sample", "--seed", str(seed), *common) for seed in seeds]

    with tempfile.TemporaryDirectory() as folder:
        one = loop(range(loop_runs // 2))
        batch = denoisecli("batch", "--vary", f"seed=100-{99 + runs}", "--runs-dir", folder, *options(pairs))
        one += loop(range(loop_runs // 2, loop_runs))
    alone, alone_cpu = (statistics.mean(column) for column in zip(*one, strict=True))
    each, each_cpu = (seconds / runs for seconds in batch)
    print(f"{what}:")
    print(f"batch / shell loop        {alone / each:.2f}   ({each:.2f} s / {alone:.2f} s a run, goal {goal})")
    print(f"                          {alone_cpu / each_cpu:.2f}   (by CPU time)")
    results.note(f"a run of `batch`: {what}", "the same by `denoisecli sample` in a shell loop", each / alone, 1 / goal)


def shell() -> None:
    """Compare 64 light runs with a shell loop."""
    against_loop(f"{BATCH_RUNS} decks of one seed, 4 steps, a small film", BATCH_RUNS, 2, pairs=LIGHT)


def films() -> None:
    """Compare runs with films of full size with a shell loop."""
    against_loop(f"{FILM_RUNS} decks of one seed, 4 steps, four films of 1080 lines", FILM_RUNS, 4, pairs=["steps=4"])


@ModelCache().lent()
def sampling() -> None:
    """Compare the sampling of a batch, taps, pieces on the disk and all, with bare pipeline calls on latents.

    On one thread and by CPU time, since a busy machine makes threads wait for each other.
    """
    import torch

    from denoisecli.diffusion.models import load_model

    torch.set_num_threads(1)
    config = SampleConfig(steps=STEPS, seeds=(0,))
    pipe = load_model("pocket").pipe
    pipe.set_progress_bar_config(disable=True)
    noise = torch.randn(SAMPLES, 4, 32, 32, generator=torch.Generator().manual_seed(0))

    def bare(size: int) -> float:
        began = time.process_time()
        for rows in noise.split(size):
            pipe([config.prompt] * len(rows), latents=rows, num_inference_steps=STEPS, output_type="latent")
        return time.process_time() - began

    def packed(size: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            place = Place(Path(folder))
            plans = [place.plan(config.model_copy(update={"seeds": (seed,)})) for seed in range(SAMPLES)]
            began = time.process_time()
            for at in range(0, SAMPLES, size):
                sample_together(plans[at : at + size], Report(), lambda: False)
            return time.process_time() - began

    bare(8), packed(8)  # both warm
    rounds = [({size: bare(size) for size in SIZES}, packed(16)) for _ in range(3)]
    best = min(SIZES, key=lambda size: statistics.median(times[size] for times, _ in rounds))
    ratio = statistics.median(times[best] / ours for times, ours in rounds)
    print(f"batch / bare diffusers    {ratio:.2f}   (sampling, CPU time; the loop's best batch is {best}, goal 0.9)")
    results.note(
        "sampling in a batch, every state kept in each run's folder",
        "bare pipeline calls at their best batch size",
        1 / ratio,
        1.1,
    )


def rate(engine: Callable[[Place], Engine], folder: Path) -> tuple[float, float]:
    """Return (seconds from the start, runs a second from the first outcome on) of one batch by an engine.

    Each run goes alone: Ray tells of a pack when it is done, processes of each run in it.
    """
    schedule = Schedule([product(None, LIGHT, [f"seed=0-{RAY_RUNS - 1}"])], Place(folder))
    began = time.perf_counter()
    told = [
        time.perf_counter()
        for message in schedule.run(engine(schedule.place), 1)
        if isinstance(message, Outcome) and message.state == "made"
    ]
    assert len(told) == RAY_RUNS
    return told[-1] - began, (RAY_RUNS - 1) / (told[-1] - told[0])


def ray() -> None:
    """Compare two workers on a Ray cluster of this machine with two processes."""
    engines: dict[str, Callable[[Place], Engine]] = {
        "jobs": lambda place: Workers(2, place, Stop()),
        "ray": lambda place: RayEngine(LOCAL, 2, place, Stop()),
    }
    sides: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    for name in ("jobs", "ray", "ray", "jobs"):
        with tempfile.TemporaryDirectory() as folder:
            sides[name].append(rate(engines[name], Path(folder)))
    whole = statistics.mean(times[0] for times in sides["jobs"]) / statistics.mean(times[0] for times in sides["ray"])
    steady = statistics.mean(times[1] for times in sides["ray"]) / statistics.mean(times[1] for times in sides["jobs"])
    results.note("a run on a Ray cluster of this machine, two workers", "the same by `--jobs 2`", 1 / steady, 1.1)
    print(f"Ray / --jobs 2            {steady:.2f}   ({whole:.2f} with the start of Ray, of {RAY_RUNS} runs, goal 0.9)")


def nothing(pack: Any, _place: Any, worker: int, tell: Callable[[Any], None], _stopping: Any) -> None:
    """Stand for making a pack."""
    for run in pack:
        tell(Outcome(run.number, run.label, run.path, "made", worker=worker))


def scheduled(runs: int, samples: int) -> float:
    """Return the milliseconds a run that scheduling costs, of so many runs that take no time."""
    with tempfile.TemporaryDirectory() as folder:
        schedule = Schedule([product(None, LIGHT, [f"seed=0-{runs - 1}"])], Place(Path(folder)))
        began = time.perf_counter()
        told = sum(
            isinstance(one, Outcome) for one in schedule.run(Workers(2, schedule.place, Stop(), nothing), samples)
        )
        assert told == runs
        return (time.perf_counter() - began) / runs * 1000


def scheduling() -> None:
    """Print what a run costs that does nothing, packed and not, and how memory grows with their number."""
    scheduled(100, 16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    packed, alone = scheduled(MANY, 16), scheduled(MANY, 1)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    print(f"scheduling                {packed:.2f} ms a run packed, {alone:.2f} ms alone (of {MANY:,}, goal 5)")
    print(f"memory of {MANY:,} runs    {grown:.0f} MB more than of 100")


PARTS = {"shell": shell, "films": films, "sampling": sampling, "ray": ray, "scheduling": scheduling}


def main(names: Iterable[str]) -> None:
    """Run the named parts; none: all."""
    for name in names or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
