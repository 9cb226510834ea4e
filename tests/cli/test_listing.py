"""`denoisecli ls`, `show`, `rm` as a person and a pipeline call them."""

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from denoisecli.runs.folder import RunFolder
from tests import warm
from tests.damage import said
from tests.hand_made import hand_made_run

from .conftest import FILM

HOSTILE = "[bold]x[/nonsense]\x1b[2J\x07\nsecond line \u202e"


@pytest.fixture
def runs(tmp_path):
    """Three runs in `runs`: a deck, a failed one, a noise run."""
    root = tmp_path / "runs"
    hand_made_run(root / "sample" / "a-mill-1", "sample", "prompt=a mill", film=False)
    hand_made_run(root / "noise" / "n-2", "noise", film=False, created="2026-02-02T00:00:00+00:00")
    RunFolder(root / "sample" / "a-castle-0a1b2c3d", "0a1b2c3d").fail("The disk is full.", "Free some.")
    return root


ALL = ["runs/sample/a-castle-0a1b2c3d.partial", "runs/noise/n-2", "runs/sample/a-mill-1"]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        pytest.param([], ALL, id="all"),
        pytest.param(["--state", "done"], ALL[1:], id="whole ones"),
        pytest.param(["--state", "failed", "--state", "partial"], ALL[:1], id="others"),
        pytest.param(["--lab", "sample"], [ALL[0], ALL[2]], id="of a lab"),
        pytest.param(["--lab", "walk"], [], id="of a lab without runs"),
        pytest.param(["runs/noise"], ALL[1:2], id="of a folder"),
        pytest.param(["--runs-dir", "runs/noise"], ALL[1:2], id="of another runs folder"),
        pytest.param(["runs/noise/n-2"], ALL[1:2], id="a run itself"),
    ],
)
def test_paths_in_a_pipe(run, runs, arguments, lines):
    done = run("ls", *arguments)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, lines, "")


def test_runs_folder_of_the_environment(run, runs):
    done = run("ls", env={"DENOISECLI_RUNS_DIR": "runs/noise"})
    assert done.stdout.splitlines() == ALL[1:2]


def test_json_for_jq(run, runs, tmp_path):
    out = run("ls", "--json").stdout
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["run"] for row in rows] == ALL
    assert rows[0].items() >= {"state": "failed", "error": "The disk is full.", "lab": "sample"}.items()
    assert rows[2].keys() == {
        "run", "lab", "state", "title", "settings", "created", "bytes", "error", "hint",
    }  # fmt: skip
    if shutil.which("jq"):
        program = 'select(.state == "done" and .bytes > 0) | .run'
        found = subprocess.run(["jq", "-r", program], input=out, capture_output=True, text=True, check=True)
        assert found.stdout.splitlines() == ALL[1:]


def test_no_runs_yet(run):
    done = run("ls")
    assert (done.returncode, done.stdout) == (0, "")


def on_a_terminal(tmp_path, *arguments, answer=b"", columns=100):
    """Run `denoisecli` on a terminal of its own and return (exit code, what was shown)."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    command = [warm.command(), *map(str, arguments)]
    with subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        os.write(ours, answer)
        shown = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not block:
                break
            shown += block
    os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.parametrize("columns", [60, 100])
def test_list_on_a_terminal(runs, tmp_path, columns):
    code, shown = on_a_terminal(tmp_path, "ls", columns=columns)
    assert code == 0
    for words in (*ALL, "a mill", "The disk is full.", "failed", "2026-02-02 00:00", "3 runs, "):
        assert words in shown


def test_nothing_to_list_on_a_terminal(tmp_path):
    assert on_a_terminal(tmp_path, "ls")[1].strip() == "There are no such runs in runs."


def test_hostile_words_do_not_steer_the_terminal(tmp_path):
    trace = hand_made_run(tmp_path / "runs" / "x", film=False) / "trace.json"
    hostile = dict.fromkeys(("lab", "created", "command"), HOSTILE) | {"config": {"prompt": HOSTILE}}
    hostile |= {"artifacts": [{"path": HOSTILE, "kind": HOSTILE}]}
    trace.write_text(json.dumps(json.loads(trace.read_text()) | hostile))
    for command in (["ls"], ["show", "runs/x"]):
        code, shown = on_a_terminal(tmp_path, *command)
        assert code == 0, shown
        assert "[bold]x[/nonsense]" in shown
        assert not [part for part in ("\x1b[2J", "\x07", "\u202e") if part in shown]


def test_names_of_any_bytes(run, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/runs/caf\xe9"))
    hand_made_run(odd, film=False)
    hand_made_run(tmp_path / "runs" / "two\nlines", film=False)
    command = [warm.command()]
    done = subprocess.run([*command, "ls"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"runs/caf\xe9\n"  # a line with a break in it would name two folders
    assert b"left out, for the line break in its name: 'runs/two\\nlines'" in done.stderr
    rows = [json.loads(line) for line in run("ls", "--json").stdout.splitlines()]
    assert {row["run"] for row in rows} == {"runs/caf\udce9", "runs/two\nlines"}
    gone = subprocess.run([*command, "rm", "-y", "-"], cwd=tmp_path, input=done.stdout, capture_output=True, check=True)
    assert (gone.stdout, odd.exists()) == (b"runs/caf\xe9\n", False)


def test_show(run, runs):
    done = run("show", "runs/sample/a-mill-1")
    for words in (
        "a mill\n",
        "DDIM · 20 steps · cfg 7.5",
        "layout fixed at state 1",
        "denoisecli sample",
        "load 1.2 s",
    ):
        assert words in done.stdout
    record = json.loads(run("show", "runs/sample/a-mill-1", "--json").stdout)
    assert (record["run"], record["state"], record["config"]["prompt"]) == ("runs/sample/a-mill-1", "done", "a mill")


def test_show_of_thousands_of_files(tmp_path):
    trace = hand_made_run(tmp_path / "r", "sample", "prompt=a :cat: on a mat", film=False) / "trace.json"
    record = json.loads(trace.read_text())
    names = [*(f"images/:{k}:.png" for k in range(20_000)), "x" * 1000, "film.mp4"]
    record["artifacts"] = [{"path": name, "kind": "image", "bytes": 2048} for name in names]
    trace.write_text(json.dumps(record))
    began = time.process_time()
    _, shown = said(["show", str(tmp_path / "r")])
    assert time.process_time() - began < 15
    assert "a :cat: on a mat\n" in shown  # no emoji of the terminal's
    lines = [line for line in shown.splitlines() if line.endswith("  image  2.0 kB") or line.startswith("file ")]
    assert len(lines) == len(names) + 1
    assert len({len(line) for line in lines}) == 2  # in columns, but for the name that is longer than any


def test_show_why_it_failed(run, runs):
    done = run("show", ALL[0])
    assert "The disk is full.\nFree some.\n" in done.stdout
    assert json.loads(run("show", ALL[0], "--json").stdout)["state"] == "failed"


def test_rm(run, runs):
    done = run("rm", ALL[0], ALL[2], "./" + ALL[2], "--yes")
    assert (done.returncode, done.stdout.splitlines()) == (0, [ALL[0], ALL[2]])
    assert run("ls").stdout.splitlines() == [ALL[1]]


def test_rm_from_a_pipe(run, runs):
    failed = run("ls", "--state", "failed").stdout
    assert run("rm", "-y", "-", stdin=failed).stdout == failed
    assert run("ls").stdout.splitlines() == ALL[1:]


def test_rm_of_nothing_in_a_pipe(run, runs):
    done = run("rm", "-y", "-", stdin="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_rm_in_the_folder_itself(runs, tmp_path):
    command = [warm.command(), "rm", ".", "-y"]
    done = subprocess.run(command, cwd=tmp_path / ALL[2], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / ALL[2]}\n"
    assert not (tmp_path / ALL[2]).exists()


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_rm_asks_on_a_terminal(runs, tmp_path, answer, code):
    found, shown = on_a_terminal(tmp_path, "rm", *ALL[1:], answer=answer)
    assert (found, "Delete 2 runs, " in shown, "a mill" in shown) == (code, True, True)
    assert [(tmp_path / run).exists() for run in ALL[1:]] == [bool(code)] * 2
    assert ("Nothing was deleted." in shown) == bool(code)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["rm", *ALL[1:]], 2, "Add --yes to delete without being asked.", id="nobody to ask"),
        pytest.param(["rm", ALL[1], "runs", "-y"], 1, "runs is not a run of ours.", id="one is no run"),
        pytest.param(["rm", ALL[1], "runs/nothing", "-y"], 2, "runs/nothing is not there.", id="one is not there"),
        pytest.param(["rm", "-y"], 2, "Missing argument", id="none named"),
        pytest.param(["show", "runs"], 1, "it holds no trace.json of ours", id="show what is no run"),
        pytest.param(["ls", "nowhere"], 2, "nowhere is not a folder.", id="no such folder"),
        pytest.param(["ls", "--lab", "smaple"], 2, 'There is no lab "smaple"; did you mean "sample"?', id="no lab"),
        pytest.param(["ls", "--state", "broken"], 2, "--state", id="no state"),
    ],
)
def test_refused(run, runs, arguments, code, says):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert says in done.stderr
    assert len(run("ls").stdout.splitlines()) == 3


def test_show_of_a_changed_trace(run, tmp_path):
    hand_made_run(tmp_path / "x", film=False, runs=5)
    done = run("show", "x")
    assert (done.returncode, "x/trace.json was changed" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_reader_that_has_seen_enough(run, tmp_path):
    body = (hand_made_run(tmp_path / "runs" / "0", film=False) / "trace.json").read_bytes()
    for number in range(1, 3000):
        (tmp_path / "runs" / str(number)).mkdir()
        (tmp_path / "runs" / str(number) / "trace.json").write_bytes(body)
    command = f"{sys.executable} -m denoisecli ls --json | head -1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_real_run_is_listed_shown_and_deleted(run, tmp_path):
    folder = run("noise", "--set", "frames=3", "--set", "size=64", *FILM).stdout.strip()
    assert run("ls").stdout.strip() == folder
    assert "How the lighthouse drowns in noise" in run("show", folder).stdout
    assert run("rm", folder, "-y").stdout.strip() == folder
    assert list((tmp_path / "runs" / "noise").iterdir()) == []
