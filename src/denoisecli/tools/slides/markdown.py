"""A deck of slides as Markdown with video tags: for Marp (with --html), Quarto, reveal.js and pandoc."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from denoisecli.media.files import whole_file
from denoisecli.safe_files import read_file
from denoisecli.safe_text import utf8

from .pptx import Slide

MARK = "# denoisecli slides, unchanged: "
MOST_BYTES = 1 << 26  # of a deck that we wrote
SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$@^&:\"'=])")


def write(slides: Sequence[Slide], path: Path, title: str | None = None) -> Path:
    """Write one slide a film to `path` (.md) and return it; films are named by paths relative to its folder."""
    look = slides[0].look
    head = ["marp: true", f"title: {json.dumps(title or slides[0].title, ensure_ascii=False)}", "format: revealjs"]
    head += [f'backgroundColor: "#{look.ground}"', f'color: "#{look.ink}"']
    pages = [f"# {escaped(title)}"] if title else []
    pages += [_page(slide, path.parent) for slide in slides]
    body = "\n".join(head) + "\n---\n\n" + "\n\n---\n\n".join(pages) + "\n"
    with whole_file(path) as partial:
        partial.write_bytes(utf8(f"---\n{MARK}{_digest(body)}\n{body}"))
    return path


def is_untouched(path: Path) -> bool:
    """Return whether `path` is a deck that we wrote and that nobody has changed since."""
    try:
        text = read_file(path, MOST_BYTES).decode()
    except (OSError, ValueError):
        return False
    first, mark, body = [*text.split("\n", 2), "", ""][:3]
    return first == "---" and mark == f"{MARK}{_digest(body)}"


def escaped(text: str) -> str:
    """Return `text` on one line with nothing in it that Markdown, HTML or pandoc would take for itself."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _page(slide: Slide, folder: Path) -> str:
    film = quote(os.fsencode(Path(os.path.relpath(slide.film, folder)).as_posix()))
    width, height = slide.size
    tag = (
        f'<video src="{html.escape(film)}" width="{width}" height="{height}" style="max-width:100%;max-height:75vh;'
        f'width:auto;height:auto" autoplay data-autoplay loop muted playsinline controls></video>'
    )
    notes = re.sub("--(!?)>", r"--\1›", slide.notes)  # which would end the comment that they stand in
    return f"## {escaped(slide.title)}\n\n{tag}\n\n{escaped(' · '.join(slide.settings))}\n\n<!--\n{notes}\n-->"


def _digest(body: str) -> str:
    return hashlib.sha256(utf8(body)).hexdigest()[:16]
