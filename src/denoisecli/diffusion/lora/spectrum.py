"""Singular values of ΔW = up · down from its factors, and its best copies of lower rank. ΔW itself is never formed.

With down = Rᵀ·Qᵀ (Q orthonormal, R the r×r triangle of a QR of downᵀ),

    ΔW = (up·Rᵀ)·Qᵀ        ΔWᵀΔW = Q·K·Qᵀ,  K = R·(upᵀup)·Rᵀ  (r×r)

so K = V·σ²·Vᵀ gives every singular value σ of ΔW, its right singular vectors Q·V, and U·σ = up·(Rᵀ·V).
All in float64. R is the Cholesky factor of down·downᵀ where down is well conditioned (CholeskyQR, several times
faster than reflections), else a Householder QR. Errors in σ stay below 1e-7 of the largest, which is less than
the rounding of any LoRA file.

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


@dataclass(frozen=True)
class Decomposition:
    """ΔW = left · diag(values) · rightᵀ, each side as a small mix of a factor that is there already."""

    values: Matrix
    up: Matrix
    left_mix: Matrix  # (rank, p):  U·σ = up · left_mix
    right_mix: Matrix  # (p, rank):  Vᵀ = right_mix · basis
    basis: Matrix  # down, or Qᵀ where down is not of full rank

    def truncated(self, rank: int) -> tuple[Matrix, Matrix]:
        """Return factors (rows, rank) and (rank, columns) of the best copy of ΔW with this rank.

        Both carry √σ, so that neither grows nor vanishes in float16.
        """
        root = np.sqrt(self.values[:rank])
        shrink = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
        return self.up @ (self.left_mix[:, :rank] * shrink), (self.right_mix[:rank] * root[:, None]) @ self.basis


def decompose(up: Matrix, down: Matrix) -> Decomposition:
    """Return the singular value decomposition of up · down, its parts unmultiplied."""
    triangle, rotate, basis = _factorised(down)
    core = triangle @ (up.T @ up) @ triangle.T
    squares, vectors = np.linalg.eigh((core + core.T) / 2)
    largest_first = np.argsort(squares)[::-1][: min(up.shape[0], len(squares))]
    values = np.sqrt(np.maximum(squares[largest_first], 0.0))
    mix = vectors[:, largest_first]
    return Decomposition(values, up, triangle.T @ mix, mix.T @ rotate, basis)


def singular_values(up: Matrix, down: Matrix) -> Matrix:
    """Return the singular values of up · down, largest first, min(rows, rank, columns) of them."""
    return decompose(up, down).values


def _factorised(down: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Return R (p, rank), and a rotation and a basis whose product is Qᵀ, so that down = Rᵀ·Qᵀ."""
    rank, columns = down.shape
    if rank <= columns:
        try:
            triangle: Matrix = np.linalg.cholesky(down @ down.T).T
        except np.linalg.LinAlgError:  # not of full rank
            pass
        else:
            diagonal = np.diagonal(triangle)
            if diagonal.min() > WELL_CONDITIONED * diagonal.max():
                rotate: Matrix = np.linalg.inv(triangle).T
                return triangle, rotate, down
    basis, triangle = np.linalg.qr(down.T)
    return triangle, np.eye(len(triangle)), basis.T


def nearest(matrix: Matrix, rank: int) -> Matrix:
    """Return the nearest matrix of this rank, Σ σᵢ·uᵢ·vᵢᵀ over the first `rank` terms of a full SVD."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    best: Matrix = (u[:, :rank] * s[:rank]) @ vt[:rank]
    return best
