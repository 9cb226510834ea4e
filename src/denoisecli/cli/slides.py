"""`denoisecli slides`: runs into a talk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from .app import app
from .options import Json, Quiet, Verbose
from .run_arguments import Runs, run_folders

TalkOut = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="talk.pptx, or talk.md for Marp or Quarto.")]
Title = Annotated[Optional[str], typer.Option("--title", metavar="TEXT", help="Begin with a title slide.")]  # noqa: UP045
Force = Annotated[
    bool, typer.Option("--force", help="Replace FILE whatever it is. Ours, unchanged, is replaced anyway.")
]


@app.command()
def slides(
    runs: Runs,
    out: TalkOut,
    title: Title = None,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """One slide a run, its film playing by itself."""
    from denoisecli.tools.slides.tool import make_talk

    from .console import Console

    console = Console.set_up(json=json, quiet=quiet, verbose=verbose)
    make_talk(run_folders(runs), out, console.report, title=title, force=force)
