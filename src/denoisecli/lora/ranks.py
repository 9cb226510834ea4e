"""How many singular values to keep of a layer: a fixed rank, a share of the energy, or those near the largest.

Energy is Σσ², the square of the Frobenius norm. `energy` e keeps the fewest with Σ_{i≤k} σᵢ² ≥ e·Σσ²: what other
tools call sv_fro with √e. `ratio` q keeps those with σᵢ > σ₁/q: their sv_ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = 1e-12  # a sum of squares is this exact; without it, energy 1.0 would keep noise


@dataclass(frozen=True)
class Rule:
    """One way to choose the rank of every layer. `kind` is "rank", "energy" or "ratio"."""

    kind: str
    value: float

    @property
    def label(self) -> str:
        """What it is called in file names: rank-4, energy-0.9, ratio-20."""
        return f"{self.kind}-{self.value:g}"

    def keep(self, values: NDArray[Any] | int) -> int:
        """Return the rank for a layer with these singular values, or, for a fixed rank, with this many; at least 1."""
        if self.kind == "rank":
            return max(1, min(int(self.value), values if isinstance(values, int) else len(values)))
        if isinstance(values, int):
            raise TypeError(f"{self.kind} needs the singular values")
        return keep_energy(values, self.value) if self.kind == "energy" else keep_ratio(values, self.value)


def keep_energy(values: NDArray[Any], share: float) -> int:
    """Return the smallest rank that keeps `share` (0..1) of Σσ²; 1 where all are zero."""
    kept = energy_kept(values)
    return min(len(kept), 1 + int(np.searchsorted(kept, share - ROUNDING)))


def keep_ratio(values: NDArray[Any], ratio: float) -> int:
    """Return how many singular values are larger than the largest divided by `ratio`; at least 1."""
    return max(1, int(np.count_nonzero(values > values[0] / ratio)))


def energy_kept(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of Σσ² in the first 1, 2, ... values; 1 throughout where all are zero."""
    sums = np.cumsum(np.square(values, dtype=np.float64))
    share: NDArray[np.float64] = np.minimum(sums / sums[-1], 1.0) if sums[-1] > 0 else np.ones_like(sums)
    return share
