"""The index of many runs as one offline page."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from denoisecli.errors import DenoiseError, RunFolderError, UsageError
from denoisecli.labs.stored import as_written
from denoisecli.report import Report
from denoisecli.runs.catalog import DONE, Entry, entries, entry_of, newest_first, record_of
from denoisecli.runs.folder import RUNS_DIR
from denoisecli.safe_files import BadName, inside, open_file
from denoisecli.trace import PAGE_FILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .page import Card

INDEX_FILE = "index.html"
MARK = b'<meta name="generator" content="denoisecli">'
HEAD = 1 << 12  # bytes at the start of a page that hold the mark
MOST_RUNS = 5000
SIDES = ((60, 256), (300, 192), (1200, 128), (MOST_RUNS, 80))  # up to so many runs, thumbnails of that many pixels
MOST_NAMED = 3  # folders in the heading
MOSAIC = 4  # pictures of a run that a thumbnail shows, if it has as many


def make_gallery(
    roots: Sequence[Path], path: Path, report: Report, *, theme: str, force: bool = False, live: Path | None = None
) -> Path:
    """Write the index of the runs in and below `roots` to `path` and return it. live: a live page that it links.

    Raises UsageError where there are no runs, RunFolderError for a file that is not ours to replace.
    """
    from denoisecli.media.files import check_place

    if path.exists() and not force and not _is_ours(path):
        raise RunFolderError(f"{path} is there, and denoisecli did not write it.", "Name another with -o, or --force.")
    check_place(path)
    found = newest_first(entries(roots))
    if not found:
        named = ", ".join(map(str, roots))
        raise UsageError(f"There are no runs in {named}.", "Make one: denoisecli sample")
    if len(found) > MOST_RUNS:
        report.warn(f"The newest {MOST_RUNS} of {len(found)} runs are shown.")
    try:
        report.start(path, "gallery", f"{len(found)} run{'s' * (len(found) != 1)}")
        _write(found[:MOST_RUNS], roots, path, report, theme, live)
    finally:
        report.close()
    report.done(path, fresh=True)
    return path


def _write(
    found: Sequence[Entry], roots: Sequence[Path], path: Path, report: Report, theme: str, live: Path | None
) -> None:
    from denoisecli.labs.pages import look_of
    from denoisecli.media.page import Page, write_page

    from .page import gallery_page

    side = next(side for most, side in SIDES if len(found) <= most)
    report.stage("figures", len(found))
    thumbs: dict[str, bytes] = {}
    with ThreadPoolExecutor() as pool:  # WebP and PNG work without the interpreter's lock
        for number, coded in enumerate(pool.map(lambda entry: thumbnail(entry.run, side, theme), found)):
            if coded:
                thumbs[f"thumb/{number}"] = coded
            report.step(number + 1)
    cards = [card(entry, path.parent, f"thumb/{number}" in thumbs) for number, entry in enumerate(found)]
    way = quote(os.fsencode(f"./{_relative(live, path.parent)}")) if live else None
    body = gallery_page(cards, _title(roots), way)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path, Page(body.script, body.data["title"], body.data, look_of(theme), thumbs))


def place_of(roots: Sequence[Path]) -> Path:
    """Return the folder where the index belongs: the first of `roots`, or what holds it where that is a run itself.

    A run's folder holds what the run made and nothing else, or `rm` would leave it alone.
    """
    first = roots[0]
    return first if entry_of(first) is None else Path(os.path.normpath(first / os.pardir))


def _title(roots: Sequence[Path]) -> str:
    """Return a heading that names the folders, but neither the usual one nor many."""
    names = [root.resolve().name for root in roots]
    if len(names) > MOST_NAMED or names == [RUNS_DIR.name]:
        return "Runs"
    return f"Runs in {', '.join(names)}"


def card(entry: Entry, base: Path, picture: bool) -> Card:
    """Return what the index shows of a run; links are relative to `base`."""
    from .page import Card

    record = (record_of(entry.run) if entry.state == DONE else None) or {}
    config = record.get("config")
    return Card(
        entry,
        folder=_relative(entry.run, base),
        href=_link(entry.run, base),
        config=config if isinstance(config, dict) else None,
        layout=_layout(record),
        picture=picture,
    )


def _link(run: Path, base: Path) -> str | None:
    """Return the way to the run's page, or to its film where it has none."""
    for name in (PAGE_FILE, "film.mp4"):
        if (run / name).is_file():
            # ./, or a colon in a name would make a scheme of it; bytes, for names that are no text
            return quote(os.fsencode(f"./{_relative(run, base)}/{name}"))
    return None


def _relative(run: Path, base: Path) -> str:
    return Path(os.path.relpath(run.absolute(), base.absolute())).as_posix()


def _layout(record: dict[str, Any]) -> list[float | None] | None:
    """Return low_freq_to_final of each state, the mean over the run's rows; None where a lab has no such thing."""
    try:
        rows = [[state["low_freq_to_final"] for state in run["states"]] for run in record.get("runs") or []]
        values = np.array(rows, np.float64)
    except (KeyError, TypeError, ValueError):
        return None
    if values.ndim != 2 or values.shape[1] < 2 or not np.isfinite(values).any(axis=0).all():
        return None
    return [float(value) for value in np.nanmean(values, axis=0)]


def thumbnail(run: Path, side: int, theme: str = "dark") -> bytes | None:
    """Return the run's finished pictures as one WebP, at most `side` pixels a side; None where it keeps none.

    theme: the colours of what is drawn for it.
    """
    from PIL import Image

    from denoisecli.media.picture_file import webp

    try:
        with as_written(run):
            pictures = list(_finals(run)) or list(_stills(run, theme))
            if not pictures:
                return None
            image = Image.fromarray(_mosaic(pictures))
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            return webp(np.asarray(image))
    except (DenoiseError, OSError):
        return None  # a damaged run is listed all the same


def _finals(run: Path) -> Iterable[NDArray[np.uint8]]:
    """Return the finished pictures that pictures.zip holds, MOSAIC evenly spread ones of many."""
    from denoisecli.media.costs import MOST_PIXELS
    from denoisecli.media.picture_file import PICTURES_FILE, PictureFile

    if not os.path.lexists(run / PICTURES_FILE):
        return
    with PictureFile.open(run / PICTURES_FILE) as file:
        name = next((name for name in ("final", "canvas", "guess") if name in file.shapes), None)
        if name is None or math.prod(file.shapes[name][-3:-1]) > MOST_PIXELS:
            return
        axes = file.shapes[name][:-3]
        if name == "final":
            places = list(np.ndindex(*axes))
        else:  # of the states, the last
            places = [(*row, axes[-1] - 1) for row in np.ndindex(*axes[:-1])]
        for place in _evenly_chosen(places):
            yield file.picture(name, place)


def _stills(run: Path, theme: str) -> Iterable[NDArray[np.uint8]]:
    """Return the images of a run without pictures.zip, else what its lab draws for it, else its sheet."""
    from denoisecli.media.images import open_picture

    images = _evenly_chosen(_images(run))
    if not images and (drawn := _drawn(run, theme)):
        yield from drawn
        return
    sheet = run / "sheet.png"
    for path in images or [path for path in [sheet] if os.path.lexists(path)]:
        yield np.asarray(open_picture(path, links=False, kinds=("PNG",)))


def _drawn(run: Path, theme: str) -> list[NDArray[np.uint8]]:
    """Return the pictures that the run's lab draws for a card, as a sheet is too wide for one; none of most labs."""
    from denoisecli.figures.theme import theme_named
    from denoisecli.registry import ROOMS, part
    from denoisecli.trace import load

    lab = (record_of(run) or {}).get("lab")
    card = part(lab, "card") if lab in ROOMS else None
    return card(load(run), theme_named(theme)) if card else []


def _images(run: Path) -> list[Path]:
    with contextlib.suppress(BadName):
        return sorted(inside(run, "images").glob("*.png"))
    return []


def _evenly_chosen(things: Sequence[Any]) -> list[Any]:
    """Return MOSAIC of the things, evenly spread with both ends; the first alone where there are fewer."""
    if len(things) < MOSAIC:
        return list(things[:1])
    return [things[int(index)] for index in np.linspace(0, len(things) - 1, MOSAIC).round()]


def _mosaic(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return four pictures of one size as two rows of two, or the first alone."""
    if len(pictures) < MOSAIC or len({picture.shape for picture in pictures}) > 1:
        return pictures[0]
    return np.concatenate([np.concatenate(pictures[:2], 1), np.concatenate(pictures[2:], 1)])


def _is_ours(path: Path) -> bool:
    try:
        with open_file(path) as file:
            return MARK in file.read(HEAD)
    except OSError:
        return False
