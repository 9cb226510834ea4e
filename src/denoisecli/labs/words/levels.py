"""Maps as they are shown: how strongly each place is tinted, on one scale for all steps of a seed.

A word's map is drawn from its least (dark) to its most (its hue) over all steps, with a soft edge around the bound by
which its place is measured, and as strongly as the word is loud beside the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EDGE = (0.1, 0.85)  # of a map's range: below it nothing is drawn, above it the full hue
LOUD = 0.75  # exponent of the loudness: what is weak can still be seen
HIGH = 99.5  # percentile that counts as a map's most: single places that all heads look at do not darken the rest


@dataclass(frozen=True)
class Scale:
    """What maps are drawn by, (word,) each. low, high: the ends of each word's range. loud: 0 to 1."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    loud: NDArray[np.float32]


def scale_of(maps: NDArray[Any]) -> Scale:
    """Return the scale of a seed's maps (step, word, h, w); of words that compete for one attention."""
    low = maps.min(axis=(0, 2, 3)).astype(np.float32)
    each = np.moveaxis(maps, 1, 0).reshape(maps.shape[1], -1)
    high = np.array([np.percentile(values.astype(np.float32), HIGH) for values in each], np.float32)
    most = float(high.max(initial=0))
    loud = np.asarray((high / max(most, 1e-9)) ** LOUD, np.float32)
    return Scale(low, high, loud)


def levels(maps: NDArray[Any], scale: Scale) -> NDArray[np.float32]:
    """Return how strongly each place is tinted, 0 to 1, for maps (..., word, h, w)."""
    low, high, loud = (values[:, None, None] for values in (scale.low, scale.high, scale.loud))
    share = (maps.astype(np.float32) - low) / np.maximum(high - low, np.float32(1e-9))
    t = np.clip((share - EDGE[0]) / (EDGE[1] - EDGE[0]), 0, 1)
    return np.asarray(loud * t * t * (3 - 2 * t), np.float32)
