"""What runs on a CPU runs on a card, as far as a card that is made up can tell (see `tests.card`)."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_map

from denoisecli import record
from denoisecli.diffusion import comfyui_levels, placing
from denoisecli.diffusion.one_step import encode, jump_levels
from denoisecli.errors import UsageError
from tests.card import card
from tests.families import makers, video_makers
from tests.tiny import embeds, noise, tiny_sd, tiny_vae

pytestmark = pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning")
FAMILIES = makers.MAKERS | video_makers.VIDEO


def recorded(pipe, told, place, dtype=torch.float32, **options):
    """Return the trace of a call on a place."""

    def moved(one):
        if not isinstance(one, torch.Tensor):
            return one
        return one.to(place, dtype) if one.is_floating_point() else one.to(place)

    with torch.no_grad(), record(pipe.to(place).to(dtype), **options) as trace:
        pipe(**tree_map(moved, told), num_inference_steps=2, output_type="latent")
    return trace


def same(here, there, atol=0.0):
    assert here.arrays.keys() == there.arrays.keys()
    for name, array in here.arrays.items():
        np.testing.assert_allclose(there[name], array, rtol=0, atol=atol, err_msg=name)
    for row, other in zip(here.record["guidance_measured"], there.record["guidance_measured"], strict=True):
        assert other["scale"] == (None if row["scale"] is None else pytest.approx(row["scale"], abs=1e-4))


@pytest.mark.parametrize("kind", ["mps", "cuda"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_run_whose_halves_are_mixed_here(kind, dtype):
    told = embeds(tiny_sd(), 2) | {"latents": noise(2), "height": 16, "width": 16}
    options = {"scales": [7.5, 3.0], "stop_on_nan": True, "outputs": True}
    here = recorded(tiny_sd(), told, "cpu", dtype, **options)
    with card(kind):
        there = recorded(tiny_sd(), told, kind, dtype, **options)
    assert there.record["environment"]["device"] == f"{kind}:0"
    same(here, there)


@pytest.mark.parametrize("name", ["qwen_image", "flux", "sana_sprint", "wan_video"])
def test_a_run_of_a_family(name):
    def told(arguments):
        draws = [torch.Generator().manual_seed(seed) for seed in range(2)]
        return arguments(2) | {"height": 32, "width": 64, "generator": draws}

    pipe, arguments = FAMILIES[name]()
    here = recorded(pipe, told(arguments), "cpu")  # where diffusers takes its angles in float64
    with card("mps"):
        pipe, arguments = FAMILIES[name]()
        same(here, recorded(pipe, told(arguments), "mps"), atol=1e-5)


def test_levels_are_read_of_a_scheduler_that_has_noised_latents_of_a_card():
    """`add_noise` of diffusers moves the scheduler's table to where the latents lie."""
    with card("cuda"):
        pipe = tiny_sd("DDPMScheduler")
        x = torch.zeros(1, 4, 8, 8).to("cuda")
        pipe.scheduler.add_noise(x, x, torch.tensor([3]))
        assert pipe.scheduler.alphas_cumprod.device.type == "cuda"
        level = jump_levels(SimpleNamespace(pipe=pipe), np.array([float(pipe.scheduler.alphas_cumprod[3])]))[0]
        assert round(level.timestep) == 3
        pipe.scheduler.kept_scale = "vp"
        assert len(comfyui_levels._training(pipe.scheduler).sigmas) == 1000


def test_a_picture_is_encoded_in_float32_where_half_precision_overflows():
    vae = tiny_vae().half()
    vae.register_to_config(force_upcast=True)
    seen = []
    vae.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    model = SimpleNamespace(pipe=SimpleNamespace(vae=vae), device=torch.device("cpu"))
    assert np.isfinite(encode(model, np.zeros((16, 16, 3), np.uint8))).all()
    assert seen == [torch.float32]
    assert vae.dtype == torch.float16


def test_8_bit_floats_are_refused_where_the_device_has_none(tmp_path):
    assert placing.check_quantize(tmp_path, "fp8-layerwise", torch.device("cpu")) == "fp8-layerwise"
    with card("mps") as there, pytest.raises(UsageError, match="8-bit floats, which mps does not have"):
        placing.check_quantize(tmp_path, "fp8-layerwise", there.place)
