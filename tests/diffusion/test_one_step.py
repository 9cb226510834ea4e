"""The one-jump guess against diffusers' own x̂0, its levels, and pictures into latents and back."""

import numpy as np
import pytest
import torch

from denoisecli.diffusion.decode import decoder
from denoisecli.diffusion.models import Model, ModelInfo, load_model
from denoisecli.diffusion.one_step import encode, jump_levels, one_jump_guesses
from denoisecli.errors import ModelError
from denoisecli.labs.noise.config import SCHEDULES
from denoisecli.labs.noise.scene import lighthouse
from denoisecli.process.forward import draw_noise, schedule_named
from tests.tiny import tiny_sdxl, tiny_text_sdxl


@pytest.fixture(scope="module")
def pocket():
    return load_model("pocket", "cpu", "float32")


def test_a_picture_survives_its_latents(pocket):
    picture = lighthouse((128, 128))
    latents = encode(pocket, picture)
    assert latents.shape == (4, 16, 16)
    assert latents.dtype == np.float32
    back = decoder(pocket, "vae").decode(latents[None])[0]
    assert np.abs(back.astype(float) - picture).mean() < 20


@pytest.mark.parametrize("t", [10, 500, 990])
def test_the_guess_is_diffusers_pred_original_sample(pocket, t):
    x0, eps = draw_noise(1, (4, 8, 8)), draw_noise(2, (4, 8, 8))
    scheduler, unet = pocket.pipe.scheduler, pocket.pipe.unet
    alpha_bar = scheduler.alphas_cumprod[t].double().item()
    ours = next(one_jump_guesses(pocket, x0, eps, np.array([alpha_bar]), "a lighthouse"))[0]
    with torch.inference_mode():
        x_t = scheduler.add_noise(torch.tensor(x0)[None], torch.tensor(eps)[None], torch.tensor([t]))
        words = pocket.pipe.encode_prompt("a lighthouse", "cpu", 1, False)[0]
        output = unet(x_t, t, encoder_hidden_states=words).sample
        scheduler.set_timesteps(1000)
        theirs = scheduler.step(output, t, x_t).pred_original_sample[0].numpy()
    assert np.abs(ours - theirs).max() < 1e-3 * max(1, np.abs(theirs).max())


def test_stable_diffusions_schedule_has_the_models_own_timesteps(pocket):
    levels = schedule_named("scaled_linear").at([0, 17, 500, 999])
    assert [level.timestep for level in jump_levels(pocket, levels.alpha_bars)] == [0, 17, 500, 999]


@pytest.mark.parametrize("name", SCHEDULES)
def test_any_schedule_finds_a_level_that_the_model_knows(pocket, name):
    levels = jump_levels(pocket, schedule_named(name).paced(21, "snr").alpha_bars)
    times = [level.timestep for level in levels]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= 999
    assert all(np.isfinite(level.sigma) for level in levels)


def test_batches_do_not_change_the_guess(pocket):
    x0, eps = draw_noise(1, (4, 8, 8)), draw_noise(2, (4, 8, 8))
    alpha_bars = schedule_named("scaled_linear").paced(11).alpha_bars
    together = np.concatenate(list(one_jump_guesses(pocket, x0, eps, alpha_bars, "")))
    alone = np.concatenate(list(one_jump_guesses(pocket, x0, eps, alpha_bars[3:4], "")))
    assert together.shape == (11, 4, 8, 8)
    assert together[3] == pytest.approx(alone[0], abs=1e-4)


def test_a_model_that_wants_more_steps_by_itself():
    """SDXL's denoiser is told sizes besides: its pipeline takes one step of DDIM from the nearest timestep."""
    info = ModelInfo("some-sdxl", "sdxl", "0" * 64, "epsilon", (4, 8, 8), 2, (16, 16))
    model = Model(tiny_text_sdxl(), info, torch.device("cpu"), torch.float32)
    x0, eps = draw_noise(1, (4, 8, 8)), draw_noise(2, (4, 8, 8))
    alpha_bars, heard = model.pipe.scheduler.alphas_cumprod[[999, 500, 0]].double().numpy(), []
    model.pipe.unet.register_forward_hook(lambda _, told, out: heard.append((told[0].clone(), int(told[1]), out[0])))
    guesses = np.concatenate(list(one_jump_guesses(model, x0, eps, alpha_bars, "a cat")))
    assert [t for _, t, _ in heard] == [999, 500, 0]
    for guess, a, (x_t, _, out) in zip(guesses, alpha_bars, heard, strict=True):
        np.testing.assert_allclose(x_t[0].numpy(), a**0.5 * x0 + (1 - a) ** 0.5 * eps, atol=1e-5)
        np.testing.assert_allclose(guess, ((x_t - (1 - a) ** 0.5 * out) / a**0.5)[0].numpy(), rtol=1e-3, atol=1e-3)


def test_models_without_such_levels_are_refused():
    info = ModelInfo("some-edm", "sdxl", "0" * 64, "epsilon", (4, 8, 8), 2, (16, 16))
    model = Model(tiny_sdxl("EDMEulerScheduler"), info, torch.device("cpu"), torch.float32)
    x0 = np.zeros((4, 8, 8), np.float32)
    with pytest.raises(ModelError, match="some-edm"):
        next(one_jump_guesses(model, x0, x0, np.array([0.5]), ""))
