"""Linear previews fitted to a run's own latents."""

import numpy as np
import pytest
import torch

from denoisecli.diffusion import fitted_colours
from denoisecli.diffusion.decode import FittedDecoder, LinearDecoder, VaeDecoder, decoder, rgb_factors
from tests.diffusion.test_decode import model_with
from tests.tiny import noise, tiny_vae


class Linear:
    """Draws each latent pixel as p x p colours, each a linear map of its channels, enlarged to blocks of 4."""

    def __init__(self, p):
        self.p, self.maps = p, np.random.default_rng(0).normal(0, 0.15, (4, p, p, 3)).astype(np.float32)

    def decode(self, latents):
        n, _, h, w = latents.shape
        colours = np.einsum("nchw,cijr->nhiwjr", latents, self.maps).reshape(n, h * self.p, w * self.p, 3)
        grey = np.clip(np.rint((colours / 2 + 0.5) * 255), 0, 255).astype(np.uint8)
        return grey.repeat(4 // self.p, axis=1).repeat(4 // self.p, axis=2)


@pytest.mark.parametrize("p", [1, 2])
def test_a_linear_decoder_is_found_with_its_sub_pixels(p):
    latents, full = noise(4).numpy(), Linear(p)
    found = fitted_colours.fitted(full, latents)
    assert found.sub_pixels == p
    assert found.name == ("linear, fitted to this run" if p == 1 else "linear 2×2, fitted to this run")
    drawn = np.rint((found.draw(latents) / 2 + 0.5) * 255).clip(0, 255).astype(np.uint8)
    unseen = full.decode(latents)[:, :: 4 // p, :: 4 // p]
    assert fitted_colours.psnr(drawn, unseen) > 40


def test_it_comes_nearer_to_the_full_decoder_than_a_map_of_no_run():
    torch.manual_seed(0)
    model = model_with(tiny_vae())
    smooth = torch.nn.functional.interpolate(torch.randn(6, 4, 2, 2), size=(8, 8), mode="bilinear").numpy()
    full = VaeDecoder(model.pipe.vae, "vae", 2).decode(smooth)
    own = decoder(model, "preview", own=smooth[:4])
    assert isinstance(own, FittedDecoder)
    assert own.decode(smooth).shape == full.shape
    general = LinearDecoder(rgb_factors(model), 2)
    assert fitted_colours.psnr(own.decode(smooth), full) > fitted_colours.psnr(general.decode(smooth), full)


def test_latents_that_are_no_numbers_are_not_fitted_to():
    own = np.full((4, 4, 8, 8), np.nan, np.float32)
    assert isinstance(decoder(model_with(tiny_vae()), "preview", own=own), LinearDecoder)


def test_examples_are_of_the_whole_way():
    guesses, finals = np.arange(12.0).reshape(2, 6, 1, 1, 1), np.array([[[[90.0]]], [[[91.0]]]])
    assert fitted_colours.examples(guesses, finals).ravel().tolist() == [90, 91, 5, 9]
    one = fitted_colours.examples(guesses[:1, :1], finals[:1])
    assert one.ravel().tolist() == [90, 90, 0, 0]


def test_psnr_is_that_of_eight_bits():
    a = np.zeros((1, 2, 2, 3), np.uint8)
    assert fitted_colours.psnr(a, a) == float("inf")
    assert fitted_colours.psnr(a, a + 255) == 0
