"""The fitted last stage: near the full decoder, cheaper, and nothing of the model is changed."""

import numpy as np
import pytest
import torch

from denoisecli.diffusion import fitted_decoder as preview
from denoisecli.diffusion.decode import VaeDecoder, decoder
from denoisecli.diffusion.models import load_model
from denoisecli.diffusion.noise import starting_noise


@pytest.fixture(scope="module")
def model():
    return load_model("pocket")


@pytest.fixture(scope="module")
def latents(model):
    """Clean latents of the model's own, and noise over them at several levels: (level, sample, C, h, w)."""
    from tests.sampling import sample_batch

    noise = starting_noise([1, 2, 3], (4, 16, 16))
    trace = sample_batch(
        model, prompt="a castle on a sand dune at noon, clear sky, calm sea, flat poster", noise=noise, seeds=[1, 2, 3],
        scales=[3.0] * 3, steps=8, sampler="ddim",
    )  # fmt: skip
    return np.concatenate([trace.x_t, trace.x0], axis=1)


def psnr(one, two):
    return -10 * np.log10(np.square(one / 255.0 - two / 255.0).mean())


def test_near_the_full_decoder(model, latents):
    """30 dB is where a difference begins to be seen side by side; films at 256² have 35 to 40."""
    examples = preview.examples([latents])
    fitted, full = decoder(model, "preview", examples), decoder(model, "vae")
    assert (fitted.name, full.name) == (preview.NAME, "tiny autoencoder")
    for sample in (latents[0, 2], latents[1, 7], latents[2, 13]):  # none of them an example
        assert psnr(fitted.decode(sample[None]), full.decode(sample[None])) > 30


def test_model_is_left_as_it_was(model, latents):
    before = VaeDecoder(model.pipe.vae, "x").decode(latents[0, :2])
    layers = [id(layer) for layer in model.pipe.vae.decoder.layers]
    preview.fitted(model.pipe.vae, preview.examples([latents]))
    assert [id(layer) for layer in model.pipe.vae.decoder.layers] == layers
    np.testing.assert_array_equal(VaeDecoder(model.pipe.vae, "x").decode(latents[0, :2]), before)


def test_same_latents_same_map(model, latents):
    examples = preview.examples([latents])
    one, two = (preview.fitted(model.pipe.vae, examples).decoder.layers[-2].weight for _ in range(2))
    assert torch.equal(one, two)


def test_exact_where_the_last_stage_is_linear(model, latents):
    """With a last stage of one upsampling and one convolution the fit finds that very map."""
    layers = list(model.pipe.vae.decoder.layers)
    cut = preview._cut(model.pipe.vae.decoder.layers)
    linear = preview._with_layers(model.pipe.vae, torch.nn.Sequential(*layers[: cut + 1], layers[-1]))
    fitted = preview.fitted(linear, preview.examples([latents]))
    one, two = (VaeDecoder(vae, "x").decode(latents[1, 3:4]).astype(int) for vae in (linear, fitted))
    assert np.abs(one - two)[:, 2:-2, 2:-2].max() <= 1  # not at the border, where zeros are padded in another size


@pytest.mark.parametrize(("pictures", "given"), [pytest.param(47, False, id="few"), pytest.param(48, True, id="many")])
def test_few_pictures_are_decoded_in_full(pictures, given):
    assert (preview.examples([np.zeros((1, pictures, 4, 2, 2))]) is not None) == given


def test_other_autoencoders_are_not_touched():
    assert not preview.can_fit(torch.nn.Linear(2, 2))
