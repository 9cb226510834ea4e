"""A seed means in our runs what it means in A1111 with `RNG: CPU`.

A1111 (modules/rng.py `ImageRNG`): one CPU generator for each image, seeded with the image's seed; its first draw, in
the shape of the latents, is the starting noise, and with `randn_like` replaced (modules/sd_samplers_common.py
`TorchHijack`) each further draw of the same generator is the fresh noise of an ancestral step. With ENSD 0, as usual.
"""

import numpy as np
import pytest
import torch

from denoisecli.diffusion.models import Model, ModelInfo
from denoisecli.diffusion.noise import starting_noise
from tests.sampling import sample_batch
from tests.tiny import tiny_text_sd

SEEDS, SHAPE, STEPS = (7, 2**50 - 1), (4, 8, 8), 4


def a1111_noises(seed, count):
    """What ImageRNG's first `next()` and those after it return for one image, (count, C, h, w)."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return np.stack([torch.randn(SHAPE, generator=generator, device="cpu").numpy() for _ in range(count)])


@pytest.fixture(scope="module")
def model():
    info = ModelInfo("tiny", "sd1", "0" * 64, "epsilon", SHAPE, 2, (16, 16))
    return Model(tiny_text_sd(), info, torch.device("cpu"), torch.float32)


def run(model, sampler):
    noise = starting_noise(SEEDS, SHAPE)
    scales = [7.5] * len(SEEDS)
    return sample_batch(
        model, prompt="a cat", noise=noise, scales=scales, steps=STEPS, sampler=sampler, spacing="linspace", seeds=SEEDS
    )


@pytest.mark.parametrize("sampler", ["ddim", "euler", "euler_a", "dpmpp_2m_karras"])
def test_the_starting_noise(model, sampler):
    """k-diffusion starts at noise · σ_max, DDIM at the noise itself."""
    trace = run(model, sampler)
    scale = 1.0 if sampler == "ddim" or sampler.startswith("dpmpp") else float(trace.sigmas[0])
    for row, seed in enumerate(SEEDS):
        np.testing.assert_allclose(trace.x_t[row, 0] / scale, a1111_noises(seed, 1)[0], rtol=1e-4, atol=1e-6)


def test_the_fresh_noise_of_ancestral_steps(model):
    """k-diffusion's sample_euler_ancestral: x ← x + d·(σ_down − σ) + ε·σ_up. Solved for ε, it is A1111's draw."""
    trace = run(model, "euler_a")
    for row, seed in enumerate(SEEDS):
        drawn = a1111_noises(seed, STEPS)[1:]
        for k in range(STEPS - 1):
            sigma, to = float(trace.sigmas[k]), float(trace.sigmas[k + 1])
            up = (to**2 * (sigma**2 - to**2) / sigma**2) ** 0.5
            down = (to**2 - up**2) ** 0.5
            x, after, x0 = (
                part.astype(np.float64) for part in (trace.x_t[row, k], trace.x_t[row, k + 1], trace.x0[row, k])
            )
            fresh = (after - x - (x - x0) / sigma * (down - sigma)) / up
            np.testing.assert_allclose(fresh, drawn[k], atol=2e-3)


def test_the_generators_numbers_are_those_that_everybody_gets():
    """torch's documentation and forums show them for manual_seed(42); another build of torch must not change them."""
    first = starting_noise([42], SHAPE)[0].flatten()[:4]
    np.testing.assert_allclose(first, [1.9269, 1.4873, 0.9007, -2.1055], atol=5e-5)
