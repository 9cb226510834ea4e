"""`denoisecli render`: draw stored runs again."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from . import complete, options
from .app import app
from .run_arguments import Runs, run_folders

Theme = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--theme", metavar="dark|light|contrast", help="Colours of film, sheet and page [default: the run's].",
                 autocompletion=complete.one_of("dark", "light", "contrast")),
]  # fmt: skip


@app.command(short_help="New film, sheet and page from a stored run.")
def render(
    runs: Runs,
    set_: options.Set = None,
    theme: Theme = None,
    out: options.Out = None,
    runs_dir: options.RunsDir = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    dry_run: options.DryRun = False,
) -> None:
    """New film, sheet and page from a stored run: no model, no sampling.

    What may change is how a run is drawn: --theme light --set film.size=1080x1080. The result lies where the lab
    itself would have put it; with nothing changed, the run is drawn anew in its place.
    """
    from denoisecli.errors import UsageError
    from denoisecli.tools.render import plan

    from .console import Console

    console = Console.set_up(json=json, quiet=quiet, verbose=verbose)
    folders = run_folders(runs)
    if out is not None and len(folders) > 1:
        raise UsageError(f"-o names one folder, but there are {len(folders)} runs.", "Use --runs-dir instead.")
    pairs = [*([f"film.theme={theme}"] if theme else []), *(set_ or [])]
    for planned in [plan(folder, pairs, out, runs_dir, force=force) for folder in folders]:
        if dry_run:
            console.planned(planned.folder)
        else:
            planned.make(console.report)
