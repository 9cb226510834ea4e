"""`denoisecli ls`, `show` and `rm`: the runs on the disk."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from .app import app
from .options import Json
from .runs import Runs, run_folders

if TYPE_CHECKING:
    from rich.table import Table

    from ..catalog import Entry

Folders = Annotated[
    Optional[list[Path]],  # noqa: UP045 - typer reads it at run time on 3.10
    typer.Argument(metavar="[FOLDER]...", help="Where to look; none: the runs folder."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")]


@app.command()
def ls(folders: Folders = None, json: Json = False) -> None:
    """List runs: what, when, how large, whether whole.

    A table on a terminal, one path a line in a pipe, one JSON object a line with --json.
    """
    from ..catalog import entries
    from ..errors import UsageError
    from ..run import RUNS_DIR

    default = Path(os.environ.get("DENOISECLI_RUNS_DIR") or RUNS_DIR)
    roots = folders or [default]
    for root in roots:
        if not root.is_dir() and (folders or root != default):
            raise UsageError(f"{root} is no folder.", "Name the folder that holds your runs.")
    found = entries(roots)
    if json:
        for entry in found:
            typer.echo(jsonlib.dumps(entry.row, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_table(list(found), default)
    else:
        for entry in found:
            typer.echo(str(entry.run))


@app.command()
def show(run: Run, json: Json = False) -> None:
    """Show one run: settings, numbers, files, times."""
    from ..catalog import record_of, size_of
    from ..errors import NotRecorded

    [folder] = run_folders([run])
    record = record_of(folder)
    if record is None:
        raise NotRecorded(f"{folder} is not a run folder: it holds no trace.json of ours.", "See: denoisecli ls")
    if json:
        typer.echo(jsonlib.dumps({"run": str(folder), "bytes": size_of(folder)} | record, ensure_ascii=False))
        return
    _print_run(folder, record)


@app.command()
def rm(runs: Runs, yes: Yes = False) -> None:
    """Delete runs, and what interrupted ones left.

    Only folders that are runs are deleted, and none that a process is making. The deleted folders are printed.
    """
    import shutil

    from ..catalog import entry_of
    from ..errors import RunFolderError, UsageError

    found = [(folder, entry_of(folder)) for folder in run_folders(runs)]
    for folder, entry in found:
        if entry is None or folder.is_symlink():
            raise UsageError(f"{folder} is no run, so it is left alone.", "Nothing was deleted.")
        _check_idle(folder)
    if not yes and not _agreed([entry for _, entry in found if entry]):
        raise UsageError("Nothing was deleted.", "Add --yes to delete without being asked.")
    for folder, _ in found:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise RunFolderError(f"{folder} cannot be deleted: {error.strerror}.") from None
        typer.echo(str(folder))


def _check_idle(folder: Path) -> None:
    from ..catalog import in_use
    from ..errors import RunFolderError

    if in_use(folder):
        raise RunFolderError(f"{folder} is being made by a process now.", "Stop that first. Nothing was deleted.")


def _agreed(entries: list[Entry]) -> bool:
    """Ask, on a terminal; without one nobody has agreed."""
    if not sys.stdin.isatty():
        return False
    from .console import plain

    for entry in entries:
        typer.echo(plain(f"{entry.run}  {entry.title}"), err=True)
    total = sum(entry.bytes for entry in entries)
    return typer.confirm(f"Delete {len(entries)} run{'s' * (len(entries) != 1)}, {size(total)}?", err=True)


def size(count: int) -> str:
    """Return a number of bytes as people say it: 14.9 MB."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if value >= 100 or units[0] == "B" else f"{value:.1f} {units[0]}"


def _print_table(entries: list[Entry], root: Path) -> None:
    from rich.console import Console as RichConsole
    from rich.table import Table
    from rich.text import Text

    from .console import plain

    if not entries:
        typer.echo(f"There are no runs in {root} yet. Make one: denoisecli sample", err=True)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("lab", "created", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("run", ratio=1)
    colours = {"done": "", "partial": "yellow", "failed": "red"}
    for entry in entries:
        about = Text(plain(entry.title)).append(f"\n{plain(entry.error or entry.settings)}", style="dim")
        about.append(f"\n{plain(str(entry.run))}", style="dim")
        when = (entry.created or "")[:16].replace("T", " ")
        table.add_row(entry.lab, when, Text(entry.state, style=colours[entry.state]), size(entry.bytes), about)
    console = RichConsole(highlight=False)
    console.print(table)
    console.print(f"{len(entries)} runs, {size(sum(entry.bytes for entry in entries))}", style="dim")


def _print_run(folder: Path, record: dict[str, Any]) -> None:
    from rich.console import Console as RichConsole

    from ..catalog import size_of
    from ..summary import summary
    from .console import plain

    about = summary(record)
    console = RichConsole(highlight=False, markup=False)
    console.print(plain(about.title), style="bold")
    console.print(plain(f"{about.lab} · {about.line}"))
    for finding in about.findings:
        console.print(plain(finding))
    console.print()
    console.print(_facts(record))
    console.print()
    console.print(_files(record))
    console.print(plain(f"{folder}  {size(size_of(folder))}"), style="dim")


def _facts(record: dict[str, Any]) -> Table:
    from rich.table import Table

    from .console import plain

    table = Table(box=None, show_header=False, pad_edge=False)
    model, place = record.get("model") or {}, record.get("environment") or {}
    times = [f"{stage} {seconds:.1f} s" for stage, seconds in (record.get("timings") or {}).items() if seconds]
    rows = {
        "created": record.get("created"),
        "command": record.get("command"),
        "model": model and f"{model.get('ref')} ({model.get('family')}, sha256 {str(model.get('sha256'))[:12]})",
        "made on": " · ".join(str(place[name]) for name in ("device", "dtype") if place.get(name)),
        "with": " · ".join(f"{name} {place[name]}" for name in ("python", "torch", "diffusers") if place.get(name)),
        "times": " · ".join(times),
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, plain(str(value)))
    return table


def _files(record: dict[str, Any]) -> Table:
    from rich.table import Table

    from .console import plain

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file")
    table.add_column("kind")
    table.add_column("size", justify="right")
    for row in record.get("artifacts") or []:
        table.add_row(plain(str(row.get("path"))), plain(str(row.get("kind"))), size(int(row.get("bytes") or 0)))
    return table
