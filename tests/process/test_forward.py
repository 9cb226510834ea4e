"""The forward process against the papers' formulas and diffusers' schedulers, and the laws of every schedule."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisecli.labs.noise.config import SCHEDULES
from denoisecli.process import forward
from denoisecli.process.forward import Levels, corrupt, draw_noise, schedule_named

VP = [name for name in SCHEDULES if name != "rectified_flow"]
every_schedule = pytest.mark.parametrize("name", SCHEDULES)


# Values, from the papers' constants


@pytest.mark.parametrize(
    ("name", "t", "alpha_bar"),
    [
        pytest.param("scaled_linear", 0, 1 - 0.00085, id="sd-first"),
        pytest.param("scaled_linear", 250, 0.6737926, id="sd-250"),
        pytest.param("scaled_linear", 500, 0.2763327, id="sd-500"),
        pytest.param("scaled_linear", 750, 0.0561698, id="sd-750"),
        pytest.param("scaled_linear", 999, 0.00466010, id="sd-last"),
        pytest.param("linear", 0, 1 - 1e-4, id="ddpm-first"),
        pytest.param("linear", 250, 0.521423, id="ddpm-250"),
        pytest.param("linear", 500, 0.0777967, id="ddpm-500"),
        pytest.param("linear", 750, 0.00330016, id="ddpm-750"),
        pytest.param("linear", 999, 4.03583e-5, id="ddpm-last"),
        pytest.param("zero_snr", 0, 1 - 0.00085, id="zero-snr-keeps-the-first"),
        pytest.param("zero_snr", 250, 0.652457, id="zero-snr-250"),
        pytest.param("zero_snr", 500, 0.241019, id="zero-snr-500"),
        pytest.param("zero_snr", 750, 0.0327991, id="zero-snr-750"),
        pytest.param("zero_snr", 999, 0.0, id="zero-snr-ends-at-zero"),
        pytest.param("karras", 0, 1 / (1 + 0.002**2), id="edm-sigma-min"),
        pytest.param("karras", 999, 1 / (1 + 80.0**2), id="edm-sigma-max"),
        pytest.param("rectified_flow", 499, 0.5, id="flow-half-way"),
        pytest.param("rectified_flow", 999, 0.0, id="flow-ends-in-noise"),
    ],
)
def test_alpha_bar_is_the_papers(name, t, alpha_bar):
    assert schedule_named(name).at([t]).alpha_bars[0] == pytest.approx(alpha_bar, abs=1e-6)


@pytest.mark.parametrize("t", [0, 1, 250, 500, 900])
def test_cosine_is_nichol_and_dhariwal(t):
    def f(t):
        return math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    assert schedule_named("cosine").at([t]).alpha_bars[0] == pytest.approx(f(t + 1) / f(0), abs=1e-9)


def test_karras_ramp_of_stable_diffusion():
    sigmas = forward.karras_sigmas(10, 0.029167, 14.614641)
    known = [14.6146, 9.1029, 5.4784, 3.1686, 1.7494, 0.9141, 0.4469, 0.2014, 0.0819, 0.0292]
    assert sigmas == pytest.approx(known, abs=2e-4)


# diffusers' own schedulers


def _diffusers(name):
    import diffusers

    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    kwargs = {
        "scaled_linear": betas,
        "linear": {},
        "cosine": {"beta_schedule": "squaredcos_cap_v2"},
        "zero_snr": betas | {"rescale_betas_zero_snr": True},
    }[name]
    return diffusers.DDIMScheduler(**kwargs)


@pytest.mark.parametrize("name", ["scaled_linear", "linear", "cosine", "zero_snr"])
def test_alpha_bars_equal_diffusers(name):
    ours = schedule_named(name).at(np.arange(1000)).alpha_bars
    assert np.abs(ours - _diffusers(name).alphas_cumprod.double().numpy()).max() < 1e-6


def test_karras_sigmas_equal_diffusers():
    from diffusers import EDMEulerScheduler

    scheduler = EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, rho=7.0)
    scheduler.set_timesteps(18)
    assert scheduler.sigmas[:-1].numpy() == pytest.approx(forward.karras_sigmas(18), rel=1e-6)


def test_flow_sigmas_equal_diffusers():
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler()
    assert (
        np.abs(scheduler.sigmas.numpy()[::-1] - schedule_named("rectified_flow").at(np.arange(1000)).sigmas).max()
        < 1e-6
    )


@pytest.mark.parametrize("t", [0, 354, 999])
@pytest.mark.parametrize("name", ["scaled_linear", "linear", "cosine", "zero_snr"])
def test_corrupt_is_add_noise_of_diffusers(name, t):
    import torch

    x0, eps = draw_noise(1, (3, 8, 8)).clip(-1, 1), draw_noise(2, (3, 8, 8))
    levels = schedule_named(name).at([t])
    theirs = _diffusers(name).add_noise(torch.tensor(x0), torch.tensor(eps), torch.tensor([t]))
    # theirs is float32 all through: 1 - ᾱ of the first steps keeps few digits, and noise reaches ±4
    assert np.abs(corrupt(x0, eps, levels.signals[0], levels.noises[0]) - theirs.numpy()).max() < 1e-5


@pytest.mark.parametrize("t", [0, 500, 999])
def test_corrupt_is_scale_noise_of_the_flow(t):
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler

    x0, eps = draw_noise(1, (1, 3, 8, 8)), draw_noise(2, (1, 3, 8, 8))
    scheduler = FlowMatchEulerDiscreteScheduler()
    levels = schedule_named("rectified_flow").at([t])
    theirs = scheduler.scale_noise(torch.tensor(x0), scheduler.timesteps[999 - t : 1000 - t], torch.tensor(eps))
    assert np.abs(corrupt(x0, eps, levels.signals[0], levels.noises[0]) - theirs.numpy()).max() < 1e-6


# Laws


@every_schedule
def test_it_starts_nearly_clean_and_the_signal_falls(name):
    levels = schedule_named(name).at(np.arange(1000))
    assert levels.alpha_bars[0] > 0.998
    assert (np.diff(levels.alpha_bars) < 0).all()
    assert (np.diff(levels.snr_db) < 0).all()
    assert (np.diff(levels.sigmas) > 0).all()


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(VP), t=st.floats(0, 999))
def test_variance_is_preserved_at_any_t(name, t):
    levels = schedule_named(name).at([t])
    assert levels.signals[0] ** 2 + levels.noises[0] ** 2 == pytest.approx(1, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(t=st.floats(0, 999))
def test_flow_is_a_straight_line_at_any_t(t):
    levels = schedule_named("rectified_flow").at([t])
    assert levels.signals[0] + levels.noises[0] == pytest.approx(1, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(list(SCHEDULES)), frames=st.integers(2, 1000), pacing=st.sampled_from(["t", "snr"]))
def test_any_pacing_goes_from_end_to_end_and_never_back(name, frames, pacing):
    schedule = schedule_named(name)
    levels = schedule.paced(frames, pacing)
    assert len(levels.timesteps) == frames
    assert (levels.timesteps[0], levels.timesteps[-1]) == (0, 999)
    assert (np.diff(levels.timesteps) > 0).all()
    assert (np.diff(levels.snr_db) < 0).all()


def test_pacing_over_snr_is_even_in_decibels():
    steps = np.diff(schedule_named("scaled_linear").paced(41, "snr").snr_db)
    assert np.abs(steps - steps.mean()).max() < 0.2  # dB; of 1.35, worst below t = 2


def test_pacing_over_t_takes_whole_timesteps():
    assert schedule_named("linear").paced(7).timesteps.tolist() == [0, 166, 333, 500, 666, 832, 999]


# Noise and correlation


def test_noise_is_pcg64_of_the_seed():
    expected = np.random.Generator(np.random.PCG64(7)).standard_normal((3, 4, 5), dtype=np.float32)
    assert np.array_equal(draw_noise(7, (3, 4, 5)), expected)
    assert not np.array_equal(draw_noise(8, (3, 4, 5)), expected)


def test_corruption_is_one_jump_in_float():
    x0, eps = np.float32([-1, 0.5]), np.float32([2, -3])
    assert corrupt(x0, eps, 0.6, 0.8) == pytest.approx(np.float32([-0.6 + 1.6, 0.3 - 2.4]))
    assert corrupt(x0, eps, 0.6, 0.8).dtype == np.float32


@every_schedule
def test_measured_correlation_is_pearsons(name):
    x0, eps = np.tanh(draw_noise(3, (3, 16, 16))), draw_noise(4, (3, 16, 16))
    levels = schedule_named(name).paced(5)
    direct = [
        np.corrcoef(x0.ravel(), corrupt(x0, eps, a, b).ravel())[0, 1]
        for a, b in zip(levels.signals, levels.noises, strict=True)
    ]
    assert forward.measured_correlations(x0, eps, levels) == pytest.approx(direct, abs=1e-5)


def test_expected_correlation_of_unit_variance_is_root_alpha_bar():
    levels = schedule_named("scaled_linear").paced(9)
    assert levels.expected_correlation(1.0) == pytest.approx(np.sqrt(levels.alpha_bars), abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(std=st.floats(0.05, 1.0), seed=st.integers(0, 2**64 - 1), name=st.sampled_from(list(SCHEDULES)))
def test_measured_correlation_meets_its_expectation(std, seed, name):
    x0, eps = draw_noise(11, (3, 64, 64)), draw_noise(seed, (3, 64, 64))
    x0 = (x0 / x0.std() * std).astype(np.float32)
    levels = schedule_named(name).paced(5)
    error = forward.measured_correlations(x0, eps, levels) - levels.expected_correlation(std)
    assert np.abs(error).max() < 6 / math.sqrt(x0.size)


def test_a_flat_picture_has_no_correlation():
    flat, eps = np.zeros((3, 8, 8), np.float32), draw_noise(1, (3, 8, 8))
    levels = schedule_named("linear").paced(3)
    assert forward.measured_correlations(flat, eps, levels).tolist() == [0, 0, 0]
    assert levels.expected_correlation(0.0).tolist() == [0, 0, 0]


def test_levels_of_pure_noise_are_honest_infinities():
    end = Levels(np.array([999.0]), np.array([0.0]), np.array([1.0]), "vp")
    assert (end.sigmas[0], end.snr_db[0]) == (math.inf, -math.inf)
