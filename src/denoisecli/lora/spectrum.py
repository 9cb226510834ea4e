"""Singular values of ΔW = up · down from its factors, and its best copies of lower rank. ΔW itself is never formed.

With downᵀ = Q·R (Q orthonormal, R the r×r triangle of a QR) and upᵀ·up = G, all that is needed is r×r:

    ΔWᵀΔW = Q·K·Qᵀ,   K = R·G·Rᵀ = V·σ²·Vᵀ

gives every singular value σ of ΔW. With M = Rᵀ·V, its left singular vectors are U = up·M/σ, its right ones
ΔWᵀU/σ = downᵀ·(G·M/σ²). R is the Cholesky factor of down·downᵀ where down is well conditioned (CholeskyQR, ten
times faster than reflections), else that of a Householder QR. In float64 the errors in σ stay below 1e-7 of the
largest, far less than the rounding of any LoRA file.

up: (rows, rank), down: (rank, columns).
Source: Eckart & Young 1936 (a truncated SVD is the nearest matrix of its rank); Golub & Van Loan, Matrix
Computations, 5.2 and 8.6; Fukaya et al. 2014 (CholeskyQR).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating[Any]]

WELL_CONDITIONED = 1e-4
"""Smallest diagonal entry of R, in units of its largest, at which CholeskyQR still has ten good digits."""

AT_ONCE = 1024
"""Columns turned into float64 at a time: they stay in the processor's cache."""


@dataclass(frozen=True)
class Decomposition:
    """ΔW = Σ σᵢ·uᵢ·vᵢᵀ, U and V still unmultiplied: `gram` is G, `triangle` R, `vectors` V of the formulas above."""

    values: Matrix
    up: Matrix
    down: Matrix
    gram: Matrix
    triangle: Matrix
    vectors: Matrix

    def truncated(self, rank: int) -> tuple[Matrix, Matrix]:
        """Return factors (rows, rank) and (rank, columns) of the best copy of ΔW with this rank.

        Both carry √σ, so that neither grows nor vanishes in float16.
        """
        values = self.values[:rank]
        mix = self.triangle.T @ self.vectors[:, :rank] * _inverse(np.sqrt(values))
        kind = self.up.dtype
        return self.up @ mix.astype(kind), (self.gram @ mix * _inverse(values)).T.astype(kind) @ self.down


def decompose(up: Matrix, down: Matrix) -> Decomposition:
    """Return the singular value decomposition of up · down."""
    gram, triangle = _gram(up.T), _triangle(down)
    core = triangle @ gram @ triangle.T
    squares, vectors = np.linalg.eigh((core + core.T) / 2)
    largest_first = np.argsort(squares)[::-1][: min(up.shape[0], len(squares))]
    values = np.sqrt(np.maximum(squares[largest_first], 0.0))
    return Decomposition(values, up, down, gram, triangle, vectors[:, largest_first])


def singular_values(up: Matrix, down: Matrix) -> Matrix:
    """Return the singular values of up · down, largest first, min(rows, rank, columns) of them."""
    return decompose(up, down).values


def _triangle(down: Matrix) -> Matrix:
    """Return R, (min(rank, columns), rank), of a QR of downᵀ, in float64."""
    rank, columns = down.shape
    if rank <= columns:
        try:
            lower: Matrix = np.linalg.cholesky(_gram(down))
        except np.linalg.LinAlgError:  # not of full rank
            pass
        else:
            diagonal = np.diagonal(lower)
            if diagonal.min() > WELL_CONDITIONED * diagonal.max():
                return lower.T
    return np.linalg.qr(down.T.astype(np.float64)).R


def _gram(wide: Matrix) -> Matrix:
    """Return wide · wideᵀ in float64."""
    total = np.zeros((len(wide), len(wide)))
    for start in range(0, wide.shape[1], AT_ONCE):
        exact = wide[:, start : start + AT_ONCE].astype(np.float64)
        total += exact @ exact.T
    return total


def _inverse(values: Matrix) -> Matrix:
    """Return 1 / values, and 0 for 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def nearest(matrix: Matrix, rank: int) -> Matrix:
    """Return the nearest matrix of this rank, Σ σᵢ·uᵢ·vᵢᵀ over the first `rank` terms of a full SVD."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    best: Matrix = (u[:, :rank] * s[:rank]) @ vt[:rank]
    return best
