"""`denoisecli gallery` as a person and a pipeline call it."""

import json

import pytest

from denoisecli.runs.folder import RunFolder
from tests.hand_made import hand_made_run


@pytest.fixture
def runs(tmp_path):
    """Two whole runs and a failed one in `runs`."""
    root = tmp_path / "runs"
    hand_made_run(root / "sample" / "a-mill-1", "sample", "prompt=a mill", film=False)
    hand_made_run(root / "noise" / "n-2", "noise", film=False)
    RunFolder(root / "sample" / "a-castle-0a1b2c3d", "0a1b2c3d").fail("The disk is full.", "Free some.")
    return root


@pytest.mark.parametrize(
    ("arguments", "page"),
    [
        pytest.param([], "runs/index.html", id="the runs folder"),
        pytest.param(["runs/noise"], "runs/noise/index.html", id="a folder"),
        pytest.param(["runs/noise/n-2"], "runs/noise/index.html", id="beside a run, never in it"),
        pytest.param(["-o", "all.html"], "all.html", id="a file"),
        pytest.param(["-o", "site"], "site/index.html", id="a folder to be made"),
    ],
)
def test_stdout_is_the_page(run, runs, tmp_path, arguments, page):
    done = run("gallery", *arguments, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{page}\n", "")
    assert (tmp_path / page).read_bytes().startswith(b"<!doctype html>")
    assert "a-mill-1" in (tmp_path / page).read_text(encoding="utf-8") or "noise" in page


def test_events(run, runs):
    events = [json.loads(line) for line in run("gallery", "--json").stdout.splitlines()]
    assert events[-1] == {"event": "done", "run": "runs/index.html", "fresh": True}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["nowhere"], 2, "nowhere", id="no such folder"),
        pytest.param(["--theme", "neon"], 2, 'There is no theme "neon".', id="theme"),
        pytest.param(["-o", "mine.html"], None, "denoisecli did not write it", id="somebody's page"),
    ],
)
def test_refusals(run, runs, tmp_path, arguments, code, says):
    (tmp_path / "mine.html").write_text("<p>mine")
    done = run("gallery", *arguments)
    assert done.returncode == code if code else done.returncode > 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "mine.html").read_text() == "<p>mine"


def test_our_own_page_is_written_anew(run, runs, tmp_path):
    run("gallery")
    hand_made_run(runs / "sample" / "a-harbour-3", "sample", "prompt=a harbour", film=False)
    assert run("gallery").returncode == 0
    assert "a harbour" in (runs / "index.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("heavy")
def test_a_live_page_stands_beside_it_and_is_linked(run, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("DENOISECLI_STEPS", "1")
    monkeypatch.setenv("DENOISECLI_SEEDS", "7")
    done = run("gallery", "--live", "--quiet")
    assert (done.returncode, done.stdout) == (0, "runs/index.html\nruns/live.html\n"), done.stderr
    assert '"live":"./live.html"' in (tmp_path / "runs" / "index.html").read_text(encoding="utf-8")
    assert b'charset="windows-1252"' in (tmp_path / "runs" / "live.html").read_bytes()[:200]
