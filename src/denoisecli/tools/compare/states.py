"""Two runs, state by state: where they part, how far apart they get, and which settings differ.

The distance of two states is ‖a − b‖ / ‖a‖: 0 where they are equal, √2 for two noises that have nothing in common.
Latents of variance-exploding samplers are divided by √(1+σ²) first, so that samplers of both kinds can be compared.
States are paired one by one where both runs have the same noise levels, else each state of the run with fewer states
with the one of nearest log σ in the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from denoisecli.config.base import FIGURE, LOOK, keys
from denoisecli.errors import UsageError
from denoisecli.labs.rows import FRAMES, Rows
from denoisecli.metrics import significant
from denoisecli.registry import CONFIGS, lab, part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.trace import Trace

FLOAT_NOISE = 1e-5
STATES = "state"
MISSING = object()

Verdict = Literal["bit-equal", "float noise", "differs"]


@dataclass(frozen=True)
class Setting:
    """A setting that differs; None where one side has none."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Comparison:
    """Two runs beside each other. pairs: rows (a, b); states: (a, b). Distances and `equal` are (pair, state)."""

    a: Rows
    b: Rows
    pairs: tuple[tuple[int, int], ...]
    states: tuple[tuple[int, int], ...]
    aligned_by: str
    canvas: NDArray[np.float64]
    guess: NDArray[np.float64]
    equal: NDArray[np.bool_]
    settings: tuple[Setting, ...]

    def first_apart(self, pair: int | None = None, over: float = FLOAT_NOISE) -> int | None:
        """Return the first state at which x_t of a pair (any, where None) is further apart than `over`; None if never.

        x_t and not the guess: where there is much noise, a guess is x_t's last bits times a hundred.
        """
        apart = self.canvas.max(axis=0) if pair is None else self.canvas[pair]
        found = np.flatnonzero(apart > over)
        return int(found[0]) if len(found) else None

    def verdict(self, pair: int | None = None) -> Verdict:
        """Return what holds for a pair, or for all of them."""
        chosen = slice(None) if pair is None else slice(pair, pair + 1)
        if self.equal[chosen].all():
            return "bit-equal"
        return "float noise" if self.canvas[chosen].max() <= FLOAT_NOISE else "differs"

    def label(self, pair: int) -> str:
        """Return the words for a pair: "seed 7", "cfg 3 · seed 7" or "seed 7 | 21"."""
        (cfg_a, seed_a), (cfg_b, seed_b) = self.a.keys[self.pairs[pair][0]], self.b.keys[self.pairs[pair][1]]
        several = len({self.a.keys[a][0] for a, _ in self.pairs}) > 1
        cfg = f"cfg {cfg_a} · " if several and cfg_a == cfg_b else ""
        return f"{cfg}{seed_a}" if seed_a == seed_b else f"{cfg}{seed_a} | {seed_b}"


def compare(a: Trace, b: Trace) -> Comparison:
    """Compare two runs. Raises UsageError, in one sentence, where they have nothing to compare."""
    return compare_rows(a, b, rows_of(a), rows_of(b))


def compare_rows(a: Trace, b: Trace, rows_a: Rows, rows_b: Rows) -> Comparison:
    """Compare two runs by their rows, as `compare`."""
    _check(a, b, rows_a, rows_b)
    pairs, (states, aligned_by) = pair_rows(rows_a, rows_b), align(rows_a, rows_b)
    canvas, guess = (np.empty((len(pairs), len(states))) for _ in range(2))
    equal = np.empty(canvas.shape, bool)
    for place in np.ndindex(canvas.shape):
        (row_a, row_b), (k_a, k_b) = pairs[place[0]], states[place[1]]
        canvases, guesses = (
            (rows_a.canvas[row_a, k_a], rows_b.canvas[row_b, k_b]),
            (
                rows_a.guess[row_a, k_a],
                rows_b.guess[row_b, k_b],
            ),
        )
        canvas[place], guess[place] = distance(*canvases), distance(*guesses)
        equal[place] = np.array_equal(*canvases) and np.array_equal(*guesses)
    found = settings(a.record, b.record)
    return Comparison(rows_a, rows_b, pairs, states, aligned_by, canvas, guess, equal, found)


def distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return ‖a − b‖ / ‖a‖ of two latents (C, h, w), in float64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.linalg.norm(a - b) / max(float(np.linalg.norm(a)), 1e-12))


def rows_of(trace: Trace) -> Rows:
    """Return the comparable parts of a run.

    Raises UsageError where its lab has none, NotRecorded where the run lacks one of its arrays.
    """
    rows = part(trace.lab, "rows") if trace.lab in CONFIGS else None
    if rows is None:
        able = [name for name in CONFIGS if lab(name).rows]
        hint = f"Runs of {', '.join(able[:-1])} and {able[-1]} can be compared."
        raise UsageError(f"A {trace.lab} run has no sampled states to compare.", hint)
    found: Rows = rows(trace)
    return found


def _check(a: Trace, b: Trace, rows_a: Rows, rows_b: Rows) -> None:
    if rows_a.clock != rows_b.clock:
        raise UsageError(f"A {a.lab} run and a {b.lab} run have no states in common to compare.")
    shapes = [rows.canvas.shape[-3:] for rows in (rows_a, rows_b)]
    if shapes[0] != shapes[1]:
        named = " and ".join("×".join(map(str, shape)) for shape in shapes)
        raise UsageError(f"Latents of {named} have no distance: the runs differ in size or in their kind of model.")
    kinds = {trace.record.get("schedule_kind", "vp") == "flow" for trace in (a, b)}
    if len(kinds) > 1:
        raise UsageError("A flow-matching model's states and a noise-predicting one's have no noise levels in common.")


def pair_rows(a: Rows, b: Rows) -> tuple[tuple[int, int], ...]:
    """Return the rows (a, b) that belong together: of one scale and seed, else of one seed, else of one place."""
    for kept in (slice(None), slice(1, None)):
        places = {key[kept]: index for index, key in reversed(list(enumerate(b.keys)))}
        found = [(index, places[key[kept]]) for index, key in enumerate(a.keys) if key[kept] in places]
        if found:
            return tuple(found)
    return tuple((index, index) for index in range(min(len(a.keys), len(b.keys))))


def align(a: Rows, b: Rows) -> tuple[tuple[tuple[int, int], ...], str]:
    """Return the pairs of states, and by what they were aligned."""
    if a.positions.shape == b.positions.shape and np.allclose(a.positions, b.positions, rtol=0, atol=1e-5):
        return tuple((k, k) for k in range(len(a.positions))), STATES
    fewer, more = (a, b) if len(a.positions) <= len(b.positions) else (b, a)
    nearest = np.abs(more.positions[None, :] - fewer.positions[:, None]).argmin(axis=1)
    nearest[-1] = len(more.positions) - 1  # the finished pictures belong together
    pairs = [(k, int(other)) for k, other in enumerate(nearest)]
    return tuple(pairs if fewer is a else [(other, k) for k, other in pairs]), a.clock


def settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return the settings that differ between two records: of the config, then the model and the machine."""
    left_out = {"lab", *_looks(a), *_looks(b)}
    found = []
    for where, prefix in (("config", ""), ("model", "model."), ("environment", "environment.")):
        of_a, of_b = dict(_flattened(a.get(where) or {}, prefix)), dict(_flattened(b.get(where) or {}, prefix))
        for key in dict.fromkeys([*of_a, *of_b]):
            if prefix or key.partition(".")[0] not in left_out:
                one, other = of_a.get(key, MISSING), of_b.get(key, MISSING)
                if one != other:
                    found.append(Setting(key, *(None if value is MISSING else value for value in (one, other))))
    return tuple(found)


def _looks(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that say how a run looks, not what it is."""
    name = record.get("lab")
    return keys(CONFIGS[name], LOOK, FIGURE) if isinstance(name, str) and name in CONFIGS else ("film",)


def _flattened(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def sentence(comparison: Comparison) -> str:
    """Return what came out, for a person."""
    verdict, count = comparison.verdict(), len(comparison.states)
    if verdict == "bit-equal":
        return f"The runs are bit-equal in all {count} states."
    apart = comparison.canvas.max(axis=0)
    if verdict == "float noise":
        return f"The runs are equal but for float noise: at most {apart.max():.1e} apart, relative to the first."
    first = comparison.first_apart() or 0
    noun = "frame" if comparison.a.clock == FRAMES else "state"
    where = f"from {noun} {comparison.states[first][0]} on" if first else "from the start"
    how = "" if comparison.aligned_by == STATES else f" They were paired by {comparison.aligned_by}."
    return f"The runs differ {where}: {_few(apart[first])} apart there, {_few(apart[-1])} at the last {noun}.{how}"


def _few(value: float) -> str:
    return f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def report(comparison: Comparison) -> dict[str, Any]:
    """Return the body of compare.json, without what only its writer knows."""
    return {
        "schema": "denoisecli/compare/1",
        "verdict": comparison.verdict(),
        "sentence": sentence(comparison),
        "aligned_by": comparison.aligned_by,
        "first_difference": comparison.first_apart(),
        "settings": [{"key": found.key, "a": found.a, "b": found.b} for found in comparison.settings],
        "pairs": [_pair(comparison, pair) for pair in range(len(comparison.pairs))],
    }


def _pair(comparison: Comparison, pair: int) -> dict[str, Any]:
    unequal = np.flatnonzero(~comparison.equal[pair])
    return {
        "label": comparison.label(pair),
        "a": comparison.pairs[pair][0],
        "b": comparison.pairs[pair][1],
        "verdict": comparison.verdict(pair),
        "first_unequal_bits": int(unequal[0]) if len(unequal) else None,
        "first_difference": comparison.first_apart(pair),
        "states": [
            {
                "a": k_a, "b": k_b,
                "sigma_a": significant(comparison.a.sigmas[k_a]), "sigma_b": significant(comparison.b.sigmas[k_b]),
                "x_t": significant(comparison.canvas[pair, k]), "x0": significant(comparison.guess[pair, k]),
            }
            for k, (k_a, k_b) in enumerate(comparison.states)
        ],
    }  # fmt: skip
