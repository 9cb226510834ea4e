"""docs/parity.md: every sampler × spacing is on it, says what `export` says, and no difference is untold."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
CELLS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]


def parity():
    spec = importlib.util.spec_from_file_location("parity", ROOT / "benchmarks" / "parity.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = parity()
ROWS = list(SCRIPT.rows())


def test_every_sampler_and_spacing_is_on_the_page():
    assert [tuple(row[:2]) for row in CELLS[2:]] == [(name, spacing or schedule) for name, spacing, schedule in ROWS]


@pytest.mark.parametrize("row", ROWS, ids="/".join)
def test_what_differs_is_told(row):
    told = [note for note in SCRIPT.losses(SCRIPT.config_of(row, "x.safetensors")) if not note.startswith("The model")]
    *_, apart, said = CELLS[2 + ROWS.index(row)]
    assert said == " ".join(told)
    differs = [note for note in told if "written out" not in note]
    assert bool(differs) == (float(apart) > SCRIPT.MATCHING)
