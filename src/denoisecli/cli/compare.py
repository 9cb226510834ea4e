"""`denoisecli compare`: two runs beside each other."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import app
from .options import Force, Json, Out, Quiet, RunsDir, Verbose

RunA = Annotated[str, typer.Argument(metavar="RUN_A", help="A run folder.")]
RunB = Annotated[str, typer.Argument(metavar="RUN_B", help="Another one.")]


@app.command()
def compare(
    run_a: RunA,
    run_b: RunB,
    out: Out = None,
    runs_dir: RunsDir = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """The first state that differs, how far, and why."""
    from denoisecli.tools.compare.tool import compare_runs

    from .console import Console
    from .run_arguments import run_folders

    console = Console.set_up(json=json, quiet=quiet, verbose=verbose)
    a, b = run_folders([run_a, run_b])
    made = compare_runs(a, b, console.report, out=out, runs_dir=runs_dir, force=force)
    console.result(made.record, made.record["sentence"])
