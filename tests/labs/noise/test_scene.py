"""The toy scene: the same everywhere, readable when small, whole in every format."""

import hashlib

import numpy as np
import pytest

from denoisecli.labs.noise.scene import lighthouse


def patch(picture, x, y, reach=0.012):
    """Return the mean colour around (x, y), coordinates of the scene's middle square."""
    height, width = picture.shape[:2]
    unit = min(height, width)
    row, column, r = round(height / 2 + y * unit), round(width / 2 + x * unit), max(1, round(reach * unit))
    return picture[row - r : row + r, column - r : column + r].reshape(-1, 3).mean(axis=0)


@pytest.mark.parametrize("size", [(64, 64), (328, 328), (512, 512), (512, 128), (64, 320), (1600, 64)])
def test_any_format_is_filled(size):
    picture = lighthouse(size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 30


@pytest.mark.parametrize("side", [64, 128, 512])
def test_it_reads_as_a_lighthouse_at_any_size(side):
    picture = lighthouse((side, side))
    red, white = patch(picture, 0.175, -0.105), patch(picture, 0.17, -0.04)
    lamp, sea, sun = patch(picture, 0.19, -0.292), patch(picture, -0.35, 0.32), patch(picture, -0.215, 0.085)
    assert red[0] > 1.5 * red[1]
    assert red[0] > 1.5 * red[2]
    assert white.min() > 140
    assert lamp[0] > 1.3 * patch(picture, 0.19, -0.252, reach=0.006)[0]  # over its dark gallery
    assert sea[2] > sea[0]
    assert sun.min() > 200


def test_it_is_the_same_picture_at_every_size():
    large, small = lighthouse((512, 512)), lighthouse((64, 64))
    reduced = large.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
    assert np.abs(reduced - small).mean() < 3


def test_edges_are_smooth():
    colours = np.unique(lighthouse((256, 256)).reshape(-1, 3), axis=0)
    assert len(colours) > 5000


def test_it_never_changes_between_calls():
    first, second = (hashlib.sha256(lighthouse((96, 64)).tobytes()).hexdigest() for _ in range(2))
    assert first == second
