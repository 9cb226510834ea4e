"""The page of a run, from what its lab says that it shows and the pictures that the run keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..figures.pages.body import Body
    from .plan import Job

PAGE_FILE = "page.html"


def write_page(job: Job[Any], body: Body, pictures: Mapping[str, Any], resolved: Sequence[str] = ()) -> Path:
    """Write `page.html` in the theme that the config names; `pictures` are the run's, as the body names them.

    resolved: keys of the config that nobody asked for, which the command on the page therefore leaves out.
    """
    from ..config.command import command_of
    from ..media.page import Page, write_page
    from ..media.page.budget import fitted

    with job.timed("encode"):
        coded, note = fitted(pictures, body.pictures)
        data = body.data | {
            "command": command_of(job.config, resolved),
            "note": " ".join(filter(None, (body.data.get("note"), note))) or None,
        }
        page = Page(body.lab, data["title"], data, page_look(job.config.film.theme), coded, body.arrays)
        path = write_page(job.folder.partial / PAGE_FILE, page)
    job.artifact(path, "page")
    return path


def page_look(theme_name: str) -> Any:
    """Return the look of pages in a theme."""
    from ..figures.pages.body import page_colours, page_fonts, paper_colours
    from ..figures.theme import theme_named
    from ..media.page import Look

    theme = theme_named(theme_name)
    return Look(page_colours(theme), paper_colours(), page_fonts(), dark=sum(theme.ground) < 3 * 128)
