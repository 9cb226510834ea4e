"""One command for each lab. What they share is declared once; the table at the end says what each has of its own."""

from __future__ import annotations

import inspect
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
MODEL = {"model": options.Model, "prompt": options.Prompt}
SAMPLING = MODEL | {"seeds": options.Seed, "steps": options.Steps, "cfg": options.Cfg, "device": options.Device}


def add_lab(lab: str, summary: str, keys: dict[str, Any]) -> None:
    """Add the command of a lab; `keys` are the config keys that have a flag, and the flag of each.

    typer reads a function's signature, so the function gets one made of the options.
    """

    def command(**values: Any) -> None:
        given = {key: values.pop(key) for key in keys}
        run_lab(lab, given, **values)

    declared = BEFORE | keys | AFTER
    command.__annotations__ = dict(declared)
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, default=False if key in AFTER else None, annotation=option
            )
            for key, option in declared.items()
        ]
    )
    more = f"Every setting and its default: denoisecli config init {lab}"
    app.command(lab, help=summary, epilog=more)(command)


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
    from denoisecli.registry import CONFIGS, part

    from .console import Console

    console = Console.set_up(**looks)
    console.tell(unknown_variables())
    overrides = [flags(**given), settings(CONFIGS[lab], set_ or [])]
    loaded: list[LabConfig] = load_configs(CONFIGS[lab], configs or [], overrides)
    if out is not None and len(loaded) > 1:
        raise UsageError(f"-o names one folder, but there are {len(loaded)} configs.", "Use --runs-dir instead.")
    for config in loaded:
        run = part(config.lab, "plan")(config, out, runs_dir, force=force)
        if dry_run:
            console.planned(run.folder)
        else:
            run.make(console.report)


add_lab(
    "noise",
    "How a picture drowns in noise: any t in one jump.",
    {"image": options.Image, "guess": options.Guess, "seed": options.OneSeed, "device": options.Device} | MODEL,
)
add_lab("sample", "The deck: every state of a run, in three views.", SAMPLING)
add_lab("cfg-sweep", "One starting noise at several guidance scales.", SAMPLING)
add_lab(
    "walk",
    "From seed to seed: every frame its own full run.",
    {"frames": options.Frames, "loop": options.Loop} | SAMPLING,
)
add_lab(
    "fork",
    "What was decided when: a run taken up at several states, changed.",
    {"run": options.ForkRun, "at": options.At, "to": options.To} | SAMPLING,
)
add_lab(
    "lora-rank",
    "How few numbers a LoRA needs, at falling rank.",
    {"lora": options.LoraFile, "images": options.Images} | SAMPLING,
)
