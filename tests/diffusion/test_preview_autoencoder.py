"""A small autoencoder beside the model's own: found, checked, and what it draws."""

import json
import shutil

import numpy as np
import pytest
import torch

from denoisecli.diffusion import fitted_decoder, preview_autoencoder
from denoisecli.diffusion.decode import can_draw_ahead, decoder
from denoisecli.diffusion.models import load_model
from denoisecli.errors import ModelError
from tests.tiny import noise, tiny_text_sd


def small(folder, seed=0, levels=2, channels=4):
    """Write an AutoencoderTiny of so many levels."""
    from diffusers import AutoencoderTiny

    torch.manual_seed(seed)
    vae = AutoencoderTiny(
        encoder_block_out_channels=(8,) * levels, decoder_block_out_channels=(8,) * levels, latent_channels=channels,
        num_encoder_blocks=(1,) * levels, num_decoder_blocks=(1,) * levels,
    )  # fmt: skip
    vae.save_pretrained(folder)
    return vae.eval()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_text_sd().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "tiny")


@pytest.fixture
def cached(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub" / "models--madebyollin--taesd" / "snapshots" / "a1"


def drawn_by(vae, latents):
    with torch.inference_mode():
        pictures = vae.decode(latents).sample
    return ((pictures / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()


def test_a_named_one_goes_before_that_in_the_folder(folder, tmp_path, cached):
    at_hand, elsewhere, fetched = small(folder / "preview", 1), small(tmp_path / "other", 2), small(cached, 3)
    named = {None: at_hand, str(tmp_path / "other"): elsewhere, "madebyollin/taesd": fetched}
    for ref, vae in named.items():
        by = decoder(load_model(str(folder), preview=ref), "preview")
        assert by.name == "preview autoencoder"
        np.testing.assert_array_equal(by.decode(noise(2).numpy()), drawn_by(vae, noise(2)))


def test_finished_pictures_are_the_models_own(folder):
    before = decoder(load_model(str(folder)), "vae").decode(noise(1).numpy())
    small(folder / "preview")
    after = decoder(load_model(str(folder)), "vae")
    assert after.name == "vae"
    np.testing.assert_array_equal(after.decode(noise(1).numpy()), before)


def test_it_is_no_part_of_the_models_identity_but_of_a_runs(folder, tmp_path):
    from denoisecli.diffusion.models import identity
    from denoisecli.labs.loading import resolved
    from denoisecli.labs.sample.config import SampleConfig

    before = identity(str(folder))
    small(folder / "preview")
    assert identity(str(folder)) == before

    def run():
        return resolved(SampleConfig(model=str(folder), decode={"preview": str(tmp_path / "other")}))[1]

    small(tmp_path / "other", 1)
    first = run()
    assert first != resolved(SampleConfig(model=str(folder)))[1]
    small(tmp_path / "other", 2)
    assert run() != first


def test_many_states_take_a_fitted_last_stage_and_are_drawn_ahead(folder):
    small(folder / "preview")
    model = load_model(str(folder))
    examples = noise(fitted_decoder.EXAMPLES).numpy()
    assert decoder(model, "preview", examples).name == fitted_decoder.SMALL_NAME
    assert can_draw_ahead(model, "preview", (4, 8, 8))


def test_of_a_tiny_model_it_imitates_the_models_own_pictures():
    """A decoder with half of its blocks left out comes nearer when its last stage is fitted to the whole one's."""
    model = load_model("pocket")
    latents = np.concatenate([noise(1, seed).numpy() for seed in range(16)])
    vae = model.pipe.vae
    layers = list(vae.decoder.layers)
    cut = fitted_decoder._cut(vae.decoder.layers)
    poorer = fitted_decoder._with_layers(vae, torch.nn.Sequential(*layers[: cut - 1], *layers[cut:]))
    full = decoder(model, "vae").decode(latents[12:]).astype(float)

    def error(autoencoder):
        from denoisecli.diffusion.decode import VaeDecoder

        return np.square(VaeDecoder(autoencoder, "x").decode(latents[12:]) - full).mean()

    own, like = (fitted_decoder.fitted(poorer, latents[:12], other) for other in (None, vae))
    assert error(like) < 0.7 * error(own)


def edited(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def emptied(folder):
    next(folder.glob("*.safetensors")).unlink()


def cut_short(folder):
    path = next(folder.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda path: edited(path, _class_name="AutoencoderKL"), "is no small autoencoder", id="class"),
        pytest.param(lambda path: edited(path, _class_name=["x" * 200] * 9), "is no small autoencoder", id="no class"),
        pytest.param(lambda path: edited(path, latent_channels=16), "cannot draw this model's states", id="weights"),
        pytest.param(lambda path: small(path, channels=16), "2×2 pixels of 16 channels", id="channels"),
        pytest.param(lambda path: small(path, levels=4), "8×8 pixels of 4 channels", id="scale"),
        pytest.param(lambda path: edited(path, num_decoder_blocks=[10**9] * 2), "num_decoder_blocks", id="huge"),
        pytest.param(emptied, "holds no .safetensors weights", id="no weights"),
        pytest.param(cut_short, "is cut short", id="cut short"),
        pytest.param(lambda path: (path / "config.json").write_text("{"), "config.json", id="no JSON"),
        pytest.param(shutil.rmtree, "There is no folder at", id="gone"),
    ],
)
def test_what_cannot_draw_is_refused(folder, tmp_path, spoil, message):
    other = tmp_path / "other"
    small(other)
    spoil(other)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(str(folder), preview=str(other))
    assert caught.value.hint


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_want_of_memory_is_not_called_a_bad_file(folder, monkeypatch, error):
    def fails(*_, **__):
        raise error

    small(folder / "preview")
    monkeypatch.setattr("diffusers.AutoencoderTiny.from_pretrained", fails)
    with pytest.raises(type(error)) as caught:
        load_model(str(folder))
    assert caught.value is error


def test_one_of_the_hub_that_is_not_here(folder, cached):
    with pytest.raises(ModelError, match="madebyollin/taesd is not on this machine") as caught:
        load_model(str(folder), preview="madebyollin/taesd")
    assert "name the folder of one" in caught.value.hint
    assert "denoisecli models" not in caught.value.hint  # which lists no parts


def test_one_that_the_hub_does_not_give(folder, cached, monkeypatch):
    def refused(*_, **__):
        raise OSError("no such repository")

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.snapshot_download", refused)
    with pytest.raises(ModelError, match="no such repository") as caught:
        load_model(str(folder), preview="madebyollin/taesd")
    assert caught.value.hint == "Check the name and the connection, or name the folder of one."


def test_files_are_known_by_what_they_say(tmp_path):
    small(tmp_path / "one", 1)
    first = preview_autoencoder.identity(str(tmp_path / "one"))
    edited(tmp_path / "one", scaling_factor=2.0)
    assert preview_autoencoder.identity(str(tmp_path / "one")) != first
