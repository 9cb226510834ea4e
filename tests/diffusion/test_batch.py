"""One batch through the pipeline: what the plain call gives, any scale, memory, and samples that do not couple."""

import gc
import weakref

import numpy as np
import pytest
import torch

from denoisecli.diffusion import batch as sample
from denoisecli.diffusion.batch import OutOfMemory
from denoisecli.diffusion.embeddings import encoded, stacked
from denoisecli.diffusion.models import Model, ModelInfo
from denoisecli.diffusion.noise import generators, starting_noise
from denoisecli.diffusion.scheduler import use_sampler
from denoisecli.errors import ModelError, SamplingError, UsageError, is_of_memory
from tests.sampling import sample_batch
from tests.tiny import tiny_distilled_sd, tiny_text_sd, tiny_text_sdxl

STEPS = 4
SHAPE = (4, 8, 8)


@pytest.fixture(scope="module")
def model():
    info = ModelInfo("tiny", "sd1", "0" * 64, "epsilon", SHAPE, 2, (16, 16))
    return Model(tiny_text_sd(), info, torch.device("cpu"), torch.float32)


def batch(model, seeds=(1, 2), scales=(7.5, 7.5), sampler="ddim", **more):
    arguments = {"noise": starting_noise(seeds, SHAPE), "scales": scales, "steps": STEPS, "sampler": sampler}
    return sample_batch(model, **({"prompt": "a cat", "negative_prompt": "dog", "seeds": seeds} | arguments | more))


def plain(model, seeds, scale, sampler):
    """The same by a few lines of diffusers."""
    use_sampler(model.pipe, sampler)
    return model.pipe(
        "a cat",
        negative_prompt="dog",
        num_images_per_prompt=len(seeds),
        generator=generators(seeds),
        guidance_scale=scale,
        num_inference_steps=STEPS,
        output_type="latent",
    ).images.numpy()


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "euler_a", "heun", "dpmpp_2m_sde"])
def test_the_result_is_the_plain_calls_bit_for_bit(model, sampler):
    trace = batch(model, sampler=sampler)
    np.testing.assert_array_equal(trace.x_t[:, -1], plain(model, [1, 2], 7.5, sampler))


@pytest.fixture
def distilled():
    info = ModelInfo("tiny-lcm", "sd1", "0" * 64, "epsilon", SHAPE, 2, (16, 16))
    return Model(tiny_distilled_sd(), info, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("scale", [1, 5])
def test_a_distilled_model_is_told_its_scale(distilled, scale):
    """Bit by bit the plain call, which hands the scale to the denoiser and runs no unconditional half."""
    trace = batch(distilled, scales=(scale, scale))
    np.testing.assert_array_equal(trace.x_t[:, -1], plain(distilled, [1, 2], scale, "ddim"))
    assert [run["cfg"] for run in trace.record["runs"]] == [scale, scale]
    assert "eps_uncond" not in trace
    other = batch(distilled, scales=(scale + 1, scale + 1))
    assert (other.x_t[:, -1] != trace.x_t[:, -1]).any()


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("embedded", [True, False])
def test_no_negative_prompt_is_what_the_pipeline_makes_of_none(zeros, embedded):
    """SDXL takes zeros for it, not the embeddings of an empty text; also between prompts."""
    info = ModelInfo("tiny-xl", "sdxl", "0" * 64, "epsilon", SHAPE, 2, (16, 16))
    model = Model(tiny_text_sdxl(zeros=zeros), info, torch.device("cpu"), torch.float32)
    embeds = stacked([encoded(model, "a cat")] * 2) if embedded else None
    trace = batch(model, negative_prompt="", embeds=embeds, sampler="euler")
    use_sampler(model.pipe, "euler")
    alone = model.pipe(
        "a cat", num_images_per_prompt=2, generator=generators([1, 2]), guidance_scale=7.5, num_inference_steps=STEPS,
        output_type="latent", height=16, width=16,
    ).images.numpy()  # fmt: skip
    np.testing.assert_array_equal(trace.x_t[:, -1], alone)


@pytest.mark.parametrize(("sampler", "steps"), [("lcm", 60), ("ddim", 1000)])
def test_steps_that_a_sampler_cannot_take(model, sampler, steps):
    with pytest.raises(UsageError, match=f"'{sampler}' cannot take {steps} steps of this model"):
        batch(model, sampler=sampler, steps=steps)
    assert "set_timesteps" not in vars(model.pipe.scheduler)


def test_a_distilled_model_is_called_once_for_each_scale(distilled):
    """It is told the scale, one for all samples of a call; the calls stand behind each other in one trace."""
    trace = batch(distilled, scales=(3, 12))
    assert [(run["seed"], run["cfg"]) for run in trace.record["runs"]] == [(1, 3), (2, 12)]
    assert trace.record["guidance"]["kind"] == "embedded"
    assert len(trace.x_t) == 2


def test_the_record_says_what_was_run(model):
    trace = batch(model, scales=(3, 12))
    assert [(run["seed"], run["cfg"]) for run in trace.record["runs"]] == [(1, 3), (2, 12)]
    assert trace.record["model"]["ref"] == "tiny"
    assert trace.record["model"]["sha256"] == "0" * 64
    assert trace.steps == STEPS


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 7.5])
def test_any_scale_does_what_the_formula_says(model, scale):
    trace = batch(model, scales=(scale, 2.0))
    output = trace.eps_uncond[0] + np.float32(scale) * (trace.eps_cond[0] - trace.eps_uncond[0])
    alpha_bar = trace.alpha_bars[:-1, None, None, None]
    x0 = (trace.x_t[0, :-1] - np.sqrt(1 - alpha_bar) * output) / np.sqrt(alpha_bar)
    np.testing.assert_allclose(trace.x0[0], x0, rtol=1e-4, atol=1e-4)


def test_scale_one_for_all_runs_no_uncond_half(model):
    trace = batch(model, scales=(1, 1))
    assert "eps_uncond" not in trace
    np.testing.assert_array_equal(trace.x_t[:, -1], plain(model, [1, 2], 1.0, "ddim"))


@pytest.mark.parametrize("sampler", ["ddpm", "euler_a", "dpmpp_2m_sde", "lcm", "kdpm2_a"])
def test_a_sample_does_not_depend_on_its_neighbours(model, sampler):
    both = batch(model, seeds=(1, 2), sampler=sampler)
    alone = batch(model, seeds=(2,), scales=(7.5,), sampler=sampler)
    np.testing.assert_allclose(both.x_t[1], alone.x_t[0], rtol=1e-3, atol=1e-3)
    again = batch(model, seeds=(1, 2), sampler=sampler)
    np.testing.assert_array_equal(both.x_t, again.x_t)


@pytest.mark.parametrize("scales", [(3.0, 3.0), (1.0, 1.0)])
def test_progress(model, scales):
    told = []
    batch(model, scales=scales, on_step=lambda step, steps, x0: told.append((step, steps, x0.shape, x0.dtype)))
    assert told == [(step, STEPS, (2, *SHAPE), np.float32) for step in range(1, STEPS + 1)]


def test_eta_where_there_is_none(model):
    assert not np.array_equal(batch(model, eta=1.0).x_t, batch(model).x_t)
    with pytest.raises(UsageError, match="knows no eta"):
        batch(model, sampler="euler", eta=0.5)


def test_a_prompt_of_5000_words(model, capfd):
    long = sample_batch(
        model,
        prompt="a cat " * 2500,
        noise=starting_noise([1], SHAPE),
        scales=[2],
        steps=1,
        sampler="ddim",
        seeds=[1],
    )
    assert long.x_t.shape == (1, 2, *SHAPE)
    assert capfd.readouterr().err == ""


def test_nan_is_said_with_its_step(model):
    noise = starting_noise([1, 2], SHAPE)
    noise[0, 0, 0, 0] = float("inf")
    with pytest.raises(SamplingError, match="step 1 of 4"):
        batch(model, noise=noise)


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


OUT_OF_MEMORY = [
    pytest.param(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), id="cuda"),
    pytest.param(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), id="cpu"),
    pytest.param(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), id="mps"),
    pytest.param(MemoryError(), id="python"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_out_of_memory(model, monkeypatch, error):
    monkeypatch.setattr(type(model.pipe), "check_inputs", failing(error))
    with pytest.raises(OutOfMemory, match="A batch of 2 does not fit") as caught:
        batch(model)
    assert caught.value.__context__ is None, "raised inside the except block, it would pin the failed call's tensors"
    assert not {"step", "set_timesteps"} & set(vars(model.pipe.scheduler))


def test_out_of_memory_lets_the_tensors_go(model, monkeypatch):
    held = []

    def fail(self, *_, **__):
        big = torch.zeros(10)
        held.append(weakref.ref(big))
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(type(model.pipe), "check_inputs", fail)
    with pytest.raises(OutOfMemory):
        batch(model)
    gc.collect()
    assert held[0]() is None


def test_other_errors_are_told_as_the_models(model, monkeypatch):
    monkeypatch.setattr(
        type(model.pipe), "check_inputs", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("shapes"))
    )
    with pytest.raises(ModelError, match="tiny cannot be run: RuntimeError: shapes") as caught:
        batch(model)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert not is_of_memory(ValueError("out of memory"))
    assert issubclass(sample.OutOfMemory, SamplingError)
