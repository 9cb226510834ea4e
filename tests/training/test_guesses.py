"""The measure of a gap: right, too large and too small ones are told apart."""

import pytest
import torch
from training.guesses import best_factor, told


@pytest.mark.parametrize("off", [0.5, 1.0, 2.0], ids=["half of it", "right", "twice"])
def test_best_factor_is_one_over_what_the_gap_is_too_large_by(off):
    generator = torch.Generator().manual_seed(0)
    uncond, gap, rest = (torch.randn(16, 4, 8, 8, generator=generator) for _ in range(3))
    truth = uncond + gap + 0.1 * rest  # what no guess can know
    assert best_factor(truth, uncond, uncond + off * gap) == pytest.approx(1 / off, abs=0.01)


def test_told_has_no_errors_where_there_is_no_truth():
    uncond, cond = torch.zeros(2, 4, 8, 8), torch.ones(2, 4, 8, 8)
    assert told(uncond, cond, None) == {"gap": 1.0, "guided": [0.0] * 4}
    assert told(uncond, cond, cond)["cond"] == 0
