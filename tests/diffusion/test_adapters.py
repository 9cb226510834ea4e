"""LoRAs on a pipeline: strengths of denoiser and text encoder apart, and nothing on stderr but our own."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from denoisecli.diffusion.adapters import add_loras, set_strengths, wear
from denoisecli.diffusion.models import Model, ModelInfo, load_model
from denoisecli.errors import ModelError
from tests.families.makers import pixart
from tests.lora.made import pocket_tensors, save


def lora_of(pipe, path):
    """A LoRA of rank 2 for one layer of the denoiser and those of the text encoder."""
    tensors = {}
    for part, ending in (
        ("unet", "mid_block.attentions.0.transformer_blocks.0.attn2.to_q"),
        ("text_encoder", "q_proj"),
    ):
        for name, layer in getattr(pipe, part).named_modules():
            if name.endswith(ending):
                key = name if part == "unet" or name.startswith("text_model.") else f"text_model.{name}"
                tensors[f"{part}.{key}.lora_A.weight"] = torch.ones(2, layer.in_features)
                tensors[f"{part}.{key}.lora_B.weight"] = torch.ones(layer.out_features, 2)
    save_file(tensors, path)
    return str(path)


def strengths(part):
    return next(layer.scaling for layer in part.modules() if isinstance(getattr(layer, "scaling", None), dict))


@pytest.mark.filterwarnings("error")
def test_two_loras_with_strengths_apart(tmp_path, capfd):
    model = load_model("pocket", "cpu")
    files = [lora_of(model.pipe, tmp_path / f"{name}.safetensors") for name in "ab"]
    capfd.readouterr()
    add_loras(model, [(files[0], (0.8, 0.25)), (files[1], 0.5)])
    assert strengths(model.pipe.unet) == {"lora0": 0.8, "lora1": 0.5}
    assert strengths(model.pipe.text_encoder) == {"lora0": 0.25, "lora1": 0.5}
    set_strengths(model, [(0.4, 0.0), 1.0])
    assert strengths(model.pipe.unet) == {"lora0": 0.4, "lora1": 1.0}
    assert strengths(model.pipe.text_encoder) == {"lora0": 0.0, "lora1": 1.0}
    assert capfd.readouterr().err == ""


def test_a_built_in_lora_by_its_name():
    from denoisecli.diffusion.models import lora_identity
    from denoisecli.errors import ModelError
    from denoisecli.lora.built_in import FOLDER

    model = load_model("pocket", "cpu")
    add_loras(model, [("pocket/woodcut-print", 1.0)])
    assert strengths(model.pipe.unet) == {"lora0": 26 / 16}  # alpha / rank
    assert lora_identity("pocket/woodcut-print") == lora_identity(str(FOLDER / "woodcut-print.safetensors"))
    with pytest.raises(ModelError, match='no LoRA "woodct"') as told:
        lora_identity("pocket/woodct")
    assert "pocket/woodcut-print" in told.value.hint


def test_the_built_in_woodcut_is_whole_at_strength_1():
    """Ink on paper: nothing blue or green is left, where a weaker one leaves whole skies and meadows."""
    from denoisecli.diffusion.decode import decoder
    from denoisecli.diffusion.noise import starting_noise
    from tests.sampling import sample_batch

    model, seeds = load_model("pocket", "cpu", "float32"), [7, 21]
    add_loras(model, [("pocket/woodcut-print", 1.0)])
    prompt = "a castle on a grassy hill at noon, clear sky, field of flowers, woodcut print"
    noise = starting_noise(seeds, model.info.latent_shape)
    run = sample_batch(
        model, prompt=prompt, noise=noise, seeds=seeds, scales=[7.5] * 2, steps=10, sampler="ddim"
    )  # fmt: skip
    red, green, blue = np.moveaxis(decoder(model, "vae").decode(run.x_t[:, -1]).astype(int), -1, 0)
    assert (np.maximum(green, blue) > red + 15).mean(axis=(1, 2)).max() < 0.02


def test_loras_by_step_on_a_model_that_takes_none_are_refused(tmp_path):
    """PixArt's pipeline has no loader of LoRAs; a phase without LoRAs has nothing to take off there."""
    info = ModelInfo("tiny", "pixart", "0" * 64, "epsilon", (4, 8, 8), 2, (16, 16))
    model = Model(pixart()[0], info, torch.device("cpu"), torch.float32)
    wear(model, [])
    with pytest.raises(ModelError, match="diffusers puts no LoRA onto models of the family pixart"):
        wear(model, [(str(save(pocket_tensors(2), tmp_path / "bent.safetensors")), 1.0)])
