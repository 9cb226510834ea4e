"""`denoisecli gallery`: many runs as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from . import complete, options
from .app import app
from .listing import Folders, roots_of

GalleryOut = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it at run time on 3.10
    typer.Option(
        "--out",
        "-o",
        metavar="FILE|DIR",
        help="Where to write [default: index.html in the first FOLDER, or beside it if it is a run].",
    ),
]
Theme = Annotated[
    str,
    typer.Option(
        "--theme",
        metavar="dark|light|contrast",
        help="Colours of the page.",
        autocompletion=complete.one_of("dark", "light", "contrast"),
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace FILE even where denoisecli did not write it.")]
Live = Annotated[bool, typer.Option("--live", help="Put a live page of the built-in model beside it, and a link.")]


@app.command()
def gallery(
    folders: Folders = None,
    runs_dir: options.RunsDir = None,
    out: GalleryOut = None,
    theme: Theme = "dark",
    force: Force = False,
    live: Live = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Many runs as one offline page: filter, sort, open, compare two.

    Links to the runs are relative, so the page and the runs can be moved and served together.
    """
    from denoisecli.errors import UsageError
    from denoisecli.figures.theme import THEMES
    from denoisecli.tools.gallery.tool import INDEX_FILE, make_gallery, place_of

    from .console import Console

    console = Console.set_up(json=json, quiet=quiet, verbose=verbose)
    if theme not in THEMES:
        raise UsageError(f'There is no theme "{theme}".', f"Themes: {', '.join(THEMES)}.")
    roots = roots_of(folders, runs_dir)
    path = out or place_of(roots) / INDEX_FILE
    if path.is_dir() or path.suffix.lower() not in (".html", ".htm"):
        path = path / INDEX_FILE
    beside = path.with_name("live.html") if live else None
    make_gallery(roots, path, console.report, theme=theme, force=force, live=beside)
    if beside:
        from denoisecli.config.load import load_configs, settings
        from denoisecli.labs.sample.config import SampleConfig
        from denoisecli.tools.live.tool import make_live

        config = load_configs(SampleConfig, [], [settings(SampleConfig, [f"film.theme={theme}"])])[0]
        make_live(config, beside, console.report, force=force)
