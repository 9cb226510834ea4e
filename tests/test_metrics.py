"""The settling numbers: laws that hold for any run, and cases with a known answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.metrics import LAYOUT_CYCLES, clipped, committed_at, measure, rms, split_distance
from denoisecli.trace import Trace


def wave(cycles, side=32):
    x = np.arange(side) / side
    return np.broadcast_to(np.cos(2 * np.pi * cycles * x), (1, side, side))


@pytest.mark.parametrize(
    ("distances", "state"),
    [
        pytest.param([1, 0.2, 0.1, 0], 1, id="falls once"),
        pytest.param([1, 0.2, 0.9, 0.1, 0], 3, id="rises again"),
        pytest.param([0.1, 0, 0], 0, id="from the start"),
        pytest.param([1, 1, 1, 0], 3, id="only at the end"),
    ],
)
def test_committed_at(distances, state):
    assert committed_at(np.array(distances), threshold=0.3) == state


@pytest.mark.parametrize(
    ("cycles", "band"),
    [
        pytest.param(1, 0, id="one wave is layout"),
        pytest.param(LAYOUT_CYCLES - 1, 0, id="three are layout"),
        pytest.param(LAYOUT_CYCLES, 1, id="four are detail"),
        pytest.param(12, 1, id="twelve are detail"),
    ],
)
def test_error_lands_in_its_band(cycles, band):
    final = wave(1) + wave(12)
    guesses = np.stack([final + 0.5 * wave(cycles), final])[None]
    distances = [series[0, 0] for series in split_distance(guesses)]
    assert distances[band] == pytest.approx(0.5)
    assert distances[1 - band] == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_bands_add_up_to_the_whole(seed):
    guesses = np.random.default_rng(seed).normal(size=(1, 3, 2, 8, 8))
    final = guesses[:, -1:] - guesses[:, -1:].mean(axis=(-2, -1), keepdims=True)
    low, high = split_distance(guesses)
    spectrum = np.square(np.abs(np.fft.rfft2(final)))
    cycles = np.hypot(np.fft.fftfreq(8)[:, None] * 8, np.fft.rfftfreq(8)[None] * 8)
    share = (spectrum * (cycles < LAYOUT_CYCLES)).sum() / spectrum.sum()
    error = np.square(np.abs(np.fft.rfft2(guesses - guesses[:, -1:]))).sum(axis=(-3, -2, -1)) / spectrum.sum()
    np.testing.assert_allclose(low**2 * share + high**2 * (1 - share), error, rtol=1e-6)


def test_rms_of_unit_noise_is_one():
    assert rms(np.random.default_rng(0).normal(size=(4, 64, 64))) == pytest.approx(1, abs=0.02)


def test_clipped_counts_pixels_not_channels():
    picture = np.full((2, 2, 3), 128, np.uint8)
    picture[0, 0] = 255
    picture[0, 1, 2] = 0
    assert clipped(picture[None])[0] == 0.5


def test_measure_ends_at_zero_and_is_plain_json():
    rng = np.random.default_rng(1)
    arrays = {
        "x_t": rng.normal(size=(2, 4, 4, 8, 8)),
        "x0": rng.normal(size=(2, 3, 4, 8, 8)),
        "timesteps": np.array([3.0, 2.0, 1.0, 0.0]),
    }
    rows = measure(Trace("sample", arrays))
    assert len(rows) == 2
    for row in rows:
        last = row["states"][-1]
        assert [last[name] for name in ("x0_to_final", "low_freq_to_final", "high_freq_to_final")] == [0, 0, 0]
        assert last["clipped"] is None
        assert row["states"][0]["x0_change"] == 0
        assert all(0 <= at <= 3 for at in row["committed_at"].values())
