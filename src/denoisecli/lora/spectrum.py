"""Singular values of ΔW = up · down from its factors, and its best copies of lower rank. ΔW itself is never formed.

With up = Q_u·R_u and downᵀ = Q_d·R_d (Q orthonormal, R small) all that is needed is the small core,

    ΔW = Q_u · core · Q_dᵀ,   core = R_u·R_dᵀ = W·σ·Zᵀ,

whose singular values are those of ΔW. Q is never needed either: with left = R_dᵀ·Z and right = Wᵀ·R_u,

    U·σ = up · left,   σ·Vᵀ = right · down.

up: (rows, rank), down: (rank, columns). Let size be ‖up‖·‖down‖ (Frobenius) and eps 2⁻⁵², float64's rounding. There
are two ways to the core's values; the first is taken where it is exact enough.

From Gram matrices: R_d is the Cholesky factor of down·downᵀ (CholeskyQR, ten times faster than reflections), σ² and Z
come from the symmetric R_d·(upᵀ·up)·R_dᵀ. What is rounded here are squares: σ² carries an error of eps·size², σ one of
eps·size²/σ, and a σ below √eps·size means nothing. So this way is taken where every σ is above ENOUGH·size, and the
error below eps/ENOUGH² of σ: a float32 file's own rounding moves such a σ a thousand times as far. (The condition of
R_d is below size/σ then, and what Cholesky adds, eps·condition² of σ, has the same bound.)

By reflections: R_u and R_d come from Householder QRs, σ from the SVD of their product. Each of these ROUNDED steps is
backward stable: its result is that of a matrix which differs by about eps·√(longest side · rank) of its norm. So σ
carries an error of ROUNDED·√(longest side · rank)·eps·size, however small it is itself; what is not above that is
rounding, and counts as zero. Rows of `down` that repeat each other or are multiples of each other give such values, and
dividing by one would give a factor of any length.

Source: Eckart & Young 1936 (a truncated SVD is the nearest matrix of its rank); Golub & Van Loan, Matrix
Computations, 5.2 and 8.6; Fukaya et al. 2014 (CholeskyQR); Higham & Mary 2019, doi 10.1137/18M1226312 (rounding errors
add up like the square root of their number).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating[Any]]

EPS = float(np.finfo(np.float64).eps)

ENOUGH = 1e-5
"""Smallest singular value, in units of size, that is taken from Gram matrices: its error is below 2e-6 of it."""

ROUNDED = 4
"""Steps of the exact way that round: two QRs, their product, its SVD."""

PLAIN = (2.0**-30, 2.0**30)
"""Between these a factor's largest entry can be raised to the fourth power anywhere. Others are scaled first."""

COLUMN_ERROR = 2.0**-10
"""How far rounding may move a new factor's column, in units of its length: by one last place of a float16."""

AT_ONCE = 1024
"""Columns turned into float64 at a time: they stay in the processor's cache."""


@dataclass(frozen=True)
class Decomposition:
    """ΔW = Σ σᵢ·uᵢ·vᵢᵀ, U and V still unmultiplied: unit²·up·left is U·σ, unit²·right·down is σ·Vᵀ.

    values: σ, largest first, min(rows, rank, columns) of them; those that are rounding are 0.
    size: ‖up‖·‖down‖, in proportion to which everything is rounded; both scaled so that unit·unit·size is that of ΔW.
    """

    values: Matrix
    up: Matrix
    down: Matrix
    left: Matrix
    right: Matrix
    size: float
    unit: float = 1.0

    @property
    def rank(self) -> int:
        """The rank of ΔW: how many of its singular values are more than rounding."""
        return int(np.count_nonzero(self.values))

    def truncated(self, rank: int) -> tuple[Matrix, Matrix]:
        """Return factors (rows, rank) and (rank, columns) of the best copy of ΔW with this rank.

        Both carry √σ, so that neither grows nor vanishes in float16. Beyond ΔW's own rank both are zero.
        """
        share = self.unit**2 * _inverse(np.sqrt(self.values[:rank]))
        up, down = self._operand(self.up, rank), self._operand(self.down, rank)
        left, right = self.left[:, :rank] * share, self.right[:rank] * share[:, None]
        with np.errstate(over="ignore"):  # at the very end of a dtype's range √σ may be beyond it
            return up @ left.astype(up.dtype), right.astype(down.dtype) @ down

    def _operand(self, factor: Matrix, rank: int) -> Matrix:
        """Return a factor in the precision that its product needs: its own, or float64 where there are small σ.

        The product's rounding is eps·size, so that of a column of length σ, before it is divided, eps·size/σ of it.
        """
        smallest = self.values[: min(rank, max(1, self.rank))][-1]
        enough = float(np.finfo(factor.dtype).eps) * self.size * self.unit**2 <= COLUMN_ERROR * smallest
        return factor if enough else factor.astype(np.float64)


def decompose(up: Matrix, down: Matrix) -> Decomposition:
    """Return the singular value decomposition of up · down, both finite."""
    exponents = [_exponent(factor) for factor in (up, down)]
    if any(exponents):
        up, down = (np.ldexp(factor, -exponent) for factor, exponent in zip((up, down), exponents, strict=True))
    parts = _from_grams(up, down) or _from_reflections(up, down)
    unit = 2.0 ** (sum(exponents) / 2)
    return replace(parts, values=unit**2 * parts.values, unit=unit)


def singular_values(up: Matrix, down: Matrix) -> Matrix:
    """Return the singular values of up · down, largest first, min(rows, rank, columns) of them; rounding is 0."""
    return decompose(up, down).values


def _from_grams(up: Matrix, down: Matrix) -> Decomposition | None:
    """Return the decomposition the fast way, or None where that is not exact enough."""
    if len(down) > min(len(up), down.shape[1]):
        return None  # then some σ are zero
    gram, gram_down = _gram(up.T), _gram(down)
    try:
        lower = np.linalg.cholesky(gram_down)  # R_dᵀ
    except np.linalg.LinAlgError:  # not of full rank
        return None
    core = lower.T @ gram @ lower
    squares, vectors = np.linalg.eigh((core + core.T) / 2)
    size = math.sqrt(np.trace(gram) * np.trace(gram_down))
    if not squares[0] > (ENOUGH * size) ** 2:
        return None
    values, left = np.sqrt(squares[::-1]), lower @ vectors[:, ::-1]
    return Decomposition(values, up, down, left, (gram @ left / values).T, size)


def _from_reflections(up: Matrix, down: Matrix) -> Decomposition:
    """Return the decomposition the exact way."""
    right_of_up, right_of_down = _triangle(up), _triangle(down.T)
    outer, values, inner = np.linalg.svd(right_of_up @ right_of_down.T, full_matrices=False)
    size = float(np.linalg.norm(right_of_up) * np.linalg.norm(right_of_down))
    rank, longest = len(down), max(*up.shape, *down.shape)
    values[values <= ROUNDED * math.sqrt(longest * rank) * EPS * size] = 0.0
    return Decomposition(values, up, down, right_of_down.T @ inner.T, outer.T @ right_of_up, size)


def _triangle(tall: Matrix) -> Matrix:
    """Return R of a Householder QR, in float64."""
    return np.asarray(np.linalg.qr(tall.astype(np.float64), mode="r"))


def _exponent(factor: Matrix) -> int:
    """Return the power of two to be taken out of a factor: 0 where its entries can be squared as they are."""
    largest = max(float(factor.max()), -float(factor.min()))
    return 0 if not largest or PLAIN[0] < largest < PLAIN[1] else math.frexp(largest)[1]


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
