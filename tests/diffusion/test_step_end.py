"""What a pipeline makes of the latents behind a step is in the trace, behind the last one too."""

import numpy as np
import pytest
import torch
from diffusers.callbacks import PipelineCallback
from PIL import Image

from denoisecli.diffusion.recorder import record
from denoisecli.diffusion.scheduler import use_sampler
from tests.tiny import embeds, noise, tiny_sd, tiny_sd3, tiny_sdxl


class Fading(PipelineCallback):
    """diffusers' own kind of callback, which says itself what it asks for."""

    @property
    def tensor_inputs(self):
        return ["latents", "prompt_embeds"]

    def callback_fn(self, pipeline, step_index, timestep, callback_kwargs):
        assert list(callback_kwargs) == self.tensor_inputs
        return {"latents": callback_kwargs["latents"] * 0.9}


def faded(_pipe, _step, _t, tensors):
    return {"latents": tensors["latents"] * 0.9 + 0.1}


def faded_in_place(_pipe, _step, _t, tensors):
    tensors["latents"].mul_(0.9)
    return {}


def turned(_pipe, _step, _t, tensors):
    assert list(tensors) == ["prompt_embeds"], "no more than was asked for"
    return {"prompt_embeds": tensors["prompt_embeds"].flip(1)}


def call(pipe, **more):
    generator = [torch.Generator().manual_seed(seed) for seed in range(2)]
    told = {"latents": noise(2), "height": 16, "width": 16, "generator": generator} | more
    return pipe(**embeds(pipe, 2), num_inference_steps=4, output_type="latent", **told).images


@pytest.mark.parametrize("make", [tiny_sd, tiny_sdxl, tiny_sd3], ids=["sd", "sdxl", "sd3"])
@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="none of the user's"),
        pytest.param({"callback_on_step_end": faded}, id="other latents"),
        pytest.param({"callback_on_step_end": faded_in_place}, id="in place"),
        pytest.param({"callback_on_step_end": Fading()}, id="diffusers' own kind"),
        pytest.param(
            {"callback_on_step_end": turned, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}, id="other inputs"
        ),
    ],
)
def test_the_last_state_is_the_result_whatever_a_callback_makes_of_it(make, more):
    pipe = make()
    plain, own = call(pipe, **more), type(pipe).__call__
    with record(pipe) as trace:
        assert torch.equal(call(pipe, **more), plain)
    np.testing.assert_array_equal(trace.x_t[:, -1], plain.numpy())
    assert type(pipe).__call__ is own


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_last_state_of_inpainting_has_the_picture_outside_the_mask(strength):
    from diffusers import StableDiffusionInpaintPipeline

    plain_pipe = tiny_sd()
    pipe = StableDiffusionInpaintPipeline(**plain_pipe.components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))
    mask = Image.fromarray(np.repeat(np.repeat([[0, 255]], 8, axis=1), 16, axis=0).astype(np.uint8))

    def inpainted():
        generator = torch.Generator().manual_seed(0)
        told = {"image": picture, "mask_image": mask, "strength": strength, "generator": generator}
        size = {"height": 16, "width": 16, "num_inference_steps": 4, "output_type": "latent"}
        return pipe(**embeds(plain_pipe, 1), **told, **size).images

    plain = inpainted()
    with record(pipe) as trace:
        assert torch.equal(inpainted(), plain)
    np.testing.assert_array_equal(trace.x_t[:, -1], plain.numpy())


@pytest.mark.parametrize("sampler", ["ddim", "pndm", "heun", "lms", "kdpm2", "flow_euler"])
def test_seeds_are_those_of_the_call_also_where_the_scheduler_draws_nothing(sampler):
    pipe = tiny_sd3() if sampler == "flow_euler" else tiny_sd()
    use_sampler(pipe, sampler)
    with record(pipe) as trace:
        call(pipe)
    assert [run["seed"] for run in trace.record["runs"]] == [0, 1]
    with record(pipe) as trace:
        call(pipe, generator=torch.Generator().manual_seed(3))
    assert [run["seed"] for run in trace.record["runs"]] == [None, None], "one for both is neither's"
