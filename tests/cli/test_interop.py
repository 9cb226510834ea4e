"""`denoisecli import` and `export` in a pipeline."""

import json

import pytest
from PIL import Image

from tests import warm
from tests.interop.made import graph, png

from .conftest import FILM, SMALL

INFO = "a cat\nNegative prompt: dogs\nSteps: 9, Sampler: Euler a, CFG scale: 4, Seed: 5, Size: 64x64, RNG: {}"


def test_config_on_stdout_feeds_sample(run, tmp_path):
    png(tmp_path / "x.png", parameters=INFO.format("CPU"))
    done = run("import", "x.png")
    assert (done.returncode, done.stderr) == (0, "")
    planned = run("sample", "-", "--dry-run", "-q", stdin=done.stdout)
    assert planned.stdout.startswith("runs/sample/a-cat-")


def test_notes_are_warnings_on_stderr_and_comments(run, tmp_path):
    png(tmp_path / "x.png", parameters=INFO.format("GPU"))
    done = run("import", "x.png", "--lab", "walk")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: The noise was drawn on the GPU there")
    assert "# The noise was drawn on the GPU there" in done.stdout
    assert "lab: walk" in done.stdout


def test_wrong_lab_and_wrong_file(run, tmp_path):
    png(tmp_path / "x.png")
    assert run("import", "x.png", "--lab", "wlak").returncode == 2
    done = run("import", "x.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds no settings that we can read" in done.stderr


def test_import_as_json(run, tmp_path):
    png(tmp_path / "x.png", parameters=INFO.format("GPU"))
    done = run("import", "x.png", "--json", "-q")
    (event,) = map(json.loads, done.stdout.splitlines())
    assert (event["event"], event["source"], event["config"]["steps"]) == ("import", "A1111", 9)
    assert event["notes"][0].startswith("The noise was drawn on the GPU")


def test_a_saved_workflow_and_a_saved_infotext(run, tmp_path):
    (tmp_path / "workflow.json").write_text(graph())
    (tmp_path / "info.txt").write_text(INFO.format("CPU"))
    assert "a bottle with a galaxy" in run("import", "workflow.json").stdout
    assert "prompt: a cat" in run("import", "info.txt").stdout


@pytest.fixture(scope="module")
def deck(tmp_path_factory, heavy):
    """A deck of two seeds, made once, in a process of its own."""
    import os
    import subprocess

    folder = tmp_path_factory.mktemp("deck")
    command = ["sample", *SMALL, "--seed", "1-2", "--set", "sampler=euler", "-o", "run", "-q"]
    subprocess.run([warm.command(), *command], cwd=folder, check=True, env=os.environ)
    return folder / "run"


def test_a_picture_carries_the_settings_of_every_tool(deck):
    with Image.open(deck / "images" / "seed-1.png") as picture:
        texts = picture.text
    assert texts.keys() == {"parameters", "prompt", "workflow", "denoisecli"}
    assert "Sampler: Euler, Schedule type: DDIM" in texts["parameters"]
    assert texts["prompt"].isascii()
    assert [node["type"] for node in json.loads(texts["workflow"])["nodes"]].count("KSampler") == 1


def test_export_to_a1111_and_back(run, tmp_path, deck):
    done = run("export", deck, "--to", "a1111", "--seed", "2")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith(
        "Steps: 2, Sampler: Euler, Schedule type: DDIM, CFG scale: 7.5, Seed: 2"
    )
    assert "No other tool loads the pocket model" in done.stderr
    (tmp_path / "x.txt").write_text(done.stdout)
    again = run("import", "x.txt").stdout
    planned = run("sample", "-", *FILM, "--dry-run", "-q", stdin=again)
    assert planned.returncode == 0
    assert "seeds: [2]" in again


def test_the_first_of_several_is_told_and_json_has_all(run, deck):
    done = run("export", deck, "--to", "a1111")
    assert "Seed: 1," in done.stdout
    assert "This is the first of 2 pictures; --seed takes another (1, 2)." in done.stderr
    event = json.loads(run("export", deck, "--to", "a1111", "--json").stdout)
    assert [text.partition("Seed: ")[2][0] for text in event["texts"]] == ["1", "2"]


def test_export_to_comfyui_and_back(run, tmp_path, deck):
    done = run("export", deck, "--to", "comfyui", "-o", "w.json")
    assert done.stdout == "w.json\n"
    drawn = json.loads((tmp_path / "w.json").read_text())
    assert [node["type"] for node in drawn["nodes"]].count("KSampler") == 2
    assert drawn["nodes"][-1]["type"] == "Note"
    config = run("import", "w.json").stdout
    assert "seeds: [1, 2]" in config
    assert "spacing: leading" in config
    api = json.loads(run("export", deck, "--to", "comfyui", "--api").stdout)
    assert {node["class_type"] for node in api.values()} >= {"KSampler", "SaveImage"}


def test_a_file_that_is_there_is_not_replaced(run, tmp_path, deck):
    (tmp_path / "w.json").write_text("mine")
    done = run("export", deck, "--to", "comfyui", "-o", "w.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "w.json is there already." in done.stderr
    assert (tmp_path / "w.json").read_text() == "mine"
    assert run("export", deck, "--to", "comfyui", "-o", "w.json", "--force").returncode == 0
    assert run("export", deck, "--to", "comfyui", "-o", "w.json").returncode == 0  # the same once more


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["RUN", "--to", "confyui"], 2, 'Nothing is exported to "confyui"; did you mean "comfyui"?'),
        (["RUN", "--to", "a1111", "--api"], 2, "--api is a form of ComfyUI's graph."),
        (["RUN", "--to", "a1111", "--seed", "9"], 2, "The run has no seed 9.\nIt has: 1, 2."),
        (["RUN"], 2, "--to"),
        (["nowhere", "--to", "a1111"], 2, "nowhere is not there."),
        ([".", "--to", "a1111"], 1, "is not a run folder"),
        (["RUN", "--to", "a1111", "-o", "no/such/x.txt"], 1, "there is no folder no/such"),
    ],
)
def test_wrong_exports(run, deck, arguments, code, says):
    done = run("export", *[deck if word == "RUN" else word for word in arguments])
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_run_without_a_model_is_not_exported(run):
    made = run("noise", *FILM, "--set", "frames=3", "-q").stdout.strip()
    done = run("export", made, "--to", "comfyui")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No model painted in this run" in done.stderr
