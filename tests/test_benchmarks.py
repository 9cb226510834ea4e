"""Benchmarks are run now and then: what they take from the package must be there all the time."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_finds_what_it_imports(path, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)  # as for a script
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look themselves up
    spec.loader.exec_module(module)
    assert f"python benchmarks/{path.name}" in module.__doc__, "it does not say how it is run"


def test_make_bench_runs_what_is_there():
    told = re.search(r"^BENCH := (.+)$", (FOLDER.parent / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert told
    assert {name for name in told[1].split() if not (FOLDER / f"{name}.py").is_file()} == set()
