"""A signal means exit code 130, wherever it strikes."""

import signal
import subprocess
import sys

import pytest

IN_EXEC = """
import os, signal, sys
from denoisecli.cli import app, main
from denoisecli.errors import DenoiseError

@app.app.command("wait")
def wait():
    exec("import os, signal; os.kill(os.getpid(), signal.{name}); [None for _ in range(10**7)]")

sys.argv = ["denoisecli", "wait"]
main()
"""


def run(folder, name, **how):
    """Run IN_EXEC as `python -m`, as that is where Python looks for a KeyboardInterrupt that got away."""
    (folder / "wait.py").write_text(IN_EXEC.format(name=name))
    command = [sys.executable, "-m", "wait"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **how)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signal_inside_an_exec(tmp_path, name):
    """Modules are full of exec (dataclasses, named tuples), and a plain KeyboardInterrupt there ends in signal 2."""
    done = run(tmp_path, name)
    assert done.returncode == 130, done.stderr
    assert done.stderr == "Interrupted.\n"


def test_ignored_sigint_stays_ignored(tmp_path):
    """A shell starts `command &` with SIGINT ignored, so that Ctrl-C in the foreground does not reach it."""
    done = run(tmp_path, "SIGINT", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert done.returncode == 0, done.stderr
