"""One command for each lab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .app import app
from .options import (
    Cfg,
    Configs,
    Device,
    DryRun,
    Force,
    Frames,
    Guess,
    Image,
    Images,
    Json,
    Loop,
    LoraFile,
    Model,
    OneSeed,
    Out,
    Prompt,
    Quiet,
    RunsDir,
    Seed,
    Set,
    Steps,
    Verbose,
)  # fmt: skip

if TYPE_CHECKING:
    from ..config.schema import LabConfig


@app.command()
def sample(
    configs: Configs = None,
    out: Out = None,
    runs_dir: RunsDir = None,
    set_: Set = None,
    model: Model = None,
    prompt: Prompt = None,
    seed: Seed = None,
    steps: Steps = None,
    cfg: Cfg = None,
    device: Device = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """The deck: every state of a run as canvas, guess and latent, for several seeds."""
    given = {"model": model, "prompt": prompt, "seeds": seed, "steps": steps, "cfg": cfg, "device": device}
    _run("sample", configs, given, set_, _Place(out, runs_dir, force), json, quiet, verbose, dry_run)


@app.command()
def noise(
    configs: Configs = None,
    out: Out = None,
    runs_dir: RunsDir = None,
    set_: Set = None,
    image: Image = None,
    guess: Guess = None,
    model: Model = None,
    prompt: Prompt = None,
    seed: OneSeed = None,
    device: Device = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """How a picture drowns in noise: the same noise all the way, any t in one jump."""
    given = {"image": image, "guess": guess, "model": model, "prompt": prompt, "seed": seed, "device": device}
    _run("noise", configs, given, set_, _Place(out, runs_dir, force), json, quiet, verbose, dry_run)


@app.command()
def walk(
    configs: Configs = None,
    out: Out = None,
    runs_dir: RunsDir = None,
    set_: Set = None,
    model: Model = None,
    prompt: Prompt = None,
    seed: Seed = None,
    frames: Frames = None,
    loop: Loop = None,
    steps: Steps = None,
    cfg: Cfg = None,
    device: Device = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """The way from one starting noise to another: every frame its own full run, no cross-fade."""
    given: dict[str, Any] = {"model": model, "prompt": prompt, "seeds": seed, "frames": frames, "loop": loop}
    given |= {"steps": steps, "cfg": cfg, "device": device}
    _run("walk", configs, given, set_, _Place(out, runs_dir, force), json, quiet, verbose, dry_run)


@app.command("cfg-sweep")
def cfg_sweep(
    configs: Configs = None,
    out: Out = None,
    runs_dir: RunsDir = None,
    set_: Set = None,
    model: Model = None,
    prompt: Prompt = None,
    seed: Seed = None,
    steps: Steps = None,
    cfg: Cfg = None,
    device: Device = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """One starting noise at several guidance scales, and what guidance does inside a step."""
    given = {"model": model, "prompt": prompt, "seeds": seed, "steps": steps, "cfg": cfg, "device": device}
    _run("cfg-sweep", configs, given, set_, _Place(out, runs_dir, force), json, quiet, verbose, dry_run)


@app.command("lora-rank")
def lora_rank(
    configs: Configs = None,
    out: Out = None,
    runs_dir: RunsDir = None,
    set_: Set = None,
    lora: LoraFile = None,
    images: Images = None,
    model: Model = None,
    prompt: Prompt = None,
    seed: Seed = None,
    steps: Steps = None,
    cfg: Cfg = None,
    device: Device = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """How few numbers a LoRA needs: a toy matrix, or a file, cut to falling rank."""
    given: dict[str, Any] = {"lora": lora, "images": images, "model": model, "prompt": prompt, "seeds": seed}
    given |= {"steps": steps, "cfg": cfg, "device": device}
    _run("lora-rank", configs, given, set_, _Place(out, runs_dir, force), json, quiet, verbose, dry_run)


class _Place:
    """Where runs go, as the flags say it."""

    def __init__(self, out: Path | None, runs_dir: Path | None, force: bool) -> None:
        self.out, self.runs_dir, self.force = out, runs_dir, force


def _run(
    lab: str,
    files: Sequence[str] | None,
    given: dict[str, Any],
    set_: Sequence[str] | None,
    place: _Place,
    json: bool,
    quiet: bool,
    verbose: bool,
    dry_run: bool,
) -> None:
    """Read the configs, all of them before anything starts, then make one run for each."""
    from importlib import import_module

    from ..config.load import flags, load_configs, settings
    from ..config.schema import LABS
    from .console import Console

    console = Console.set_up(json=json, quiet=quiet, verbose=verbose)
    configs: list[LabConfig] = load_configs(LABS[lab], files or [], [flags(**given), settings(LABS[lab], set_ or [])])
    if place.out is not None and len(configs) > 1:
        raise UsageError(f"-o names one folder, but there are {len(configs)} configs.", "Use --runs-dir instead.")
    instrument = import_module(f"..labs.{lab.replace('-', '_')}", __package__)
    for config in configs:
        run = instrument.plan(config, place.out, place.runs_dir, force=place.force)
        if dry_run:
            console.planned(run.folder)
        else:
            run.make(console.report)
