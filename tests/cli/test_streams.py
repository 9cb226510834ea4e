"""Streams that are closed, full or of a legacy code page, and arguments that are no UTF-8: what is made is made."""

import json
import os
import subprocess
import sys

import pytest

SMALL = "--set size=64x64 --set frames=3 --set film.size=320x320"


def shell(tmp_path, line, **environment):
    command = line.replace("denoisecli", f"{sys.executable} -m denoisecli", 1)
    given = os.environ | environment
    return subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=False, env=given)


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        pytest.param("2>&-", 0, id="stderr closed"),
        pytest.param("2>/dev/full", 0, id="stderr full"),
        pytest.param(">&-", 1, id="stdout closed"),
        pytest.param(">/dev/full", 1, id="stdout full"),
        pytest.param("<&-", 0, id="stdin closed"),
    ],
)
def test_a_run_that_was_made_is_there(tmp_path, streams, code):
    done = shell(tmp_path, f"denoisecli noise {SMALL} -o run {streams}")
    assert done.returncode == code
    assert (tmp_path / "run" / "trace.json").is_file()
    assert b"Traceback" not in done.stderr
    if code:
        assert b"The run was made, and is in run" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_legacy_code_pages(tmp_path, encoding):
    made = shell(tmp_path, f"denoisecli noise {SMALL} -o 😀 -q", PYTHONIOENCODING=encoding)
    assert made.returncode == 0, made.stderr
    assert made.stdout.decode().strip() == "😀"
    shown = shell(tmp_path, "denoisecli show 😀", PYTHONIOENCODING=encoding)
    assert shown.returncode == 0, shown.stderr
    listed = shell(tmp_path, "denoisecli ls --json .", PYTHONIOENCODING=encoding)
    assert json.loads(listed.stdout)["run"] == "😀"


def test_names_that_are_no_utf8(tmp_path):
    config = tmp_path / "caf\udce9.yaml"  # the byte E9
    config.write_bytes(b"lab: noise\nsize: 64x64\nframes: 3\nfilm: {size: 320x320}\n")
    done = shell(tmp_path, "denoisecli noise $'caf\\xe9.yaml' -o $'r\\xff' -q")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"r\xff\n"
    assert "caf" in json.loads((tmp_path / "r\udcff" / "trace.json").read_text(encoding="utf-8"))["command"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param('steps=!!int ""', id="an int of nothing"),
        pytest.param("steps=!!bool x", id="a bool that is none"),
        pytest.param("lab=[1]", id="a lab in a list"),
        pytest.param("steps=0x" + "f" * 5000, id="hex of 5,000 digits"),
        pytest.param("cfg=" + "9" * 400, id="400 digits"),
    ],
)
def test_values_of_any_kind_are_one_sentence(tmp_path, value):
    command = [sys.executable, "-m", "denoisecli", "sample", "--dry-run", "--set", value]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "fault in denoisecli" not in done.stderr


@pytest.mark.usefixtures("heavy")  # fsspec, whose word it is
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://127.0.0.1:1/x", 1), ("zip://a::file:///none.zip", 1), ("simplecache::file:///none/q", 1),
        ("data:,x", 1),
        ("://", 2), ("file://", 2), ("memory://x", 2), ("reference://", 1), ("nosuch://x", 2),
    ],
)  # fmt: skip
def test_a_store_is_used_or_refused(tmp_path, url, code):
    command = [sys.executable, "-m", "denoisecli", "batch", "--vary", "seed=1", "--yes", "-q", "--runs-dir", url]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "fault in denoisecli" not in done.stderr
    assert list(tmp_path.iterdir()) == []
