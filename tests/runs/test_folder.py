"""A run folder is whole or absent, belongs to one config, and keeps its finished batches."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.errors import RunFolderError
from denoisecli.runs.folder import RunFolder, missing_files, name_folder, run_hash, slug
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
    with pytest.raises(RunFolderError, match="files that are no run"):
        assert RunFolder(tmp_path, "aaaaaaaa").done


@pytest.mark.parametrize("force", [False, True])
def test_force_never_replaces_what_is_no_run(tmp_path, force):
    thesis = tmp_path / "thesis" / "chapter.tex"
    thesis.parent.mkdir()
    thesis.write_text("all my work")
    folder = RunFolder(tmp_path, "aaaaaaaa", force)
    with pytest.raises(RunFolderError, match="files that are no run") as caught:
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
        pytest.raises(RunFolderError, match="files that are no unfinished run"),
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
        folder.keep_batch("b0", {"x": np.arange(3)})
        (folder.partial / "film.mp4").write_text("half")
        raise KeyboardInterrupt
    assert not folder.path.exists()
    with folder.open():
        assert folder.batch("b0")["x"].tolist() == [0, 1, 2]
        assert folder.batch("b1") is None
    with RunFolder(tmp_path / "x", "b").open() as other:
        assert other.batch("b0") is None
        assert not (other.partial / "film.mp4").exists()


def test_torn_batch_is_made_again(tmp_path):
    with RunFolder(tmp_path / "x", "a").open() as folder:
        (folder.work / "b0.safetensors").write_bytes(b"torn")
        assert folder.batch("b0") is None
        assert not (folder.work / "b0.safetensors").exists()


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
