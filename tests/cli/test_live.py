"""Progress on a terminal, seen through a real pseudo-terminal."""

import os
import pty
import select
import subprocess
import time

import numpy as np
import pytest

from denoisecli.cli.live import Live, _Rate, half_blocks
from denoisecli.cli.terminal import plain
from tests import warm

from .conftest import SMALL


@pytest.mark.parametrize(
    ("shape", "columns", "lines", "drawn"),
    [
        pytest.param((32, 128), 128, 40, (128, 16), id="four guesses as they are"),
        pytest.param((32, 128), 80, 40, (64, 8), id="narrow terminal"),
        pytest.param((32, 32), 128, 10, (16, 8), id="low terminal"),
        pytest.param((1, 1), 10, 10, (0, 0), id="nothing to draw"),
    ],
)
def test_half_blocks(shape, columns, lines, drawn):
    text = half_blocks(np.zeros((*shape, 3), np.uint8), columns, lines).plain.splitlines()
    assert (len(text[0]) if text else 0, len(text)) == drawn


def test_half_blocks_keep_the_colours():
    picture = np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8)
    assert str(half_blocks(picture, 10, 10).spans[0].style) == "rgb(255,0,0) on rgb(0,0,255)"


def test_control_characters_are_taken_out():
    assert plain("a\x1b]0;title\x07b\r\nc") == "a�]0;title�b�\nc"


def on_terminal(command, cwd, env):
    """Run the command on a pseudo-terminal for stderr and return (stdout, what the terminal got)."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=theirs, env=env) as process:
        os.close(theirs)
        seen, deadline = b"", time.monotonic() + 120
        try:
            while time.monotonic() < deadline:
                if select.select([ours], [], [], 0.2)[0]:
                    try:
                        block = os.read(ours, 65536)
                    except OSError:  # Linux says EIO when the other end is closed
                        break
                    if not block:
                        break
                    seen += block
        finally:
            os.close(ours)  # else a command that came too late waits for a reader, and the test for the command
        out, _ = process.communicate(timeout=10)
    return out.decode(), seen.decode(errors="replace")


@pytest.mark.usefixtures("heavy")
@pytest.mark.parametrize(
    ("colour", "pictures"),
    [pytest.param({}, True, id="colour"), pytest.param({"NO_COLOR": "1"}, False, id="no colour")],
)
def test_live_block(tmp_path, colour, pictures):
    env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **colour}
    command = [warm.command(), "sample", *SMALL, "--seed", "1", "-o", "x", "-p", "[/foo] \x1b[31m"]
    out, seen = on_terminal(command, tmp_path, env)
    assert out == "x\n"
    assert "whole run" in seen
    assert "done" in seen
    assert "[/foo] �[31m" in seen
    assert ("▀" in seen) == pictures


def test_rates_are_of_what_is_made_now(monkeypatch):
    """What was made before the run was interrupted moves the bars, and counts for no speed."""
    block, now = Live(), [0.0]
    monkeypatch.setattr("rich.progress.Task.elapsed", property(lambda _: now[0]))
    block.stage("sample", 80)
    block.passed(40)
    rate = _Rate()
    assert [str(rate.render(task)) for task in block.progress.tasks] == ["0 s", "40/80"]
    now[0] = 10.0
    block.step(60)
    assert [str(rate.render(task)) for task in block.progress.tasks] == ["about 01:24 left", "60/80  2.0 it/s"]
