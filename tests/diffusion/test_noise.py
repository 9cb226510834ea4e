"""Starting noise and the arc between two of them."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.diffusion.noise import generators_after_start, slerp, starting_noise

SHAPE = (4, 8, 8)


def test_equal_to_diffusers_own():
    from diffusers.utils.torch_utils import randn_tensor

    seeds = [1, 2, 2**49]
    own = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    assert torch.equal(starting_noise(seeds, SHAPE), randn_tensor((3, *SHAPE), generator=own))


def test_a_seeds_noise_does_not_depend_on_the_others():
    assert torch.equal(starting_noise([5, 6], SHAPE)[1], starting_noise([6], SHAPE)[0])


def test_a_sampler_goes_on_drawing_behind_the_starting_noise():
    """From a fresh generator its first noise would be the starting noise once more."""
    (one,) = generators_after_start([7], SHAPE)
    twice = torch.Generator("cpu").manual_seed(7)
    assert torch.equal(torch.randn(SHAPE, generator=twice), starting_noise([7], SHAPE)[0])
    assert torch.equal(torch.randn(SHAPE, generator=one), torch.randn(SHAPE, generator=twice))


@given(st.floats(0, 1), st.integers(0, 9), st.floats(0.1, 10))
def test_slerp_turns_and_keeps_the_norm_between(t, seed, scale):
    a, b = starting_noise([seed, seed + 1], SHAPE)
    b = b * scale
    point = slerp(a, b, t)
    assert point.norm().item() == pytest.approx(torch.lerp(a.norm(), b.norm(), t).item(), rel=1e-4)
    torch.testing.assert_close(slerp(b, a, 1 - t), point, rtol=1e-3, atol=1e-3)


def test_slerp_ends_are_the_ends_bit_for_bit():
    a, b = starting_noise([1, 2], SHAPE)
    assert torch.equal(slerp(a, b, 0.0), a)
    assert torch.equal(slerp(a, b, 1.0), b)


def test_slerp_goes_at_even_speed():
    a, b = starting_noise([1, 2], SHAPE)
    points = [slerp(a, b, i / 8).flatten() for i in range(9)]
    angles = [torch.cosine_similarity(p, q, dim=0) for p, q in itertools.pairwise(points)]
    assert max(angles) - min(angles) < 1e-4


@pytest.mark.parametrize(
    "other",
    [pytest.param(1.0, id="equal"), pytest.param(-1.0, id="opposite"), pytest.param(0.0, id="zero")],
)
@pytest.mark.parametrize("t", [0.25, 0.5, 0.999])
def test_slerp_at_its_poles(other, t):
    a = starting_noise([1], SHAPE)[0]
    point = slerp(a, a * other, t)
    assert torch.isfinite(point).all()
    if other:
        assert point.norm().item() == pytest.approx(a.norm().item(), rel=1e-5)
