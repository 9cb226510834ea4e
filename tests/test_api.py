"""docs/api.md is what the docstrings say; `pytest tests/test_api.py --update-golden` writes it anew."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import denoisecli
from denoisecli import errors
from denoisecli.trace import Drawing, Trace

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
HEAD = """# In Python

What `import denoisecli` offers. This page is made from the docstrings. Nothing is loaded before it is used.
"""
HIDDEN = ("_", "write")
NAMES = ("record", "load", "Trace", "live")


def described(thing, title):
    """Return a heading, the signature and the docstring of a function."""
    found = inspect.signature(thing)
    parts = [str(part).replace("'", "") for name, part in found.parameters.items() if name != "self"]
    parts = [re.sub(r"PosixPath\((.*?)\)", r'"\1"', part) for part in parts]
    if any(part.kind is part.KEYWORD_ONLY for part in found.parameters.values()):
        positional = [p for p in found.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
        parts.insert(len(positional), "*")
    returned = str(found.return_annotation).strip("'")
    inside = ", ".join(parts)
    inside = inside if len(inside) < 80 else "\n    " + ",\n    ".join(parts) + ",\n"
    return [f"### {title}", f"```python\n{title}({inside}) -> {returned}\n```", prose(thing)]


def prose(thing):
    """Return a docstring as Markdown: an `argument:` at a line's start begins an item."""
    text = inspect.getdoc(thing)
    assert text, f"{thing} has no docstring"
    lines = [re.sub(r"^([a-z_0-9, ]+): ", r"- `\1`: ", line) for line in text.splitlines()]
    return "\n".join(lines).replace("::\n", ":\n")


def page():
    parts = [HEAD]
    for name in NAMES:
        thing = getattr(denoisecli, name)
        if not inspect.isclass(thing):
            parts += described(thing, f"denoisecli.{name}")
            continue
        parts += [f"### denoisecli.{name}", prose(thing)]
        members = [(member, value) for member, value in vars(thing).items() if not member.startswith(HIDDEN)]
        fields = [f"- `{member}`: {prose(value)}" for member, value in members if isinstance(value, property)]
        parts += ["\n".join(fields)]
        for member, value in members:
            if inspect.isfunction(value):
                parts += [part.replace("###", "####") for part in described(value, f"trace.{member}")]
    parts += ["### denoisecli.errors", f"```text\n{errors.__doc__.strip()}\n```"]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


@pytest.mark.usefixtures("heavy")
def test_the_page_says_what_the_docstrings_say(request):
    text = page()
    if request.config.getoption("--update-golden"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


@pytest.mark.usefixtures("heavy")
@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_described(name):
    thing = getattr(denoisecli, name)
    methods = [value for key, value in vars(thing).items() if inspect.isfunction(value) and not key.startswith(HIDDEN)]
    for function in methods if inspect.isclass(thing) else [thing]:
        text = inspect.getdoc(function)
        for argument in inspect.signature(function).parameters:
            assert argument == "self" or re.search(rf"\b{argument}\b", text), f"{function.__name__}: {argument}"


def test_the_names_are_seen_before_they_are_loaded(heavy):
    code = (
        "import sys, denoisecli\n"
        "assert {'record', 'load', 'Trace', 'live', '__version__'} <= set(dir(denoisecli))\n"
        "assert not {'torch', 'numpy', 'diffusers'} & set(sys.modules)\n"
        "from denoisecli import *\n"
        "assert callable(record) and callable(load)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_drawing_is_a_path(tmp_path):
    sheet = Drawing(tmp_path / "sheet.png")
    sheet.write_bytes(b"png")
    assert isinstance(sheet, Path)
    assert sheet == tmp_path / "sheet.png"
    assert sheet._repr_html_().startswith("<img")
    assert Trace().__repr__() == "Trace(sample, empty)"
