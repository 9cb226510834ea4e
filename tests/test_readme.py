"""Every command line in the README runs as it stands (made small through the environment)."""

import importlib
import pkgutil
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import denoisecli
from tests.shell import surroundings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands():
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.split("   #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("denoisecli")]


@pytest.mark.usefixtures("heavy")
@pytest.mark.parametrize("line", commands())
def test_command_runs(line, tmp_path):
    if "jq" in line and shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], cwd=tmp_path, env=surroundings(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if line.startswith("denoisecli ls"):  # there is nothing to list
        return
    made = tmp_path / done.stdout.splitlines()[-1]
    assert {"trace.json", "compare.json"} & {file.name for file in made.iterdir()} if made.is_dir() else made.is_file()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(((?!http)[^)#]+)\)", README))))
def test_link_leads_somewhere(link):
    assert (ROOT / link).exists()


def test_every_command_is_in_the_readme():
    from denoisecli import cli
    from denoisecli.cli.app import app

    for module in pkgutil.iter_modules(cli.__path__):  # each adds its commands
        importlib.import_module(f"denoisecli.cli.{module.name}")
    for command in app.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        assert re.search(rf"`denoisecli {name}|, `{name}`", README), name


def test_changelog_names_this_version():
    assert f"## [{denoisecli.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
