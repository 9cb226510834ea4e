"""`denoisecli lecture`: all labs run, and made into a talk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from . import options
from .app import app

TalkOut = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="talk.pptx, or talk.md for Marp or Quarto.")]
Title = Annotated[Optional[str], typer.Option("--title", metavar="TEXT", help="Of the first slide.")]  # noqa: UP045
Quick = Annotated[
    bool, typer.Option("--quick", help="A talk of drafts in minutes: fewer and smaller, without the slide of guesses.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace FILE whatever it is.")]


@app.command(short_help="A whole talk: every lab run, a slide with words to say for each.")
def lecture(
    out: TalkOut,
    prompt: options.Prompt = None,
    model: options.Model = None,
    steps: options.Steps = None,
    set_: options.Set = None,
    theme: options.Theme = None,
    runs_dir: options.RunsDir = None,
    title: Title = None,
    quick: Quick = False,
    force: Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    dry_run: options.DryRun = False,
) -> None:
    """Run every lab in the order of a talk, and write the slides: titles, films, and words for the speaker.

    The speaker's notes hold two or three sentences with the measured numbers, and the numbers under them. Runs that
    are there already are not made again. --set takes what every lab has, such as film.size=1280x720.
    """
    from denoisecli.labs.job import draft_note
    from denoisecli.registry import part
    from denoisecli.runs import rates
    from denoisecli.tools.slides.lecture import TITLE, parts_of, runs_of, scripts
    from denoisecli.tools.slides.tool import check_target, make_talk
    from denoisecli.trace_files import load_record

    from .console import Console

    console = Console.set_up(json=json, quiet=quiet, verbose=verbose)
    check_target(out, force=force)
    given = {"prompt": prompt, "model": model, "steps": steps}
    parts = parts_of(draft=quick)
    looks = [*([f"film.theme={theme}"] if theme else []), *(set_ or [])]
    plans = [
        part(lab, "plan")(_config(lab, settings, given, looks, draft=quick), None, runs_dir, force=False)
        for lab, settings in runs_of(parts)
    ]
    if dry_run:
        for plan in plans:
            told = plan.config.model_dump(mode="json")
            console.planned(plan.folder, rates.details(told) | draft_note(plan.config))
        return
    made = {place: plan.make(console.report) for place, plan in enumerate(plans)}
    slides = scripts(made, {place: load_record(run) for place, run in made.items()}, parts)
    make_talk(
        [run for run, _ in slides],
        out,
        console.report,
        title=title or TITLE,
        force=force,
        scripts=[script for _, script in slides],
    )


def _config(lab: str, settings: Any, given: dict[str, Any], set_: Any, *, draft: bool) -> Any:
    """Return a lab's config: the lecture's settings, then the flags that it has keys for, then --set."""
    from denoisecli.config.load import flags, load_configs
    from denoisecli.config.load import settings as named
    from denoisecli.registry import CONFIGS
    from denoisecli.runs.rates import work

    from .labs import quick

    kind = CONFIGS[lab]
    paints = work(settings | {"lab": lab}).paints
    own = {key: value for key, value in given.items() if paints and key in kind.model_fields and key not in settings}
    layers = [flags(**settings), flags(**quick({"quality": draft}), **own), named(kind, set_)]
    return load_configs(kind, [], layers)[0]
