"""One batch in a folder at a time."""

import contextlib
import os
from pathlib import Path

import pytest

from denoisecli.batch.lock import held
from denoisecli.batch.queue import Shard
from denoisecli.errors import InUse, RunFolderError

ALL = Shard()


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        pytest.param(ALL, ALL, False, id="two whole batches"),
        pytest.param(Shard(1, 4), Shard(2, 4), True, id="two shards"),
        pytest.param(Shard(1, 4), Shard(1, 4), False, id="one shard twice"),
        pytest.param(ALL, Shard(1, 4), False, id="a shard beside a whole batch"),
        pytest.param(Shard(1, 4), ALL, False, id="a whole batch beside a shard"),
    ],
)
def test_two_at_once(tmp_path, one, other, fits):
    says = contextlib.nullcontext() if fits else pytest.raises(InUse, match=r"is being filled by another batch")
    with held(tmp_path / "runs", one), says, held(tmp_path / "runs", other):
        pass
    with held(tmp_path / "runs", other):  # and now it is free
        pass


def test_says_which_process(tmp_path):
    with held(tmp_path, ALL), pytest.raises(InUse, match=rf"process {os.getpid()}"), held(tmp_path, ALL):
        pass


def test_says_the_name_that_the_user_knows(tmp_path):
    url = "s3://bucket/runs"
    with held(tmp_path, ALL, url), pytest.raises(InUse, match=rf"^{url} is being"), held(tmp_path, ALL, url):
        pass


def test_folder_that_cannot_be_written():
    with pytest.raises(RunFolderError) as error, held(Path("/proc/nowhere/runs"), ALL):
        pass
    assert "/proc/nowhere/runs cannot be written" in error.value.message


def test_errors_inside_pass_through(tmp_path):
    with pytest.raises(FileNotFoundError), held(tmp_path, ALL):
        Path("/nowhere/at/all").read_text(encoding="utf-8")


@pytest.mark.parametrize("make", ["link", "hard link", "pipe", "folder"])
def test_a_lock_that_somebody_planted_changes_no_file_of_yours(tmp_path, make):
    thesis, root = tmp_path / "thesis", tmp_path / "runs"
    thesis.write_text("all my work")
    root.mkdir()
    planted = root / ".batch.lock"
    if make == "link":
        planted.symlink_to(thesis)
    elif make == "hard link":
        os.link(thesis, planted)
    elif make == "pipe":
        os.mkfifo(planted)
    else:
        planted.mkdir()
    says = (
        contextlib.nullcontext() if make == "hard link" else pytest.raises(RunFolderError, match=r"cannot be written")
    )
    with says, held(root, ALL):
        pass
    assert thesis.read_text() == "all my work"
