"""What the maps of a run say, as its record holds it: for each word, and for pairs of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli.metrics import significant
from denoisecli.process import words as maps

Row = dict[str, Any]


def described(rows: Sequence[Row], arrays: Sequence[tuple[NDArray[Any], bool]]) -> list[Row]:
    """Return `words` of trace.json: the instrument's rows, with what was measured of their maps.

    rows: in the arrays' order. arrays: maps (seed, step, word, h, w) of the prompt and of the negative prompt, and
    whether they are the latter's. Words that compete for one attention are judged beside each other: those of the
    prompt, its concepts, and those of the negative prompt.
    """
    found: list[Row] = []
    for array, negative in arrays:
        own = [row for row in rows if bool(row["negative"]) == negative]
        for group in groups(own):
            measured = _measured(array[:, :, group])
            found += [(own[k] | more) for k, more in zip(group, measured, strict=True)]
    return found


def groups(rows: Sequence[Row]) -> list[list[int]]:
    """Return the numbers of an array's words that compete for one attention: the prompt's, and the concepts'."""
    concepts = [bool(row.get("concept")) for row in rows]
    return [kept for kind in (False, True) if (kept := [k for k, one in enumerate(concepts) if one == kind])]


def _measured(array: NDArray[Any]) -> list[Row]:
    share, near, found = maps.shares(array), maps.nearness(array), maps.found_at(array)
    strength, hushed = maps.strengths(array), maps.silent(array)
    return [
        {
            "found_at": found[word],
            "found": significant(maps.middle(found[word])),
            "share": _listed(share[word].mean(axis=0)),
            "share_by_seed": _listed(share[word].mean(axis=1)),
            "overlap": _listed(near[word].mean(axis=0)),
            "strength": significant(strength[:, word].mean(), 4),
            "silent": hushed[word],
        }
        for word in range(array.shape[2])
    ]


def paired(rows: Sequence[Row], array: NDArray[Any]) -> list[Row]:
    """Return `word_pairs` of trace.json: which words of the prompt share a place, numbered as in `words`."""
    found = []
    for group in groups([row for row in rows if not row["negative"]]):
        for pair in maps.pairs(array[:, :, group]):
            numbers = {"words": [group[k] for k in pair["words"]]}
            found.append(numbers | {name: _listed(pair[name]) for name in ("overlap", "by_seed", "on")})
    return found


def _listed(values: Any) -> list[float | None]:
    return [significant(value, 4) for value in np.asarray(values)]
