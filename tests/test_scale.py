"""By how much a guess is scaled to be drawn: cases with a known answer, and what holds for any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.scale import BEYOND, RANGE, drawn_scale

FINAL = np.random.default_rng(0).normal(size=(4, 16, 16)).astype(np.float32)


@pytest.mark.parametrize(
    ("guess", "factor"),
    [
        pytest.param(FINAL, 1, id="the finished picture"),
        pytest.param(0.3 * FINAL, 1, id="a pale blur"),
        pytest.param(0.99 * BEYOND * FINAL, 1, id="a little beyond"),
        pytest.param(5 * FINAL, 0.2, id="five times the contrast"),
        pytest.param(np.where(np.arange(16) == 3, np.where(np.arange(16)[:, None] == 3, 50, FINAL), FINAL), 1,
                     id="one bright cell"),
        pytest.param(np.full_like(FINAL, np.nan), 1, id="no numbers"),
        pytest.param(np.full_like(FINAL, np.inf), 1, id="infinite"),
    ],
)  # fmt: skip
def test_drawn_scale(guess, factor):
    assert drawn_scale(guess, FINAL) == pytest.approx(factor, rel=1e-5)


@pytest.mark.parametrize("final", [np.zeros_like(FINAL), np.full_like(FINAL, np.nan)], ids=["empty", "no numbers"])
def test_a_finished_picture_without_a_range_scales_nothing(final):
    assert drawn_scale(5 * FINAL, final) == 1


def test_one_flat_channel_does_not_take_the_guess_to_nothing():
    final = FINAL.copy()
    final[2] *= 1e-3
    assert drawn_scale(5 * FINAL, final) > 0.15


@given(st.floats(0.01, 100), st.integers(0, 10))
def test_what_was_scaled_reaches_as_far_as_the_finished_picture(contrast, seed):
    guesses = contrast * np.random.default_rng(seed).normal(size=(3, 4, 8, 8))
    factors = drawn_scale(guesses, FINAL)
    reach = np.quantile(np.abs(guesses * factors[:, None, None, None]), RANGE, axis=(1, 2, 3))
    own = np.quantile(np.abs(FINAL), RANGE)
    assert (factors <= 1).all()
    assert (reach <= BEYOND * own * (1 + 1e-6)).all()
    assert reach[factors < 1] == pytest.approx(own, rel=1e-5)
