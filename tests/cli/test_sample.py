"""`denoisecli sample` on the pocket model: the folder it leaves, run twice, interrupted, without room."""

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import denoisecli
from denoisecli.runs.folder import run_hash
from tests import warm
from tests.digests import digests
from tests.waiting import wait_until

from .conftest import SMALL

pytestmark = pytest.mark.usefixtures("heavy")
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "trace.schema.json").read_text())
FILES = {
    "config.yaml", "trace.json", "states.safetensors", "film.mp4", "sheet.png", "page.html", "images/seed-7.png",
    "images/seed-8.png", "pictures.zip", "views/canvas.mp4", "views/guess.mp4", "views/latent.mp4",
}  # fmt: skip


@pytest.fixture(scope="module")
def deck(tmp_path_factory):
    """One small deck of two seeds, made once for all that only look at it."""
    folder = tmp_path_factory.mktemp("deck")
    command = [warm.command(), "sample", *SMALL, "--seed", "7-8", "-o", "run", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "run", [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_folder_is_whole(deck):
    run, _, _ = deck
    assert digests(run).keys() == FILES
    assert [entry.name for entry in run.parent.iterdir() if entry.name != ".cache"] == ["run"]


def test_trace_is_what_the_schema_says(deck):
    record = json.loads((deck[0] / "trace.json").read_text())
    jsonschema.validate(record, SCHEMA)
    assert [run["seed"] for run in record["runs"]] == [7, 8]
    assert record["model"]["ref"] == "pocket"
    assert record["batches"] == [[7, 8]]
    assert record["decoders"] == {"states": "tiny autoencoder", "finals": "tiny autoencoder"}
    assert run_hash(record["config"], record["model"]["sha256"]) == record["hash"]
    assert record["command"].startswith("denoisecli sample --steps 2")


def test_artifacts_are_the_files_with_their_hashes(deck):
    run, _, _ = deck
    record = json.loads((run / "trace.json").read_text())
    listed = {row["path"]: row["sha256"] for row in record["artifacts"]}
    found = digests(run)
    found.pop("trace.json")
    assert listed == found


def test_states(deck):
    trace = denoisecli.load(deck[0])
    assert trace.x_t.shape == (2, 3, 4, 8, 8)
    assert trace.x0.shape == trace.eps_cond.shape == trace.eps_uncond.shape == (2, 2, 4, 8, 8)
    assert len(trace.timesteps) == 3
    assert not np.array_equal(trace.x_t[0], trace.x_t[1])


def test_final_pictures_carry_their_recipe(deck):
    with Image.open(deck[0] / "images" / "seed-8.png") as image:
        assert image.size == (64, 64)
        text = image.text["parameters"]
    assert text.startswith("a lighthouse on a rocky cliff")
    assert "Steps: 2, Sampler: DDIM" in text
    assert "CFG scale: 7.5, Seed: 8, Size: 64x64" in text
    assert "RNG: CPU" in text


def test_events(deck):
    _, events, lines = deck
    names = [event["event"] for event in events]
    assert names[0] == "start"
    assert names[-1] == "done"
    assert names.count("artifact") == len(FILES) - 1
    steps = [event for event in events if event["event"] == "step" and event["stage"] == "sample"]
    assert [event.get("step") for event in steps[:2]] == [1, 2]
    assert events[-1]["run"] == "run"
    assert "sampling 4/4" in lines


def test_config_of_a_run_finds_the_same_run(deck, run, tmp_path):
    folder, _, _ = deck
    before = digests(folder)
    done = run("sample", folder / "config.yaml", "-o", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder}\n"
    assert "is done already" in done.stderr
    assert digests(folder) == before


def test_other_config_is_refused_in_its_folder(deck, run):
    done = run("sample", *SMALL, "--seed", "9", "-o", deck[0])
    assert done.returncode == 1
    assert "holds the run of another config" in done.stderr


def test_same_config_gives_the_same_bytes(deck, tmp_path):
    """Started anew, with hashes and imports of its own; and nothing that a library says comes through."""
    folder, _, _ = deck
    command = [sys.executable, "-m", "denoisecli", "sample", *SMALL, "--seed", "7-8", "-o", "again", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "again\n", "")
    one, two = digests(folder), digests(tmp_path / "again")
    assert {name for name in one if one[name] != two[name]} == {"trace.json"}


def test_prompt_never_steers_the_terminal(run, tmp_path):
    prompt = "a [/foo] [red]windmill[/red] \x1b]0;owned\x07 </script>"
    done = run("sample", *SMALL, "--seed", "1", "--steps", "1", "-o", "x", "-p", prompt)
    assert done.returncode == 0, done.stderr
    assert "[/foo] [red]windmill[/red]" in done.stderr
    assert "\x1b" not in done.stderr
    assert "words of the prompt that the model pocket does not know" in done.stderr


def test_prompt_of_five_thousand_words(run):
    done = run("sample", *SMALL, "--seed", "1", "--steps", "1", "-o", "x", "-p", "lighthouse " * 5000)
    assert done.returncode == 0, done.stderr
    assert "too long for this model; cut off: lighthouse lighthouse" in done.stderr
    assert len(done.stderr) < 70_000


def test_output_below_a_file(run, tmp_path):
    (tmp_path / "file").write_text("")
    done = run("sample", *SMALL, "-o", "file")
    assert (done.returncode, "file is a file, not a folder" in done.stderr) == (1, True)
    done = run("sample", *SMALL, "-o", "file/x")
    assert (done.returncode, "lies below a file" in done.stderr) == (1, True)


def test_full_disk(tmp_path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    command = [sys.executable, "-m", "denoisecli", "sample", *SMALL, "--seed", "1", "-o", "x"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=small_files)
    assert done.returncode == 1, done.stderr
    assert "full" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def interrupted(tmp_path, arguments, stage, number):
    """Start the command, send the signal when `stage` is under way, and return (exit code, stderr).

    While a model is loaded, modules are too, which is when Python swallows signals most readily: that start is cold.
    """
    program = [sys.executable, "-m", "denoisecli"] if stage == "start" else [warm.command()]
    command = [*program, "sample", *arguments, "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == stage or event.get("stage") == stage:
                process.send_signal(number)
                break
        _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        pytest.param("start", signal.SIGTERM, id="SIGTERM while loading"),
        pytest.param("sample", signal.SIGINT, id="SIGINT while sampling"),
        pytest.param("decode", signal.SIGTERM, id="SIGTERM while decoding"),
        pytest.param("figures", signal.SIGINT, id="SIGINT while encoding"),
    ],
)
def test_interrupted_run_leaves_nothing_half_and_goes_on(tmp_path, stage, number, deck):
    arguments = [*SMALL, "--seed", "7-8", "-o", "run"]
    code, errors = interrupted(tmp_path, arguments, stage, number)
    assert code == 130, errors
    kept = (tmp_path / "run.partial").exists()
    assert kept == (stage in ("decode", "figures"))  # the one batch was finished
    said = "goes on after the last batch" if kept else "the same command begins anew"
    assert said in errors.splitlines()[-1]
    assert "Traceback" not in errors
    if kept:
        assert "lab: sample" in (tmp_path / "run.partial" / "config.yaml").read_text()
    assert not (tmp_path / "run").exists()
    again = [warm.command(), "sample", *arguments]
    assert subprocess.run(again, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    whole, resumed = digests(deck[0]), digests(tmp_path / "run")
    assert {name for name in whole if whole[name] != resumed[name]} <= {"trace.json"}


def test_killed_between_batches_resumes_with_the_same_bytes(run, tmp_path):
    arguments = [*SMALL, "--seed", "1-3", "--set", "batch=1"]
    command = [warm.command(), "sample", *arguments, "-o", "run", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        kept = tmp_path / "run.partial" / "work" / "batch-00000-1.safetensors"
        wait_until(kept.exists)
        process.kill()
        process.stdout.read()  # the pipe is closed when the command is dead too
    batches = len(list(kept.parent.glob("batch-*.safetensors")))
    for out, before in (("run", batches), ("whole", 0)):
        done = run("sample", *arguments, "-o", out, "--json")
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        sampled = [event["seeds"] for event in events if event.get("step") == 1]
        assert sampled == [[seed] for seed in range(1 + before, 4)]  # what was kept is not sampled anew
    one, two = (tmp_path / name / "states.safetensors" for name in ("run", "whole"))
    assert one.read_bytes() == two.read_bytes()
    assert json.loads((tmp_path / "run" / "trace.json").read_text())["batches"] == [[1], [2], [3]]


def test_no_network_is_ever_asked(run, tmp_path):
    """A site hook makes every connection attempt fatal, and the hub is not switched off."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, socket\n"
        "def refuse(*a, **k): os.write(2, b'NETWORK'); os._exit(77)\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
    )
    env = {"PYTHONPATH": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = run("sample", *SMALL, "--seed", "1", "--steps", "1", "-o", "x", env=env)
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stderr


@pytest.mark.parametrize(
    ("ffmpeg", "says"),
    [
        pytest.param("#!/bin/sh\nexit 1\n", "ffmpeg", id="dies at once"),
        pytest.param("#!/bin/sh\nhead -c 400000 >/dev/null\nexit 3\n", "ffmpeg", id="dies half-way"),
        pytest.param(None, "ffmpeg", id="missing"),
    ],
)
def test_ffmpeg_that_fails(run, tmp_path, ffmpeg, says):
    program = tmp_path / "ffmpeg"
    if ffmpeg:
        program.write_text(ffmpeg)
        program.chmod(0o755)
    arguments = [*SMALL, "--seed", "1", "--steps", "1", "-o", "x"]
    done = run("sample", *arguments, env={"IMAGEIO_FFMPEG_EXE": str(program)})
    assert done.returncode == 1, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_folder_that_cannot_be_written(run):
    done = run("sample", *SMALL, "--runs-dir", "/proc/nowhere")
    assert (done.returncode, "cannot be written" in done.stderr) == (1, True)
