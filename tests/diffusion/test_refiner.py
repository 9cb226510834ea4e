"""A second model as a refiner: diffusers' own split of SDXL (denoising_end, denoising_start), bit for bit."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, UNet2DConditionModel

from denoisecli.config.load import Layer, build
from denoisecli.diffusion.batch import Batch
from denoisecli.diffusion.chain import Link, sample_chain
from denoisecli.diffusion.latent_space import check_same_space
from denoisecli.diffusion.model_checks import check_kind
from denoisecli.diffusion.models import Model, ModelInfo
from denoisecli.diffusion.noise import starting_noise
from denoisecli.errors import ModelError
from denoisecli.labs.sample import lab as sample
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.report import Report
from denoisecli.trace import load
from tests.tiny import make_scheduler, tiny_text_sd, tiny_text_sdxl, tiny_vae

STEPS, SHAPE, SEEDS = 10, (4, 8, 8), [5, 6]


def refiner():
    """Return a tiny SDXL refiner: one text encoder, and a U-Net that is told an aesthetic score."""
    pipe = tiny_text_sdxl()
    torch.manual_seed(7)
    told = {"cross_attention_dim": 32, "projection_class_embeddings_input_dim": 5 * 8 + 32}
    unet = UNet2DConditionModel.from_config({**pipe.unet.config, **told}).eval()
    made = StableDiffusionXLImg2ImgPipeline(
        vae=tiny_vae(), text_encoder=None, tokenizer=None, text_encoder_2=pipe.text_encoder_2,
        tokenizer_2=pipe.tokenizer_2, unet=unet, scheduler=make_scheduler("EulerDiscreteScheduler"),
        requires_aesthetics_score=True, add_watermarker=False,
    )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    return made


def model_of(pipe, ref):
    info = ModelInfo(ref, "sdxl", "0" * 64, "epsilon", SHAPE, pipe.vae_scale_factor, (16, 16))
    return Model(pipe, info, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def models():
    return model_of(tiny_text_sdxl(), "base"), model_of(refiner(), "refiner")


@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp_2m"])
@pytest.mark.parametrize("until", [0.5, 0.8])
def test_it_is_diffusers_own_split(models, sampler, until):
    """Ten steps of 1,000 timesteps, so that diffusers' share of the timesteps is the share of the steps."""
    base, fine = models

    def batch():
        noise = starting_noise(SEEDS[:1], SHAPE)
        return Batch(
            noise=noise, scales=[5.0], seeds=SEEDS[:1], prompt="a cat", negative_prompt="a dog", steps=STEPS,
            sampler=sampler, height=16, width=16, spacing="leading",
        )  # fmt: skip

    at = round(until * STEPS)
    ours, _ = sample_chain(base, [Link(at, batch), Link(STEPS, batch, model=fine)])
    told = {
        "prompt": "a cat", "negative_prompt": "a dog", "num_inference_steps": STEPS, "guidance_scale": 5.0,
        "output_type": "latent", "return_dict": False,
    }  # fmt: skip
    drawn = torch.Generator().manual_seed(SEEDS[0])
    start = torch.randn(1, *SHAPE, generator=drawn)
    handed = base.pipe(**told, latents=start, height=16, width=16, denoising_end=until, generator=drawn)[0]
    theirs = fine.pipe(**told, image=handed, denoising_start=until, generator=drawn)[0]
    assert np.array_equal(ours.x_t[:, -1], theirs.numpy())
    assert ours.x_t.shape == (1, STEPS + 1, *SHAPE)
    assert np.array_equal(ours.x_t[:, at], handed.numpy())


def other_vae(pipe, **config):
    pipe.vae.register_to_config(**config)
    return pipe


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: other_vae(tiny_text_sd(), scaling_factor=0.13), "scaling_factor, 0.18215 in base and 0.13 in other"),
        (lambda: other_vae(tiny_text_sd(), latents_mean=[0, 1, 2, 3]), "latents_mean, none in base and [0, 1, 2, 3]"),
        (lambda: other_vae(tiny_text_sd(), latent_channels=16), "channels, 4 in base and 16 in other"),
    ],
)
def test_another_latent_space_is_refused_naming_both(models, other, said):
    with pytest.raises(
        ModelError, match=f"other cannot go on with a run of base: their latents differ in {re.escape(said)}"
    ):
        check_same_space(models[0], model_of(other(), "other"))


def test_a_model_of_other_pixels_is_refused(models):
    other = model_of(tiny_text_sd(), "other")
    other = dataclasses.replace(other, info=dataclasses.replace(other.info, scale_factor=8))
    with pytest.raises(ModelError, match="differ in pixels a side, 2 in base and 8 in other"):
        check_same_space(models[0], other)


SMALL = {"film": {"size": "640x360", "fps": 5, "hold_s": 0.2}, "size": 64, "steps": 4, "seeds": [7], "views": ["guess"]}


def test_a_run_with_a_refiner_is_made_from_two_folders(models, tmp_path):
    """The record names both, the last steps are the refiner's, and the refiner alone is refused with the way out."""
    for model in models:
        model.pipe.save_pretrained(tmp_path / model.info.ref)
    base, fine = (str(tmp_path / model.info.ref) for model in models)
    phases = [{"until": 0.5}, {"model": fine}]
    config = build(SampleConfig, [Layer(SMALL | {"model": base, "phases": phases}, source="test")])
    plan = sample.plan(config, tmp_path / "run", None, force=False)
    trace = load(plan.make(Report()))
    assert trace.record["phases"][1]["model"] == fine
    alone = build(SampleConfig, [Layer(SMALL | {"model": base}, source="test")])
    plain = sample.plan(alone, tmp_path / "plain", None, force=False)
    assert plain.folder.hash != plan.folder.hash
    plain = load(plain.make(Report()))
    assert np.array_equal(trace.x_t[:, :3], plain.x_t[:, :3])
    assert not np.allclose(trace.x_t[:, 3:], plain.x_t[:, 3:], atol=1e-3)
    with pytest.raises(ModelError, match="is a refiner .* goes on with a run, and begins none"):
        one = build(SampleConfig, [Layer(SMALL | {"model": fine}, source="test")])
        sample.plan(one, None, tmp_path, force=False).make(Report())
    check_kind(tmp_path / "refiner", goes_on=True)
