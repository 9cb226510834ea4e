"""The real command in a process of its own, on the pocket model, as small as a run can be."""

import os
import subprocess

import pytest

from tests import warm

FILM = ["--set", "film.size=320x320", "--set", "film.fps=5", "--set", "film.hold_s=0.2"]
SMALL = ["--steps", "2", "--set", "size=64", *FILM]


@pytest.fixture
def run(tmp_path):
    """Run `denoisecli ...` in an empty folder and return the finished process."""

    def run(*arguments, env=None, stdin=None, timeout=120):
        return subprocess.run(
            [warm.command(), *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, input=stdin, timeout=timeout, check=False,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / ".cache"), **(env or {})},
        )  # fmt: skip

    return run
