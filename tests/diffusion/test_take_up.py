"""A run taken up on the way: bit for bit with every solver, nothing asked twice, and begun anew where that is meant."""

import numpy as np
import pytest
import torch

from denoisecli.config.samplers import SAMPLERS
from denoisecli.diffusion.models import Model, ModelInfo
from denoisecli.diffusion.noise import starting_noise
from denoisecli.diffusion.take_up import Given, TakeUp
from denoisecli.errors import UsageError
from tests.sampling import sample_batch
from tests.tiny import tiny_text_sd

STEPS, SHAPE, SEEDS = 5, (4, 8, 8), [1, 2]
NOISE = {name: row for name, row in SAMPLERS.items() if row.process == "noise"}
WITHOUT_MEMORY = [
    name for name, row in NOISE.items() if row.class_name in ("DDIMScheduler", "EulerDiscreteScheduler") or
    row.class_name in ("HeunDiscreteScheduler", "KDPM2DiscreteScheduler")
]  # fmt: skip


@pytest.fixture(scope="module")
def model():
    info = ModelInfo("tiny", "sd1", "0" * 64, "epsilon", SHAPE, 2, (16, 16))
    return Model(tiny_text_sd(), info, torch.device("cpu"), torch.float32)


@pytest.fixture
def rows(model, monkeypatch):
    """How many rows the denoiser has run, counted at its own forward."""
    counted, forward = [], model.pipe.unet.forward

    def count(sample, *args, **kwargs):
        counted.append(len(sample))
        return forward(sample, *args, **kwargs)

    monkeypatch.setattr(model.pipe.unet, "forward", count)
    return counted


def sampled(model, sampler, seeds=SEEDS, prompt="a cat", **more):
    return sample_batch(
        model, prompt=prompt, noise=starting_noise(seeds, SHAPE), scales=[7.5] * len(seeds), steps=STEPS,
        sampler=sampler, seeds=seeds, **more,
    )  # fmt: skip


def entry(at, x_t):
    return TakeUp([at] * len(x_t), begin=at, enters=Given(x_t), noted=at)


@pytest.mark.parametrize("sampler", NOISE)
def test_a_fork_that_changes_nothing_is_the_run(model, sampler):
    """Also with solvers that remember earlier steps, evaluate twice, or draw noise in each step."""
    run = sampled(model, sampler, outputs=True)
    for at in range(STEPS):
        fork = sampled(model, sampler, take_up=TakeUp([at] * 2, run["outputs"]))
        assert np.array_equal(fork.x_t, run.x_t), at
        assert np.array_equal(fork.x0[:, at:], run.x0[:, at:]), at


def test_forks_of_several_states_share_their_batch(model, rows):
    run = sampled(model, "dpmpp_2m", outputs=True)
    rows.clear()
    at = [0, 0, 2, 2, 4, 4]
    both = sampled(model, "dpmpp_2m", SEEDS * 3, take_up=TakeUp(at, np.concatenate([run["outputs"]] * 3)))
    assert rows == [4, 4, 8, 8, 12]  # two halves of the rows that have left
    for k in range(3):
        np.testing.assert_allclose(both.x_t[2 * k : 2 * k + 2], run.x_t, atol=1e-5)


def test_the_model_is_asked_for_nothing_before_the_fork(model, rows):
    """But for one row, once: what an output looks like is the denoiser's to say."""
    run = sampled(model, "ddim", outputs=True)
    rows.clear()
    sampled(model, "ddim", take_up=TakeUp([3, 3], run["outputs"]))
    assert rows == [1, 4, 4]


def test_what_is_changed_acts_from_the_fork_on(model):
    run = sampled(model, "unipc", outputs=True)
    fork = sampled(model, "unipc", prompt="a dog", take_up=TakeUp([2, 2], run["outputs"]))
    assert np.array_equal(fork.x_t[:, :3], run.x_t[:, :3])
    assert not np.allclose(fork.x_t[:, 3], run.x_t[:, 3])


@pytest.mark.parametrize("sampler", WITHOUT_MEMORY)
@pytest.mark.parametrize("at", [1, 3])
def test_a_solver_without_memory_entered_on_the_way_ends_as_the_run(model, sampler, at):
    run = sampled(model, sampler)
    entered = sampled(model, sampler, take_up=entry(at, run.x_t[:, at]))
    assert np.array_equal(entered.x_t, run.x_t[:, at:])
    assert np.array_equal(entered.sigmas, run.sigmas[at:])


def test_entering_is_diffusers_image_to_image(model):
    """With its own start: the same picture noised to the same level."""
    from diffusers import StableDiffusionImg2ImgPipeline

    run = sampled(model, "dpmpp_2m")
    pipe = StableDiffusionImg2ImgPipeline(**model.pipe.components, requires_safety_checker=False)
    steps = {}

    def keep(_, step, t, told):
        steps[step] = told["latents"]
        return {}

    clean = torch.from_numpy(run.x_t[:, -1])
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    result = pipe(
        "a cat", image=clean, strength=0.6, num_inference_steps=STEPS, guidance_scale=7.5, output_type="latent",
        generator=generators, num_images_per_prompt=2, callback_on_step_end=keep,
    ).images  # fmt: skip
    noise = torch.stack([torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in (5, 6)])
    at = STEPS - 3
    alpha_bar = torch.tensor(run["alpha_bars"][at], dtype=torch.float32)
    start = alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise
    entered = sampled(model, "dpmpp_2m", take_up=entry(at, start.numpy()))
    np.testing.assert_allclose(entered.x_t[:, -1], result.numpy(), atol=1e-4)


def test_pndm_cannot_be_entered(model):
    with pytest.raises(UsageError, match="pndm cannot begin on the way"):
        sampled(model, "pndm", take_up=entry(2, np.zeros((2, *SHAPE), np.float32)))
