"""Runs that start from a picture are diffusers' own image-to-image and inpainting, bit for bit, draw for draw."""

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from denoisecli.config.phases import start_state
from denoisecli.diffusion.batch import Batch
from denoisecli.diffusion.canvas import noise_for
from denoisecli.diffusion.chain import Link, sample_chain
from denoisecli.diffusion.models import Model, ModelInfo
from denoisecli.diffusion.start import opening_at, picture_of, with_way
from denoisecli.scale import canvas_latents
from tests.families.makers import flux
from tests.tiny import embeds, tiny_sd3, tiny_text_sd, tiny_text_sdxl

STEPS, SEEDS = 6, [5, 6]
WORDS = {"prompt": "a cat"}


def sd3():
    pipe = tiny_sd3()
    pipe.vae.register_to_config(shift_factor=0.0609, scaling_factor=1.5305)
    return pipe, embeds(pipe)


def of_sixteen_channels(pipe):
    """Return an SD 3-type pipeline whose latents have as many channels as the real one's."""
    wide = tiny_sd3()
    torch.manual_seed(0)
    wide.transformer = (
        type(pipe.transformer).from_config({**pipe.transformer.config, "in_channels": 16, "out_channels": 16}).eval()
    )
    wide.vae = type(pipe.vae).from_config({**pipe.vae.config, "latent_channels": 16}).eval()
    wide.vae.register_to_config(shift_factor=0.0609, scaling_factor=1.5305)
    return wide


FAMILIES = {
    "sd": lambda: (tiny_text_sd(), WORDS),
    "sdxl": lambda: (tiny_text_sdxl(), WORDS),
    "sd3": sd3,
    "flux": lambda: (lambda made: (made[0], made[1](1)))(flux()),
}
CLASSES = {
    "sd": "StableDiffusion", "sdxl": "StableDiffusionXL", "sd3": "StableDiffusion3", "flux": "Flux",
}  # fmt: skip


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param, *FAMILIES[request.param]()


@pytest.fixture(scope="module")
def sd():
    return FAMILIES["sd"]()


def model_of(pipe, name="sd"):
    info = ModelInfo("tiny", name, "0" * 64, "epsilon", (4, 8, 8), pipe.vae_scale_factor, None)
    return Model(pipe, info, torch.device("cpu"), torch.float32)


def picture(pipe):
    side = 8 * pipe.vae_scale_factor
    return np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)


def other(pipe, name, kind):
    """Return diffusers' own pipeline of this kind with the same parts."""
    extra = {"requires_safety_checker": False} if name == "sd" else {}
    made = getattr(diffusers, f"{CLASSES[name]}{kind}Pipeline")(**pipe.components, **extra)
    made.set_progress_bar_config(disable=True)
    return made


def ours(pipe, words, sampler, strength, seeds, mask=None):
    """Return the trace of a run that starts from the picture, with the states before its start."""
    model, seen = model_of(pipe), picture(pipe)
    opening, found = opening_at(model, start_state(strength, STEPS, sampler), seen, mask, seeds, [None] * len(seeds))
    told = {key: value for key, value in words.items() if key.endswith("embeds")}
    scale = words.get("guidance_scale", 7.5)

    def batch():
        return Batch(
            noise=found.noise, scales=[scale] * len(seeds), seeds=seeds, prompt=words.get("prompt", ""), steps=STEPS,
            sampler=sampler, embeds=told or None, height=seen.shape[0], width=seen.shape[1],
        )  # fmt: skip

    trace, before = sample_chain(model, [Link(STEPS, batch)], opening)
    return with_way(trace, before, found) if before is not None else trace


def theirs(pipe, words, name, strength, seeds, kind="Img2Img", **more):
    size = {"height": picture(pipe).shape[0], "width": picture(pipe).shape[1]} if name in ("sd3", "flux") else {}
    made = other(pipe, name, kind)(
        **({"guidance_scale": 7.5} | words), **size, **more, image=Image.fromarray(picture(pipe)), strength=strength,
        num_inference_steps=STEPS, output_type="latent", return_dict=False,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        **({"num_images_per_prompt": len(seeds)} if name == "sd" else {}),
    )[0]  # fmt: skip
    if name != "flux":
        return made.numpy()
    rows = made.unflatten(1, (4, 4)).unflatten(3, (-1, 2, 2)).permute(0, 3, 1, 4, 2, 5)
    return rows.reshape(len(rows), -1, 8, 8).numpy()


@pytest.mark.parametrize("strength", [0.35, 0.6, 1.0])
def test_it_is_diffusers_image_to_image(family, strength):
    """The autoencoder's draw, the noise, the level, the steps: the same latents to the last bit."""
    name, pipe, words = family
    sampler = "flow_euler" if name in ("sd3", "flux") else "ddim"
    for seed in SEEDS:
        run = ours(pipe, words, sampler, strength, [seed])
        assert np.array_equal(run.x_t[:, -1], theirs(pipe, words, name, strength, [seed])), seed


@pytest.mark.parametrize("sampler", ["euler", "euler_a", "heun", "dpmpp_2m", "dpmpp_2m_sde_karras", "unipc", "ddpm"])
def test_with_every_kind_of_sampler(sd, sampler):
    """With memory, with two evaluations a step, with noise of its own, on either scale."""
    pipe, words = sd
    for strength in (0.5, 1.0):
        run = ours(pipe, words, sampler, strength, SEEDS)
        assert np.array_equal(run.x_t[:, -1], theirs(pipe, words, "sd", strength, SEEDS)), strength


@pytest.mark.parametrize("sampler", ["ddim", "euler", "dpmpp_2m"])
@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_a_mask_is_diffusers_inpainting_with_an_ordinary_model(sd, sampler, strength):
    """What is kept ends as the picture's own latents, to the bit."""
    pipe, words = sd
    mask = np.zeros(picture(pipe).shape[:2], np.uint8)
    mask[: len(mask) // 2] = 255
    run = ours(pipe, words, sampler, strength, [5], mask)
    expected = theirs(pipe, words, "sd", strength, [5], "Inpaint", mask_image=Image.fromarray(mask))
    assert np.array_equal(run.x_t[:, -1], expected)
    clean = picture_of(model_of(pipe), picture(pipe), [5], [None]).x0.numpy()
    assert np.array_equal(run.x_t[:, -1, :, 4:], clean[:, :, 4:])
    assert not np.allclose(run.x_t[:, -1, :, :4], clean[:, :, :4], atol=0.1)


@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_a_mask_is_inpainting_in_every_family(family, strength):
    """As StableDiffusionXLInpaintPipeline and its like for SD 3 and FLUX do it: the same latents to the last bit."""
    name, pipe, words = family
    if name == "sd3":  # its inpainting takes the real model's number of channels alone
        pipe = of_sixteen_channels(pipe)
    sampler = "flow_euler" if name in ("sd3", "flux") else "euler"
    mask = np.zeros(picture(pipe).shape[:2], np.uint8)
    mask[: len(mask) // 2] = 255
    run = ours(pipe, words, sampler, strength, [5], mask)
    expected = theirs(pipe, words, name, strength, [5], "Inpaint", mask_image=Image.fromarray(mask))
    assert np.array_equal(run.x_t[:, -1], expected)
    clean = picture_of(model_of(pipe), picture(pipe), [5], [None]).x0.numpy()
    assert np.array_equal(run.x_t[:, -1, :, 4:], clean[:, :, 4:])


@pytest.mark.parametrize("sampler", ["ddim", "euler"])
def test_the_states_before_the_start_are_the_picture_at_their_levels(sd, sampler):
    """One more than steps, the start without a jump, and the guess that the picture is there."""
    pipe, words = sd
    run, state = ours(pipe, words, sampler, 0.5, SEEDS), STEPS // 2
    found = picture_of(model_of(pipe), picture(pipe), SEEDS, [None, None])
    assert run.x_t.shape[1] == STEPS + 1
    assert len(run.record["schedule"]) == len(run.sigmas) == STEPS + 1
    assert run.x0.shape[1] == run.eps_cond.shape[1] == run.eps_uncond.shape[1] == STEPS
    assert np.array_equal(run.x0[:, :state], np.stack([found.x0.numpy()] * state, 1))
    canvas = canvas_latents(run)
    for k in range(state + 1):
        a = run["alpha_bars"][k]
        closed = np.sqrt(a) * found.x0.numpy() + np.sqrt(1 - a) * found.noise.numpy()
        np.testing.assert_allclose(canvas[:, k], closed, atol=2e-4)


def test_a_deterministic_encoder_leaves_the_seeds_noise_as_it_is():
    """Then a seed's noise is that of a run without a picture; an encoder that draws takes the seed's first draw."""
    from diffusers import AutoencoderTiny

    pipe, _ = FAMILIES["sd"]()
    torch.manual_seed(0)
    blocks = {"encoder_block_out_channels": (4, 4), "decoder_block_out_channels": (4, 4)}
    layers = {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
    pipe.vae = AutoencoderTiny(**blocks, **layers).eval()
    found = picture_of(model_of(pipe), picture(pipe), SEEDS, [None, None])
    assert torch.equal(found.noise, noise_for(pipe, SEEDS, (16, 16)))


@pytest.mark.parametrize(
    ("strength", "steps", "sampler", "state"),
    [
        (1, 20, "ddim", 0),
        (0.6, 20, "ddim", 8),
        (0.65, 10, "ddim", 4),
        (0.65, 10, "flow_euler", 3),
        (0.05, 20, "ddim", 19),
    ],
)
def test_the_state_of_a_strength(strength, steps, sampler, state):
    """As diffusers counts it: flow pipelines round the steps that are taken up, the others down."""
    assert start_state(strength, steps, sampler) == state
