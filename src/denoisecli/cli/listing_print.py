"""How runs look on a terminal: a list of them, and one in detail."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from denoisecli.amounts import size_words
from denoisecli.safe_text import brief

from .terminal import plain

if TYPE_CHECKING:
    from denoisecli.runs.catalog import Entry

COLOURS = {"done": "green", "partial": "yellow", "failed": "red"}
MOST_LETTERS = 1_000_000  # of a line in a pipe
WIDTHS = (9, 16, 7, 8)  # of lab, created, state, size
MOST_TOLD = 50_000  # letters of one fact
MOST_WIDE = 120  # of a column: no name makes all the others' lines long
AS_IT_STANDS: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}  # a prompt may hold `:cat:`


def print_list(entries: Sequence[Entry], roots: Sequence[Path]) -> None:
    """Print one block a run: its facts and title on a line, what else is to say, and the path, never broken."""
    console = RichConsole(**AS_IT_STANDS)
    if not entries:
        where = ", ".join(map(str, roots))
        RichConsole(stderr=True, **AS_IT_STANDS).print(plain(f"There are no such runs in {where}."))
        return
    indent = sum(WIDTHS) + 2 * len(WIDTHS)
    wide = console.width >= indent + 40
    head = ("lab", "created", "state", "size")
    console.print(_columns(head, ["bold"] * 4).append("run", "bold"))
    for entry in entries:
        _print_entry(console, entry, indent if wide else 2, wide=wide)
    total = size_words(sum(entry.bytes for entry in entries))
    console.print(f"{len(entries)} run{'s' * (len(entries) != 1)}, {total}", style="dim")


def _print_entry(console: RichConsole, entry: Entry, indent: int, *, wide: bool) -> None:
    when = (entry.created or "")[:16].replace("T", " ")
    line = _columns((entry.lab, when, entry.state, size_words(entry.bytes)), ["", "", COLOURS[entry.state], ""])
    title = Text(_one_line(entry.title), style="bold", no_wrap=True, overflow="ellipsis")
    about = Text(_one_line(entry.error or entry.settings), no_wrap=not entry.error, overflow="ellipsis")
    if wide:
        title.truncate(console.width - indent, overflow="ellipsis")
        console.print(line + title, no_wrap=True, overflow="ellipsis")
    else:
        console.print(line)
        console.print(Padding(title, (0, 0, 0, indent)))
    if about:
        console.print(Padding(about, (0, 0, 0, indent)))
    console.print(Text("  " + plain(str(entry.run)), style="dim"), soft_wrap=True)


def print_run(entry: Entry, record: dict[str, Any]) -> None:
    """Print a finished run. Raises TypeError and its kin on a record that is not as we write it."""
    from denoisecli.runs.summary import summary

    about = summary(record)
    findings = "\n".join(about.findings)
    console = _console()
    for text, style in ((about.title, "bold"), (f"{about.lab} · {about.whole_line}", ""), (findings, "")):
        if text:
            console.print(Text(plain(brief(text, MOST_TOLD)), style))
    console.print()
    console.print(_facts(record))
    console.print()
    head, *rest = _artifacts(record)
    console.print(Text(head, style="bold"), soft_wrap=True)
    console.file.write("".join(f"{line}\n" for line in rest))  # rich takes seconds to lay out what needs no layout
    _print_place(console, entry)


def print_unfinished(entry: Entry) -> None:
    """Print what is known of a run that is not whole."""
    console = _console()
    console.print(plain(entry.title), style="bold")
    console.print(Text(f"{entry.lab} · ").append(entry.state, COLOURS[entry.state]))
    hint = "Interrupted, or being made now. The same command goes on after the last finished batch."
    console.print(plain(entry.error or hint))
    if entry.hint:
        console.print(plain(entry.hint))
    _print_place(console, entry)


def _console() -> RichConsole:
    """Return stdout as a console; where it is no terminal nothing is wrapped, so that each fact is on a line."""
    return RichConsole(width=None if sys.stdout.isatty() else MOST_LETTERS, **AS_IT_STANDS)


def _print_place(console: RichConsole, entry: Entry) -> None:
    console.print(Text(plain(f"{entry.run}  {size_words(entry.bytes)}"), style="dim"), soft_wrap=True)


def _columns(cells: Sequence[str], styles: Sequence[str]) -> Text:
    """Return the cells in their columns; the last is a number, at its column's right."""
    line = Text()
    for place, (cell, style, width) in enumerate(zip(cells, styles, WIDTHS, strict=True)):
        text = _one_line(cell)[:width]
        padded = text.rjust(width) if place == len(WIDTHS) - 1 else text.ljust(width)
        line.append(padded, style).append("  ")
    return line


def _one_line(text: str) -> str:
    return plain(" ".join(text.split()))


def _facts(record: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    model, place = record.get("model") or {}, record.get("environment") or {}
    hashed = [f"sha256 {str(model['sha256'])[:12]}"] if model.get("sha256") else []
    times = [f"{stage} {seconds:.1f} s" for stage, seconds in (record.get("timings") or {}).items() if seconds]
    rows = {
        "created": record.get("created"),
        "command": record.get("command"),
        "model": model and f"{model.get('ref') or 'a pipeline'} ({', '.join([str(model.get('family')), *hashed])})",
        "made on": " · ".join(str(place[name]) for name in ("device", "dtype") if place.get(name)),
        "with": " · ".join(f"{name} {place[name]}" for name in ("python", "torch", "diffusers") if place.get(name)),
        "times": " · ".join(times),
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(plain(brief(str(value), MOST_TOLD)), overflow="fold"))
    return table


def _artifacts(record: dict[str, Any]) -> list[str]:
    """Return a head and a line for each file, in columns. rich's own table takes a second for a thousand of them."""
    rows = [("file", "kind", "size")]
    for row in record.get("artifacts") or []:
        size = size_words(int(row.get("bytes") or 0))
        rows.append((_one_line(str(row.get("path"))), _one_line(str(row.get("kind"))), size))
    wide = [min(max(map(cell_len, column)), MOST_WIDE) for column in zip(*rows, strict=True)]
    return [f"{_wide(row[0], wide[0])}  {_wide(row[1], wide[1])}  {row[2].rjust(wide[2])}" for row in rows]


def _wide(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))
