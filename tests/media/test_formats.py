"""Only listed kinds of picture are opened, nothing is started for the others, and want of memory is called that."""

import ast
import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, UnidentifiedImageError

import denoisecli
from denoisecli.errors import MediaError, ModelError, NotRecorded, is_of_memory
from denoisecli.interop.metadata import TEXT, texts_of
from denoisecli.media import formats
from denoisecli.media.images import open_picture

pytestmark = pytest.mark.slow

SOURCE = Path(denoisecli.__file__).parent
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n20 20 scale\n%%EOF\n"


def encoded(kind):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((16, 12)).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def kinds_of_pillow():
    """Return every kind that this Pillow both reads and writes."""
    Image.init()
    found = []
    for kind in sorted(Image.SAVE.keys() & Image.OPEN.keys()):
        with contextlib.suppress(OSError, KeyError, ValueError, Warning):  # not in this mode, or deprecated
            encoded(kind)
            found.append(kind)
    return found


@pytest.mark.parametrize("kind", kinds_of_pillow())
def test_the_listed_kinds_alone_are_opened(tmp_path, kind):
    path = tmp_path / "x"
    path.write_bytes(encoded(kind))
    if kind in formats.KINDS or kind == "MPO":
        assert open_picture(path).size == (16, 12)
        texts_of(path)
        return
    with pytest.raises(MediaError, match="not a picture in a format we can read"):
        open_picture(path)
    with contextlib.suppress(NotRecorded):
        assert texts_of(path).keys() == {TEXT}  # of a kind that is text to the last byte


@pytest.mark.parametrize("name", ["x.eps", "x.png", "x.wmf"])
@pytest.mark.parametrize("words", [["noise", "--image"], ["import"], ["lora-rank", "--set"]])
def test_no_other_program_is_started(tmp_path, words, name):
    """A picture in PostScript is a program; Pillow would have Ghostscript run it."""
    for program in ("gs", "gswin32c", "gswin64c"):
        (tmp_path / program).write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        (tmp_path / program).chmod(0o755)
    (tmp_path / name).write_bytes(EPS)
    last = f"matrix={name}" if words[-1] == "--set" else name
    done = subprocess.run(
        [sys.executable, "-m", "denoisecli", *words, last], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert "we can read" in done.stderr
    assert not (tmp_path / "started").exists()


def test_pictures_are_opened_and_encoded_in_one_place():
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).as_posix() == "media/formats.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "open":
                assert ast.unparse(node.value) != "Image", f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "save":
                assert len(node.args) < 2, f"{path}:{node.lineno}"  # of a picture: file and kind


@pytest.fixture
def without(monkeypatch):
    """Let a module of Pillow be one that cannot be loaded, as in a process that has opened no picture yet."""
    load = formats.import_module

    def without(part, error):
        def loaded(name):
            if name == f"PIL.{part}":
                raise error
            return load(name)

        monkeypatch.setattr(formats, "import_module", loaded)
        formats._is_here.cache_clear()

    yield without
    formats._is_here.cache_clear()


NO_ROOM = ImportError("libwebp-d8b9687f.so: failed to map segment from shared object")
PARTS = [(kind, part) for kind, parts in formats.PARTS.items() for part in parts]


@pytest.mark.parametrize("error", [NO_ROOM, MemoryError()], ids=["the loader's", "Python's"])
@pytest.mark.parametrize(("kind", "part"), PARTS, ids=[part for _, part in PARTS])
def test_a_part_that_memory_is_missing_for(without, tmp_path, kind, part, error):
    (tmp_path / "x").write_bytes(encoded(kind))
    without(part, error)
    with pytest.raises(MemoryError):
        open_picture(tmp_path / "x")
    with pytest.raises(MemoryError):
        texts_of(tmp_path / "x")
    with pytest.raises(MemoryError):
        formats.write_image(Image.new("RGB", (8, 8)), io.BytesIO(), kind)


@pytest.mark.parametrize(("kind", "part"), [("WEBP", "_webp"), ("AVIF", "_avif")])
def test_a_pillow_that_was_built_without(without, tmp_path, kind, part):
    (tmp_path / "x").write_bytes(encoded(kind))
    (tmp_path / "y").write_bytes(encoded("PNG"))
    without(part, ModuleNotFoundError(f"No module named 'PIL.{part}'"))
    assert open_picture(tmp_path / "y").size == (16, 12)
    with pytest.raises(MediaError, match="not a picture in a format we can read"):
        open_picture(tmp_path / "x")
    with pytest.raises(MediaError, match=f"cannot write {kind}"):
        formats.write_image(Image.new("RGB", (8, 8)), io.BytesIO(), kind)


HINDERED = """
import sys

class Loader:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "PIL._webp":
            raise ImportError("libwebp-d8b9687f.so: failed to map segment from shared object")

sys.meta_path.insert(0, Loader)
from denoisecli.cli import main
main()
"""


@pytest.mark.usefixtures("heavy")
def test_a_run_that_has_no_memory_for_its_pictures(tmp_path):
    """Pillow's own plugin would swallow what the system's loader says, and then know no WebP."""
    words = ["sample", "--set", "size=64", "--steps", "1", "--seed", "1", "-o", "run"]
    command = [sys.executable, "-c", HINDERED, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "denoisecli: There is not enough memory for this." in done.stderr


def with_context(error, behind):
    """Return an error as it is when it was raised while another one was handled, also `from None`."""
    error.__context__, error.__suppress_context__ = behind, True
    return error


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        pytest.param(MemoryError(), True, id="Python's"),
        pytest.param(NO_ROOM, True, id="the loader's"),
        pytest.param(OSError(12, "Cannot allocate memory"), True, id="the system's"),
        pytest.param(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True, id="torch's"),
        pytest.param(RuntimeError("could not create a primitive"), True, id="oneDNN's"),
        pytest.param(with_context(ModelError("x is damaged"), MemoryError()), True, id="behind ours"),
        pytest.param(with_context(KeyError("x"), with_context(ValueError(), NO_ROOM)), True, id="behind two"),
        pytest.param(ValueError("out of memory"), False, id="somebody's text"),
        pytest.param(ModelError("out of memory.safetensors is damaged"), False, id="a file's name"),
        pytest.param(ImportError("no module named x"), False, id="an import"),
        pytest.param(UnidentifiedImageError("x"), False, id="no picture"),
        pytest.param(None, False, id="nothing"),
    ],
)
def test_want_of_memory_is_known(error, is_so):
    assert is_of_memory(error) is is_so


def test_errors_in_a_circle_have_an_end():
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one
    assert not is_of_memory(one)
