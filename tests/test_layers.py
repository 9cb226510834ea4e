"""Imports go one way: cli -> labs -> diffusion, figures, media, interop -> trace, run, config, errors."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "denoisecli"
LEVEL = {"cli": 3, "labs": 2, "batch": 2, "diffusion": 1, "figures": 1, "media": 1, "interop": 1}
MAY_IMPORT_BESIDE = {("diffusion", "interop"), ("batch", "labs")}
HEAVY = ("torch", "diffusers", "transformers")


def part_of(path):
    name = path.relative_to(SOURCE).parts[0]
    return name.removesuffix(".py")


def imports(path):
    """Yield (absolute dotted name) of every import in the file, relative ones resolved."""
    package = ["denoisecli", *path.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ([module] if node.module else [f"{module}.{alias.name}" for alias in node.names])


FILES = [path for path in sorted(SOURCE.rglob("*.py")) if path.parent != SOURCE or not path.name.startswith("__")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down(path):
    here = part_of(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "denoisecli" or len(parts) < 2:
            continue
        there = parts[1]
        if there == here:
            continue
        below = LEVEL.get(there, 0) < LEVEL.get(here, 0) or LEVEL.get(there, 0) == 0
        assert below or (here, there) in MAY_IMPORT_BESIDE, f"{here} imports {there}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_diffusion_knows_torch(path):
    if part_of(path) == "diffusion" or path.name == "info.py":  # doctor reports on torch
        return
    assert not {name.split(".")[0] for name in imports(path)} & set(HEAVY)


COMMANDS = [
    ["--help"],
    ["--version"],
    ["sample", "--help"],
    ["sample", "--dry-run"],
    ["sample", "--set", "stesp=3"],
    ["config", "init", "sample"],
    ["config", "schema", "sample"],
    ["models"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_light_commands_never_load_torch(command, tmp_path):
    code = (
        "import sys\n"
        f"for name in {HEAVY!r}: sys.modules[name] = None\n"
        f"sys.argv = ['denoisecli', *{command!r}]\n"
        "from denoisecli.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr


def test_help_loads_neither_numpy_nor_pydantic():
    code = (
        "import sys\n"
        "for name in ('numpy', 'pydantic', 'ruamel', 'PIL'): sys.modules[name] = None\n"
        "sys.argv = ['denoisecli', '--help']\n"
        "from denoisecli.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
