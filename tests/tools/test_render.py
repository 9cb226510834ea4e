"""Drawing a stored run again: the same bytes, the same folder as the lab's own, and nothing but drawing."""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from denoisecli.config.load import Layer, build
from denoisecli.errors import MediaError, NotRecorded, UsageError
from denoisecli.registry import CONFIGS
from denoisecli.report import Report
from denoisecli.tools import render
from denoisecli.trace import load

FILM = {"size": "640x360", "fps": 5, "hold_s": 0.2}
SMALL = {"size": 64, "steps": 2, "film": FILM}
RUNS = {
    "noise": ("noise", {"frames": 4, "size": 64, "film": FILM}),
    "toy": ("lora-rank", {"ranks": [1, 3], "film": FILM}),
    "file": ("lora-rank", {"lora": "pocket", "ranks": [1, 4], "film": FILM}),
    "images": (
        "lora-rank",
        {"lora": "pocket", "ranks": [1, 4], "scales": [0.5], "images": True, "seeds": [7], **SMALL},
    ),
    "sample": ("sample", {"seeds": [7, 8], **SMALL}),
    "cfg-sweep": ("cfg-sweep", {"scales": [1, 7.5], **SMALL}),
    "fork": ("fork", {"seeds": [7, 8], **SMALL}),
    "words": ("words", {"seeds": [7, 8], **SMALL}),
    "walk": ("walk", {"seeds": [7, 8], "frames": 3, "cross_fade": True, **SMALL}),
}

pytestmark = pytest.mark.usefixtures("kept_model")


def made(name, folder, **more):
    lab, values = RUNS[name]
    config = build(CONFIGS[lab], [Layer(values | more)])
    return (
        import_module(f"denoisecli.labs.{lab.replace('-', '_')}.lab")
        .plan(config, None, folder, force=False)
        .make(Report())
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return {name: made(name, root / name) for name in RUNS}


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "trace.json"
    }


@pytest.mark.parametrize("name", RUNS)
def test_with_nothing_changed_the_same_bytes_come_out(runs, tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(runs[name], copy)
    before, record = content(copy), load(copy).record
    for path in ("film.mp4", "sheet.png"):
        (copy / path).write_bytes(b"torn")
    assert render.plan(copy).make(Report()) == copy
    assert content(copy) == before
    after = load(copy).record
    untimed = ("created", "command", "timings")
    assert {k: v for k, v in after.items() if k not in untimed} == {k: v for k, v in record.items() if k not in untimed}
    assert after["timings"]["sample"] == record["timings"]["sample"]


@pytest.mark.parametrize("name", ["noise", "toy", "sample", "walk"])
def test_other_settings_give_the_folder_that_the_lab_gives(runs, tmp_path, name):
    drawn = render.plan(runs[name], ["theme=light", "film.fps=10"], runs_dir=tmp_path / "drawn").make(Report())
    fresh = made(name, tmp_path / "fresh", film=FILM | {"theme": "light", "fps": 10})
    assert drawn.relative_to(tmp_path / "drawn") == fresh.relative_to(tmp_path / "fresh")
    assert content(drawn) == content(fresh)


def test_the_new_drawing_lies_beside_the_old_run(runs):
    planned = render.plan(runs["toy"], ["film.theme=contrast"])
    assert planned.folder.path.parent == runs["toy"].parent
    assert planned.folder.path != runs["toy"]


def test_views_may_change(runs, tmp_path):
    drawn = render.plan(runs["sample"], ["views=[guess]"], tmp_path / "drawn").make(Report())
    assert [path.name for path in (drawn / "views").iterdir()] == ["guess.mp4"]


@pytest.mark.parametrize("name", RUNS)
def test_no_format_leaves_films_away_and_nothing_else(runs, tmp_path, name):
    drawn = render.plan(runs[name], ["film.formats=[]"], runs_dir=tmp_path).make(Report())
    whole = content(runs[name])
    assert content(drawn).keys() == {path for path in whole if not path.endswith(".mp4")}
    assert (drawn / "sheet.png").read_bytes() == whole["sheet.png"]
    again = render.plan(drawn, ["film.formats=[mp4]"], tmp_path / "again").make(Report())
    assert (again / "film.mp4").read_bytes() == whole["film.mp4"]


@pytest.mark.parametrize(
    ("name", "pair", "said"),
    [
        pytest.param("sample", "steps=9", "steps cannot change without making the run anew", id="steps"),
        pytest.param("sample", "size=128x128", "size cannot change", id="the model's size, not the film's"),
        pytest.param("walk", "pacing=perceptual", "pacing cannot change", id="pacing"),
    ],
)
def test_what_needs_the_model_is_refused(runs, name, pair, said):
    with pytest.raises(UsageError, match=said):
        render.plan(runs[name], [pair])


def _without(run, tmp_path, change):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    change(copy)
    return copy


def _rewrite(folder, **changed):
    record = json.loads((folder / "trace.json").read_text())
    (folder / "trace.json").write_text(json.dumps(record | changed))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda f: (f / "pictures.zip").unlink(), "has no pictures.zip", id="older version"),
        pytest.param(lambda f: _rewrite(f, identity=""), "has no identity", id="no identity"),
        pytest.param(lambda f: (f / "images" / "seed-7.png").unlink(), "lacks images/seed-7.png", id="image gone"),
        pytest.param(lambda f: (f / "trace.json").unlink(), "is not a run folder", id="no run"),
        pytest.param(lambda f: _rewrite(f, lab="dream"), "not a lab here", id="unknown lab"),
        pytest.param(
            lambda f: _rewrite(f, artifacts=[{"path": "../../secret", "kind": "image"}]), "lacks", id="path escapes"
        ),
        pytest.param(lambda f: (f / "pictures.zip").write_bytes(b"PK"), "is damaged", id="damaged"),
    ],
)
def test_a_run_that_cannot_be_drawn_is_one_sentence(runs, tmp_path, change, said):
    (tmp_path / "secret").write_text("not yours")
    copy = _without(runs["sample"], tmp_path, change)
    with pytest.raises((NotRecorded, MediaError), match=said):
        render.plan(copy, [], tmp_path / "out").make(Report())
    assert not (tmp_path / "out").exists()


def test_an_interrupted_drawing_leaves_the_old_run_whole(runs, tmp_path):
    class Stops(Report):
        def step(self, done, **_):
            raise KeyboardInterrupt

    copy = _without(runs["noise"], tmp_path, lambda _: None)
    before = content(copy)
    with pytest.raises(KeyboardInterrupt):
        render.plan(copy).make(Stops())
    assert content(copy) == before


def test_no_model_is_loaded(runs, tmp_path):
    command = f"""
import sys
from pathlib import Path
from denoisecli.tools import render
from denoisecli.report import Report
render.plan(Path({str(runs["images"])!r}), ["theme=light"], Path({str(tmp_path / "out")!r})).make(Report())
print(sorted(set(sys.modules) & {{"torch", "diffusers", "transformers"}}))
"""
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_prints_the_folder(runs, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "denoisecli", "render", "-", "--theme", "light", "-o", str(out), "-q"]
    done = subprocess.run(command, input=f"{runs['toy']}\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(out)), done.stderr
    assert {"film.mp4", "sheet.png"} <= {path.name for path in Path(out).iterdir()}


HOSTILE_NAMES = [
    "../../precious/notes.txt", "link/../../precious/notes.txt", "/etc/hostname", "images/../../precious/notes.txt",
    "images/link/notes.txt", "images/direct.png", "images/dangling.png", "images/pipe.png", "images", "film.mp4",
    "trace.json", "config.yaml", "work/hash", "images//seed-7.png", "./images/seed-7.png", "images/" + "x" * 5000,
    "images/a\nb.png", "images/a\u2028b.png", "images\\..\\x", "images/\u0000.png",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["image", "lora"])
@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: ascii(name)[:30])
def test_a_run_that_names_what_is_not_its_own_is_refused_and_nothing_is_touched(runs, tmp_path, name, kind):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "notes.txt").write_text("all my work")
    copy = _without(runs["noise"], tmp_path, lambda _: None)
    (copy / "link").symlink_to(precious)
    (copy / "images" / "link").symlink_to(precious)
    (copy / "images" / "direct.png").symlink_to(precious / "notes.txt")
    (copy / "images" / "dangling.png").symlink_to(tmp_path / "new.txt")
    os.mkfifo(copy / "images" / "pipe.png")
    _rewrite(copy, artifacts=[{"path": name, "kind": kind, "sha256": "0" * 64, "bytes": 11}])
    before = sorted(path for path in tmp_path.rglob("*"))
    for out in (None, tmp_path / "precious" / "r", tmp_path / "out"):
        with pytest.raises(NotRecorded, match="lacks"):
            render.plan(copy, ["theme=light"], out).make(Report())
        assert sorted(path for path in tmp_path.rglob("*")) == before
        assert (precious / "notes.txt").read_text() == "all my work"


def test_drawing_writes_into_no_file_that_has_another_name(runs, tmp_path):
    """Neither the stored run's files, which the new folder shares, nor what somebody planted in a partial folder."""
    copy = _without(runs["noise"], tmp_path, lambda _: None)
    planned = render.plan(copy, ["theme=light"], tmp_path / "out")
    work = planned.folder.work
    work.mkdir(parents=True)
    (work / "hash").write_text(planned.folder.hash)
    (work / "lock").write_text("")
    precious = tmp_path / "notes.txt"
    precious.write_text("all my work")
    for name in ("config.yaml", "trace.json", "states.safetensors", "film.mp4", "sheet.png", ".film.part.mp4"):
        os.link(precious, planned.folder.partial / name)
    before = content(copy) | {"trace.json": (copy / "trace.json").read_bytes()}
    drawn = planned.make(Report())
    assert precious.read_text() == "all my work"
    assert content(copy) | {"trace.json": (copy / "trace.json").read_bytes()} == before
    assert not (drawn / ".film.part.mp4").exists()
