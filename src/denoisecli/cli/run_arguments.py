"""Run folders as arguments: named, or a line each on stdin."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from denoisecli.errors import UsageError

from . import complete
from .options import COPY_IT, folder_or_url

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN", help="Run folders; - reads them from stdin, one a line.", autocompletion=complete.runs
    ),
]
MOST_BYTES = 1_000_000  # of stdin: more is no list of folders


def run_folders(names: Sequence[str], *, none_is_fine: bool = False) -> list[Path]:
    """Return the folders named, `-` replaced by the lines of stdin. Raises UsageError where one is no folder."""
    lines = [line for name in names for line in (_lines() if name == "-" else [name])]
    if urls := [line for line in lines if isinstance(folder_or_url(line), str)]:
        raise UsageError(f"{urls[0]} is a URL.", COPY_IT)
    folders = [Path(folder_or_url(line)) for line in lines]
    if not folders and not none_is_fine:
        raise UsageError("No run folders were named.")
    for folder in folders:
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "is not there"
            raise UsageError(f"{folder} {what}.", "Name run folders, as `denoisecli sample` prints them.")
    return folders


def _lines() -> list[str]:
    raw = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise UsageError("stdin holds more than a list of run folders.")
    return [line for line in raw.decode(errors="surrogateescape").splitlines() if line.strip()]
