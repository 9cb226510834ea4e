"""`denoisecli ls`, `show` and `rm`: the runs on the disk."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from . import complete, options
from .app import EXIT_FAILED, app
from .run_arguments import Runs, run_folders
from .streams import print_json, print_path

if TYPE_CHECKING:
    from denoisecli.runs.catalog import Entry

Folders = Annotated[
    Optional[list[Path]],  # noqa: UP045 - typer reads it at run time on 3.10
    typer.Argument(metavar="FOLDER", help="Where to look; none: the runs folder.", parser=options.folder),
]


class State(str, enum.Enum):
    """What `--state` takes."""

    done = "done"
    partial = "partial"
    failed = "failed"


States = Annotated[
    Optional[list[State]],  # noqa: UP045
    typer.Option("--state", metavar="done|partial|failed", help="Only runs in this state; repeatable."),
]
Labs = Annotated[
    list[str] | None,
    typer.Option("--lab", metavar="LAB", help="Only runs of this lab; repeatable.", autocompletion=complete.labs),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run folder.", autocompletion=complete.runs)]


@app.command(short_help="List runs, the newest first.")
def ls(
    folders: Folders = None,
    runs_dir: options.RunsDir = None,
    state: States = None,
    lab: Labs = None,
    json: options.Json = False,
) -> None:
    """List runs, the newest first: what, when, how large, whether whole.

    For eyes on a terminal, one path a line in a pipe, one JSON object a line with --json.
    """
    from denoisecli.runs.catalog import entries

    from .listing_print import print_list

    roots = roots_of(folders, runs_dir)
    _check_labs(lab or [])
    found = (entry for entry in entries(roots) if _wanted(entry, state, lab))
    if json:
        for entry in found:
            print_json(entry.row)
    elif sys.stdout.isatty():
        print_list(list(found), roots)
    else:
        _print_paths(found)


@app.command(short_help="Show one run: settings, numbers, files, times.")
def show(run: Run, json: options.Json = False) -> None:
    """Show one run: settings, numbers, files, times; of one that failed, why."""
    from denoisecli.errors import NotRecorded
    from denoisecli.runs.catalog import entry_of, record_of

    from .listing_print import print_run, print_unfinished

    [folder] = run_folders([run])
    entry = entry_of(folder)
    if entry is None:
        raise NotRecorded(f"{folder} is not a run folder: it holds no trace.json of ours.", "See: denoisecli ls")
    record = record_of(folder) if entry.state == "done" else None
    if json:
        more = entry.row if record is None else {"run": str(folder), "state": entry.state, "bytes": entry.bytes}
        print_json(more | (record or {}))
    elif record is None:
        print_unfinished(entry)
    else:
        _shown(print_run, entry, record)


@app.command()
def rm(runs: Runs, yes: Yes = False) -> None:
    """Delete runs, comparisons, and what interrupted runs left.

    Only folders are deleted that are runs, hold nothing else, and that no process is making; of several, all or none.
    The deleted folders are printed.
    """
    from denoisecli.runs.catalog import check_deletable, delete

    found = [_named(folder) for folder in run_folders(runs, none_is_fine=True)]
    folders = list({folder.absolute(): folder for folder in found}.values())
    for folder in folders:
        check_deletable(folder)
    if folders and not yes:
        _ask(folders)
    for folder in folders:
        delete(folder)
        print_path(folder)


def roots_of(folders: list[Path] | None, runs_dir: Path | None) -> list[Path]:
    """Return where to look. Raises UsageError for a named folder that is none; there may be no runs folder yet."""
    from denoisecli.errors import UsageError
    from denoisecli.runs.folder import RUNS_DIR

    roots = folders or [runs_dir or RUNS_DIR]
    for root in roots:
        if not root.is_dir() and (folders or root.exists()):
            raise UsageError(f"{root} is not a folder.", "Name the folder that holds your runs.")
    return roots


def _check_labs(names: list[str]) -> None:
    from denoisecli.config.fields import did_you_mean
    from denoisecli.errors import UsageError
    from denoisecli.registry import CONFIGS

    for name in names:
        if name not in CONFIGS:
            guess = did_you_mean(name, list(CONFIGS)) or f"; there are {', '.join(CONFIGS)}."
            raise UsageError(f'There is no lab "{name}"{guess}')


def _wanted(entry: Entry, states: list[State] | None, labs: list[str] | None) -> bool:
    return (not states or State(entry.state) in states) and (not labs or entry.lab in labs)


def _shown(print_run: Any, entry: Entry, record: dict[str, Any]) -> None:
    """Print a run, unless somebody has put other things into its trace than we do."""
    from denoisecli.errors import NotRecorded
    from denoisecli.trace_schema import record_fault

    try:
        print_run(entry, record)
    except UnicodeEncodeError:  # the terminal's, not the record's
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        key = record_fault(record)
        what = f"{entry.run}/trace.json was changed: it is not as denoisecli writes it{f': {key}' if key else ''}."
        raise NotRecorded(what) from None


def _named(folder: Path) -> Path:
    """Return the folder by a name that ends in its own; `.` and `x/..` have none. No link is followed else."""
    return folder.resolve() if folder.name in ("", "..") else folder


def _ask(folders: list[Path]) -> None:
    """Ask on a terminal. Raises UsageError where there is none, Exit where the answer is no."""
    from denoisecli.amounts import size_words
    from denoisecli.errors import UsageError
    from denoisecli.runs.catalog import entry_of, size_of

    from .terminal import plain

    if not sys.stdin.isatty():
        raise UsageError("Nothing was deleted.", "Add --yes to delete without being asked.")
    for folder in folders:
        entry = entry_of(folder)
        typer.echo(plain(f"{folder}  {entry.title if entry else 'a comparison'}"), err=True)
    total = size_words(sum(map(size_of, folders)))
    if not typer.confirm(f"Delete {len(folders)} run{'s' * (len(folders) != 1)}, {total}?", err=True):
        typer.echo("Nothing was deleted.", err=True)
        raise typer.Exit(EXIT_FAILED)


def _print_paths(entries: Iterator[Entry]) -> None:
    for entry in entries:
        if "\n" in str(entry.run):  # whoever reads lines would take it for two
            typer.echo(f"left out, for the line break in its name: {str(entry.run)!r}", err=True)
        else:
            print_path(entry.run)
