"""The runs below a folder: found whatever lies around them, and deleted only where they are ours."""

import json
import os
from pathlib import Path

import pytest

from denoisecli.errors import InUse, RunFolderError
from denoisecli.runs import files
from denoisecli.runs.catalog import check_deletable, delete, entries, entry_of, record_of
from denoisecli.runs.files import aside
from denoisecli.runs.folder import RunFolder
from tests.hand_made import hand_made_run


def unfinished(path, error=None):
    """Leave a partial folder as an interrupted run does, or a failed one."""
    folder = RunFolder(path, "0a1b2c3d")
    with folder.open():
        (folder.partial / "film.mp4").write_bytes(b"half")
    if error:
        folder.fail(error, "Free some.")
    return folder.partial


def hand_made(path, lab="sample", *pairs, **record):
    return hand_made_run(path, lab, *pairs, film=False, **record)


def test_entries(tmp_path):
    old = hand_made(tmp_path / "sample" / "old", "sample", "prompt=a mill", "seeds=1-2", steps=3)
    new = hand_made(tmp_path / "mine", "noise", created="2026-03-01T00:00:00+00:00")
    half = unfinished(tmp_path / "sample" / "a-castle-0a1b2c3d")
    bad = unfinished(tmp_path / "walk" / "a-lake-0a1b2c3d", "The disk is full.")
    found = {entry.run: entry for entry in entries([tmp_path])}
    assert list(found)[2:] == [new, old]  # what is not whole first, then the newest
    assert {run: (entry.lab, entry.state) for run, entry in found.items()} == {
        old: ("sample", "done"), new: ("noise", "done"), half: ("sample", "partial"), bad: ("walk", "failed"),
    }  # fmt: skip
    assert (found[old].title, found[old].settings) == ("a mill", "DDIM · 20 steps · cfg 7.5 · seeds 1, 2")
    assert found[old].bytes == sum(path.stat().st_size for path in old.iterdir())
    assert (found[half].title, found[half].error) == ("a castle", None)
    assert (found[bad].title, found[bad].error, found[bad].hint) == ("a lake", "The disk is full.", "Free some.")
    assert json.loads(json.dumps(found[bad].row))["run"] == str(bad)


def test_an_unfinished_run_is_what_its_config_says(tmp_path):
    half = unfinished(tmp_path / "anywhere" / "x")
    (half / "config.yaml").write_text("lab: walk\nprompt: a mill\nseeds: [7, 21]\nsampler: ddim\nsteps: 9\ncfg: 7.5\n")
    broken = unfinished(tmp_path / "walk" / "a-lake-0a1b2c3d")
    (broken / "config.yaml").write_text("lab: [")
    found = {entry.run: entry for entry in entries([tmp_path])}
    assert (found[half].lab, found[half].title, found[half].settings) == ("walk", "a mill", "DDIM · 9 steps · cfg 7.5")
    assert (found[broken].lab, found[broken].title) == ("walk", "a lake")


@pytest.mark.parametrize("roots", [["a", "a"], [".", "a"], ["a/x", "."]], ids=str)
def test_each_run_once(tmp_path, monkeypatch, roots):
    hand_made(tmp_path / "a" / "x"), hand_made(tmp_path / "a" / "y")
    monkeypatch.chdir(tmp_path)
    assert len(list(entries(map(Path, roots)))) == 2


def test_not_looked_at(tmp_path):
    run = hand_made(tmp_path / "run")
    hand_made(run / "images" / "inner")
    hand_made(tmp_path / ".run.old")
    hand_made(tmp_path / ".trash" / "x")
    (tmp_path / "link").symlink_to(run)
    assert [entry.run for entry in entries([tmp_path])] == [run]


def test_no_folder_no_runs(tmp_path):
    assert list(entries([tmp_path / "nowhere"])) == []


FOREIGN = {
    "empty": "", "torn": '{"schema": "denoisecli/trace/1"', "list": "[1]", "other program": '{"traceEvents": []}',
    "deep": "[" * 100_000, "binary": "\udcff\udcfe",
}  # fmt: skip


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_traces_that_are_not_ours(tmp_path, text):
    (tmp_path / "trace.json").write_bytes(text.encode(errors="surrogateescape"))
    assert record_of(tmp_path) is None
    assert list(entries([tmp_path])) == []
    with pytest.raises(RunFolderError, match="is not a run of ours"):
        delete(tmp_path)
    assert (tmp_path / "trace.json").exists()


CHANGED = {"runs": 5, "config": [1], "lab": ["x"], "artifacts": "all", "created": {}, "schedule": 1.5}


@pytest.mark.parametrize("key", CHANGED)
def test_one_changed_trace_spoils_no_list(tmp_path, key):
    hand_made(tmp_path / "good")
    trace = hand_made(tmp_path / "changed") / "trace.json"
    trace.write_text(json.dumps(json.loads(trace.read_text()) | {key: CHANGED[key]}))
    assert {entry.run.name for entry in entries([tmp_path])} == {"good", "changed"}


# Deleting


def test_delete(tmp_path):
    run, half = hand_made(tmp_path / "run"), unfinished(tmp_path / "half")
    bad = unfinished(tmp_path / "bad", "The disk is full.")
    other = hand_made(tmp_path / "other")
    aside(run).mkdir()  # left by a process that was killed
    for folder in (run, half, bad):
        delete(folder)
    assert list(tmp_path.iterdir()) == [other]


def test_delete_leaves_what_links_point_at(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("x")
    half = unfinished(tmp_path / "half")
    (half / "images").symlink_to(precious)
    (half / "film.mp4").unlink()
    (half / "film.mp4").symlink_to(precious / "thesis.tex")
    delete(half)
    assert (precious / "thesis.tex").read_text() == "x"


def linked(tmp_path):
    (tmp_path / "link").symlink_to(hand_made(tmp_path / "run"))
    return tmp_path / "link"


def with_a_file_of_yours(tmp_path):
    run = hand_made(tmp_path / "run", artifacts=[{"path": "film.mp4"}])
    for name in ("film.mp4", ".DS_Store", "notes.txt"):
        (run / name).write_text("x")
    return run


def with_a_link(tmp_path):
    run = hand_made(tmp_path / "run")
    (run / "home").symlink_to(Path.home())
    return run


def with_another_run_inside(tmp_path):
    run = hand_made(tmp_path / "run")
    hand_made(run / "inner")
    return run


def a_download(tmp_path):
    (tmp_path / "model.partial" / "work").mkdir(parents=True)
    return tmp_path / "model.partial"


def error_of_another(tmp_path):
    (tmp_path / "x.partial").mkdir()
    (tmp_path / "x.partial" / "error.json").write_text('{"code": 7}')
    return tmp_path / "x.partial"


@pytest.mark.parametrize(
    ("made", "says"),
    [
        pytest.param(linked, "is a link, not a run", id="link to a run"),
        pytest.param(with_a_file_of_yours, "holds files that the run did not make: notes.txt.", id="a file of yours"),
        pytest.param(with_a_link, "did not make: home.", id="a link inside"),
        pytest.param(with_another_run_inside, "inner/config.yaml", id="a run inside"),
        pytest.param(lambda tmp_path: tmp_path, "is not a run of ours", id="any folder"),
        pytest.param(a_download, "is not a run of ours", id="another program's partial folder"),
        pytest.param(error_of_another, "is not a run of ours", id="another program's error"),
    ],
)
def test_never_deleted(tmp_path, made, says):
    folder = made(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for refused in (check_deletable, delete):
        with pytest.raises(RunFolderError) as error:
            refused(folder)
        assert says in error.value.message
        assert "Nothing was deleted" in error.value.hint
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_process_makes_is_not_deleted(tmp_path):
    folder = RunFolder(tmp_path / "run", "0a1b2c3d")
    with folder.open(), pytest.raises(InUse, match="is being made by a process now"):
        delete(folder.partial)
    assert folder.partial.is_dir()
    delete(folder.partial)


def test_folder_that_cannot_be_deleted(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    run = hand_made(tmp_path / "run")
    monkeypatch.setattr(Path, "rename", refuse)  # root may do anything, so the system cannot be asked
    with pytest.raises(RunFolderError, match=f"{run} cannot be deleted: Permission denied"):
        delete(run)
    assert entry_of(run).state == "done"


def test_thousands_are_listed_at_once(tmp_path):
    import time

    run = hand_made(tmp_path / "0")
    body = (run / "trace.json").read_bytes()
    for number in range(1, 2000):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "trace.json").write_bytes(body)
    began = time.process_time()
    assert len(list(entries([tmp_path]))) == 2000
    assert time.process_time() - began < 2000 * 0.001 * 4  # a millisecond a run; a slow machine, its cores shared


def test_names_that_are_no_text(tmp_path):
    run = hand_made(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")))
    assert [entry.run for entry in entries([tmp_path])] == [run]


def test_two_runs_that_differ_are_told_apart(tmp_path):
    """By whichever setting they differ, their lines differ, and name it."""
    pairs = [
        "film.theme=light",
        "film.size=1080x1080",
        "size=512x512",
        "quality=draft",
        "negative_prompt=fog",
        "eta=0.5",
    ]
    said = ["light theme", "film 1080×1080", "512×512", "draft", "negative prompt fog", "eta 0.5"]
    lines = {}
    for number, pair in enumerate(["seeds=7", *pairs]):
        run = hand_made_run(tmp_path / str(number), "sample", "seeds=7", "steps=20", pair, film=False)
        lines[pair] = entry_of(run).settings
    assert len(set(lines.values())) == len(lines)
    for pair, words in zip(pairs, said, strict=True):
        assert words in lines[pair].split(" · ")
        assert words not in lines["seeds=7"]


def test_what_is_not_there_is_not_looked_for(tmp_path, monkeypatch):
    """Of a record that names 100,000 files each was looked for, part by part, to tell that two others are ours."""
    rows = [{"path": f"images/{number}.png"} for number in range(100)]
    run = hand_made_run(tmp_path / "a", film=False, artifacts=rows)
    (run / "images").mkdir()
    (run / "images" / "7.png").touch()
    looked, inside = [], files.inside
    monkeypatch.setattr(files, "inside", lambda folder, name: (looked.append(name), inside(folder, name))[1])
    check_deletable(run)
    assert looked == ["images/7.png"]
    (run / "images" / "8.png").symlink_to(run / "images" / "7.png")
    with pytest.raises(RunFolderError, match="8.png"):
        check_deletable(run)
