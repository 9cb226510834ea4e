"""`denoisecli live`: the model itself in one offline page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from . import options
from .app import app

Config = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time on 3.10
    typer.Argument(metavar="CONFIG.yaml|-", help="A config of the lab sample; - is stdin. None: the built-in default."),
]
LiveOut = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--out", "-o", metavar="FILE", help="Where to write [default: live.html]."),
]
Exact = Annotated[bool, typer.Option("--exact", help="Weights as they are, in float16: 24 MB instead of 15.")]
Theme = Annotated[Optional[str], typer.Option("--theme", metavar="dark|light|contrast", help="Colours of the page.")]  # noqa: UP045
Force = Annotated[bool, typer.Option("--force", help="Replace FILE even where denoisecli did not write it.")]


@app.command("live", epilog="Every setting and its default: denoisecli config init sample")
def live_page(
    config: Config = None,
    out: LiveOut = None,
    set_: options.Set = None,
    model: options.Model = None,
    prompt: options.Prompt = None,
    seeds: options.Seed = None,
    steps: options.Steps = None,
    cfg: options.Cfg = None,
    exact: Exact = False,
    theme: Theme = None,
    force: Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """The model in one offline page that samples as you watch.

    The page needs no network and nothing installed: it denoises in the reader's browser.
    """
    from denoisecli.config.load import flags, load_configs, settings, unknown_variables
    from denoisecli.errors import UsageError
    from denoisecli.labs.sample.config import SampleConfig
    from denoisecli.tools.live.tool import PAGE, make_live

    from .console import Console

    console = Console.set_up(json=json, quiet=quiet, verbose=verbose)
    console.tell(unknown_variables())
    given = {"model": model, "prompt": prompt, "seeds": seeds, "steps": steps, "cfg": cfg}
    look = [f"film.theme={theme}"] if theme else []
    overrides = [flags(**given), settings(SampleConfig, [*look, *(set_ or [])])]
    loaded = load_configs(SampleConfig, [config] if config else [], overrides)
    if len(loaded) > 1:
        raise UsageError(
            f"{config} holds {len(loaded)} configs, and a live page begins with one.", "Name one document."
        )
    path = out or PAGE
    if path.is_dir() or not path.suffix:
        path = path / PAGE
    make_live(loaded[0], path, console.report, exact=exact, force=force)
