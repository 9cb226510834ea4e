"""What a gallery shows of a run that painted nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from denoisecli.figures.theme import Theme

if TYPE_CHECKING:
    from denoisecli.figures.film import Frame
    from denoisecli.trace import Trace

SIDE = 256  # pixels that a picture has at least: a matrix of 16 numbers a side is not to be blurred
SHOWN = 4


def card(trace: Trace, theme: Theme) -> list[Frame]:
    """Return a matrix at four ranks, from the lowest to the whole: the toy, or of a file the layer that changes most.

    Between them the energy kept rises evenly, as far as whole ranks can.
    """
    from .figures.matrix import product, signed_picture
    from .matrix import cut_matrix, ranks_to_show
    from .subject import piece_of

    if "delta_w" in trace.arrays:
        matrix = trace["delta_w"]
        subject = cut_matrix("", matrix, ranks_to_show(min(matrix.shape)))
    elif (piece := piece_of(trace)) is not None:
        subject = piece
    else:
        return []
    energy = np.array([row["energy"] for row in subject.rows])
    wanted = np.linspace(energy[0], energy[-1], SHOWN)
    copies = [product(subject.cuts[int(at)]) for at in np.abs(energy[:, None] - wanted).argmin(axis=0)]
    grown = -(-SIDE // max(copies[0].shape))
    return [signed_picture(copy, subject.limit, theme).repeat(grown, 0).repeat(grown, 1) for copy in copies]
