"""A lab is a folder and a name: all parts of the five are found, and a sixth is known to every command."""

import json
import sys
from dataclasses import fields
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from denoisecli import registry
from denoisecli.cli import labs as commands
from denoisecli.cli import whole_app
from denoisecli.cli.app import app
from denoisecli.registry import CONFIGS, ROOMS, Lab, lab, part

TOY = {
    "__init__.py": """
from denoisecli.registry import Lab

LAB = Lab(config=".config:ToyConfig", rows="denoisecli.labs.rows:sampled", poster=0.9)
""",
    "config.py": """
from typing import Annotated, ClassVar, Literal

from denoisecli.config.base import LOOK, LabConfig


class ToyConfig(LabConfig):
    \"\"\"A toy.\"\"\"

    lab: Literal["toy"] = "toy"
    \"\"\"which instrument this config is for\"\"\"
    words: str = "a grey toy"
    \"\"\"its title\"\"\"
    grey: int = 128
    \"\"\"how grey it is\"\"\"
    stripe: Annotated[int, LOOK] = 0
    \"\"\"a white stripe, in pixels\"\"\"

    title_key: ClassVar[str] = "words"
""",
    "words.py": """
def words(record, config):
    return str(config.get("words")), [f"grey {config.get('grey')}"], [f"it is {config.get('grey')}"]
""",
    "lab.py": """
import numpy as np

from denoisecli.labs import job as plans
from denoisecli.labs.films import write_state_film
from denoisecli.media.images import save_png
from denoisecli.media.picture_file import PICTURES_FILE, write_pictures
from denoisecli.trace import Trace


def plan(config, out, runs_dir, *, force):
    return plans.plan(config, "toy", make, out, runs_dir, force=force)


def make(job):
    states = np.full((1, 3, 4, 4, 4), job.config.grey / 255, np.float32) * np.arange(1, 4)[None, :, None, None, None]
    arrays = {"x_t": states, "x0": states[:, :2], "sigmas": np.array([2.0, 1.0, 0.0], np.float32),
              "timesteps": np.array([2.0, 1.0, 0.0], np.float32), "alpha_bars": np.array([0.2, 0.5, 1.0], np.float32)}
    shown = np.full((1, 3, 32, 32, 3), job.config.grey, np.uint8)
    write_pictures(job.folder.partial / PICTURES_FILE, {"canvas": shown, "guess": shown})
    trace = Trace("toy", arrays, {"runs": [{"seed": 1, "cfg": 1.0}]})
    draw(job, trace, None)
    return trace


def draw(job, trace, pictures):
    picture = np.full((320, 320, 3), job.config.grey, np.uint8)
    picture[:, : job.config.stripe] = 255
    write_state_film(job, (picture for _ in range(3)), 3, job.folder.partial / "film.mp4")
    job.artifact(save_png(picture, job.folder.partial / "sheet.png"), "sheet")
""",
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    room = tmp_path / "toy_lab"
    room.mkdir()
    for name, text in TOY.items():
        (room / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.ROOMS, "toy", "toy_lab")
    whole_app()  # else other tests in this process would find a part of the commands only
    before = list(app.registered_commands)
    commands.add_lab("toy", "A toy.", {})
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    app.registered_commands[:] = before
    for name in [name for name in sys.modules if name.partition(".")[0] == "toy_lab"]:
        del sys.modules[name]


def run(*words):
    done = CliRunner().invoke(whole_app(), [str(word) for word in words])
    assert done.exit_code == 0, (words, done.output, done.exception)
    return SimpleNamespace(out=done.stdout, err=done.stderr)


@pytest.mark.parametrize("name", ROOMS)
def test_every_part_of_a_lab_is_there(name):
    assert CONFIGS[name].model_fields["lab"].default == name
    for which in [field.name for field in fields(Lab) if field.name not in ("axes", "poster")]:
        found = part(name, which)
        assert found is None or callable(found)
    assert 0 < lab(name).poster < 1


def test_a_sixth_lab_is_known_to_every_command(toy):
    assert "grey: 128" in run("config", "init", "toy").out
    small = ("--set", "film.size=320x320", "--set", "film.fps=5", "--set", "film.hold_s=0.2")
    one = run("toy", *small).out.strip()
    two = run("toy", "--set", "grey=200", *small).out.strip()
    assert one.startswith("runs/toy/a-grey-toy-")
    assert json.loads((toy / one / "trace.json").read_text())["lab"] == "toy"
    drawn = run("render", one, "--set", "stripe=40").out.strip()
    assert (toy / drawn / "film.mp4").is_file()
    assert one in run("ls", "--lab", "toy").out
    shown = run("show", one)
    assert "grey 128" in shown.out + shown.err
    assert (toy / run("compare", one, two).out.strip().splitlines()[-1]).is_dir()
    run("gallery", "runs")
    assert (toy / "runs" / "index.html").is_file()
    run("slides", one, two, "-o", "talk.pptx")
    assert (toy / "talk.pptx").is_file()
    (toy / "toy.yaml").write_text("lab: toy\ngrey: 7\nfilm: {size: 320x320, fps: 5, hold_s: 0.2}\n")
    assert len(run("batch", "toy.yaml", "--vary", "grey=7,8", "--dry-run").out.split()) == 2
