"""Samplers and guesses against truth: an exact denoiser, and numbers from the papers."""

import numpy as np
import pytest
import torch

from denoisecli.diffusion.clock import Clock
from denoisecli.diffusion.recorder import record
from denoisecli.diffusion.scheduler import use_sampler
from denoisecli.scale import canvas_latents
from tests.conformance.gaussian import MEAN, gaussian_pipe, solution
from tests.tiny import embeds, make_scheduler, noise

EXACT = ("ddim", "ddpm", "pndm", "euler", "euler_a", "heun", "lms", "kdpm2", "dpmpp_2m", "unipc", "deis", "lcm")


def run(pipe, sampler, steps, n=1, **options):
    use_sampler(pipe, sampler)
    pipe.scheduler.register_to_config(**options)
    generator = [torch.Generator().manual_seed(seed) for seed in range(n)]
    with record(pipe) as trace:
        pipe(
            **embeds(pipe, n),
            latents=noise(n),
            num_inference_steps=steps,
            guidance_scale=1.0,
            height=16,
            width=16,
            generator=generator,
            output_type="latent",
        )
    return trace


def on_ve_scale(trace, state):
    """Return x at a state as x0 + σε, whatever scale the sampler keeps it on."""
    x = torch.from_numpy(canvas_latents(trace)[:, state].astype(np.float64))
    return x * np.sqrt(1 + trace.sigmas[state] ** 2)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sampler", EXACT)
def test_every_guess_about_one_point_is_that_point(sampler, prediction_type):
    trace = run(gaussian_pipe(0.0, prediction_type), sampler, 10)
    np.testing.assert_allclose(trace.x0, np.broadcast_to(MEAN, trace.x0.shape), atol=2e-3)


@pytest.mark.parametrize("sampler", ["euler_karras", "dpmpp_2m_karras"])
def test_karras_levels_between_timesteps_cost_little(sampler):
    """diffusers rounds the timestep of a Karras level for the model; the guess errs by that and no more."""
    trace = run(gaussian_pipe(0.0), sampler, 10)
    np.testing.assert_allclose(trace.x0, np.broadcast_to(MEAN, trace.x0.shape), atol=0.05)


@pytest.mark.parametrize(
    ("sampler", "options", "leftover"),
    [
        pytest.param("euler", {}, 0.0, id="sigma ends at 0"),
        pytest.param("dpmpp_2m", {}, 0.0, id="dpm++ ends at 0"),
        pytest.param("ddim", {}, 0.029155, id="ddim ends at alpha_bar of t=0"),
        pytest.param("lcm", {}, 0.0, id="lcm ends at its guess, far from t=0 as it stops"),
        pytest.param("ddpm", {"timestep_spacing": "trailing"}, 0.0, id="ddpm ends at its guess, one stride above t=0"),
    ],
)
def test_what_noise_is_left_at_the_end(sampler, options, leftover):
    """The last state is α·x0 + leftover·ε; the leftover of Stable Diffusion's DDIM is √(1 − ᾱ_0)."""
    trace = run(gaussian_pipe(0.0), sampler, 6, **options)
    alpha = np.sqrt(1 - leftover**2)
    rest = trace.x_t[0, -1] - alpha * MEAN.numpy()
    assert np.sqrt((rest**2).mean()) == pytest.approx(leftover * noise().numpy().std(), abs=2e-3)
    assert np.sqrt(1 - trace.alpha_bars[-1]) == pytest.approx(leftover, abs=1e-5)


def endpoint_error(sampler, steps, spread=0.5):
    """Return the distance to the ODE's solution at the last level before the jump to 0, relative to its spread."""
    trace = run(gaussian_pipe(spread), sampler, steps, timestep_spacing="linspace")
    start = on_ve_scale(trace, 0)
    truth = solution(start, trace.sigmas[0], trace.sigmas[-2], spread)
    return float((on_ve_scale(trace, -2) - truth).square().mean().sqrt())


@pytest.mark.parametrize(
    ("sampler", "order"),
    [pytest.param("euler", 1, id="Euler is of order 1"), pytest.param("heun", 2, id="Heun is of order 2")],
)
def test_order_of_convergence(sampler, order):
    """Twice the steps divide the error by 2^order; measured to sigma_min, because the last jump to 0 hides it."""
    errors = [endpoint_error(sampler, steps) for steps in (40, 80, 160)]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert slopes == pytest.approx([order] * 2, abs=0.25)


@pytest.mark.parametrize(
    ("sampler", "tolerance"),
    [
        ("ddim", 0.03),
        ("pndm", 0.03),
        ("euler", 0.03),
        ("heun", 2e-3),
        ("lms", 0.01),
        ("kdpm2", 0.01),
        ("dpmpp_2m", 5e-3),
        ("unipc", 5e-3),
        ("deis", 0.02),
    ],
)
def test_deterministic_samplers_end_where_the_ode_does(sampler, tolerance):
    assert endpoint_error(sampler, 50) < tolerance


def test_ddim_step_is_equation_12():
    """x' = √ᾱ'·x0 + √(1−ᾱ')·ε at eta 0. Source: Song et al. 2020, arXiv 2010.02502, eq. 12."""
    trace = run(gaussian_pipe(0.5), "ddim", 8)
    alpha_bar = trace.alpha_bars[1:, None, None, None].astype(np.float32)
    step = np.sqrt(alpha_bar) * trace.x0 + np.sqrt(1 - alpha_bar) * trace.eps_cond
    np.testing.assert_allclose(trace.x_t[:, 1:], step, rtol=1e-5, atol=1e-5)


def test_karras_levels_of_stable_diffusion():
    """Karras et al. 2022, arXiv 2206.00364, eq. 5 with ρ = 7 over Stable Diffusion's σ range, ten steps."""
    trace = run(gaussian_pipe(0.5), "euler_karras", 10)
    paper = [14.6146, 9.1029, 5.4784, 3.1686, 1.7494, 0.9141, 0.4469, 0.2014, 0.0819, 0.0292, 0]
    np.testing.assert_allclose(trace.sigmas, paper, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "alpha_bars"),
    [
        pytest.param({}, {0: 0.99915, 250: 0.6737926, 500: 0.2763327, 750: 0.0561698, 999: 0.0046601}, id="SD"),
        pytest.param(
            {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"},
            {250: 0.521423, 500: 0.0777967, 750: 0.00330016, 999: 4.03583e-5},
            id="DDPM linear",
        ),
        pytest.param(
            {"rescale_betas_zero_snr": True},
            {250: 0.652457, 500: 0.241019, 750: 0.0327991, 999: 0.0},
            id="zero terminal SNR",
        ),
    ],
)
def test_alpha_bars_of_the_papers(options, alpha_bars):
    """Ho et al. 2020 (linear), Rombach et al. 2022 (scaled linear), Lin et al. 2023, arXiv 2305.08891 (rescaled)."""
    scheduler = make_scheduler("DDIMScheduler", timestep_spacing="trailing", **options)
    scheduler.set_timesteps(1000)
    at = Clock(scheduler).levels
    row = {int(t): alpha_bar for t, alpha_bar in zip(at.timesteps[:-1], at.alpha_bars[:-1], strict=True)}
    assert {t: row[t] for t in alpha_bars} == pytest.approx(alpha_bars, rel=2e-5, abs=1e-9)


def test_first_timesteps_of_twenty_steps():
    """The spacings differ in where they begin: leading at 951, linspace and trailing at 999."""
    firsts = {}
    for spacing in ("leading", "linspace", "trailing"):
        scheduler = make_scheduler("DDIMScheduler", timestep_spacing=spacing)
        scheduler.set_timesteps(20)
        firsts[spacing] = Clock(scheduler).levels.timesteps[0]
    assert firsts == {"leading": 951, "linspace": 999, "trailing": 999}
