"""The server of commands: asked by most, and not by those whose process would be another one."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests import warm

ASK = "import sys; sys.path.insert(0, sys.argv[1]); import client; print(client.ask(sys.argv[2], ['--version']))"


def code(**how):
    """Return the exit code of a command that the server ran, as text; None where it left that to another process."""
    command = [sys.executable, "-ISc", ASK, str(warm.HERE), str(Path(warm.command()).with_name("socket"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, **how)
    return done.stdout.splitlines()[-1]


@pytest.mark.usefixtures("heavy")
def test_variables_that_libraries_set_in_the_tests_own_process_are_no_other_process():
    """Else every command after the first such import starts anew, and the suite takes far longer."""
    pytest.importorskip("cv2")
    import_module("torch._inductor.cpp_builder")
    import_module("diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion")
    assert code() == "0"


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "PYTHONPATH", "LD_PRELOAD"])
def test_variables_that_are_read_while_modules_are_imported_are_another_process(monkeypatch, name):
    monkeypatch.setenv(name, "3" if name.startswith("OMP") else "")
    assert code() == "None"
