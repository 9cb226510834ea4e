"""The mark on scaled guesses: where it is, that it is quiet, and the words that go with it."""

import numpy as np
import pytest
from PIL import Image

from denoisecli.figures.drawn import drawn_scales, legend, marked, marked_array, said
from denoisecli.figures.theme import DARK, theme_named

GREY = np.full((256, 256, 3), 128, np.uint8)


@pytest.mark.parametrize("side", [48, 96, 256, 600])
@pytest.mark.parametrize("theme", ["dark", "light", "contrast"])
def test_mark_stays_in_the_lower_left_corner(side, theme):
    picture = Image.new("RGB", (side, side), (128, 128, 128))
    drawn = np.asarray(marked(picture, 0.207, theme_named(theme)))
    changed = (drawn != np.asarray(picture)).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert changed.any()
    assert rows[0] > (0.7 if side > 100 else 0.4) * side
    assert 0 < columns[0] < max(8, 0.1 * side)
    assert columns[-1] < (0.8 if side > 50 else 0.95) * side
    assert rows[-1] < side - 1


def test_what_is_drawn_as_it_is_has_no_mark():
    picture = Image.fromarray(GREY)
    assert marked(picture, 1, DARK) is picture
    assert marked_array(GREY, 1.0, DARK) is GREY


@pytest.mark.parametrize(("scale", "words"), [(0.2071, "×0.21"), (0.1, "×0.1"), (0.0312, "×0.031"), (0.8, "×0.8")])
def test_said(scale, words):
    assert said(scale) == words


def test_legend_is_there_where_a_mark_is():
    assert legend(np.array([[0.2, 1.0]]))
    assert not legend(np.ones((2, 3)))


def test_runs_that_say_nothing_are_drawn_as_they_are():
    runs = [{"states": [{"drawn_scale": 0.3}, {}]}, {}]
    assert drawn_scales(runs, 3).tolist() == [[0.3, 1, 1], [1, 1, 1]]
