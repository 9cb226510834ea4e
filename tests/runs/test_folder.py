"""A run folder is whole or absent, belongs to one config, and keeps its finished batches."""

import errno
import fcntl
import json
import os
import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.errors import InUse, RunFolderError
from denoisecli.runs.catalog import delete
from denoisecli.runs.files import missing_files, remove
from denoisecli.runs.folder import RunFolder, name_folder, run_hash
from denoisecli.runs.names import name_with, names_by_hash, slug
from denoisecli.trace import Trace


def finished(path, digest="aaaaaaaa", force=False):
    folder = RunFolder(path, digest, force)
    with folder.open():
        Trace("sample", {"x": np.zeros(1)}, {"hash": digest}).save(folder.partial)
        folder.finish()
    return folder


@given(st.text(max_size=300))
def test_slug_is_a_short_plain_name(text):
    name = slug(text)
    assert name
    assert len(name) <= 48
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("A lighthouse, at dusk!", "a-lighthouse-at-dusk", id="words"),
        pytest.param("../../etc/passwd", "etc-passwd", id="path"),
        pytest.param("猫", "run", id="nothing left"),
        pytest.param("x" * 400, "x" * 48, id="one long word"),
        pytest.param("Café", "cafe", id="accent"),
    ],
)
def test_slug(text, name):
    assert slug(text) == name


def test_hash_changes_with_config_and_model():
    hashes = {run_hash({"steps": 1}, "m"), run_hash({"steps": 2}, "m"), run_hash({"steps": 1}, "n")}
    assert len(hashes) == 3
    assert run_hash({"a": 1, "b": 2}, "m") == run_hash({"b": 2, "a": 1}, "m")


def test_finished_run_is_done_and_leaves_nothing_beside_it(tmp_path):
    finished(tmp_path / "x")
    assert RunFolder(tmp_path / "x", "aaaaaaaa").done
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_a_run_is_finished_where_open_files_stay_and_reading_does_not_flush(tmp_path, monkeypatch):
    """As on Windows: a file that is open cannot be deleted, and one that is open for reading cannot be flushed."""
    fsync, rmtree = os.fsync, shutil.rmtree

    def flush(number):
        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        fsync(number)

    def delete(path, *args, **kwargs):
        open_here = {file.path for file in psutil.Process().open_files()}
        assert not [path for path in map(str, Path(path).rglob("*")) if path in open_here]
        rmtree(path, *args, **kwargs)

    folder = RunFolder(tmp_path / "run", "aaaaaaaa")
    with folder.open():
        Trace("sample", {"x": np.zeros(1)}, {"hash": "aaaaaaaa"}).save(folder.partial)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", flush)
            patch.setattr(shutil, "rmtree", delete)
            patch.setattr("denoisecli.runs.folder.WINDOWS", True)
            folder.finish()
    assert folder.done


def test_other_config_is_refused_without_force(tmp_path):
    finished(tmp_path / "x")
    with pytest.raises(RunFolderError, match="holds the run of another config"):
        assert RunFolder(tmp_path / "x", "bbbbbbbb").done
    assert not RunFolder(tmp_path / "x", "bbbbbbbb", force=True).done
    finished(tmp_path / "x", "bbbbbbbb", force=True)
    assert RunFolder(tmp_path / "x", "bbbbbbbb").done
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("all my work")
    with pytest.raises(RunFolderError, match="files that are not a run"):
        assert RunFolder(tmp_path, "aaaaaaaa").done


@pytest.mark.parametrize("force", [False, True])
def test_force_never_replaces_what_is_no_run(tmp_path, force):
    thesis = tmp_path / "thesis" / "chapter.tex"
    thesis.parent.mkdir()
    thesis.write_text("all my work")
    folder = RunFolder(tmp_path, "aaaaaaaa", force)
    with pytest.raises(RunFolderError, match="files that are not a run") as caught:
        assert folder.done
    assert "--force" not in caught.value.hint
    assert thesis.read_text() == "all my work"


def test_force_never_replaces_a_run_that_holds_files_of_yours(tmp_path):
    finished(tmp_path / "x")
    (tmp_path / "x" / ".DS_Store").write_text("")
    assert not RunFolder(tmp_path / "x", "bbbbbbbb", force=True).done
    (tmp_path / "x" / "notes.txt").write_text("all my work")
    with pytest.raises(RunFolderError, match=r"files that the run did not make: notes\.txt") as caught:
        assert RunFolder(tmp_path / "x", "bbbbbbbb", force=True).done
    assert "Move what you want to keep" in caught.value.hint
    assert RunFolder(tmp_path / "x", "aaaaaaaa").done  # as it is, it may stay


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_yours_with_the_partials_name_stays(tmp_path, force):
    (tmp_path / "x.partial").mkdir()
    (tmp_path / "x.partial" / "notes.txt").write_text("all my work")
    with (
        pytest.raises(RunFolderError, match="files that are not an unfinished run"),
        RunFolder(tmp_path / "x", "aaaaaaaa", force).open(),
    ):
        pytest.fail("opened")
    assert (tmp_path / "x.partial" / "notes.txt").read_text() == "all my work"


@pytest.mark.parametrize("artifacts", [None, 3, [None, {"kind": "film"}], "film.mp4"])
def test_a_record_that_somebody_changed_names_nothing(tmp_path, artifacts):
    """It stops neither the run that is done nor the one that shall replace it with a traceback."""
    finished(tmp_path / "x")
    record = tmp_path / "x" / "trace.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"artifacts": artifacts}))
    assert missing_files(tmp_path / "x") == []
    assert not RunFolder(tmp_path / "x", "bbbbbbbb", force=True).done


def test_file_in_the_way(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(RunFolderError, match="is a file, not a folder"):
        assert RunFolder(tmp_path / "x", "a").done
    with pytest.raises(RunFolderError, match="lies below a file"), RunFolder(tmp_path / "x" / "y", "a").open():
        pass


def test_second_process_is_kept_out(tmp_path):
    one, two = RunFolder(tmp_path / "x", "a"), RunFolder(tmp_path / "x", "a")
    with one.open(), pytest.raises(RunFolderError, match="being made by another process"), two.open():
        pass
    with two.open():
        pass


def test_batches_survive_an_interruption_but_not_another_config(tmp_path):
    folder = RunFolder(tmp_path / "x", "a")
    with pytest.raises(KeyboardInterrupt), folder.open():
        folder.batches.put(range(3), {"x": np.arange(3)}, {})
        (folder.partial / "film.mp4").write_text("half")
        raise KeyboardInterrupt
    assert not folder.path.exists()
    with folder.open():
        assert folder.batches.get(range(3))[0]["x"].tolist() == [0, 1, 2]
    with RunFolder(tmp_path / "x", "b").open() as other:
        assert other.batches.get(range(3)) is None
        assert not (other.partial / "film.mp4").exists()


@pytest.mark.parametrize(
    ("number", "says"),
    [
        pytest.param(errno.ENOSPC, "The disk is full", id="disk full"),
        pytest.param(errno.EFBIG, "The disk is full", id="file size limit"),
        pytest.param(errno.EACCES, "cannot be written", id="not writable"),
        pytest.param(errno.EROFS, "cannot be written", id="read-only"),
    ],
)
def test_system_errors_become_sentences(tmp_path, number, says):
    with pytest.raises(RunFolderError, match=says), RunFolder(tmp_path / "x", "a").open():
        raise OSError(number, "system words")


def test_folder_that_cannot_be_made():
    with pytest.raises(RunFolderError, match="cannot be written"), RunFolder(Path("/proc/nowhere/x"), "a").open():
        pass


def test_failure_before_the_first_batch_leaves_nothing(tmp_path):
    folder = RunFolder(tmp_path / "x", "a")
    with pytest.raises(ValueError, match="boom"), folder.open():
        raise ValueError("boom")
    folder.discard_if_empty()
    assert list(tmp_path.iterdir()) == []


def test_names(tmp_path, monkeypatch):
    monkeypatch.setenv("DENOISECLI_RUNS_DIR", str(tmp_path / "env"))
    assert name_folder("sample", "a b", "12345678").path == tmp_path / "env/sample/a-b-12345678"
    assert name_folder("sample", "a b", "12345678", runs_dir=tmp_path).path == tmp_path / "sample/a-b-12345678"
    assert name_folder("sample", "a b", "12345678", out=tmp_path / "here").path == tmp_path / "here"


# What is ours to delete, and where we write


@pytest.mark.parametrize("name", [".x.old", ".x.old-1"])
def test_a_hidden_folder_of_yours_outlives_a_replaced_run(tmp_path, name):
    finished(tmp_path / "x")
    for other in (".x.old", name):
        (tmp_path / other).mkdir(exist_ok=True)
        (tmp_path / other / "thesis").write_text("all my work")
    finished(tmp_path / "x", "bbbbbbbb", force=True)
    assert (tmp_path / name / "thesis").read_text() == "all my work"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted({".x.old", name, "x"})


@pytest.mark.parametrize("what", ["file", "link", "dangling link"])
def test_a_hidden_file_of_yours_outlives_it_too(tmp_path, what):
    (tmp_path / "thesis").mkdir()
    finished(tmp_path / "x")
    old = tmp_path / ".x.old"
    if what == "file":
        old.write_text("mine")
    else:
        old.symlink_to("thesis" if what == "link" else "nowhere")
    finished(tmp_path / "x", "bbbbbbbb", force=True)
    assert os.path.lexists(old)
    assert (tmp_path / "thesis").is_dir()


def test_what_a_killed_process_left_of_a_run_is_cleaned_up(tmp_path):
    finished(tmp_path / ".x.old", "cccccccc")
    finished(tmp_path / "x")
    finished(tmp_path / "x", "bbbbbbbb", force=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_a_run_is_deleted_with_its_mark_last(tmp_path, monkeypatch):
    """Killed on the way, it is still known for a run of ours."""
    run = finished(tmp_path / "x").path
    for number in range(5):
        (run / f"file-{number}").write_text("")
    unlinked, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **more: (unlinked.append(path.name), unlink(path, **more)))
    remove(run)
    assert unlinked[-1] == "trace.json"
    assert len(unlinked) == 7


LINKS = [
    pytest.param("work", True, id="the work folder"),
    pytest.param("work/lock", False, id="the lock"),
    pytest.param("work/hash", False, id="the hash"),
    pytest.param("work/batch-00000-4.safetensors", False, id="a batch"),
    pytest.param("views", True, id="a folder of films"),
    pytest.param("film.mp4", False, id="a film"),
    pytest.param("", True, id="the folder itself"),
]


@pytest.mark.parametrize("digest", ["aaaaaaaa", "bbbbbbbb"])
@pytest.mark.parametrize(("name", "is_folder"), LINKS)
def test_nothing_is_written_or_deleted_through_a_link_in_a_partial_folder(tmp_path, name, is_folder, digest):
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes").write_text("all my work")
    (home / "hash").write_text("aaaaaaaa")
    partial = tmp_path / "x.partial"
    if name:
        (partial / "work").mkdir(parents=True)
        (partial / "work" / "hash").write_text("aaaaaaaa")
        (partial / "error.json").write_text('{"error": "x"}')
        place = partial / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        place.symlink_to(home if is_folder else home / "notes")
    else:
        partial.symlink_to(home)
    with pytest.raises(RunFolderError, match="link|not a file of a run"), RunFolder(tmp_path / "x", digest).open():
        pytest.fail("opened")
    RunFolder(tmp_path / "x", digest).fail("an error", "a hint")
    assert (home / "notes").read_text() == "all my work"
    assert sorted(entry.name for entry in home.iterdir()) == ["hash", "notes"]


def test_a_pipe_in_a_partial_folder_is_refused_at_once(tmp_path):
    (tmp_path / "x.partial" / "work").mkdir(parents=True)
    os.mkfifo(tmp_path / "x.partial" / "work" / "lock")
    with pytest.raises(RunFolderError, match="not a file of a run: work/lock"), RunFolder(tmp_path / "x", "a").open():
        pytest.fail("opened")


# Disks without locks


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO])
def test_a_disk_without_locks_is_told_of_once_and_used(tmp_path, monkeypatch, caplog, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    monkeypatch.setattr("denoisecli.locks._warned", False)
    finished(tmp_path / "x")
    finished(tmp_path / "y")
    assert RunFolder(tmp_path / "x", "aaaaaaaa").done
    delete(tmp_path / "x")
    assert len([each for each in caplog.records if "cannot be locked" in each.message]) == 1


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.EAGAIN])
def test_only_held_means_held(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, "held")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(InUse, match="being made by another process"), RunFolder(tmp_path / "x", "a").open():
        pytest.fail("opened")


@pytest.mark.parametrize("name", ["x" * 5000, "/".join(["y" * 200] * 30)])
def test_too_long_a_name_is_one_sentence(tmp_path, name):
    for use in (lambda folder: folder.done, lambda folder: folder.open().__enter__()):
        with pytest.raises(RunFolderError, match="too long a name") as caught:
            use(RunFolder(tmp_path / name, "a"))
        assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("varied", "name"),
    [
        ("seeds=3 cfg=7.5", "a-mill-seed-3-cfg-7.5-0a1b2c3d"),
        ("film.theme=light", "a-mill-theme-light-0a1b2c3d"),
        ("scales=[[0, 12], [0.5, 3]]", "a-mill-scales-0-12-0.5-3-0a1b2c3d"),
        ("model=../../x/y.safetensors", "a-mill-model-x-y-safetensors-0a1b2c3d"),
        ("negative_prompt=\u00fcber ../ \x00", "a-mill-negative-prompt-uber-0a1b2c3d"),
        ("", "a-mill-0a1b2c3d"),
        ("x=" + "long " * 40, "a-mill-x" + "-long" * 9 + "-0a1b2c3d"),
    ],
)
def test_a_name_tells_what_varies(varied, name):
    assert name_with(Path("runs/sample/a-mill-0a1b2c3d"), varied) == Path("runs/sample") / name


def test_runs_are_found_by_their_hash(tmp_path):
    for name in ("a-mill-0a1b2c3d", "a-sea-seed-3-11111111.partial", ".a-fog-22222222.old", "notes"):
        (tmp_path / name).mkdir()
    assert names_by_hash(tmp_path) == {"0a1b2c3d": "a-mill-0a1b2c3d", "11111111": "a-sea-seed-3-11111111"}
    assert names_by_hash(tmp_path / "nowhere") == {}
