"""The noise that a picture would come from: the sampler walked backwards comes back, the nearer the finer its steps."""

import numpy as np
import pytest
import torch

from denoisecli.diffusion.batch import Batch, sample_batch
from denoisecli.diffusion.inversion import _backwards, inverted
from denoisecli.diffusion.models import Model, ModelInfo, load_model
from denoisecli.diffusion.start import mode_of
from denoisecli.errors import UsageError
from tests.families.makers import flux
from tests.tiny import embeds, make_scheduler, tiny_sd3


def trained():
    """Return the built-in model: the way of an ε-model of random weights cannot be walked backwards."""
    return load_model("pocket").pipe, "ddim", {}


def sd3():
    pipe = tiny_sd3(shift=3.0)
    pipe.encode_prompt = lambda *_, **__: tuple(embeds(pipe).values())  # it has no text encoders
    return pipe, "flow_euler", embeds(pipe)


def of_flux():
    pipe, words = flux()
    told = words(1)
    ids = torch.zeros(told["prompt_embeds"].shape[1], 3)
    pipe.encode_prompt = lambda *_, **__: (told["prompt_embeds"], told["pooled_prompt_embeds"], ids)
    return pipe, "flow_euler", {key: value for key, value in told.items() if key.endswith("embeds")}


@pytest.mark.parametrize("family", [trained, sd3, of_flux])
def test_it_comes_back_the_nearer_the_finer_the_steps(family):
    pipe, sampler, words = family()
    model = Model(pipe, ModelInfo("tiny", "sd", "0", "epsilon", (4, 8, 8), pipe.vae_scale_factor, None),
                  torch.device("cpu"), torch.float32)  # fmt: skip
    side = 8 * pipe.vae_scale_factor
    picture = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    own, scheduler, apart = mode_of(model, picture).numpy(), pipe.scheduler, []
    for steps in (5, 20, 80):
        noise = inverted(model, [picture], "a lighthouse", steps)
        assert pipe.scheduler is scheduler
        batch = Batch(noise=noise, scales=[1.0], seeds=[0], prompt="a lighthouse", steps=steps, sampler=sampler,
                      embeds=words or None, height=side, width=side)  # fmt: skip
        apart.append(float(np.abs(sample_batch(model, batch).x_t[:, -1] - own).mean()))
        pipe.scheduler = scheduler
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < apart[0] / 4
    assert apart[2] < 0.3 * np.abs(own).mean()  # of pixels at random, which no model paints


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("mu", [None, 0.8])
def test_a_flow_goes_back_through_its_own_levels(shift, mu):
    own = make_scheduler("FlowMatchEulerDiscreteScheduler", shift=shift, use_dynamic_shifting=mu is not None)
    back = _backwards(own)
    grid = np.linspace(1, 1 / 10, 10)
    own.set_timesteps(sigmas=grid, mu=mu)
    back.set_timesteps(sigmas=grid, mu=mu)
    np.testing.assert_allclose(back.sigmas.numpy(), own.sigmas.numpy()[::-1], atol=1e-6)


def test_a_process_without_an_inverse_is_refused():
    scheduler = make_scheduler("SCMScheduler")
    with pytest.raises(UsageError, match="cannot be inverted"):
        _backwards(scheduler)
