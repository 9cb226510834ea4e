"""The sampler table, the formulas as pure functions, and the scale of stored latents."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from denoisecli.config.samplers import SAMPLERS
from denoisecli.diffusion import scheduler as schedule
from denoisecli.diffusion.clock import Clock
from denoisecli.errors import UsageError
from denoisecli.process import x0 as formulas
from denoisecli.scale import canvas_latents, to_unit_variance
from denoisecli.trace import Trace
from tests.tiny import tiny_sd, tiny_sd3

ALPHA_BARS = (0.999, 0.5, 0.05, 0.005)


def test_the_table_is_cheap():
    code = "import sys, denoisecli.config.samplers, denoisecli.diffusion.models as m; m.list_models(); "
    code += "print([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_row_names_a_real_scheduler_and_its_options(name):
    import inspect

    import diffusers

    row = SAMPLERS[name]
    known = inspect.signature(getattr(diffusers, row.class_name).__init__).parameters
    assert row.name == name
    assert not set(row.options) - set(known)
    assert getattr(diffusers, row.class_name).order == row.evaluations


@pytest.mark.parametrize("name", [name for name, row in SAMPLERS.items() if row.process == "noise"])
def test_use_sampler_keeps_the_models_schedule_and_forgets_the_last_sampler(name):
    pipe = tiny_sd(prediction_type="v_prediction", timestep_spacing="trailing")
    for sampler in ("euler_karras", "dpmpp_2m_sde_karras", name):
        schedule.use_sampler(pipe, sampler)
    row, config = SAMPLERS[name], pipe.scheduler.config
    assert type(pipe.scheduler).__name__ == row.class_name
    assert config.prediction_type == "v_prediction"
    assert config.beta_end == 0.012
    assert config.get("timestep_spacing") == row.options.get("timestep_spacing", "trailing")
    assert not config.get("clip_sample")


@pytest.mark.parametrize(
    ("name", "spacing", "timesteps"),
    [
        ("euler", None, [601, 401, 201, 1]),  # the model's own: leading, with an offset of 1
        ("euler", "leading", [601, 401, 201, 1]),
        ("ddim", "leading", [601, 401, 201, 1]),
        ("ddim", "linspace", [999, 749, 500, 250, 0]),
        ("euler", "linspace", [999, 749.25, 499.5, 249.75, 0]),
        ("euler", "trailing", [999, 799, 599, 399, 199]),
        ("ddim", "trailing", [999, 799, 599, 399, 199]),
    ],
)
def test_spacing_of_timesteps(name, spacing, timesteps):
    pipe = tiny_sd()
    schedule.use_sampler(pipe, name, spacing)
    pipe.scheduler.set_timesteps(5)
    found = pipe.scheduler.timesteps.tolist()
    assert found[-len(timesteps) :] == pytest.approx(timesteps, abs=0.5)
    assert Clock(pipe.scheduler).spacing == (spacing or "leading")


def test_karras_levels_have_no_spacing_of_timesteps():
    pipe = tiny_sd()
    schedule.use_sampler(pipe, "euler_karras", "trailing")
    assert Clock(pipe.scheduler).spacing == "linspace"


def test_a_spacing_does_not_stick_to_the_next_sampler():
    pipe = tiny_sd()
    schedule.use_sampler(pipe, "euler", "trailing")
    schedule.use_sampler(pipe, "heun")
    assert Clock(pipe.scheduler).spacing == "leading"


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        pytest.param(tiny_sd, "eulr", "no sampler 'eulr'", id="unknown"),
        pytest.param(tiny_sd, "flow_euler", "does not fit", id="flow on a noise model"),
        pytest.param(tiny_sd3, "ddim", "does not fit", id="noise on a flow model"),
    ],
)
def test_samplers_that_cannot_be_used(make, name, message):
    with pytest.raises(UsageError, match=message):
        schedule.use_sampler(make(), name)


@pytest.mark.parametrize("alpha_bar", ALPHA_BARS)
def test_formulas_undo_the_forward_process(alpha_bar):
    rng = np.random.default_rng(0)
    x0, eps = rng.normal(size=(2, 1, 4, 8, 8))
    alpha, beta = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    sigma = beta / alpha
    v = alpha * eps - beta * x0
    x_vp = alpha * x0 + beta * eps
    x_ve = x0 + sigma * eps
    np.testing.assert_allclose(formulas.x0_vp_eps(x_vp, eps, alpha_bar), x0)
    np.testing.assert_allclose(formulas.x0_vp_v(x_vp, v, alpha_bar), x0)
    np.testing.assert_allclose(formulas.x0_ve_eps(x_ve, eps, sigma), x0)
    np.testing.assert_allclose(formulas.x0_ve_v(x_ve, v, sigma), x0)
    flow = beta
    np.testing.assert_allclose(formulas.x0_flow((1 - flow) * x0 + flow * eps, eps - x0, flow), x0)


def test_formulas_take_tensors_too():
    x, v = torch.ones(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)
    at = formulas.Level(500.0, 1.0, 0.5)
    assert torch.equal(formulas.predicted_x0("ve", "v_prediction", x, v, at), x / 2)


def test_no_formula_is_said():
    with pytest.raises(UsageError, match="no formula"):
        formulas.predicted_x0("ve", "flow_prediction", 0.0, 0.0, formulas.Level(0, 1, 0.5))


@pytest.mark.parametrize("axes", [(2,), (3, 2)], ids=["seeds", "scales and seeds"])
def test_only_ve_latents_are_divided(axes):
    sigmas = np.array([14.6, 1.0, 0.0])
    x_t = np.ones((*axes, 3, 4, 2, 2), np.float32) * np.sqrt(1 + sigmas**2)[:, None, None, None].astype(np.float32)
    for kind in ("vp", "flow"):
        assert to_unit_variance(x_t, sigmas, kind) is x_t
    trace = Trace(arrays={"x_t": x_t, "sigmas": sigmas}, record={"schedule_kind": "ve"})
    np.testing.assert_allclose(canvas_latents(trace), 1, rtol=1e-6)


def test_flow_levels_have_the_signal_to_noise_ratio_of_their_sigma():
    pipe = tiny_sd3(shift=3.0)
    pipe.scheduler.set_timesteps(5)
    at = Clock(pipe.scheduler).levels
    snr = (1 - at.sigmas[:-1]) ** 2 / at.sigmas[:-1] ** 2
    np.testing.assert_allclose(at.alpha_bars[:-1] / (1 - at.alpha_bars[:-1]), snr, atol=1e-12)
