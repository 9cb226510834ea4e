"""Tell hatching from drawing: how many cells of a picture have a texture that no render of its style has.

A cell is 16 × 16 pixels: how strong its detail is in three bands, in lightness and in colour, how light it is and of
which colour. It is an outlier where its nearest neighbours among the renders' cells, of the same style, lie farther
away than those of all but one in a thousand cells of other renders; and where it has more detail than they, since
blur is not hatching. The renders are known as they are and as the autoencoder gives them back, so that its own
softness is not held against a sample.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

CELL = 16
NEIGHBOURS = 3
ALLOWED = 1e-3  # share of the renders' own cells that may be called outliers
FLOOR = 2.0  # levels of 0..255 below which detail is not told apart from none
SPOILED = 0.01  # share of outlying cells from which a picture counts as hatched: 3 of 256


def cells(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the features of each cell of a picture (H, W, 3), (H / 16 · W / 16, 7).

    Log root mean square of lightness in three bands (periods of about 2 to 4, 4 to 8 and 8 to 16 pixels) and of colour
    in the first two together, mean lightness, and the two mean colour differences, on scales of about one.
    """
    planes = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YCrCb).astype(np.float32)
    smooth = [planes, *(cv2.GaussianBlur(planes, (0, 0), sigma) for sigma in (1, 2, 4))]
    bands = [np.square(fine - coarse) for fine, coarse in pairwise(smooth)]
    energies = [*(band[..., 0] for band in bands), (bands[0] + bands[1])[..., 1:].sum(2)]
    side = (picture.shape[1] // CELL, picture.shape[0] // CELL)

    def mean(plane: NDArray[np.float32]) -> NDArray[np.float64]:
        return cv2.resize(plane, side, interpolation=cv2.INTER_AREA).astype(np.float64).ravel()

    strength = [0.5 * np.log(mean(energy) + FLOOR**2) for energy in energies]
    return np.stack([*strength, mean(planes[..., 0]) / 60, *((mean(planes[..., k]) - 128) / 25 for k in (1, 2))], 1)


class Texture:
    """What cells the renders of each style have."""

    def __init__(self, known: Mapping[str, Sequence[NDArray[np.uint8]]]) -> None:
        """Learn from pictures by their style: the first three quarters are kept, the others set the threshold."""
        self.trees: dict[str, cKDTree] = {}
        self.farthest: dict[str, float] = {}
        for style, pictures in known.items():
            most = 3 * len(pictures) // 4
            self.trees[style] = cKDTree(np.concatenate([cells(one) for one in pictures[:most]]))
            distance = np.concatenate([self._distance(style, cells(one))[0] for one in pictures[most:]])
            self.farthest[style] = float(np.quantile(distance, 1 - ALLOWED))

    def _distance(self, style: str, found: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return how far each cell's neighbours are, and whether it has more detail than they."""
        tree = self.trees[style]
        distance, near = tree.query(found, NEIGHBOURS)
        return distance[:, -1], found[:, :4].mean(1) > np.asarray(tree.data)[near][..., :4].mean((1, 2))

    def outliers(self, picture: NDArray[np.uint8], style: str) -> NDArray[np.bool_]:
        """Return which cells of a picture are hatched, (H / 16, W / 16)."""
        distance, more = self._distance(style, cells(picture))
        return ((distance > self.farthest[style]) & more).reshape(picture.shape[0] // CELL, picture.shape[1] // CELL)
