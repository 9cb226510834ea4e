"""Hues: they can be read, and be told apart."""

import itertools

import pytest

from denoisecli.figures.hues import COUNT, hues
from denoisecli.figures.theme import PAPER, THEMES
from tests.figures.colour import contrast, difference

ALL = [*THEMES.values(), PAPER]


@pytest.mark.parametrize("theme", ALL, ids=lambda theme: theme.name)
def test_words_in_a_hue_have_the_contrast_of_any_word(theme):
    for hue in hues(theme):
        assert contrast(hue, theme.ground) >= 4.5
        assert contrast(hue, theme.panel) >= 4.5


@pytest.mark.parametrize("theme", ALL, ids=lambda theme: theme.name)
def test_no_two_hues_are_near_each_other(theme):
    found = hues(theme)
    assert len(found) == COUNT
    for one, other in itertools.combinations(found, 2):
        assert difference(one, other) >= 12, (one, other)
