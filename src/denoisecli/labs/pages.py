"""The page of a run, from what its lab says that it shows and the pictures that the run keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisecli.trace import PAGE_FILE

if TYPE_CHECKING:
    from denoisecli.config.base import SamplingConfig
    from denoisecli.figures.page_body import Body
    from denoisecli.media.page import Look, Page

    from .job import Job


def write_page(job: Job[Any], body: Body, pictures: Mapping[str, Any], resolved: Sequence[str] = ()) -> Path:
    """Write `page.html` in the theme that the config names; `pictures` are the run's, as the body names them.

    resolved: keys of the config that nobody asked for, which the command on the page therefore leaves out.
    """
    from denoisecli.config.command import command_of
    from denoisecli.media import page

    with job.timed("encode"):
        command = command_of(job.config, resolved) if job.config.by_command else None
        made = page_of(body, pictures, job.config.film.theme, command)
        path = page.write_page(job.folder.partial / PAGE_FILE, made)
    job.artifact(path, "page")
    return path


def resolved_keys(config: SamplingConfig) -> tuple[str, ...]:
    """Return the keys that were worked out and that the run's command need not name."""
    return ("batch", "size") if config.model == "pocket" and config.size == (256, 256) else ("batch",)


def page_of(body: Body, pictures: Mapping[str, Any], theme: str, command: str | None = None) -> Page:
    """Return the page of a body: its pictures made small enough, and a note that says so."""
    from denoisecli.media.page import Page
    from denoisecli.media.page.budget import fitted

    coded, note = fitted(pictures, body.pictures)
    notes = [said for said in (body.data.get("note"), note) if said]
    data = body.data | {"command": command, "note": " ".join(notes) or None}
    return Page(body.script, data["title"], data, look_of(theme), coded, body.arrays)


def look_of(theme: str) -> Look:
    """Return the look of pages in the theme called so."""
    from denoisecli.figures.page_body import page_colours, page_fonts, paper_colours
    from denoisecli.figures.theme import theme_named
    from denoisecli.media.page import Look

    chosen = theme_named(theme)
    return Look(page_colours(chosen), paper_colours(), page_fonts(), dark=sum(chosen.ground) < 3 * 128)
