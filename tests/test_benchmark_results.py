"""What the benchmarks found, and the table that tells of it."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("results", ROOT / "benchmarks" / "results.py")
results = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(results)


def test_the_table_in_the_docs_is_what_was_measured():
    text = results.COST.read_text(encoding="utf-8")
    assert results.with_table(text, results.read()) == text, "python benchmarks/results.py writes it anew"


@pytest.mark.parametrize("row", results.read(), ids=lambda row: row["what"])
def test_a_result_says_where_it_was_measured(row):
    assert row["ratio"] > 0
    assert row["machine"]
    assert row["date"] >= "2026-11-24"
    assert isinstance(row["versions"], dict)


@pytest.mark.parametrize(("ratio", "said"), [(2.468, "2.47"), (0.69, "0.69"), (1 / 112, "1/112"), (0.1887, "1/5.3")])
def test_ratios_are_told_as_people_say_them(ratio, said):
    assert results.told(ratio) == said


def test_a_new_result_takes_the_place_of_the_old_one_and_the_table_follows(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.json")
    for ratio in (3.0, 2.0):
        results.note("a deck", "a script", ratio, 1.8)
        results.note("a walk", "calls", ratio / 2)
    rows = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [(row["what"], row["ratio"], row["goal"]) for row in rows] == [("a deck", 2.0, 1.8), ("a walk", 1.0, None)]
    assert {"numpy", "pillow", "python"} <= set(rows[0]["versions"]), "torch may be absent"
    text = f"# Cost\n\n{results.HEAD}| a deck | a script | 2.47 | 1.80 |\n\nMore.\n"
    wanted = f"# Cost\n\n{results.HEAD}| a deck | a script | 2.00 | 1.80 |\n| a walk | calls | 1.00 |  |\n\nMore.\n"
    assert results.with_table(text, rows) == wanted
    assert results.with_table(wanted, rows) == wanted
