"""The recorder against diffusers itself: the same result bit for bit, and guesses that are the scheduler's own."""

import functools
import inspect
import itertools
import json
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

import denoisecli
from denoisecli.diffusion.clock import GIVES_X0, Clock
from denoisecli.diffusion.guidance import guided, rescaled
from denoisecli.diffusion.recorder import record
from denoisecli.diffusion.scheduler import use_sampler
from denoisecli.errors import SamplingError, UsageError
from denoisecli.labs.cfg_sweep.anatomy import guesses_of
from denoisecli.process.x0 import Level, predicted_x0
from denoisecli.scale import canvas_latents
from tests.tiny import embeds, noise, tiny_sd, tiny_sd3, tiny_sdxl

SCHEMA = Path(__file__).parents[2] / "docs" / "trace.schema.json"
STEPS = 5
SAMPLERS = ("ddim", "ddpm", "pndm", "euler", "euler_a", "heun", "lms", "dpmpp_2m", "dpmpp_2m_karras", "unipc")
MORE = ("euler_karras", "kdpm2", "kdpm2_a", "dpmpp_2m_sde", "dpmpp_2m_sde_karras", "deis", "lcm")


@pytest.fixture(scope="module")
def pipes():
    return {"sd": tiny_sd(), "sdxl": tiny_sdxl(), "sd3": tiny_sd3()}


def call(pipe, n=2, steps=STEPS, guidance_scale=7.5, **more):
    """Run the pipeline to its final latents, drawing in every step from one generator a sample."""
    arguments = {
        "num_inference_steps": steps,
        "guidance_scale": guidance_scale,
        "latents": noise(n),
        "height": 16,
        "width": 16,
        "output_type": "latent",
        "generator": [torch.Generator().manual_seed(seed) for seed in range(n)],
    }
    return pipe(**embeds(pipe, n), **(arguments | more)).images


def prepared(pipes, family, sampler, prediction="epsilon"):
    pipe = pipes[family]
    use_sampler(pipe, sampler)
    pipe.scheduler.register_to_config(prediction_type=prediction)
    return pipe


MATRIX = [
    *itertools.product(("sd", "sdxl"), SAMPLERS, ("epsilon", "v_prediction")),
    *itertools.product(("sd",), MORE, ("epsilon",)),
]


@pytest.mark.parametrize(("family", "sampler", "prediction"), MATRIX)
def test_final_latents_are_bit_equal(pipes, family, sampler, prediction):
    pipe = prepared(pipes, family, sampler, prediction)
    plain = call(pipe)
    with record(pipe) as trace:
        recorded = call(pipe)
    assert torch.equal(plain, recorded)
    assert torch.equal(call(pipe), plain), "the taps left something behind"
    np.testing.assert_array_equal(trace.x_t[:, -1], plain.numpy())
    assert trace.x_t.shape == (2, STEPS + 1, 4, 8, 8)
    assert trace.x0.shape == trace.eps_uncond.shape == trace.eps_cond.shape == (2, STEPS, 4, 8, 8)
    assert trace.sigmas.shape == trace.timesteps.shape == trace.alpha_bars.shape == (STEPS + 1,)
    assert all(np.isfinite(array).all() for array in trace.arrays.values())


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sampler", [name for name in (*SAMPLERS, *MORE) if name != "lcm"])
def test_x0_formula_equals_the_schedulers_own(pipes, sampler, prediction):
    """For schedulers that give no x0, the trace holds the formula's; conformance/ checks those against truth."""
    pipe = prepared(pipes, "sd", sampler, prediction)
    with record(pipe) as trace:
        call(pipe)
    at = Clock(pipe.scheduler).levels
    for step in range(STEPS):
        output = guided(trace.eps_uncond[:, step], trace.eps_cond[:, step], 7.5)
        level = Level(at.timesteps[step], at.sigmas[step], at.alpha_bars[step])
        x0 = predicted_x0(trace.record["schedule_kind"], prediction, trace.x_t[:, step], output, level)
        np.testing.assert_allclose(trace.x0[:, step], x0, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("sampler", [*SAMPLERS, *MORE])
def test_levels_before_the_run_are_those_met_in_it(pipes, sampler):
    pipe = prepared(pipes, "sd", sampler)
    with record(pipe) as trace:
        call(pipe)
    at = Clock(pipe.scheduler).levels
    np.testing.assert_array_equal(trace.timesteps, at.timesteps)
    np.testing.assert_array_equal(trace.sigmas, at.sigmas)
    np.testing.assert_array_equal(trace.alpha_bars, at.alpha_bars)
    assert (np.diff(trace.sigmas) < 0).all()


@pytest.mark.parametrize("sampler", ["ddim", "pndm", "lcm", "euler", "heun", "dpmpp_2m"])
def test_a_run_that_stops_on_the_way_ends_at_the_level_where_it_stopped(pipes, sampler):
    pipe = prepared(pipes, "sdxl", sampler)
    with record(pipe) as trace:
        call(pipe, steps=10, denoising_end=0.6)
    at, steps = Clock(pipe.scheduler).levels, trace.x0.shape[1]
    assert steps < 10
    np.testing.assert_array_equal(trace.timesteps, at.timesteps[: steps + 1])
    np.testing.assert_array_equal(trace.sigmas, at.sigmas[: steps + 1])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_x0_of_a_preconditioned_model_is_the_schedulers(prediction):
    """EDM's multistep solver (Playground 2.5) gives no x0: it is c_skip·x_t + c_out·output."""
    from diffusers import EDMDPMSolverMultistepScheduler

    pipe, own = tiny_sdxl(), []
    pipe.scheduler = EDMDPMSolverMultistepScheduler(prediction_type=prediction)
    convert = pipe.scheduler.convert_model_output

    def spy(*args, **kwargs):
        own.append(convert(*args, **kwargs))
        return own[-1]

    pipe.scheduler.convert_model_output = spy
    with record(pipe) as trace:
        call(pipe)
    np.testing.assert_allclose(trace.x0, torch.stack(own, dim=1).numpy(), atol=1e-6)


SOLVERS = ("DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep", "DEISMultistep", "SASolver")
BOUNDED = {"thresholding": True}
OWN_X0 = [(name, "_threshold_sample", BOUNDED) for name in (*SOLVERS, "EDMDPMSolverMultistep")]
OWN_X0 += [
    ("UniPCMultistep", "convert_model_output", {"use_flow_sigmas": True, "prediction_type": prediction})
    for prediction in ("epsilon", "v_prediction", "sample", "flow_prediction")
]


@pytest.mark.parametrize(("name", "method", "options"), OWN_X0)
def test_x0_is_what_the_solver_goes_on_with(name, method, options):
    """These give no x0 beside the next latents; what they make of the output inside is heard here."""
    pipe, own = tiny_sd(f"{name}Scheduler", **options), []
    original = getattr(pipe.scheduler, method)

    def spy(*args, **kwargs):
        own.append(original(*args, **kwargs))
        return own[-1]

    plain = call(pipe)
    setattr(pipe.scheduler, method, spy)
    with record(pipe) as trace:
        assert torch.equal(call(pipe), plain)
    expected = torch.stack(own[:: len(own) // STEPS], dim=1).numpy()  # the recorder asks it, too, after the step
    np.testing.assert_allclose(trace.x0, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("clipped", [False, True])
def test_x0_of_a_consistency_model_is_what_it_ends_with(clipped):
    """Song et al. 2023, arXiv 2303.01469: one step draws no noise, so the result is c_skip·x_t + c_out·output."""
    pipe = tiny_sd("CMStochasticIterativeScheduler", clip_denoised=clipped)
    with record(pipe) as trace:
        final = call(pipe, steps=1)
    np.testing.assert_allclose(trace.x0[:, 0], final.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        pytest.param("FlowMatchEulerDiscreteScheduler", 1, id="as most"),
        pytest.param("LTXEulerAncestralRFScheduler", 1, id="LTX's, without a name of a flow"),
        pytest.param("MiniMaxH3Scheduler", -1, id="a velocity towards the data"),
    ],
)
def test_x0_of_a_flow_is_what_its_last_step_ends_with(pipes, name, sign):
    import diffusers

    pipe = tiny_sd3()
    pipe.scheduler = getattr(diffusers, name)()
    with record(pipe) as trace:
        final = call(pipe, guidance_scale=1.0)
    assert trace.record["schedule_kind"] == "flow"
    step = trace.x_t[:, -2] - sign * np.float32(trace.sigmas[-2]) * trace.eps_cond[:, -1]
    np.testing.assert_allclose(trace.x0[:, -1], step, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(trace.x0[:, -1], final.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("DDIMInverseScheduler", "from a picture to noise"),
        ("DPMSolverMultistepInverseScheduler", "from a picture to noise"),
        ("PiflowScheduler", "several predictions at each step"),
    ],
)
def test_a_scheduler_that_does_not_denoise_step_by_step_is_refused(name, what):
    import diffusers

    pipe = tiny_sd()
    pipe.scheduler = getattr(diffusers.schedulers, name)()
    with pytest.raises(UsageError, match=f"{name}.*{what}"):
        record(pipe)


def test_a_scheduler_without_levels_is_refused(pipes):
    from diffusers import IPNDMScheduler

    pipe = tiny_sd()
    pipe.scheduler = IPNDMScheduler()
    with pytest.raises(UsageError, match="IPNDMScheduler does not say its noise levels"), record(pipe):
        call(pipe)


def test_the_schedulers_own_x0_is_taken_where_there_is_one(pipes):
    pipe = prepared(pipes, "sd", "ddim")
    own, step = [], pipe.scheduler.step

    def spy(*args, **kwargs):
        result = step(*args, **kwargs)
        own.append(result[1])
        return result

    spy.__signature__ = inspect.signature(step)
    pipe.scheduler.step = spy
    with record(pipe) as trace:
        call(pipe)
    np.testing.assert_array_equal(trace.x0, torch.stack(own, dim=1).numpy())


STEP_ARGUMENTS = ("model_output", "timestep", "sample")


@contextmanager
def by_name(scheduler, count):
    """Let the pipeline call the scheduler's step with the last `count` of its three arguments by name."""
    step, kept = scheduler.step, len(STEP_ARGUMENTS) - count

    @functools.wraps(step)
    def renamed(*args, **kwargs):
        return step(*args[:kept], **dict(zip(STEP_ARGUMENTS[kept:], args[kept:], strict=True)), **kwargs)

    scheduler.step = renamed
    try:
        yield
    finally:
        scheduler.step = step


@pytest.mark.parametrize("scales", [None, (3.0, 7.0)], ids=["the pipeline's scale", "scales of ours"])
@pytest.mark.parametrize("count", [0, 1, 3], ids=["by position", "sample by name", "all by name"])
@pytest.mark.parametrize("bare", [False, True], ids=["signature kept", "bare wrapper"])
def test_arguments_of_a_step_come_through_as_they_came(scales, count, bare):
    """Somebody's wrapper around `step` may look at them by position or by name."""
    pipe, came = tiny_sd(), []
    step = pipe.scheduler.step

    def theirs(*args, **kwargs):
        came.append((len(args), set(kwargs)))
        return step(*args, **kwargs)

    pipe.scheduler.step = theirs if bare else functools.wraps(step)(theirs)

    def painted():
        came.clear()
        with by_name(pipe.scheduler, count):
            return call(pipe), came.copy()

    plain, expected = painted()
    with record(pipe, scales=scales) as trace:
        recorded, seen = painted()
    assert seen == expected
    assert seen[0][0] == len(STEP_ARGUMENTS) - count
    assert torch.equal(plain, recorded) == (scales is None)
    np.testing.assert_array_equal(trace.x_t[:, -1], recorded.numpy())


def test_gives_x0_names_every_such_scheduler_of_the_matrix(pipes):
    for sampler in (*SAMPLERS, *MORE):
        pipe = prepared(pipes, "sd", sampler)
        pipe.scheduler.set_timesteps(STEPS)
        sample = pipe.scheduler.scale_model_input(noise(), pipe.scheduler.timesteps[0])
        result = pipe.scheduler.step(sample, pipe.scheduler.timesteps[0], sample, return_dict=False)
        assert (len(result) == 2) == (type(pipe.scheduler).__name__ in GIVES_X0)


@pytest.mark.parametrize(
    ("sampler", "extra"),
    [
        pytest.param("ddim", 0, id="one evaluation a step"),
        pytest.param("heun", STEPS - 1, id="heun"),
        pytest.param("kdpm2", STEPS - 1, id="dpm2"),
        pytest.param("pndm", 1, id="pndm warm-up"),
    ],
)
def test_extra_evaluations_are_kept_apart(pipes, sampler, extra):
    pipe = prepared(pipes, "sd", sampler)
    with record(pipe) as trace:
        call(pipe)
    assert trace.steps == STEPS
    assert len(trace.record.get("extra_evaluations", [])) == extra
    assert ("extra_x_t" in trace) == bool(extra)
    if extra:
        assert trace["extra_x_t"].shape == (2, extra, 4, 8, 8)


def test_pndm_with_runge_kutta_has_one_state_a_step(pipes):
    pipe = prepared(pipes, "sd", "pndm")
    pipe.scheduler.register_to_config(skip_prk_steps=False)
    plain = call(pipe)
    with record(pipe) as trace:
        assert torch.equal(call(pipe), plain)
    assert trace.steps == STEPS
    assert len(trace.record["extra_evaluations"]) == 9


@pytest.mark.parametrize("strength", [0.9, 0.5])
def test_pndm_from_a_picture_records_the_levels_that_it_is_told(pipes, strength):
    """diffusers' list has the second level twice, and its second evaluation goes back to the first state, wherever the
    run begins: on the way it so steps over the level that it was told then. The record is of what it was told."""
    from diffusers import StableDiffusionImg2ImgPipeline

    pipe = prepared(pipes, "sd", "pndm")
    pipe.scheduler.register_to_config(skip_prk_steps=True)
    own = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    given = embeds(pipe, 1) | {"image": torch.rand(1, 3, 16, 16), "strength": strength, "num_inference_steps": 10}
    told = []

    def run():
        return own(**given, generator=torch.Generator().manual_seed(7), output_type="latent").images

    plain, step = run(), own.scheduler.step
    own.scheduler.step = lambda output, t, *rest, **more: (told.append(float(t)), step(output, t, *rest, **more))[1]
    try:
        with record(own) as trace:
            assert torch.equal(run(), plain)
    finally:
        del own.scheduler.step
    first, second, *rest = told
    assert trace.timesteps.tolist() == [first, *rest, 0.0]
    assert [row["timestep"] for row in trace.record["extra_evaluations"]] == [second]
    np.testing.assert_allclose(trace.alpha_bars[:-1], own.scheduler.alphas_cumprod[[int(t) for t in (first, *rest)]])


@pytest.mark.parametrize("sampler", ["ddim", "heun", "dpmpp_2m"])
def test_states_follow_from_each_other(pipes, sampler):
    """The state after step k is the one before step k + 1: the last of a shorter prefix of the same schedule."""
    pipe = prepared(pipes, "sd", sampler)
    seen = []

    def keep(_pipe, _index, _t, tensors):
        seen.append(tensors["latents"].clone())
        return {}

    with record(pipe) as trace:
        call(pipe, callback_on_step_end=keep)
    every = pipe.scheduler.order
    after = torch.stack(seen, dim=1)[:, every - 1 :: every] if every > 1 else torch.stack(seen, dim=1)
    np.testing.assert_array_equal(trace.x_t[:, 1 : 1 + after.shape[1]], after.numpy())


def test_guidance_is_the_formula(pipes):
    pipe = prepared(pipes, "sd", "ddim")
    scales = [0.0, 0.5, 1.0, 7.5]
    with record(pipe, scales=scales) as trace:
        call(pipe, n=4, guidance_scale=2.0)
    for i, scale in enumerate(scales):
        mixed = trace.eps_uncond[i] + np.float32(scale) * (trace.eps_cond[i] - trace.eps_uncond[i])
        for step in range(STEPS):
            alpha_bar = trace.alpha_bars[step]
            x0 = (trace.x_t[i, step] - np.sqrt(1 - alpha_bar) * mixed[step]) / np.sqrt(alpha_bar)
            np.testing.assert_allclose(trace.x0[i, step], x0, rtol=1e-5, atol=2e-5)
    assert [run["cfg"] for run in trace.record["runs"]] == scales


def test_first_guess_is_linear_in_the_scale(pipes):
    """At state 0 all scales share x_T, so guess(s) = guess(0) + s · (guess(1) − guess(0))."""
    pipe = prepared(pipes, "sd", "ddim")
    start = noise(1).repeat(3, 1, 1, 1)
    with record(pipe, scales=[0, 1, 12]) as trace:
        call(pipe, n=3, guidance_scale=2.0, latents=start)
    none, one, twelve = trace.x0[:, 0]
    np.testing.assert_allclose(twelve, none + 12 * (one - none), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["sd", "sdxl", "sd3"])
def test_a_scale_mixed_here_equals_the_pipelines_own(pipes, family):
    pipe = pipes[family] if family == "sd3" else prepared(pipes, family, "ddim")
    plain = call(pipe, guidance_scale=7.3)
    with record(pipe, scales=[7.3, 7.3]):
        assert torch.equal(call(pipe, guidance_scale=2.0), plain)


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_guidance_rescale(pipes, family):
    pipe = prepared(pipes, family, "ddim")
    plain = call(pipe, guidance_rescale=0.7)
    with record(pipe) as trace:
        assert torch.equal(call(pipe, guidance_rescale=0.7), plain)
    with record(pipe, scales=[7.5, 7.5], guidance_rescale=0.7) as mixed:
        close = call(pipe, guidance_scale=2.0)
    torch.testing.assert_close(close, plain, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mixed.x0, trace.x0, rtol=1e-3, atol=1e-4)


def test_rescaled_matches_the_conditional_deviation():
    rng = np.random.default_rng(0)
    cond, mixed = rng.normal(size=(4, 8, 8)), 3 * rng.normal(size=(4, 8, 8))
    full = rescaled(mixed, cond, 1.0)
    assert full.std(ddof=1) == pytest.approx(cond.std(ddof=1))
    np.testing.assert_allclose(
        rescaled(torch.from_numpy(mixed), torch.from_numpy(cond), 0.7).numpy(), rescaled(mixed, cond, 0.7)
    )


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_without_guidance_there_is_no_uncond_half(pipes, scale):
    """diffusers turns guidance off at scales up to 1; the trace says 1 then, which is what was run."""
    pipe = prepared(pipes, "sd", "ddim")
    with record(pipe) as trace:
        call(pipe, guidance_scale=scale)
    assert "eps_uncond" not in trace
    assert trace.eps_cond.shape == (2, STEPS, 4, 8, 8)
    assert [run["cfg"] for run in trace.record["runs"]] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("scales", "guidance_scale", "message"),
    [
        pytest.param([3, 4], 1.0, "unconditional half", id="no uncond half"),
        pytest.param([3], 2.0, "1 guidance scales for a batch of 2", id="too few"),
    ],
)
def test_scales_that_cannot_be_mixed(pipes, scales, guidance_scale, message):
    pipe = prepared(pipes, "sd", "ddim")
    with pytest.raises(UsageError, match=message), record(pipe, scales=scales):
        call(pipe, guidance_scale=guidance_scale)
    assert untouched(pipe)


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_eta(pipes, eta):
    pipe = prepared(pipes, "sd", "ddim")
    plain = call(pipe, eta=eta)
    with record(pipe):
        assert torch.equal(call(pipe, eta=eta), plain)
    assert not torch.equal(plain, call(pipe))


def test_samples_of_a_stochastic_sampler_are_not_coupled(pipes):
    pipe = prepared(pipes, "sd", "euler_a")
    both = call(pipe, n=2)
    one = call(pipe, n=1, latents=noise(2)[:1])
    torch.testing.assert_close(both[:1], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_kept_as_float32(pipes, dtype):
    pipe = tiny_sd().to(dtype)
    use_sampler(pipe, "ddim")
    half = {name: value.to(dtype) for name, value in embeds(pipe, 2).items()}
    arguments = {"num_inference_steps": 2, "latents": noise(2).to(dtype), "output_type": "latent"}
    plain = pipe(**half, **arguments).images
    with record(pipe) as trace:
        assert torch.equal(pipe(**half, **arguments).images, plain)
    assert trace.x_t.dtype == trace.x0.dtype == np.float32
    np.testing.assert_array_equal(trace.x_t[:, -1], plain.float().numpy())
    with record(pipe, scales=[7.5, 7.5]):
        assert torch.equal(pipe(**half, **arguments, guidance_scale=2.0).images, plain)


def test_flow_matching(pipes):
    pipe = pipes["sd3"]
    plain = call(pipe)
    with record(pipe) as trace:
        assert torch.equal(call(pipe), plain)
    assert trace.record["schedule_kind"] == "flow"
    assert trace.record["model"]["prediction_type"] == "flow_prediction"
    v = trace.eps_uncond + np.float32(7.5) * (trace.eps_cond - trace.eps_uncond)
    expected = trace.x_t[:, :-1] - trace.sigmas[:-1, None, None, None].astype(np.float32) * v
    np.testing.assert_allclose(trace.x0, expected, rtol=1e-4, atol=1e-5)
    assert trace.sigmas[-1] == 0
    assert trace.alpha_bars[-1] == 1


def untouched(pipe):
    """Whether no tap is left on the pipeline."""
    return (
        not {"step", "set_timesteps"} & set(vars(pipe.scheduler))
        and not pipe.unet._forward_hooks
        and pipe.scheduler.step.__func__ is type(pipe.scheduler).step
    )


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit], ids=lambda error: error.__name__)
def test_taps_come_off_after_an_exception(pipes, error):
    pipe = prepared(pipes, "sd", "ddim")

    def fail(*_):
        raise error("stop")

    with pytest.raises(error), record(pipe) as trace:
        call(pipe, callback_on_step_end=fail)
    assert untouched(pipe)
    assert trace.arrays == {}


def test_nested_recorders_see_the_same(pipes):
    pipe = prepared(pipes, "sd", "ddim")
    with record(pipe) as outer:
        with record(pipe) as inner:
            call(pipe)
        assert "step" in vars(pipe.scheduler), "the outer taps are still on"
    assert untouched(pipe)
    for name, array in outer.arrays.items():
        np.testing.assert_array_equal(inner[name], array)


def test_a_foreign_wrapper_is_put_back(pipes):
    pipe = prepared(pipes, "sd", "ddim")
    own = pipe.scheduler.step
    pipe.scheduler.step = own
    with record(pipe):
        call(pipe)
    assert vars(pipe.scheduler)["step"] is own


def test_the_signature_survives(pipes):
    pipe = prepared(pipes, "sd", "ddim")
    before = inspect.signature(pipe.scheduler.step)
    with record(pipe):
        assert inspect.signature(pipe.scheduler.step) == before


def test_two_calls_follow_each_other_along_the_seed_axis(pipes):
    pipe = prepared(pipes, "sd", "heun")
    with record(pipe) as trace:
        call(pipe, n=1)
        call(pipe, n=2)
    assert trace.x_t.shape[0] == len(trace.record["runs"]) == 3
    with record(pipe) as alone:
        call(pipe, n=2)
    np.testing.assert_array_equal(trace.x_t[1:], alone.x_t)


def test_two_calls_of_different_length_do_not_fit(pipes):
    pipe = prepared(pipes, "sd", "ddim")

    def twice():
        with record(pipe):
            call(pipe)
            call(pipe, steps=3)

    with pytest.raises(UsageError, match="steps: 5, 3"):
        twice()
    assert untouched(pipe)


def test_a_scheduler_exchanged_inside_is_said(pipes):
    pipe = prepared(pipes, "sd", "ddim")
    with pytest.raises(UsageError, match="exchanged"), record(pipe):
        use_sampler(pipe, "euler")


def test_nothing_called_gives_an_empty_trace(pipes):
    with record(prepared(pipes, "sd", "ddim")) as trace:
        pass
    assert trace.arrays == {}


def test_nan_is_raised_in_the_lab_and_let_be_elsewhere(pipes):
    pipe = prepared(pipes, "sd", "ddim")
    broken = noise(2)
    broken[1, 0, 0, 0] = float("nan")
    with pytest.raises(SamplingError, match="step 1 of 5"), record(pipe, stop_on_nan=True):
        call(pipe, latents=broken)
    assert untouched(pipe)
    with record(pipe) as trace:
        call(pipe, latents=broken)
    assert np.isnan(trace.x_t).any()


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "heun"])
def test_on_state_tells_every_state_once_as_it_is_decoded(pipes, scheduler):
    pipe = prepared(pipes, "sd", scheduler)
    told = []
    with record(pipe, on_state=lambda x_t, x0: told.append((x_t, x0))) as trace:
        call(pipe, n=2)
    canvases, guesses = (np.stack(track, axis=1) for track in zip(*told, strict=True))
    np.testing.assert_array_equal(canvases, canvas_latents(trace)[:, :-1])
    np.testing.assert_array_equal(guesses, trace.x0)


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "heun"])
def test_on_halves_tells_what_each_half_alone_guesses_as_the_trace_has_it(pipes, scheduler):
    pipe = prepared(pipes, "sd", scheduler)
    told = []
    with record(pipe, on_halves=lambda *halves: told.append(halves)) as trace:
        call(pipe, n=2)
    for name, track in zip(("eps_uncond", "eps_cond"), zip(*told, strict=True), strict=True):
        for sample, guesses in enumerate(np.stack(track, axis=1)):
            np.testing.assert_array_equal(guesses, guesses_of(trace, name, sample))


def test_on_step_tells_every_step_once(pipes):
    pipe = prepared(pipes, "sd", "heun")
    told = []
    with record(pipe, on_step=lambda step, steps, x0: told.append((step, steps, x0.shape))):
        call(pipe)
    assert told == [(step, STEPS, (2, 4, 8, 8)) for step in range(1, STEPS + 1)]


def test_seeds_are_read_from_the_generators(pipes):
    with record(prepared(pipes, "sd", "ddim")) as trace:
        call(pipes["sd"])
    assert [run["seed"] for run in trace.record["runs"]] == [0, 1]
    with record(prepared(pipes, "sd", "ddim"), seeds=[7, 8]) as trace:
        call(pipes["sd"])
    assert [run["seed"] for run in trace.record["runs"]] == [7, 8]


@pytest.mark.parametrize("sampler", ["ddim", "euler", "heun"])
def test_a_plain_users_trace_saves_and_loads(pipes, sampler, tmp_path):
    with denoisecli.record(prepared(pipes, "sd", sampler)) as trace:
        call(pipes["sd"])
    back = denoisecli.load(trace.save(tmp_path / "run", pictures=False))
    jsonschema.validate(back.record, json.loads(SCHEMA.read_text()))
    assert back.record["runs"][0]["states"][-1]["x0_to_final"] == 0
    assert back.arrays.keys() == trace.arrays.keys()
    assert len(back.record["schedule"]) == STEPS + 1
    assert back.record["model"]["latent_shape"] == [4, 8, 8]
    assert (back.record["schedule"][-1]["snr_db"] is None) == (sampler != "ddim")
