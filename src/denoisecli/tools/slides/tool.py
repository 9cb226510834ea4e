"""Runs into a talk: one slide a run, its film in it, as PowerPoint or as Markdown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisecli.config.base import SamplingConfig
from denoisecli.errors import ConfigError, MediaError, UsageError
from denoisecli.labs.stored import as_written
from denoisecli.registry import CONFIGS, POSTER, lab
from denoisecli.report import Report
from denoisecli.runs.files import CONFIG_FILE
from denoisecli.runs.summary import Summary, summary
from denoisecli.safe_files import read_inside
from denoisecli.trace_files import TRACE_FILE, load_record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from denoisecli.figures.theme import RGB, Theme

    from .pptx import Look, Slide

FILM = "film.mp4"
MOST_CONFIG = 1 << 20  # bytes of a config.yaml that notes take in
LARGE_FILM, LARGE_TALK = 50e6, 100e6  # bytes; Google Slides takes no larger presentation
SUFFIXES = (".pptx", ".md")


@dataclass(frozen=True)
class Script:
    """The words of a slide that is part of a talk: its title, what the speaker says, and which film is shown."""

    title: str
    say: tuple[str, ...]
    film: str = FILM


def make_talk(
    runs: Sequence[Path],
    path: Path,
    report: Report,
    *,
    title: str | None = None,
    force: bool = False,
    scripts: Sequence[Script] | None = None,
) -> Path:
    """Write the slides of `runs`, in their order, to `path` (.pptx or .md) and return it.

    scripts: of each slide, where its words are not those of the run.

    Raises UsageError for another suffix and for a file that is not ours to replace, NotRecorded or MediaError for
    a folder that holds no run or no film.
    """
    kind = check_target(path, force=force)
    try:
        report.start(path, "slides", title or path.stem)
        report.stage("figures", len(runs))
        pages = []
        told: list[Script | None] = [*scripts] if scripts else [None] * len(runs)
        for number, (run, script) in enumerate(zip(runs, told, strict=True), 1):
            pages.append(slide_of(run, script))
            report.step(number)
        if path.suffix.lower() == ".pptx":
            _warn_of_size(pages, report)
        kind.write(pages, path, title)
    finally:
        report.close()
    report.done(path, fresh=True)
    return path


def check_target(path: Path, *, force: bool) -> Any:
    """Return the module that writes such a file.

    Raises UsageError for what we cannot write, or may not replace, MediaError where nothing can be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: slides are written as .pptx or .md.")
    from denoisecli.media.files import check_place

    from . import markdown as slides_markdown
    from . import pptx as slides

    kind: Any = slides if path.suffix.lower() == ".pptx" else slides_markdown
    if path.is_dir() or (path.exists() and not force and not kind.is_untouched(path)):
        raise UsageError(f"{path} is there, and not as denoisecli wrote it.", "Name another with -o, or add --force.")
    check_place(path)
    return kind


def slide_of(run: Path, script: Script | None = None) -> Slide:
    """Return the slide of one run folder. Raises NotRecorded or MediaError where there is no run or no film."""
    from PIL import Image

    from denoisecli.figures.theme import THEMES

    from .film_reader import film_info
    from .pptx import Slide, places

    record = load_record(run)
    name = script.film if script else FILM
    film = run / name
    if not os.path.lexists(film):
        hint = "Make it with `denoisecli render`, or the run again with --force; film.formats: [] leaves films away."
        raise MediaError(f"{run} holds no {name}.", hint)
    with as_written(run):
        words = summary(record)
        title = script.title if script else words.title
        info = film_info(film)
        theme = THEMES.get(str(((record.get("config") or {}).get("film") or {}).get("theme")), THEMES["dark"])
        room = places(info.size)
        return Slide(
            film=film,
            size=info.size,
            duration_s=info.duration_s,
            poster=Image.fromarray(_poster(film, record, lab(words.lab).poster if words.lab in CONFIGS else POSTER)),
            title=title,
            settings=(words.lab, *words.settings),
            caption=_fitting(title, room.caption_pt, room.caption.width, 2 if room.wide else 9),
            details=_details(words, room.details_pt, room.details.width, wide=room.wide),
            notes=notes(run, record, words, script.say if script else ()),
            look=_look(theme),
        )


def _poster(film: Path, record: dict[str, Any], share: float) -> NDArray[np.uint8]:
    """Return the still picture of a film: never its title, nor the sentence over the darkened last frame."""
    from denoisecli.labs.films import CARD_S

    from .film_reader import film_frame

    made = (record.get("config") or {}).get("film") or {}
    card_s = CARD_S + float(made.get("hold_s") or 0)  # it is held for a whole number of holds (`with_cards`)
    return film_frame(film, share, card_s * bool(made.get("title")), card_s * bool(made.get("lesson", True)))


def notes(run: Path, record: dict[str, Any], words: Summary, say: Sequence[str] = ()) -> str:
    """Return what the speaker sees: what to say, what this is, what came out, how long it took, how to make it."""
    timings = [f"{stage} {seconds:.1f} s" for stage, seconds in (record.get("timings") or {}).items() if seconds]
    model = record.get("model") or {}
    environment = record.get("environment") or {}
    sha256 = f" (sha256 {str(model['sha256'])[:12]})" if model.get("sha256") else ""
    made = [f"model {model.get('ref') or model.get('family')}{sha256}"] if model else []
    made += [
        f"{name} {environment[name]}" for name in ("device", "dtype", "torch", "diffusers") if environment.get(name)
    ]
    parts = [
        say,
        [words.title, f"{words.lab} · {words.line}"],
        words.findings,
        [f"Time: {', '.join(timings)}"] if timings else [],
        [f"Made with denoisecli {record.get('version')}, {', '.join(made)}" if made else ""],
        [f"Command: {command}" if (command := _command(record)) else "", f"Run: {run.name}"],
        [_config(run)],
    ]
    said = ("\n".join(line for line in part if line) for part in parts)
    return "\n\n".join(part for part in said if part)


def _command(record: dict[str, Any]) -> str:
    """Return the command that makes this run alone: as it was typed, or, where it made others too, from the config."""
    from denoisecli.config.command import command_of
    from denoisecli.config.load import Layer, build
    from denoisecli.labs.pages import resolved_keys

    name, typed = str(record.get("lab")), str(record.get("command") or "")
    if name not in CONFIGS or not typed or typed.split()[1:2] == [name]:
        return typed
    try:
        config = build(CONFIGS[name], [Layer(record.get("config") or {}, source=TRACE_FILE)])
    except ConfigError:
        return typed
    return command_of(config, resolved_keys(config) if isinstance(config, SamplingConfig) else ())


def _config(run: Path) -> str:
    try:
        return f"{CONFIG_FILE}:\n{read_inside(run, CONFIG_FILE, MOST_CONFIG).decode().strip()}"
    except (OSError, ValueError):
        return ""


def _look(theme: Theme) -> Look:
    from .pptx import Look

    accents = (theme.amber, theme.teal, theme.rose, theme.tick, theme.line, theme.panel)
    return Look(_code(theme.ground), _code(theme.ink), _code(theme.quiet), tuple(map(_code, accents)))


def _code(colour: RGB) -> str:
    return bytes(colour).hex()


FALLBACK = 1.2  # how much wider than ours a viewer's own type may be
LINE_SHARE = 0.95


def _fitting(text: str, size: float, width: float, lines: int) -> str:
    """Return what of `text` fits on `lines` lines of `width` points, in whichever type the viewer has."""
    from denoisecli.figures.text import wrap
    from denoisecli.figures.theme import PLAIN

    return " ".join(wrap(text, PLAIN.at(size), width * LINE_SHARE / FALLBACK, lines))


def _details(words: Summary, size: float, width: float, *, wide: bool) -> tuple[str, ...]:
    """Return the lab and its settings: the first that fit on one line beside a caption, or each on its own line."""
    from denoisecli.figures.text import clean, measure, shorten
    from denoisecli.figures.theme import MONO

    style, room = MONO.at(size), width * LINE_SHARE / FALLBACK
    parts = [clean(part) for part in (words.lab, *words.settings)]
    if not wide:
        return tuple(shorten(part, style, room) for part in parts)
    if measure(" · ".join(parts), style) > room:
        parts.pop(0)
    while len(parts) > 1 and measure(" · ".join(parts), style) > room:
        parts.pop()
    return tuple(parts)


def _warn_of_size(pages: Sequence[Slide], report: Report) -> None:
    """Tell of films that make a talk hard to mail, upload or play."""
    sizes = {page.film: page.film.stat().st_size for page in pages}
    for film, size in sizes.items():
        if size > LARGE_FILM:
            report.warn(f"{film} has {size / 1e6:.0f} MB; a smaller film.size plays more surely from a slide.")
    if sum(sizes.values()) > LARGE_TALK:
        report.warn(f"The talk holds {sum(sizes.values()) / 1e6:.0f} MB of film; Google Slides takes 100 MB at most.")
