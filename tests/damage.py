"""Ways to damage a run folder, and the commands that read one, in this process: what they say must be ours."""

import copy
import json
import os
import shutil
import sys
from pathlib import Path
from unittest import mock

from typer.testing import CliRunner

from denoisecli.cli import batch, compare, configs, gallery, info, interop, labs, listing, render, slides  # noqa: F401 - each adds its commands
from denoisecli.cli.app import app

OTHER = [
    None, True, False, 0, -1, 1, 2.5, 10**6, 10**18, 10**30, 1e300, -1e300, "", "x", "../x", "x\ud800y", "\x00",
    "é" * 300,
    [], [1], [[1]], [None], ["x"], {}, {"x": 1}, {"path": "x"}, [{}], [[[[]]]],
]  # fmt: skip
"""One of each kind of thing that JSON may hold where another belongs."""


def commands(run, other, out):
    """Return every command that reads run folders, on `run`; `other` is a whole one."""
    run, other = str(run), str(other)
    return {
        "show": ["show", run],
        "show --json": ["show", run, "--json"],
        "ls": ["ls", str(Path(run).parent)],
        "ls --json": ["ls", str(Path(run).parent), "--json"],
        "gallery": ["gallery", run, "-o", f"{out}/gallery.html"],
        "compare": ["compare", run, other, "-o", f"{out}/compared"],
        "slides": ["slides", run, "-o", f"{out}/talk.pptx", "--force"],
        "slides as text": ["slides", run, "-o", f"{out}/talk.md", "--force"],
        "export to a1111": ["export", run, "--to", "a1111"],
        "export to comfyui": ["export", run, "--to", "comfyui"],
        "render": ["render", run, "-o", f"{out}/drawn", "--set", "theme=light"],
        "rm": ["rm", run],
        "rm --yes": ["rm", run, "--yes"],
    }


def said(arguments):
    """Run a command in this process and return (exit code, what it said)."""
    with mock.patch.object(sys, "argv", ["denoisecli", *arguments]):
        done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.output


def check(name, arguments):
    """Run a command; it may refuse in a sentence of ours, and do nothing else wrong."""
    code, text = said(arguments)
    assert "fault in denoisecli" not in text, f"{name}: {text}"
    assert "Traceback" not in text, f"{name}: {text}"
    assert code in (0, 1, 2), f"{name}: {code}: {text}"
    if code:
        assert text.strip(), name
    return code, text


def places(value, here=()):
    """Yield the way to every value in nested lists and objects; of long lists the first and the last."""
    if here:
        yield here
    if isinstance(value, dict):
        items = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, list) else []
        items = items if len(items) < 3 else [items[0], items[-1]]
    for key, inner in items:
        yield from places(inner, (*here, key))


def changed(record, place, new, drop=False):
    """Return the record with another value, or none, at a place."""
    record = copy.deepcopy(record)
    inner = record
    for key in place[:-1]:
        inner = inner[key]
    if drop:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return record


def with_record(run, target, record):
    """Copy a run by links, with another record."""
    shutil.copytree(run, target, copy_function=os.link)
    (target / "trace.json").unlink()
    text = record if isinstance(record, (bytes, str)) else json.dumps(record)
    (target / "trace.json").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return target
