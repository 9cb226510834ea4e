"""Phases: calls of the pipeline in a chain, which are one run."""

import inspect

import numpy as np
import pytest
import torch

from denoisecli.config.samplers import SAMPLERS
from denoisecli.diffusion.batch import Batch, sample_batch
from denoisecli.diffusion.chain import Leaving, Link, outputs_name, sample_chain
from denoisecli.diffusion.models import Model, ModelInfo
from denoisecli.diffusion.noise import starting_noise
from denoisecli.errors import UsageError
from denoisecli.scale import as_sampled, enlarged, repeated
from tests.tiny import tiny_text_sd

STEPS, SHAPE, SEEDS = 6, (4, 8, 8), [1, 2]
NOISE = [name for name, row in SAMPLERS.items() if row.process == "noise"]


@pytest.fixture(scope="module")
def model():
    info = ModelInfo("tiny", "sd1", "0" * 64, "epsilon", SHAPE, 2, (16, 16))
    return Model(tiny_text_sd(), info, torch.device("cpu"), torch.float32)


def batch(sampler="ddim", prompt="a cat", cfg=7.5, seeds=SEEDS):
    return Batch(
        noise=starting_noise(seeds, SHAPE), scales=[cfg] * len(seeds), seeds=seeds, prompt=prompt, steps=STEPS,
        sampler=sampler,
    )  # fmt: skip


def chained(model, *links, **more):
    return sample_chain(model, [Link(until, lambda told=told: batch(**told)) for until, told in links], **more)[0]


@pytest.mark.parametrize("sampler", NOISE)
def test_phases_that_change_nothing_are_the_run(model, sampler):
    """Bit for bit, with solvers that remember, evaluate twice or draw noise; the record too."""
    run = sample_batch(model, batch(sampler), outputs=True)
    found = chained(model, *((until, {"sampler": sampler}) for until in (2, 3, STEPS)), outputs=True)
    assert found.arrays.keys() == run.arrays.keys()
    for name, array in run.arrays.items():
        assert np.array_equal(found[name], array), name
    for key in ("schedule", "guidance_measured", "extra_evaluations", "runs"):
        assert found.record.get(key) == run.record.get(key), key


def test_the_model_is_asked_for_nothing_twice(model, monkeypatch):
    """But for one row, once, in all phases: what an output looks like is the denoiser's to say."""
    rows, forward = [], model.pipe.unet.forward
    monkeypatch.setattr(model.pipe.unet, "forward", lambda x, *a, **k: (rows.append(len(x)), forward(x, *a, **k))[1])
    chained(model, (2, {}), (4, {"prompt": "a dog"}), (STEPS, {}))
    assert sorted(rows) == [1] + [4] * STEPS


@pytest.mark.parametrize("sampler", ["ddim", "euler_a", "dpmpp_2m", "pndm"])
def test_it_is_diffusers_own_change_on_the_way(model, sampler):
    """Words and scale exchanged in `callback_on_step_end`, which diffusers means for that, at the end of a step."""
    at = 3
    sample_batch(model, batch(sampler))  # the sampler is on
    pipe = model.pipe
    ours = chained(model, (at, {"sampler": sampler}), (STEPS, {"sampler": sampler, "prompt": "a dog", "cfg": 3.0}))
    words, empty = pipe.encode_prompt("a dog", torch.device("cpu"), 1, True)

    def exchange(pipe, step, _, told):
        if step == at - 1 + (sampler == "pndm"):  # its second evaluation is a step to the loop
            pipe._guidance_scale = 3.0
            told["prompt_embeds"] = torch.cat([empty, empty, words, words])
        return told

    start, drawn = starting_noise(SEEDS, SHAPE), [torch.Generator().manual_seed(seed) for seed in SEEDS]
    for one in drawn:
        torch.randn(SHAPE, generator=one)
    theirs = pipe(
        "a cat", num_images_per_prompt=2, latents=start, num_inference_steps=STEPS, guidance_scale=7.5,
        output_type="latent", callback_on_step_end=exchange, callback_on_step_end_tensor_inputs=["prompt_embeds"],
        generator=drawn,
    ).images  # fmt: skip
    assert np.array_equal(ours.x_t[:, -1], theirs.numpy())
    assert [row["scale"] for row in ours.record["guidance_measured"]] == pytest.approx([7.5] * at + [3] * at, rel=1e-3)


@pytest.mark.parametrize(("first", "second"), [("ddim", "euler"), ("euler", "ddim"), ("dpmpp_2m", "ddim")])
def test_another_sampler_takes_over_at_the_same_level(model, first, second):
    """On the first one's scale: both are the same process, so a step of DDIM and one of Euler go the same way."""
    told = [{"sampler": name} for name in (first, second)]
    links = [
        Link(until, lambda t=t: batch_of(t["sampler"])) for until, t in zip((3, STEPS), told, strict=True)
    ]  # fmt: skip
    found, _ = sample_chain(model, links)
    one = sample_batch(model, batch_of(first))
    assert np.array_equal(found.x_t[:, :4], one.x_t[:, :4])
    assert found.record["schedule_kind"] == one.record["schedule_kind"]
    assert found.x_t.shape == one.x_t.shape
    if {first, second} == {"ddim", "euler"}:
        np.testing.assert_allclose(found.x0, one.x0, rtol=0.01, atol=0.1)  # their timesteps are rounded otherwise


def batch_of(sampler):
    made = batch(sampler)
    return Batch(**{**vars(made), "spacing": "trailing"})


def test_samplers_that_do_not_meet_are_told_with_both_levels(model):
    with pytest.raises(UsageError, match=r"DDIM and Euler Karras do not meet at state 3: σ is [\d.]+ in"):
        chained(model, (3, {}), (STEPS, {"sampler": "euler_karras"}))


@pytest.mark.parametrize("links", [[(3, {"sampler": "unipc"}), (STEPS, {"sampler": "unipc", "prompt": "a dog"})]])
def test_a_run_in_phases_can_be_left_at_any_state(model, links):
    """The rows that leave it nowhere are that run, bit for bit in the same batch."""
    run = chained(model, *links, outputs=True)
    for at in range(STEPS):
        left = chained(model, *links, leaving=Leaving([at, at], [run[outputs_name(0)]]))
        assert np.array_equal(left.x_t, run.x_t), at


SMALL, LARGE = (8, 8), (12, 12)


def sized(shape, sampler="ddim", seeds=SEEDS, **more):
    """Return the batch of a phase at a size, which the noise has."""
    made = batch(sampler, seeds=seeds, **more)
    return Batch(**{**vars(made), "noise": starting_noise(seeds, (4, *shape))})


def grown(model, at, sampler="ddim", seeds=SEEDS):
    links = [Link(at, lambda: sized(SMALL, sampler, seeds)), Link(STEPS, lambda: sized(LARGE, sampler, seeds))]
    return sample_chain(model, links)[0]


@pytest.mark.parametrize("sampler", ["ddim", "euler", "euler_a"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_larger_phase_is_two_runs_of_diffusers_by_hand(model, sampler, seed):
    """The base run up to there, its guess enlarged (bilinear), and image-to-image from the same level on."""
    from diffusers import StableDiffusionImg2ImgPipeline

    at = 3
    ours = grown(model, at, sampler, [seed])
    pipe, guesses = model.pipe, []
    drawn, step = torch.Generator().manual_seed(seed), pipe.scheduler.step

    def stop(pipe, number, _, told):
        pipe._interrupt = number == at - 1
        return told

    def noted(*args, **kwargs):
        found = step(*args, **(kwargs | {"return_dict": True}))
        guesses.append(found.pred_original_sample)
        return (found.prev_sample,)

    told = {"num_inference_steps": STEPS, "guidance_scale": 7.5, "output_type": "latent", "generator": drawn}
    noted.__signature__ = inspect.signature(step)
    pipe.scheduler.step = noted
    try:
        pipe("a cat", latents=torch.randn(1, *SHAPE, generator=drawn), callback_on_step_end=stop, **told)
    finally:
        del pipe.scheduler.step
    assert len(guesses) == at
    larger = torch.nn.functional.interpolate(guesses[-1], size=LARGE, mode="bilinear")
    again = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    again.set_progress_bar_config(disable=True)
    theirs = again("a cat", image=larger, strength=1 - at / STEPS, **told).images
    assert np.array_equal(ours.x_t[:, -1], theirs.numpy())


def test_states_of_two_sizes_lie_in_one_array_and_nothing_is_lost(model):
    """The smaller ones have their cells repeated; what they were sampled as comes back to the bit."""
    at, plain = 3, chained(model, (STEPS, {}))
    found = grown(model, at)
    assert found.x_t.shape == (2, STEPS + 1, 4, *LARGE)
    assert found.record["model"]["latent_shape"] == [4, *LARGE]
    for name, count in (("x_t", at), ("x0", at), ("eps_cond", at), ("eps_uncond", at)):
        assert np.array_equal(as_sampled(found[name][:, :count], SMALL), plain[name][:, :count]), name
        assert np.array_equal(repeated(plain[name][:, :count], LARGE), found[name][:, :count]), name
    assert [row["timestep"] for row in found.record["schedule"]] == plain.timesteps.tolist()
    larger = torch.nn.functional.interpolate(torch.from_numpy(plain.x0[:, at - 1]), size=LARGE, mode="bilinear")
    np.testing.assert_allclose(enlarged(plain.x0[:, at - 1], LARGE), larger.numpy(), atol=1e-4)
    fresh = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    noise = np.stack([(torch.randn(SHAPE, generator=one), torch.randn(4, *LARGE, generator=one))[1] for one in fresh])
    a = found["alpha_bars"][at]
    np.testing.assert_allclose(found.x_t[:, at], np.sqrt(a) * larger.numpy() + np.sqrt(1 - a) * noise, atol=1e-5)


def test_a_run_that_was_enlarged_can_be_left_at_any_state(model):
    links = [Link(3, lambda: sized(SMALL)), Link(STEPS, lambda: sized(LARGE))]
    run = sample_chain(model, links, outputs=True)[0]
    outputs = [run[outputs_name(index)] for index in (0, 1)]
    for at in range(STEPS):
        left = sample_chain(model, links, leaving=Leaving([at, at], outputs))[0]
        assert np.array_equal(left.x_t, run.x_t), at
