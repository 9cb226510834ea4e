"""What forks say: laws of the shares, where they turn, and how sure that is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.labs.fork.numbers import crossing, decided, shares
from denoisecli.metrics import band_norms

A, B, OFF = np.random.default_rng(3).standard_normal((3, 2, 4, 16, 16)).astype(np.float32)


@given(st.floats(0, 1))
def test_a_picture_between_two_has_their_shares(share):
    found = shares((A + share * (B - A))[None], A, B)
    for band in ("layout", "detail"):
        np.testing.assert_allclose(found[band], share, atol=1e-4)


def test_what_lies_off_the_way_speaks_for_neither():
    """A broken picture between the two is no more A's or B's for being broken: off the way is at right angles to it."""
    way = (B - A).reshape(2, -1)
    off = OFF.reshape(2, -1)
    off = off - (off * way).sum(1, keepdims=True) / (way * way).sum(1, keepdims=True) * way
    plain, broken = (shares(((A + B) / 2 + more.reshape(A.shape))[None], A, B) for more in (0 * off, 3 * off))
    whole = {band: (found.mean()) for band, found in plain.items()}
    assert whole == pytest.approx({"layout": 0.5, "detail": 0.5}, abs=1e-5)
    assert broken["detail"].mean() == pytest.approx(0.5, abs=0.1)


def test_equal_pictures_give_no_share():
    assert shares(A[None], A, A)["layout"].tolist() == [[0, 0]]


@pytest.mark.parametrize("size", [(16, 16), (8, 12), (9, 7), (1, 1)])
def test_the_bands_add_up_to_the_whole(size):
    x = np.random.default_rng(0).standard_normal((3, 4, *size))
    low, high = band_norms(x)
    np.testing.assert_allclose(low**2 + high**2, (x**2).sum(axis=(1, 2, 3)) * size[0] * size[1])


@pytest.mark.parametrize(
    ("at", "share", "found"),
    [
        ([0, 2, 4], [1, 0.75, 0.25], 3.0),
        ([0, 4, 8], [1, 1, 1], 9.0),  # falls to 0 at the picture, state 10
        ([4, 8], [0.3, 0.1], None),  # decided before the first fork
        ([0, 2, 4, 6], [1, 0.4, 0.6, 0.2], 4.5),  # the last time counts
        ([0], [1], 5.0),
    ],
)
def test_where_the_share_falls_through_one_half(at, share, found):
    assert crossing(at, np.array(share, float), 10, 0.5) == (None if found is None else pytest.approx(found))


def test_one_seed_has_no_interval_and_equal_seeds_one_of_no_width():
    one = np.array([[1.0], [0.0]])
    assert decided([0, 2], one, 4) == (1.0, None)
    assert decided([0, 2], np.repeat(one, 3, axis=1), 4) == (1.0, [1.0, 1.0])


def test_the_interval_holds_the_middle():
    spread = np.stack([np.clip(np.linspace(1, 0, 6) + shift, 0, 1) for shift in (-0.2, -0.1, 0, 0.1, 0.2)], axis=1)
    middle, (low, high) = decided(range(0, 12, 2), spread, 12)
    assert low < middle < high
    assert decided(range(0, 12, 2), spread, 12)[1] == [low, high]  # the same draws every time
