"""One command for each lab. What they share is declared once; the table at the end says what each has of its own."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisecli.errors import UsageError

from . import options
from .app import app

if TYPE_CHECKING:
    from denoisecli.config.base import LabConfig

BEFORE = {"configs": options.Configs, "out": options.Out, "runs_dir": options.RunsDir, "set_": options.Set}
AFTER = {
    "force": options.Force,
    "json": options.Json,
    "quiet": options.Quiet,
    "verbose": options.Verbose,
    "dry_run": options.DryRun,
}
LOOK = {"film__theme": options.Theme, "quality": options.Quick}
MODEL = {"model": options.Model, "prompt": options.Prompt}
SAMPLING = MODEL | {
    "seeds": options.Seed, "steps": options.Steps, "cfg": options.Cfg, "sampler": options.Sampler,
    "device": options.Device,
} | LOOK  # fmt: skip
FLAGS: dict[str, dict[str, Any]] = {}
"""The config keys that have a flag of their own, lab by lab, and that flag."""
TOLD: dict[str, tuple[dict[str, str], str | None]] = {}
"""What `--help` says of each lab beside its flags: the defaults, and an example."""


def add_lab(
    lab: str, summary: str, keys: dict[str, Any], *, defaults: dict[str, str] | None = None, example: str | None = None
) -> None:
    """Add the command of a lab, with its one line and an example.

    keys: the config keys that have a flag, and the flag of each. defaults: what `--help` says of the config's
    defaults, which it does not load; other models than pocket have their own.
    typer reads a function's signature, so the function gets one made of the options.
    """

    def command(**values: Any) -> None:
        given = {key: values.pop(key) for key in keys}
        run_lab(lab, given, **values)

    FLAGS[lab] = keys
    TOLD[lab] = told, _ = defaults or {}, example
    shown = {key: options.defaulting(option, told[key]) if key in told else option for key, option in keys.items()}
    declare(command, BEFORE | shown | AFTER, dict.fromkeys(AFTER, False))
    below = f"Every setting and its default: denoisecli config init {lab}"
    app.command(lab, help=summary, epilog=f"Example: {example}\n\n{below}" if example else below)(command)


def declare(command: Any, declared: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Give a function of **values the signature that typer reads: one keyword for each option, by default None."""
    command.__annotations__ = dict(declared)
    command.__signature__ = inspect.Signature([
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(key), annotation=option)
        for key, option in declared.items()
    ])  # fmt: skip


def quick(given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of flags by config key, `--quick` as the quality that it asks for."""
    return given | {"quality": "draft" if given.get("quality") else None}


def run_lab(
    lab: str,
    given: dict[str, Any],
    *,
    configs: Sequence[str] | None,
    set_: Sequence[str] | None,
    out: Path | None,
    runs_dir: Path | None,
    force: bool,
    dry_run: bool,
    **looks: bool,
) -> None:
    """Read the configs, all of them before anything starts, then make one run for each."""
    from denoisecli.config.load import flags, load_configs, settings, unknown_variables
    from denoisecli.labs.job import draft_note
    from denoisecli.labs.needs import memory_needs
    from denoisecli.registry import CONFIGS, part
    from denoisecli.runs import rates
    from denoisecli.runs.names import names_by_hash

    from .console import Console

    console = Console.set_up(**looks)
    console.tell(unknown_variables())
    overrides = [flags(**quick(given)), settings(CONFIGS[lab], set_ or [])]
    loaded: list[LabConfig] = load_configs(CONFIGS[lab], configs or [], overrides)
    if out is not None and len(loaded) > 1:
        raise UsageError(f"-o names one folder, but there are {len(loaded)} configs.", "Use --runs-dir instead.")
    for config in loaded:
        run = part(config.lab, "plan")(config, out, runs_dir, force=force)
        if out is None and (known := names_by_hash(run.folder.path.parent).get(run.folder.hash)):
            run.folder.path = run.folder.path.with_name(known)  # a batch may have given it a longer name
        if dry_run:
            told = json.loads(run.config.model_dump_json())
            lines, estimates = memory_needs(run.config)
            console.planned(run.folder, rates.details(told) | draft_note(run.config), lines, memory=estimates)
        else:
            run.make(console.report)


FOUR = {"seeds": "7, 21, 42, 99", "steps": "20", "cfg": "7.5"}

add_lab(
    "noise",
    "How a picture drowns in noise: any t in one jump.",
    {"image": options.Image, "guess": options.Guess, "seed": options.OneSeed, "device": options.Device} | MODEL | LOOK,
    defaults={"seed": "7"},
    example="denoisecli noise --image photo.jpg",
)
add_lab(
    "sample",
    "The deck: every state of a run, in three views.",
    SAMPLING,
    defaults=FOUR,
    example='denoisecli sample -p "a castle at night" --seed 1-4 -o deck',
)
add_lab(
    "cfg-sweep",
    "One starting noise at several guidance scales.",
    SAMPLING,
    defaults=FOUR | {"seeds": "7", "cfg": "1, 3, 7.5 and 12, beside each other"},
    example="denoisecli cfg-sweep --seed 21 --set 'scales=[0, 1, 5, 15]'",
)
add_lab(
    "walk",
    "From seed to seed: every frame its own full run.",
    {"frames": options.Frames, "loop": options.Loop} | SAMPLING,
    defaults=FOUR | {"seeds": "7, 21, 42", "frames": "24"},
    example="denoisecli walk --seed 7 --seed 21 --loop",
)
add_lab(
    "fork",
    "What was decided when: a run changed at several of its states.",
    {"run": options.ForkRun, "at": options.At, "to": options.To} | SAMPLING,
    defaults=FOUR,
    example='denoisecli fork --to "a castle at night" --seed 1-4',
)
add_lab(
    "words",
    "Where and when each word of the prompt speaks.",
    {"words": options.Words, "concepts": options.Concepts} | SAMPLING,
    defaults=FOUR,
    example='denoisecli words -p "a castle on a hill" --word castle --seed 7',
)
add_lab(
    "lora-rank",
    "How few numbers a LoRA needs, at falling rank.",
    {"lora": options.LoraFile, "images": options.Images} | SAMPLING,
    defaults=FOUR,
    example="denoisecli lora-rank --lora pocket/woodcut-print --images",
)
