"""Latents to pictures."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from denoisecli.diffusion.decode import LinearDecoder, VaeDecoder, decoder, linear_rgb, rgb_factors
from denoisecli.errors import SamplingError
from tests.tiny import noise, tiny_sd, tiny_vae


@pytest.fixture(scope="module")
def tiny_autoencoder():
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    widths = (8, 8, 8, 8)
    vae = AutoencoderTiny(
        encoder_block_out_channels=widths, decoder_block_out_channels=widths, num_decoder_blocks=(1,) * 4
    )
    return vae.eval()


def model_with(vae, family="other", scale_factor=2, preview=None):
    info = SimpleNamespace(ref="tiny", family=family, latent_shape=(4, 8, 8), scale_factor=scale_factor)
    return SimpleNamespace(pipe=SimpleNamespace(vae=vae), info=info, preview=preview)


def test_the_vae_draws_what_the_pipeline_draws():
    pipe, latents = tiny_sd(), noise(3)
    with torch.no_grad():
        pictures = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    own = pipe.image_processor.postprocess(pictures, output_type="np")
    drawn = decoder(model_with(pipe.vae), "vae").decode(latents.numpy())
    np.testing.assert_array_equal(drawn, (own * 255).round().astype(np.uint8))


@pytest.mark.parametrize(
    ("kind", "tiny", "name"),
    [
        pytest.param("vae", False, "vae", id="full"),
        pytest.param("preview", False, "linear", id="preview of a full autoencoder"),
        pytest.param("vae", True, "tiny autoencoder", id="tiny is its own"),
        pytest.param("preview", True, "tiny autoencoder", id="tiny is its preview"),
    ],
)
def test_which_decoder_draws(tiny_autoencoder, kind, tiny, name):
    model = model_with(tiny_autoencoder if tiny else tiny_vae(), "sd1", 8 if tiny else 2)
    chosen = decoder(model, kind)
    pictures = chosen.decode(noise(2).numpy())
    side = 64 if tiny else 16
    assert chosen.name == name
    assert pictures.shape == (2, side, side, 3)
    assert pictures.dtype == np.uint8


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(("pictures_at_once", "workers", "threads"), [(2, 2, 1), (1, 1, 3), (9, 3, 1)])
def test_small_pictures_are_decoded_side_by_side_within_bounds(
    tiny_autoencoder, monkeypatch, pictures_at_once, workers, threads
):
    vae, seen, under_way = VaeDecoder(tiny_autoencoder, "x"), [], []
    one = np.concatenate([vae.decode(latent[None]) for latent in noise(7).numpy()])
    run = vae._run

    def watched(latents, place):
        under_way.append(len(latents))
        seen.append((sum(under_way), torch.get_num_threads()))
        pictures = run(latents, place)
        under_way.pop()
        return pictures

    monkeypatch.setattr(vae, "_run", watched)
    monkeypatch.setattr("denoisecli.diffusion.decode.PIXELS_PER_BATCH", pictures_at_once * 64 * 64)
    parts = vae.decode(noise(7).numpy())
    assert np.array_equal(parts, one)
    assert max(at_once for at_once, _ in seen) <= workers
    assert {each for _, each in seen} == {threads}
    assert torch.get_num_threads() == 3


def test_batches_of_what_must_not_be_shared_are_bounded(tiny_autoencoder, monkeypatch):
    vae, sizes = VaeDecoder(tiny_autoencoder, "x"), []
    run = vae._run
    monkeypatch.setattr(vae, "_takes_several", lambda: False)
    monkeypatch.setattr(vae, "_run", lambda latents, place: sizes.append(len(latents)) or run(latents, place))
    monkeypatch.setattr("denoisecli.diffusion.decode.PIXELS_PER_BATCH", 3 * 64 * 64)
    latents = noise(7).numpy()
    parts = vae.decode(latents)
    assert sizes == [3, 3, 1]
    one = np.concatenate([vae.decode(latent[None]) for latent in latents])
    assert np.abs(parts.astype(int) - one).max() <= 1


@pytest.mark.usefixtures("three_threads")
def test_threads_are_given_back_where_a_decoder_fails(tiny_autoencoder, monkeypatch):
    vae = VaeDecoder(tiny_autoencoder, "x")
    monkeypatch.setattr(vae, "_run", lambda latents, place: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        vae.decode(noise(2).numpy())
    assert torch.get_num_threads() == 3


def test_float64_and_strided_latents(tiny_autoencoder):
    latents = np.asfortranarray(noise(2).double().numpy())
    assert VaeDecoder(tiny_autoencoder, "x").decode(latents).shape == (2, 64, 64, 3)


def test_a_decoder_that_overflows_is_tried_in_float32(monkeypatch):
    vae = tiny_vae().to(torch.bfloat16)
    used = []
    real = vae.decode

    def overflow(z, **more):
        used.append(z.dtype)
        picture = real(z, **more)[0]
        return (picture if z.dtype == torch.float32 else picture * float("nan"),)

    monkeypatch.setattr(vae, "decode", overflow)
    assert VaeDecoder(vae, "vae").decode(noise(1).numpy()).shape == (1, 16, 16, 3)
    assert used == [torch.bfloat16, torch.float32]
    assert vae.dtype == torch.bfloat16


def test_no_numbers_even_in_float32(monkeypatch):
    vae = tiny_vae()
    monkeypatch.setattr(vae, "decode", lambda z, **_: (z[:, :3] * float("nan"),))
    with pytest.raises(SamplingError, match="not numbers"):
        VaeDecoder(vae, "vae").decode(noise(1).numpy())
    assert vae.dtype == torch.float32


def test_linear_rgb_is_the_map():
    factors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, -1]], np.float32)
    latents = np.zeros((1, 4, 1, 2), np.float32)
    latents[0, :3, 0, 1] = (1, -9, 2)
    np.testing.assert_array_equal(linear_rgb(latents, factors), [[[[128, 128, 0], [255, 0, 255]]]])


def test_linear_rgb_of_nan_is_a_picture_still():
    assert linear_rgb(np.full((1, 4, 2, 2), np.nan), np.ones((5, 3))).shape == (1, 2, 2, 3)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_published_factors(family):
    assert rgb_factors(model_with(None, family)).shape == (5, 3)


def test_fitted_factors_recover_a_linear_decoder():
    truth = np.array([[0.2, 0, 0.1], [0, 0.2, 0], [0.1, 0, 0.2], [0.05, 0.05, 0], [0.1, -0.1, 0]], np.float32)

    class Linear(torch.nn.Module):
        config = SimpleNamespace(block_out_channels=(1, 1), scaling_factor=1.0, get=lambda *_: None)
        dtype, device = torch.float32, torch.device("cpu")

        def decode(self, z, **_):
            colours = torch.einsum("nchw,cr->nrhw", z, torch.from_numpy(truth[:-1]))
            return (
                torch.nn.functional.interpolate(colours + torch.from_numpy(truth[-1])[:, None, None], scale_factor=2),
            )

    np.testing.assert_allclose(rgb_factors(model_with(Linear())), truth, atol=5e-3)


def test_the_linear_decoder_enlarges():
    factors = np.zeros((5, 3), np.float32)
    assert (LinearDecoder(factors, 8).decode(noise(2).numpy()) == 128).all()
