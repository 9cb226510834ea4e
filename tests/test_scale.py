"""By how much a guess is scaled to be drawn: cases with a known answer, and what holds for any."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.scale import BEYOND, RANGE, as_sampled, drawn_scale, enlarged, repeated, sizes_told

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


@pytest.mark.parametrize("few", [1, 2, 5, 8])
@pytest.mark.parametrize("many", [8, 12, 13])
def test_repeated_cells_come_back(few, many):
    """Every cell is there at least once, whatever the two sizes. Enlarging is torch's bilinear."""
    own = np.random.default_rng(0).normal(size=(2, 3, few, few + 1)).astype(np.float32)
    there = repeated(own, (many, many + 1))
    assert there.shape == (2, 3, many, many + 1)
    assert np.array_equal(as_sampled(there, (few, few + 1)), own)
    larger = enlarged(own, (many, many + 1))
    theirs = torch.nn.functional.interpolate(torch.from_numpy(own), size=(many, many + 1), mode="bilinear")
    np.testing.assert_allclose(larger, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [
        ([], [(12, 12)] * 4),
        ([{"first": 0, "until": 3, "size": None}], [(12, 12)] * 4),
        ([{"first": 0, "until": 2, "size": [64, 64]}, {"first": 2, "until": 3, "size": [96, 96]}],
         [(8, 8)] * 2 + [(12, 12)] * 2),
        ([{"first": 0, "until": 9, "size": [960, 5]}, {"first": 9, "until": 99, "size": [1, 5]}], [(12, 12)] * 4),
    ],
    ids=["no phases", "of one size", "enlarged", "a damaged record"],
)  # fmt: skip
def test_which_size_each_state_was_sampled_at(rows, sizes):
    assert sizes_told({"phases": rows}, (12, 12), 3) == sizes
