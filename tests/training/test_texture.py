"""The judge of hatching: renders pass, what a decoder makes of latents that no picture has does not, blur does."""

import numpy as np
import pytest

pytest.importorskip("cv2")

import cv2
from training.captions import KEY
from training.scenes import render
from training.texture import ALLOWED, CELL, SPOILED, Texture

STYLE = KEY.style


def pictures(count, first):
    return [render(KEY, first + number) for number in range(count)]


@pytest.fixture(scope="module")
def texture():
    return Texture({STYLE: pictures(12, 100)})


@pytest.fixture(scope="module")
def picture():
    return pictures(1, 900)[0]


def hatched(picture, corner):
    """Black strokes on white, a pixel each, over a quarter of the picture."""
    rows, columns = corner
    spoiled = picture.copy()
    spoiled[rows, columns] = np.where(np.arange(128)[:, None] % 3 == 0, 0, 255)[..., None]
    return spoiled


def test_renders_are_hardly_ever_outliers(texture):
    shares = [texture.outliers(one, STYLE).mean() for one in pictures(6, 500)]
    assert np.mean(shares) < 30 * ALLOWED


@pytest.mark.parametrize("corner", [(slice(0, 128), slice(0, 128)), (slice(128, 256), slice(64, 192))])
def test_hatching_is_found_where_it_is(texture, picture, corner):
    found = texture.outliers(hatched(picture, corner), STYLE)
    there = np.zeros_like(found)
    there[tuple(slice(part.start // CELL, part.stop // CELL) for part in corner)] = True
    assert found[there].mean() > 0.9
    assert found[~there].mean() < 0.05
    assert found.mean() > SPOILED


def test_blur_is_no_hatching(texture, picture):
    assert texture.outliers(cv2.GaussianBlur(picture, (0, 0), 12), STYLE).mean() <= SPOILED
