"""Of every lab's film: no word is cut off, written over another, or smaller than the rule, whatever is shown."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from denoisecli.figures.layout import TEXT_SHARE, Measures
from denoisecli.figures.text import Type, draw_text
from denoisecli.figures.theme import FilmStyle
from tests.figures.fakes import PROMPT
from tests.figures.films import FILMS, Case
from tests.figures.ink import Watch, watched

pytestmark = pytest.mark.slow

SIZES = [(640, 360), (360, 360), (360, 450), (360, 640), (854, 360), (480, 360), (320, 480)]
PROMPTS = [
    PROMPT,
    "a lighthouse on a rocky cliff at dusk, dramatic golden clouds, crashing waves, oil painting, " * 4,
    "w" * 400,
    "x",
    "Ein Leuchtturm; маяк; 灯台, 등대 🌊 منارة",
]  # fmt: skip
cases = st.builds(
    Case,
    seeds=st.integers(1, 16),
    steps=st.sampled_from([1, 2, 3, 12]),
    size=st.sampled_from([(64, 64), (96, 64), (64, 96), (32, 96)]),
    prompt=st.sampled_from(PROMPTS),
)


def look(film: str, size: tuple[int, int], case: Case) -> Watch:
    """Draw the first frames of a film and return what was seen."""
    with watched() as watch:
        for frame in itertools.islice(FILMS[film](FilmStyle(size), case), 2):
            assert frame.shape == (size[1], size[0], 3)
    assert watch.words
    return watch


@settings(deadline=None, max_examples=10)
@given(size=st.sampled_from(SIZES), case=cases)
@pytest.mark.parametrize("film", FILMS)
def test_words_are_whole_apart_and_large_enough(film, size, case):
    watch = look(film, size, case)
    assert not watch.cut
    assert not watch.clashes
    least = 0.995 * Measures(*size).text
    assert not [word for word in watch.words if word.size < least]


@pytest.mark.parametrize("film", ["deck", "noise", "walk", "versus"])
def test_words_of_films_with_many_states(film):
    watch = look(film, (640, 360), Case(2, 100))
    assert not watch.cut
    assert not watch.clashes


@pytest.mark.parametrize("film", FILMS)
@pytest.mark.parametrize(
    "size", [(1920, 1080), (1080, 1080), (1080, 1350), (1080, 1920)], ids=lambda s: f"{s[0]}x{s[1]}"
)
def test_words_of_full_size_films(film, size):
    watch = look(film, size, Case(4))
    assert not watch.cut
    assert not watch.clashes


@pytest.mark.parametrize(
    ("size", "share"),
    [
        pytest.param((1920, 1080), TEXT_SHARE, id="wide"),
        pytest.param((1080, 1350), TEXT_SHARE, id="4:5"),
        pytest.param((1080, 1920), TEXT_SHARE, id="9:16, just"),
        pytest.param((320, 7680), 320 / 25 / 7680, id="a ribbon: 25 letters' sizes across"),
    ],
)
def test_the_rule_of_the_smallest_text(size, share):
    assert Measures(*size).text == pytest.approx(size[1] * share, rel=0.02)


@pytest.mark.parametrize(
    ("words", "cut", "clashes"),
    [
        pytest.param([("high", (20, 30)), ("low", (20, 80))], 0, 0, id="apart"),
        pytest.param([("over", (20, 50)), ("over it", (30, 55))], 0, 1, id="over each other"),
        pytest.param([("cut off", (170, 50))], 1, 0, id="beyond the edge"),
    ],
)
def test_the_watch_sees_it(words, cut, clashes):
    with watched() as watch:
        still = Image.new("RGB", (200, 100))
        draw_text(still, words[0][1], words[0][0], Type(), (255, 255, 255))
        image = still.copy()
        for said, at in words[1:]:
            draw_text(image, at, said, Type(), (255, 255, 255))
    assert (len(watch.cut), len(watch.clashes)) == (cut, clashes)
    assert np.asarray(image).any()
