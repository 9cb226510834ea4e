"""Folders of another user, and what may not be read, are told as what they are. Only root can be somebody else."""

import os
import shutil
import tempfile
import traceback
from pathlib import Path

import pytest

from denoisecli.trace import Trace
from tests.damage import said

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
NOBODY = 65534


@pytest.fixture
def place():
    """A folder that anybody may look into; pytest's own are for root alone."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(arguments, rehearsed):
    """Run a command in a child of this process that is nobody; return (exit code, what it said).

    rehearsed: the same command where all is allowed; nobody may not read our own modules, so it is run here first.
    """
    said(rehearsed)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            code, text = said(arguments)
            os.write(writing, f"{code} {text}".encode())
        except BaseException:  # noqa: BLE001 - the child must not go on as pytest
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        heard = pipe.read().decode()
    os.waitpid(child, 0)
    code, _, text = heard.partition(" ")
    return int(code), text


def a_run(folder):
    import numpy as np

    return Trace("noise", {"x0": np.zeros((3, 8, 8), np.float32)}, {"hash": "0a1b2c3d"}).save(folder)


def test_a_run_of_another_user_is_not_hidden_by_a_deletion_that_fails(place):
    run = a_run(place / "run")
    place.chmod(0o777)  # the folder lets anybody rename, the run lets nobody delete
    code, text = as_nobody(["rm", "--yes", str(run)], ["rm", "--yes", str(a_run(place / "another"))])
    assert code == 1
    assert "may not be changed by you" in text
    assert [entry.name for entry in place.iterdir()] == ["run"]
    assert len(list(run.iterdir())) == 2


def test_states_that_may_not_be_read_are_not_told_as_absent(place):
    run = a_run(place / "run")
    (run / "states.safetensors").chmod(0o600)
    code, text = as_nobody(["render", str(run)], ["render", str(a_run(place / "another"))])
    assert code == 1
    assert "states.safetensors may not be read by you" in text


@pytest.mark.parametrize(
    "words",
    [
        ["noise", "-o", "{}/closed/run"],
        ["noise", "{}/closed/x.yaml"],
        ["noise", "--set", "image={}/closed/x.png"],
        ["batch", "{}/closed/x.yaml"],
        ["gallery", "{}", "-o", "{}/closed/index.html"],
        ["gallery", "{}", "-o", "{}/closed"],
        ["show", "{}/closed/run"],
        ["ls", "{}/closed/run"],
        ["rm", "{}/closed/run"],
        ["render", "{}/run", "-o", "{}/closed/r"],
        ["slides", "{}/run", "-o", "{}/closed/x.md"],
        ["import", "{}/closed/x.png"],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_a_folder_that_one_may_not_enter(place, words):
    a_run(place / "run")
    (place / "closed").mkdir(mode=0o700)
    shutil.copytree(place, place / "rehearsal")
    code, text = as_nobody(
        *([word.replace("{}", str(there)) for word in words] for there in (place, place / "rehearsal"))
    )
    assert code in (1, 2), text
    assert "fault in denoisecli" not in text, text
    assert list((place / "closed").iterdir()) == []
