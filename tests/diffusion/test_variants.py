"""Pipelines around a Stable Diffusion model: guidance with a third prediction, a network or a picture beside it."""

import inspect
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from PIL import Image

from denoisecli.diffusion.recorder import record
from tests.tiny import embeds, make_scheduler, tiny_sd, tiny_sdxl, tiny_text_sd, tiny_vae

STEPS = 3


def picture(seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8))


def around(kind, channels=4, **more):
    """Return another pipeline on the parts of a tiny one, its U-Net with so many channels of input."""
    import diffusers

    parts = tiny_sd().components | more
    if channels != 4:
        torch.manual_seed(0)
        parts["unet"] = diffusers.UNet2DConditionModel.from_config(parts["unet"].config, in_channels=channels).eval()
    kind = getattr(diffusers, kind)
    taken = inspect.signature(kind.__init__).parameters
    pipe = kind(**{name: part for name, part in parts.items() if name in taken}, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def perturbed(make):
    from diffusers import AutoPipelineForText2Image

    pipe = AutoPipelineForText2Image.from_pipe(make(), enable_pag=True, pag_applied_layers=["mid"])
    pipe.set_progress_bar_config(disable=True)
    return pipe


def controlled():
    from diffusers import ControlNetModel

    net = ControlNetModel.from_unet(tiny_sd().unet, conditioning_embedding_out_channels=(16, 32)).eval()
    torch.manual_seed(5)
    for values in net.parameters():
        torch.nn.init.normal_(values, std=0.1)
    return around("StableDiffusionControlNetPipeline", controlnet=net)


def adapted():
    from diffusers import T2IAdapter, UNet2DConditionModel

    config = tiny_sd().unet.config | {
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_config(config).eval()
    adapter = T2IAdapter(channels=[4, 8], num_res_blocks=1, downscale_factor=2, adapter_type="full_adapter").eval()
    return around("StableDiffusionAdapterPipeline", unet=unet, adapter=adapter)


def call(pipe, make=tiny_sd, words=5, **told):
    size = {} if "InstructPix2Pix" in type(pipe).__name__ else {"height": 16, "width": 16}
    generator = torch.Generator().manual_seed(0)
    told = embeds(make(), 1, words) | size | told
    return pipe(**told, num_inference_steps=STEPS, output_type="latent", generator=generator).images


MASK = {"image": picture(), "mask_image": Image.fromarray(np.eye(16, dtype=np.uint8) * 255)}
GUIDED = {"guidance_scale": 6.0}
VARIANTS = [
    pytest.param(lambda: perturbed(tiny_sd), GUIDED | {"pag_scale": 3.0}, 6, ("perturbed attention", 3), id="PAG"),
    pytest.param(
        lambda: perturbed(tiny_sd), {"guidance_scale": 1.0, "pag_scale": 2.0}, 1, ("perturbed attention", 2),
        id="PAG alone",
    ),
    pytest.param(
        lambda: around("StableDiffusionSAGPipeline"), GUIDED | {"sag_scale": 0.75}, 6, ("self-attention", 0.75),
        id="SAG",
    ),
    pytest.param(
        lambda: around("StableDiffusionInstructPix2PixPipeline", 8),
        GUIDED | {"image": picture(), "image_guidance_scale": 1.5}, 6, ("without picture", 0.5), id="InstructPix2Pix",
    ),
    pytest.param(controlled, GUIDED | {"image": picture()}, 6, None, id="ControlNet"),
    pytest.param(controlled, GUIDED | {"image": picture(), "guess_mode": True}, 6, None, id="ControlNet guesses"),
    pytest.param(adapted, GUIDED | {"image": picture()}, 6, None, id="T2I-Adapter"),
    pytest.param(lambda: around("StableDiffusionInpaintPipeline", 9), GUIDED | MASK, 6, None, id="inpainting model"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "told", "cfg", "beside"), VARIANTS)
def test_recorded_bit_for_bit_with_the_scales_that_it_was_given(make, told, cfg, beside):
    pipe = make()
    plain = call(pipe, **told)
    with record(pipe) as trace:
        assert torch.equal(call(pipe, **told), plain)
    np.testing.assert_array_equal(trace.x_t[:, -1], plain.numpy())
    assert [run["cfg"] for run in trace.record["runs"]] == [cfg]
    for row in trace.record["guidance_measured"]:
        assert row["residual"] < 1e-5
        assert row["scale"] == pytest.approx(cfg, abs=1e-3)
        assert row.get("weights", {}) == ({} if beside is None else {beside[0]: pytest.approx(beside[1], abs=1e-3)})


def test_the_three_predictions_of_a_followed_picture_are_told_apart():
    """At the first step only what a prediction reads can change it: the words, the picture, or neither."""
    pipe = around("StableDiffusionInstructPix2PixPipeline", 8)

    def first(words, seed):
        with record(pipe) as trace:
            negative = {"negative_prompt_embeds": embeds(tiny_sd(), 1)["negative_prompt_embeds"]}
            call(pipe, words=words, image=picture(seed), **GUIDED, **negative)
        return {name: trace[name][:, 0] for name in ("eps_cond", "eps_uncond", "eps_without_picture")}

    before, other_words, other_picture = first(5, 0), first(6, 0), first(5, 1)
    same = {name: np.array_equal(before[name], other_words[name]) for name in before}
    assert same == {"eps_cond": False, "eps_uncond": True, "eps_without_picture": True}
    same = {name: np.array_equal(before[name], other_picture[name]) for name in before}
    assert same == {"eps_cond": False, "eps_uncond": False, "eps_without_picture": True}


def test_a_scale_that_nothing_explains_is_not_told_as_one():
    """DiT mixes in one half of the channels, and hands the scheduler both halves."""
    from diffusers import DiTPipeline, DiTTransformer2DModel

    transformer = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=1, sample_size=8,
        patch_size=2, num_embeds_ada_norm=1000,
    ).eval()  # fmt: skip
    pipe = DiTPipeline(transformer, tiny_vae(), make_scheduler("DDIMScheduler"))
    pipe.set_progress_bar_config(disable=True)
    with record(pipe) as trace:
        pipe([3], guidance_scale=4.0, num_inference_steps=STEPS, output_type="np")
    assert {run["cfg"] for run in trace.record["runs"]} == {None}


@pytest.mark.parametrize("heard", [{}, {"words": True}, {"words": True, "concepts": ["x"]}], ids=str)
def test_what_random_numbers_come_next_is_the_same_as_without(heard):
    """The user's generator and torch's own on the CPU, from which a pipeline without one draws."""
    pipe, states = tiny_text_sd(), []
    for recorded in (False, True):
        generator = torch.Generator().manual_seed(9)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            with record(pipe, **heard) if recorded else nullcontext():
                for own in (generator, None):
                    pipe("abc de", num_inference_steps=STEPS, height=16, width=16, generator=own, output_type="np")
            states.append((torch.get_rng_state(), generator.get_state()))
    assert all(torch.equal(with_it, without) for with_it, without in zip(*states, strict=True))


def with_pictures(pipe, scale):
    """Give a tiny U-Net random weights of IP-Adapter."""
    unet, layers = pipe.unet, {}
    torch.manual_seed(9)
    width = unet.config.cross_attention_dim
    numbered = [(2 * i + 1, name) for i, name in enumerate(n for n in unet.attn_processors if "attn2" in n)]
    for number, name in numbered:
        inner = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
        layers |= {f"{number}.to_{part}_ip.weight": torch.randn(inner, width) for part in "kv"}
    image = {"proj.weight": torch.randn(4 * width, 6), "proj.bias": torch.zeros(4 * width)}
    image |= {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
    unet._load_ip_adapter_weights([{"image_proj": image, "ip_adapter": layers}])
    pipe.set_ip_adapter_scale(scale)
    return pipe


@pytest.mark.parametrize("make", [tiny_sd, tiny_sdxl], ids=["sd", "sdxl"])
def test_words_are_heard_beside_the_pictures_of_ip_adapter(make):
    """At scale 0 the pictures say nothing, so the maps are those without them. The picture is the same bit for bit."""
    shown = {"ip_adapter_image_embeds": [torch.randn(2, 1, 6, generator=torch.Generator().manual_seed(1))]}
    words = {"first": [1], "second": [2, 3]}
    pipe = make()
    with record(pipe, words=words) as alone:
        call(pipe, make)
    for scale in (0.0, 0.7):
        pipe = with_pictures(make(), scale)
        before, plain = pipe.unet.attn_processors, call(pipe, make, **shown)
        with record(pipe, words=words) as trace:
            assert torch.equal(call(pipe, make, **shown), plain)
        assert all(before[name] is own for name, own in pipe.unet.attn_processors.items())
        assert np.array_equal(trace["words"], alone["words"]) == (scale == 0)
