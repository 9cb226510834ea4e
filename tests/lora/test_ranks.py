"""How many singular values are kept, and that other tools would keep as many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.lora.ranks import Rule, energy_kept

FOUR = np.array([2.0, 1.0, 1.0, 0.5])  # squares 4, 1, 1, 0.25: 6.25


@pytest.mark.parametrize(
    ("rule", "values", "rank"),
    [
        pytest.param(Rule("rank", 2), FOUR, 2, id="rank"),
        pytest.param(Rule("rank", 9), FOUR, 4, id="rank above the layer's"),
        pytest.param(Rule("rank", 3), 8, 3, id="rank without a spectrum"),
        pytest.param(Rule("energy", 0.6), FOUR, 1, id="energy of one"),
        pytest.param(Rule("energy", 0.64), FOUR, 1, id="energy of exactly one"),
        pytest.param(Rule("energy", 0.65), FOUR, 2, id="energy of two"),
        pytest.param(Rule("energy", 1.0), FOUR, 4, id="all energy"),
        pytest.param(Rule("energy", 1.0), np.array([1.0, 1e-9]), 1, id="noise is not kept"),
        pytest.param(Rule("energy", 0.9), np.zeros(3), 1, id="a layer of zeros"),
        pytest.param(Rule("ratio", 1.5), FOUR, 1, id="ratio"),
        pytest.param(Rule("ratio", 3), FOUR, 3, id="a larger ratio"),
        pytest.param(Rule("ratio", 3), np.zeros(3), 1, id="ratio of zeros"),
    ],
)
def test_keep(rule, values, rank):
    assert rule.keep(values) == rank


def sv_fro(values, target):
    """Return the rank by sd-scripts' rule of that name: the first index where the squares' sum reaches target²."""
    sums = np.cumsum(values**2) / (values**2).sum()
    return max(0, min(int(np.searchsorted(sums, target**2)), len(values) - 1)) + 1


def sv_ratio(values, target):
    """Return the rank by sd-scripts' rule of that name."""
    return max(0, min(int((values > values[0] / target).sum()) - 1, len(values) - 1)) + 1


spectrum = st.lists(st.floats(1e-3, 10), min_size=1, max_size=32).map(lambda values: np.sort(values)[::-1])


@given(spectrum, st.floats(0.05, 0.999), st.floats(1.01, 100))
def test_agrees_with_sd_scripts(values, fro, ratio):
    assert Rule("energy", fro**2).keep(values) == sv_fro(values, fro)
    assert Rule("ratio", ratio).keep(values) == sv_ratio(values, ratio)


@given(spectrum)
def test_energy_rises_to_one(values):
    kept = energy_kept(values)
    assert (np.diff(kept) >= 0).all()
    assert kept[-1] == 1


@pytest.mark.parametrize(("rule", "label"), [(Rule("rank", 4), "rank-4"), (Rule("energy", 0.95), "energy-0.95")])
def test_label(rule, label):
    assert rule.label == label
