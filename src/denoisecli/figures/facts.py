"""What a figure says about a run, read once from its trace and never trusted to be complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from denoisecli.runs.course import course, turns
from denoisecli.runs.summary import sampling

from .text import clean

if TYPE_CHECKING:
    from denoisecli.trace import Trace

Series = NDArray[np.float64]  # (seed, state), NaN where nothing is known
MOST_TURNS = 4  # that a line tells


@dataclass(frozen=True)
class Facts:
    """The words and numbers of a run.

    settings: "DDIM · 20 steps · cfg 7.5". rows: `schedule` of the record, one a state. layout, detail: distances of
    the guess to the final picture, (seed, state), or None. committed: for "layout" and "detail", the states at
    which the seeds were committed (those that were). fixed_at: the same, one a seed, None for those that were not.
    turns: where the run begins on the way or changes, and to what (`runs.course`).
    """

    prompt: str
    settings: str
    seeds: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    layout: Series | None
    detail: Series | None
    committed: dict[str, tuple[int, ...]]
    fixed_at: dict[str, tuple[int | None, ...]]
    turns: tuple[tuple[int, str], ...] = ()

    @property
    def steps(self) -> int:
        """Number of the last state."""
        return len(self.rows) - 1


def run_facts(trace: Trace) -> Facts:
    """Read the facts of `trace`; what its record lacks is left empty."""
    record, runs = trace.record, trace.record.get("runs", [])
    config = record.get("config", {})
    rows = tuple(record.get("schedule") or _rows_of_arrays(trace))
    return Facts(
        prompt=clean(str(config.get("prompt") or "")),
        settings=" · ".join([settings_line(config, len(rows) - 1), *course(config, record)]),
        seeds=tuple(seed_names(runs)),
        rows=rows,
        layout=_series(runs, "low_freq_to_final", len(rows)),
        detail=_series(runs, "high_freq_to_final", len(rows)),
        committed={name: _committed(runs, name) for name in ("layout", "detail")},
        fixed_at={name: _fixed_at(runs, name) for name in ("layout", "detail")},
        turns=tuple((state, clean(words)) for state, words in turns(record)),
    )


def seed_names(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return each row's seed; where nobody knows it, as with a pipeline called without a generator, its number: #2."""
    return [f"#{row}" if run.get("seed", "") is None else str(run.get("seed", "")) for row, run in enumerate(runs, 1)]


def turn_words(facts: Facts) -> list[str]:
    """Return where a run begins on the way or changes, for a line of settings: "from state 8: cfg 3"."""
    return [f"from state {state}: {words}" for state, words in facts.turns[:MOST_TURNS]]


def settings_line(config: dict[str, Any], steps: int) -> str:
    """Return "DDIM · 20 steps · cfg 7.5" of a config, and the model where it is not the built-in one."""
    parts = [clean(word) for word in sampling({**config, "steps": steps}) if word]
    if config.get("cfg") is not None:
        parts.append(f"cfg {config['cfg']:g}")
    return " · ".join([*parts, *model_name(config)])


def model_name(config: Mapping[str, Any]) -> list[str]:
    """Return the last part of the model's path or hub id; nothing for the built-in model, or where there is none."""
    name = PurePath(str(config.get("model") or "pocket")).name.removesuffix(".safetensors")
    return [] if name == "pocket" else [clean(name)]


def sampler_label(name: str) -> str:
    """Return the label of a sampler that the config knows by `name`, else the name itself."""
    from denoisecli.config.samplers import SAMPLERS

    sampler = SAMPLERS.get(name)
    return clean(sampler.label if sampler else name)


def _rows_of_arrays(trace: Trace) -> list[dict[str, Any]]:
    arrays = {"timestep": "timesteps", "sigma": "sigmas", "alpha_bar": "alpha_bars"}
    held = {row: trace[name].tolist() for row, name in arrays.items() if name in trace}
    count = max((len(values) for values in held.values()), default=0)
    return [{"index": k} | {name: values[k] for name, values in held.items()} for k in range(count)]


def _series(runs: list[dict[str, Any]], name: str, n_states: int) -> Series | None:
    table = np.full((len(runs), n_states), np.nan)
    for seed, run in enumerate(runs):
        for k, state in enumerate(run.get("states", [])[:n_states]):
            value = state.get(name)
            table[seed, k] = np.nan if value is None else value
    return table if np.isfinite(table).any() else None


def _fixed_at(runs: list[dict[str, Any]], name: str) -> tuple[int | None, ...]:
    found = [(run.get("committed_at") or {}).get(name) for run in runs]
    return tuple(None if index is None else int(index) for index in found)


def _committed(runs: list[dict[str, Any]], name: str) -> tuple[int, ...]:
    return tuple(sorted(index for index in _fixed_at(runs, name) if index is not None))


def mean(series: Series) -> NDArray[np.float64]:
    """Return the mean over seeds of (seed, state), NaN where no seed has a value."""
    known = np.isfinite(series)
    count = known.sum(axis=0)
    total = np.where(known, series, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def three_figures(value: float | None) -> str:
    """Return a number with about three figures and no exponent where it can: 14.6, 2.83, 0.111, 0.0047."""
    if value is None or not np.isfinite(value):
        return "–"
    size = abs(value)
    if size == 0 or size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.01 else f"{value:.4f}" if size >= 0.0001 else f"{value:.0e}"


def timestep(value: float | None) -> str:
    """Return the scheduler's t: a whole number, or with one decimal where it has a fraction."""
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def level(row: Mapping[str, Any]) -> str:
    """Return how noisy a row of a trace's schedule is, as a label: its timestep, or σ where it has none."""
    if row.get("timestep") is not None:
        return f"t {timestep(row['timestep'])}"
    return f"σ {three_figures(row.get('sigma'))}"
