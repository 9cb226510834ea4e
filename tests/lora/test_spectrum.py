"""Singular values from factors, against a full SVD of their product."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisecli.lora.spectrum import (
    COLUMN_ERROR,
    _from_grams,
    _from_reflections,
    decompose,
    nearest,
    singular_values,
)

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
    np.testing.assert_allclose(parts.values, truth[: len(parts.values)], atol=1e-12 * parts.size)
    short_up, short_down = parts.truncated(len(parts.values))
    np.testing.assert_allclose(short_up @ short_down, up @ down, atol=1e-7 * max(truth[0], 1e-300))


def equal_rows(up, down, rng):
    return up, np.repeat(down[:1], len(down), axis=0)


def proportional_rows(up, down, rng):
    return up, down[:1] * rng.choice([-4.0, -1.0, 0.5, 2.0], (len(down), 1))


def constant(up, down, rng):
    return up, np.full_like(down, 3.0)


def merged_with_itself(up, down, rng):
    return np.hstack([up, up]), np.vstack([down, down])


def merged_with_a_share(up, down, rng):
    """Two files that have some layers' ranks in common, set side by side."""
    mine = rng.integers(0, up.shape[1], 1 + up.shape[1] // 2)
    return np.hstack([up, up[:, mine]]), np.vstack([down, down[mine]])


def zero_rows_and_columns(up, down, rng):
    up, down = up.copy(), down.copy()
    up[rng.integers(0, len(up))], up[:, rng.integers(0, up.shape[1])] = 0, 0
    down[:, rng.integers(0, down.shape[1])] = 0
    return up, down


def padded(up, down, rng):
    return np.pad(up, ((0, 0), (0, 5))), np.pad(down, ((0, 5), (0, 0)))


def thin_up(up, down, rng):
    return np.repeat(up[:, :1], up.shape[1], axis=1), down


def cancelling(up, down, rng):
    """What one half adds the other takes away, all but a little."""
    return np.hstack([up, -up]), np.vstack([down, down + (np.arange(down.size).reshape(down.shape) % 7 == 0)])


def untouched(up, down, rng):
    return up, down


WAYS = [equal_rows, proportional_rows, constant, merged_with_itself, merged_with_a_share, zero_rows_and_columns, padded,
        thin_up, cancelling, untouched]  # fmt: skip


@st.composite
def deficient(draw):
    """Factors of whole numbers times a power of two, exact in every dtype, and the dtype they are read in."""
    rows, columns, rank = draw(sides), draw(sides), draw(sides)
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    up, down = (rng.integers(-6, 7, shape).astype(float) for shape in ((rows, rank), (rank, columns)))
    up, down = draw(st.sampled_from(WAYS))(up, down, rng)
    kind = draw(st.sampled_from([np.float32, np.float64]))
    return tuple((side * 2.0 ** draw(st.integers(-100, 100))).astype(kind) for side in (up, down))


@settings(max_examples=200, deadline=None)
@given(deficient(), st.data())
def test_factors_of_lower_rank_than_stored(factors, data):
    up, down = factors
    product = up.astype(float) @ down
    truth = np.linalg.svd(product, compute_uv=False)[: min(*up.shape, *down.shape)]
    size = float(np.linalg.norm(up.astype(float)) * np.linalg.norm(down.astype(float)))
    eps = float(np.finfo(up.dtype).eps)
    parts = decompose(up, down)
    np.testing.assert_allclose(parts.values, truth, atol=1e-11 * size)
    assert parts.rank == np.linalg.matrix_rank(product)
    keep = data.draw(st.integers(1, len(truth)))
    short_up, short_down = (side.astype(float) for side in parts.truncated(keep))
    assert np.isfinite(short_up).all()
    assert np.isfinite(short_down).all()
    left = np.linalg.norm(product - short_up @ short_down)
    assert left == pytest.approx(np.linalg.norm(truth[keep:]), abs=20 * eps * size)  # Eckart and Young's optimum
    roots = np.sqrt(parts.values[:keep])
    np.testing.assert_allclose(np.linalg.norm(short_up, axis=0), roots, rtol=COLUMN_ERROR)
    np.testing.assert_allclose(np.linalg.norm(short_down, axis=1), roots, rtol=COLUMN_ERROR)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("stored", [np.float16, np.float32], ids=["F16", "F32"])
def test_factors_do_not_outgrow_those_that_came(way, stored):
    """Nothing is divided by rounding: no entry is longer than √σ₁, which the input's own lengths bound."""
    rng = np.random.default_rng(7)
    up, down = (rng.standard_normal(shape).astype(stored).astype(np.float32) for shape in ((320, 16), (16, 768)))
    up, down = way(up, down, rng)
    parts = decompose(up, down)
    short_up, short_down = parts.truncated(len(parts.values))
    assert max(np.abs(short_up).max(), np.abs(short_down).max()) <= 1.001 * np.sqrt(parts.values[0])
    np.testing.assert_allclose(short_up @ short_down, up @ down, atol=1e-5 * parts.size)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.floats(0.05, 1), st.integers(0, 2**31))
def test_both_ways_agree_where_the_fast_one_is_taken(rank, decay, seed):
    up, down = made(30, 40, rank, seed, decay)
    fast, exact = _from_grams(up, down), _from_reflections(up, down)
    if fast is not None:
        np.testing.assert_allclose(fast.values, exact.values, rtol=2e-6)
        for mine, other in zip(fast.truncated(rank), exact.truncated(rank), strict=True):
            np.testing.assert_allclose(np.linalg.norm(mine), np.linalg.norm(other), rtol=2e-6)


def test_the_fast_way_is_taken_for_ordinary_files():
    up, down = made(320, 768, 128, 0, 0.97)
    assert _from_grams(up.astype(np.float32), down.astype(np.float32)) is not None


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
