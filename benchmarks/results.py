"""What the benchmarks found, kept in `results.json` with the machine and the versions, and told in docs/cost.md.

Each benchmark notes its ratios as it measures them; `python benchmarks/results.py` writes the table of docs/cost.md
anew, as `make bench` does at its end. A test holds the two together.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

RESULTS, COST = Path(__file__).with_name("results.json"), Path(__file__).parents[1] / "docs" / "cost.md"
HEAD = "| what | against | ratio | goal |\n| --- | --- | --- | --- |\n"
LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow")


def note(what: str, against: str, ratio: float, goal: float | None = None) -> None:
    """Keep a ratio, what was measured over what it stands against, in place of an older one of the same."""
    found = read()
    measured = {"date": dt.date.today().isoformat(), "machine": machine(), "busy": busy(), "versions": versions()}
    row = {"what": what, "against": against, "ratio": float(f"{ratio:.3g}"), "goal": goal} | measured
    places = [index for index, old in enumerate(found) if (old["what"], old["against"]) == (what, against)]
    found[slice(places[0], places[0] + 1) if places else slice(len(found), None)] = [row]
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read() -> list[dict[str, Any]]:
    """Return all that was found, a row for each ratio."""
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else []
    return rows


def machine() -> str:
    """Return what this machine is: its processor and how many cores this process has of it."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    names = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {names[0] if names else platform.processor() or platform.machine()}"


def busy() -> float:
    """Return how many processes wanted to run in the last quarter of an hour: ours, and others."""
    return round(os.getloadavg()[2], 1)


def versions() -> dict[str, str]:
    """Return the versions of Python and of those libraries that do the work which are installed."""
    installed = {found.name.lower(): found.version for found in distributions()}
    return {"python": platform.python_version()} | {name: installed[name] for name in LIBRARIES if name in installed}


def told(ratio: float) -> str:
    """Return a ratio for people: what is four times as fast and more as a part of one."""
    times = 1 / ratio
    return f"{ratio:.2f}" if times < 4 else f"1/{times:.1f}" if times < 20 else f"1/{times:.0f}"


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table of docs/cost.md."""
    lines = [
        f"| {row['what']} | {row['against']} | {told(row['ratio'])} | {told(row['goal']) if row['goal'] else ''} |\n"
        for row in rows
    ]
    return HEAD + "".join(lines)


def with_table(text: str, rows: list[dict[str, Any]]) -> str:
    """Return the text of docs/cost.md with its table made anew."""
    before, _, after = text.partition(HEAD)
    return before + table(rows) + "\n" + after.partition("\n\n")[2]


def main() -> None:
    """Write the table into docs/cost.md."""
    COST.write_text(with_table(COST.read_text(encoding="utf-8"), read()), encoding="utf-8")


if __name__ == "__main__":
    main()
