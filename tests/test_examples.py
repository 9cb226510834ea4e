"""Every example runs as a user would run it (made small through the environment)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .test_readme import SMALL

EXAMPLES = Path(__file__).parents[1] / "examples"
TESTED = {"record_your_own_pipeline.py", "prompts_from_a_file.sh"}


def run(command, cwd):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, **SMALL, "STEPS": "2", "PATH": path}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested():
    assert {file.name for file in EXAMPLES.iterdir()} == TESTED


def test_record_your_own_pipeline(tmp_path):
    out = run([sys.executable, EXAMPLES / "record_your_own_pipeline.py"], tmp_path)
    assert "latents at every state: (1, 3, 4, 32, 32)" in out
    assert "layout was fixed at state" in out
    assert (tmp_path / "recorded" / "trace.json").is_file()


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_prompts_from_a_file(tmp_path):
    (tmp_path / "prompts.txt").write_text("a castle\n\na windmill\n")
    lines = run([EXAMPLES / "prompts_from_a_file.sh", "prompts.txt"], tmp_path).splitlines()
    assert [line.split("/")[2].split("-")[1] for line in lines] == ["castle", "windmill"]
    assert all("seed 1: layout fixed at state" in line for line in lines)
