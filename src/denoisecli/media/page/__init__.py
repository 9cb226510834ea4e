"""Pages: a run as one offline HTML file. Template, style, small ES modules and the run's data become one text.

How a lab adds its page
-----------------------
1. `labs/<lab>/page.js` exports `lab(data, blobs)`: it builds the page from the shared modules (shell, stage,
   strip, slider, plot, tabs, keys, store) and returns a promise that resolves when all pictures are decoded.
   `blobs.pictures` are base64 WebPs by name ("guess/0/12"), `blobs.arrays` typed arrays ({dtype, shape, data}).
   Modules may `import { name } from "../../media/page/other.js"` and `export` functions and constants, nothing else:
   `script` joins them into one, each in a scope of its own.
2. `labs/<lab>/page.py` has a pure function of the Trace that returns a `Body`: that script, the data that it reads,
   and which pictures and arrays go with it.
3. The lab's `draw` calls `labs.pages.write_page(job, body, pictures)`.

Every word of a run reaches the page as JSON and the screen as textContent; the Content-Security-Policy forbids the
network, and any script or style but the two whose hashes it names. No inline style attributes: set styles by CSSOM.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli.safe_text import utf8

from ..files import whole_file

HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)
_COMMENT = re.compile(r"^\s*/\*\*.*?\*/\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Look:
    """Colours by role as "#rrggbb", those for paper, and the typefaces: (family, weight) and the font file's bytes."""

    colours: Mapping[str, str]
    on_paper: Mapping[str, str]
    fonts: Mapping[tuple[str, int], bytes] = field(default_factory=dict)
    dark: bool = True


@dataclass(frozen=True)
class Page:
    """What goes into one page.

    script: the module that builds it. data: serialises to JSON. pictures: WebP by name.
    arrays: uint8, int16 or float32.
    """

    script: Path
    title: str
    data: Mapping[str, Any]
    look: Look
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def write_page(path: Path, page: Page) -> Path:
    """Write the page as one file and return `path`."""
    with whole_file(path) as partial:
        partial.write_bytes(utf8(page_html(page)))
    return path


def page_html(page: Page) -> str:
    """Return the page as HTML; the same page gives the same text."""
    style_text, script_text = style(page.look), script(page.script)
    policy = (
        "default-src 'none'; img-src data: blob:; font-src data:; "
        f"style-src '{_digest(style_text)}'; script-src '{_digest(script_text)}'; base-uri 'none'; form-action 'none'"
    )
    blobs = {
        "pictures": _pictures(page.pictures),
        "arrays": {name: _array(array) for name, array in page.arrays.items()},
    }
    return Template((HERE / "template.html").read_text(encoding="utf-8")).substitute(
        policy=policy,
        scheme="dark" if page.look.dark else "light",
        title=html.escape(page.title),
        style=style_text,
        data=json_text(page.data),
        blobs=json_text(blobs),
        script=script_text,
    )


def json_text(value: Any) -> str:
    """Return JSON that is safe inside a script element: with no "<" no tag can begin or end in it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def script(lab: Path) -> str:
    """Return the modules that a page needs as one: what `main.js` imports, each after those it imports.

    lab: the page's own module, which stands where `main.js` imports "./lab.js".
    """
    texts: dict[Path, str] = {}
    _gather(HERE / "main.js", {HERE / "lab.js": lab.resolve()}, texts)
    return "\n" + "\n".join(texts.values())


def _gather(path: Path, stands_for: Mapping[Path, Path], texts: dict[Path, str]) -> None:
    """Add the module at `path` to `texts`, behind the modules that it imports: its exports become an object."""
    text = path.read_text(encoding="utf-8")

    def imported(found: re.Match[str]) -> str:
        other = (path.parent / found[2]).resolve()
        other = stands_for.get(other, other)
        if other not in texts:
            _gather(other, stands_for, texts)
        return f"const {found[1]} = {_scope(other)};\n"

    body = _IMPORT.sub(imported, _COMMENT.sub("", text))
    exports = ", ".join(name for _, name in _EXPORT.findall(body))
    body = _EXPORT.sub(r"\1 \2", body).strip()
    texts[path] = f"const {_scope(path)} = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();\n"


def _scope(module: Path) -> str:
    """Return the name under which others see a module's exports: modules of two rooms may be called the same."""
    return f"${module.parent.name}_{module.stem}".replace("-", "_")


def style(look: Look) -> str:
    """Return the style sheet: typefaces, the theme's colours as custom properties, then style.css."""
    faces = [
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; '
        f"src: url(data:font/ttf;base64,{_base64(data)}) }}"
        for (family, weight), data in look.fonts.items()
    ]
    colours = f":root {{ color-scheme: {'dark' if look.dark else 'light'}; {_properties(look.colours)} }}"
    paper = f"@media print {{ :root {{ {_properties(look.on_paper)} }} }}"
    return "\n".join(["", *faces, colours, paper, (HERE / "style.css").read_text(encoding="utf-8")])


def _properties(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{role}: {colour};" for role, colour in colours.items())


def _pictures(pictures: Mapping[str, bytes]) -> dict[str, Any]:
    """Return base64 by name; of equal pictures (the start of one noise, say) all but the first name that one."""
    first: dict[bytes, str] = {}
    for name, coded in pictures.items():
        first.setdefault(coded, name)
    return {name: _base64(coded) if first[coded] == name else {"as": first[coded]} for name, coded in pictures.items()}


def _array(array: NDArray[Any]) -> dict[str, Any]:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": _base64(little.tobytes())}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _digest(text: str) -> str:
    return "sha256-" + _base64(hashlib.sha256(text.encode()).digest())
