"""The labs' way through every family: our noise is the pipeline's own, and so is what comes out."""

import inspect

import diffusers
import numpy as np
import pytest
import torch

from denoisecli.diffusion import models
from denoisecli.diffusion.canvas import as_given, check_size, noise_for
from denoisecli.diffusion.decode import decoder
from denoisecli.diffusion.families import BY_CLASS, FAMILIES
from denoisecli.diffusion.guidance import guidance_of
from denoisecli.diffusion.one_step import encode
from denoisecli.errors import UsageError
from tests.families import makers
from tests.sampling import sample_batch

SIZE = (64, 32)
SEEDS = [7, 21]
PAINTED = [name for name in makers.MAKERS if name not in ("wan_video", "flux_true_cfg")]
SCALE = {"krea2": 3.0, "flux": 3.5}

pytestmark = [
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
]


def model_of(name):
    pipe, arguments = makers.MAKERS[name]()
    info = models.ModelInfo(
        ref=name,
        family=models.family_of(type(pipe).__name__),
        sha256="0" * 64,
        prediction_type="flow_prediction",
        latent_shape=(4, 16, 32),
        scale_factor=8 if name in ("lumina2", "kandinsky5") else 2,
        native_size=SIZE[::-1],
    )
    return models.Model(pipe, info, torch.device("cpu"), torch.float32), arguments


def embeds(arguments, n):
    """Return the prompts' tensors among a call's arguments: those that the labs give otherwise are left out."""
    mine = ("guidance_scale", "true_cfg_scale", "num_frames", "use_resolution_binning", "intermediate_timesteps")
    return {name: value for name, value in arguments(n).items() if name not in mine}


def size_of(name):
    return {"kandinsky5": (64, 64), "hidream": (32, 16)}.get(name, SIZE)


def sampled(name, scales=None, sampler=None, steps=2):
    model, arguments = model_of(name)
    width, height = size_of(name)
    scale = SCALE.get(name, 4.0)
    return (
        model,
        arguments,
        sample_batch(
            model,
            prompt="",
            noise=noise_for(model.pipe, SEEDS, (width, height)),
            scales=scales or [scale, scale],
            steps=steps,
            sampler=sampler or BY_CLASS[type(model.pipe).__name__].sampler,
            seeds=SEEDS,
            height=height,
            width=width,
            embeds=embeds(arguments, 2),
        ),
    )


@pytest.mark.parametrize("name", PAINTED)
def test_a_seed_is_what_it_is_in_the_plain_pipeline(name):
    model, arguments, trace = sampled(name)
    pipe = model.pipe
    start, states = noise_for(pipe, SEEDS, size_of(name)), []
    np.testing.assert_array_equal(trace.x_t[:, 0], start.numpy())

    def keep(_pipe, _step, _t, tensors):
        states.append(tensors["latents"].clone())
        return {}

    watched = {} if name == "pixart" else {"callback_on_step_end": keep}
    result = pipe(
        **(arguments(2) | ({"intermediate_timesteps": 1.3} if name == "sana_sprint" else {})),
        **watched,
        height=size_of(name)[1],
        width=size_of(name)[0],
        num_inference_steps=2,
        output_type="latent",
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS],
        return_dict=False,
    )[0]
    final = torch.from_numpy(trace.x_t[:, -1])
    plain = (states or [result])[-1] if name != "sana_sprint" else result
    if name.startswith("flux2"):
        plain = plain.transpose(1, 2).reshape(2, 16, 8, 16)
    assert torch.equal(as_given(pipe, final), plain)


@pytest.mark.parametrize("name", ["z_image", "qwen_image", "flux", "hidream", "chroma", "hunyuan_image", "flux2_klein"])
def test_each_sample_may_have_a_scale_of_its_own(name):
    """Where the formula is plain the recorder mixes; else the pipeline is called once for each scale."""
    model, _, trace = sampled(name, scales=[2.0, 6.0])
    assert [run["cfg"] for run in trace.record["runs"]] == [2.0, 6.0]
    alone = sampled(name, scales=[6.0, 6.0])[2]
    np.testing.assert_allclose(trace.x_t[1], alone.x_t[1], rtol=1e-4, atol=1e-4)
    assert not np.allclose(trace.x_t[0], alone.x_t[0], atol=1e-6)
    if guidance_of(model.pipe) != "embedded":
        offset = 1.0 if name == "z_image" else 0.0
        for row in trace.record["guidance_measured"]:
            assert row["scales"] == pytest.approx([2 + offset, 6 + offset], abs=1e-3)


@pytest.mark.parametrize("sampler", ["flow_euler", "flow_heun", "flow_dpmpp_2m", "flow_unipc", "flow_deis", "flow_lcm"])
@pytest.mark.parametrize("name", ["flux", "sana", "z_image"])
def test_flow_solvers_step_on_the_models_own_levels(name, sampler):
    *_, trace = sampled(name, sampler=sampler, steps=4)
    *_, own = sampled(name, steps=4)
    assert trace.x_t.shape == own.x_t.shape
    np.testing.assert_allclose(trace.sigmas, own.sigmas, atol=3e-6)  # not quite 0 and 1 for some
    np.testing.assert_allclose(trace.timesteps, own.timesteps, atol=2e-2)
    assert np.isfinite(trace.x_t).all()
    expected = trace.x_t[:, :-1] - trace.sigmas[:-1, None, None, None] * _guided(trace)
    np.testing.assert_allclose(trace.x0, expected, rtol=1e-3, atol=1e-3)


def _guided(trace):
    if "eps_uncond" not in trace:
        return trace.eps_cond
    scale = np.array([row["scale"] for row in trace.record["guidance_measured"]])[:, None, None, None]
    return trace.eps_uncond + scale * (trace.eps_cond - trace.eps_uncond)


@pytest.mark.parametrize("name", [name for name in PAINTED if name not in ("lumina2", "kandinsky5")])
def test_pictures_are_decoded_as_the_pipeline_does(name):
    model, arguments, trace = sampled(name)
    width, height = size_of(name)
    drawn = decoder(model, "vae").decode(trace.x_t[:, -1])
    assert drawn.shape == (2, height, width, 3)
    own = model.pipe(
        **(arguments(2) | ({"intermediate_timesteps": 1.3} if name == "sana_sprint" else {})),
        height=height,
        width=width,
        num_inference_steps=2,
        output_type="np",
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS],
        return_dict=False,
    )[0]
    own = own[:, 0] if own.ndim == 5 else own
    np.testing.assert_allclose(drawn / 255, own, atol=0.51 / 255 + 1e-3)
    preview = decoder(model, "preview").decode(trace.x0[:, 0])
    assert preview.shape == drawn.shape


@pytest.mark.parametrize("name", ["flux", "flux2", "qwen_image", "sana", "wan"])
def test_a_picture_is_encoded_to_what_decodes_to_it(name):
    """from_encoder is the inverse of to_decoder, and the encoder's own latents come out."""
    from denoisecli.diffusion import autoencoder

    model, _ = model_of(name)
    latents = makers.rows(1, 4, 8, 8)
    back = autoencoder.from_encoder(model.pipe.vae, autoencoder.to_decoder(model.pipe.vae, latents))
    torch.testing.assert_close(back, latents)
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert encode(model, picture).shape == (4, 8, 8)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.labs], ids=lambda family: family.name)
def test_the_table_says_what_the_pipelines_default_to(family):
    for name in family.pipelines:
        call = inspect.signature(getattr(diffusers, name).__call__).parameters
        assert call["num_inference_steps"].default == family.steps
        if family.scale_argument in call and name != "LatentConsistencyModelPipeline":
            wanted = 7.5 if family.name == "sd1" else family.scale
            assert call[family.scale_argument].default == wanted
        assert set(family.extra) <= set(call)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("flux", (62, 32), "steps of 4"),
        ("ernie", (62, 32), "steps of 4"),
        ("wan", (62, 32), "steps of 4"),
        ("z_image", (62, 32), "steps of 4"),
        ("kandinsky5", (128, 128), "would paint 64x64"),
        ("hidream", (64, 32), "would paint 32x16"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(name, size, message):
    with pytest.raises(UsageError, match=message):
        check_size(makers.MAKERS[name]()[0], size)


def test_a_scale_that_changes_on_the_way_is_refused_where_the_pipeline_mixes():
    from denoisecli.diffusion.guidance import StepScales

    with pytest.raises(UsageError, match="mixes its guidance by itself"):
        sampled("qwen_image", scales=[StepScales((1.0, 4.0))] * 2)
