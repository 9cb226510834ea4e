"""Two runs beside each other: the first state that differs, a film, a sheet and the numbers, in a folder."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli import __version__
from denoisecli.digest import file_sha256
from denoisecli.errors import NotRecorded, RunFolderError
from denoisecli.labs.stored import as_written, check_drawable
from denoisecli.report import Report
from denoisecli.runs.files import COMPARE_FILE
from denoisecli.runs.folder import RunFolder, name_folder, run_hash
from denoisecli.safe_files import write_file
from denoisecli.safe_text import utf8
from denoisecli.trace import Trace, load
from denoisecli.trace_files import STATES_FILE, TRACE_FILE, read_table

from .states import Comparison, compare_rows, report, rows_of

if TYPE_CHECKING:
    from denoisecli.config.base import Film
    from denoisecli.labs.rows import Rows
    from denoisecli.media.picture_file import PictureFile

    from .film import Versus


@dataclass(frozen=True)
class Compared:
    """A finished comparison: its folder, and what compare.json says."""

    folder: Path
    record: dict[str, Any]


def compare_runs(
    a: Path, b: Path, report_to: Report, *, out: Path | None = None, runs_dir: Path | None = None, force: bool = False
) -> Compared:
    """Compare two run folders and return the folder that was written, or that was there already.

    Raises NotRecorded where a folder holds no run or no pictures, UsageError where the runs have nothing to compare.
    """
    traces = load(a), load(b)
    films = tuple(map(_film, (a, b), traces))
    rows_a, rows_b = _rows(a, traces[0]), _rows(b, traces[1])
    with as_written(f"{a} or {b}"):
        found = compare_rows(*traces, rows_a, rows_b)
    folder = _folder(a, b, traces, out, runs_dir, force=force)
    if folder.done:
        report_to.done(folder.path, fresh=False)
        return Compared(folder.path, _stored(folder.path))
    with _pictures(a) as pictures_a, _pictures(b) as pictures_b:
        for run, trace, pictures in ((a, traces[0], pictures_a), (b, traces[1], pictures_b)):
            check_drawable(run, trace, pictures.shapes)
        versus = _versus(found, traces, rows_by_view(pictures_a, found.a), rows_by_view(pictures_b, found.b))
        try:
            with folder.open():
                report_to.start(folder.path, "compare", f"{a.name} | {b.name}")
                with as_written(f"{a} or {b}"):
                    _draw(versus, films[0], folder, report_to)
                    record = report(found) | _origins(a, b, traces, folder)
                text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
                write_file(folder.partial / COMPARE_FILE, utf8(f"{text}\n"))
                folder.finish()
        except BaseException:
            folder.discard_if_empty()
            raise
        finally:
            report_to.close()
    report_to.done(folder.path, fresh=True)
    return Compared(folder.path, record)


def _rows(run: Path, trace: Trace) -> Rows:
    """Return the comparable parts of a run; what it lacks is told with its name."""
    with as_written(run):
        try:
            return rows_of(trace)
        except NotRecorded as error:
            raise NotRecorded(f"{run} cannot be compared. {error.message}", error.hint) from None


def _stored(folder: Path) -> dict[str, Any]:
    record = read_table(folder / COMPARE_FILE) or {}
    if not isinstance(record.get("sentence"), str):
        raise NotRecorded(f"{folder / COMPARE_FILE} says nothing any more.", "Compare again with --force.")
    return record


def _config(trace: Trace) -> dict[str, Any]:
    return trace.record.get("config") or {}


def _film(run: Path, trace: Trace) -> Film:
    """Return how the run's own film is made, which the comparison's is too."""
    from pydantic import ValidationError

    from denoisecli.config.base import Film

    try:
        return Film.model_validate(_config(trace).get("film") or {})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, ("config", "film", *first["loc"])))
        raise NotRecorded(f"{run}/{TRACE_FILE} is not as denoisecli writes it: {key}: {first['msg']}.") from None


def _folder(
    a: Path, b: Path, traces: tuple[Trace, Trace], out: Path | None, runs_dir: Path | None, *, force: bool
) -> RunFolder:
    film = _config(traces[0]).get("film")
    digest = run_hash({"a": file_sha256(a / STATES_FILE), "b": file_sha256(b / STATES_FILE), "film": film}, __version__)
    names = [_config(trace).get("prompt") or trace.lab for trace in traces]
    title = names[0] if names[0] == names[1] else f"{names[0]} {names[1]}"
    folder = name_folder("compare", str(title), digest, out, runs_dir, force=force)
    folder.record = COMPARE_FILE
    for run in (a, b):
        if folder.path.resolve() == run.resolve():
            raise RunFolderError(
                f"{folder.path} is one of the runs that are compared.", "Choose another folder with -o."
            )
    return folder


def _pictures(run: Path) -> PictureFile:
    from denoisecli.media.picture_file import PICTURES_FILE, PictureFile

    if not os.path.lexists(run / PICTURES_FILE):
        hint = "It was made by an earlier version: make it again with --force."
        raise NotRecorded(f"{run} holds no pictures to show.", hint)
    return PictureFile.open(run / PICTURES_FILE)


class RowView:
    """A view of a picture file with all axes before the state's made one: indexed [row][state] to a picture."""

    def __init__(self, view: Any) -> None:
        self.view = view
        self.leading = tuple(view.shape[:-4])

    @property
    def places(self) -> tuple[int, int]:
        """How many rows and states it has pictures of."""
        return math.prod(self.leading), int(self.view.shape[-4])

    def __getitem__(self, row: int) -> Any:
        """Return the view of one row's states."""
        return self.view[tuple(int(i) for i in np.unravel_index(row, self.leading))] if self.leading else self.view


def rows_by_view(pictures: PictureFile, rows: Rows | None = None) -> dict[str, Any]:
    """Return each view as rows of states: of a run's `rows`, those that have a picture of every state.

    A walk's guesses are of some frames alone, a sweep's anatomy is of one sample.
    """
    wanted = rows and tuple(rows.canvas.shape[:2])
    found = {name: RowView(pictures[name]) for name in pictures}
    return {name: view for name, view in found.items() if wanted in (None, view.places)}


def _versus(found: Comparison, traces: tuple[Trace, Trace], a: Mapping[str, Any], b: Mapping[str, Any]) -> Versus:
    from denoisecli.figures.theme import THEMES

    from .film import Versus

    configs = [trace.record.get("config") or {} for trace in traces]
    theme = THEMES.get(str((configs[0].get("film") or {}).get("theme")), THEMES["dark"])
    prompts = (str(configs[0].get("prompt") or ""), str(configs[1].get("prompt") or ""))
    versus = Versus(found, a, b, prompts, theme)
    if not versus.views:
        raise NotRecorded("The two runs hold no view in common.", f"One has {', '.join(a)}, the other {', '.join(b)}.")
    return versus


def _draw(versus: Versus, film: Film, folder: RunFolder, report_to: Report) -> None:
    from denoisecli.figures.theme import FilmStyle
    from denoisecli.figures.timing import holds
    from denoisecli.labs.films import counted, encode
    from denoisecli.media.images import save_png

    from .film import versus_frames
    from .sheet import versus_sheet

    style = FilmStyle(film.size, versus.theme)
    repeats = holds(len(versus.comparison.states), film.hold_s, film.fps)
    report_to.stage("figures", len(repeats) + 1)
    frames = zip(counted(versus_frames(versus, style), report_to), repeats, strict=True)
    notes, path = {"title": "comparison"}, folder.partial / "film.mp4"
    for written in encode(film, frames, path, notes, math.gcd(*repeats), report_to.warn):
        report_to.artifact(folder.path, folder.add(written, "film"))
    save_png(versus_sheet(versus), folder.partial / "sheet.png")
    report_to.step(len(repeats) + 1)
    report_to.artifact(folder.path, folder.add(folder.partial / "sheet.png", "sheet"))


def _origins(a: Path, b: Path, traces: tuple[Trace, Trace], folder: RunFolder) -> dict[str, Any]:
    sides = {
        name: {"run": str(run), "lab": trace.lab, "hash": trace.record.get("hash")}
        for name, run, trace in zip("ab", (a, b), traces, strict=True)
    }
    return {"hash": folder.hash, "version": __version__, **sides, "artifacts": folder.artifacts}
