"""Singular values from factors, against a full SVD of their product."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisecli.lora.spectrum import decompose, nearest, singular_values

sides = st.integers(1, 24)


def made(rows, columns, rank, seed, decay=1.0):
    rng = np.random.default_rng(seed)
    up = rng.standard_normal((rows, rank)) * decay ** np.arange(rank)
    return up, rng.standard_normal((rank, columns))


def full(up, down):
    return np.linalg.svd(up @ down, compute_uv=False)


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, st.integers(0, 2**31), st.floats(0.2, 1))
def test_values_are_those_of_the_product(rows, columns, rank, seed, decay):
    up, down = made(rows, columns, rank, seed, decay)
    truth = full(up, down)
    values = singular_values(up, down)
    assert len(values) == min(rows, rank, columns)
    np.testing.assert_allclose(values, truth[: len(values)], atol=1e-7 * truth[0])
    assert (np.diff(values) <= 0).all()


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, st.integers(0, 2**31), st.data())
def test_a_truncated_product_is_as_near_as_can_be(rows, columns, rank, seed, data):
    up, down = made(rows, columns, rank, seed)
    keep = data.draw(st.integers(1, min(rows, rank, columns)))
    short_up, short_down = decompose(up, down).truncated(keep)
    assert short_up.shape == (rows, keep)
    assert short_down.shape == (keep, columns)
    truth = full(up, down)
    error = np.linalg.norm(up @ down - short_up @ short_down)
    assert error == pytest.approx(np.sqrt((truth[keep:] ** 2).sum()), abs=1e-7 * truth[0])


@pytest.mark.parametrize(
    ("up", "down"),
    [
        pytest.param(np.zeros((6, 3)), made(1, 5, 3, 0)[1], id="up not trained"),
        pytest.param(made(6, 1, 3, 0)[0], np.zeros((3, 5)), id="down of zeros"),
        pytest.param(made(6, 1, 4, 0)[0], np.ones((4, 5)), id="down of rank one"),
        pytest.param(made(6, 1, 3, 0)[0], np.diag([1, 1e-9, 1e-3]) @ made(1, 9, 3, 0)[1], id="down ill conditioned"),
        pytest.param(made(6, 1, 3, 0)[0] * 1e-18, made(1, 9, 3, 0)[1] * 1e-9, id="tiny weights"),
        pytest.param(made(2, 1, 8, 0)[0], made(1, 3, 8, 0)[1], id="rank above both sides"),
    ],
)
def test_hard_factors(up, down):
    truth = full(up, down)
    parts = decompose(up, down)
    np.testing.assert_allclose(parts.values, truth[: len(parts.values)], atol=1e-7 * truth[0])
    short_up, short_down = parts.truncated(len(parts.values))
    np.testing.assert_allclose(short_up @ short_down, up @ down, atol=1e-7 * max(truth[0], 1e-300))


def test_both_factors_carry_the_same_weight():
    up, down = made(30, 40, 6, 1)
    short_up, short_down = decompose(1e4 * up, 1e-4 * down).truncated(4)
    assert np.linalg.norm(short_up) == pytest.approx(np.linalg.norm(short_down), rel=1e-9)


def test_a_sharp_spectrum_keeps_its_small_values():
    rng = np.random.default_rng(3)
    u, v = (np.linalg.qr(rng.standard_normal((200, 16)))[0] for _ in range(2))
    truth = 0.5 ** np.arange(16)
    mix = rng.standard_normal((16, 16))
    values = singular_values(u * truth @ mix, np.linalg.inv(mix) @ v.T)
    np.testing.assert_allclose(values, truth, rtol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 16), st.integers(0, 2**31))
def test_nearest_meets_the_eckart_young_optimum(rank, seed):
    matrix = np.random.default_rng(seed).random((16, 16))
    values = np.linalg.svd(matrix, compute_uv=False)
    error = np.linalg.norm(matrix - nearest(matrix, rank))
    assert error == pytest.approx(np.sqrt((values[rank:] ** 2).sum()), abs=1e-10)
