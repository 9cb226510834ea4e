"""Levels against numbers taken from ComfyUI 0.8.0 (KSampler.sigmas on Stable Diffusion's levels, and on a flow)."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from denoisecli.config.samplers import COMFYUI_SCHEDULERS, SAMPLERS
from denoisecli.interop.samplers import sampler_way
from denoisecli.process.comfyui_sigmas import SCHEDULERS, Training, levels, start_scale

TABLE = json.loads((Path(__file__).parent / "comfyui_sigmas.json").read_text())
TRAINED = {"noise": Training.scaled_linear(), "flow 3": Training.flow(3.0)}


@pytest.mark.parametrize("key", TABLE)
def test_levels_are_comfyuis(key):
    label, sampler, scheduler, steps = key.split("/")
    ours = levels(scheduler, TRAINED[label], int(steps), sampler)
    np.testing.assert_allclose(ours, np.array(TABLE[key], float), rtol=2e-6, atol=1e-7)


def test_every_scheduler_is_in_the_table():
    assert SCHEDULERS.keys() == set(COMFYUI_SCHEDULERS) == {key.split("/")[2] for key in TABLE}


def test_the_start_at_the_top_and_below():
    top = float(TRAINED["noise"].sigmas[-1])
    assert start_scale(top, TRAINED["noise"]) == pytest.approx(np.hypot(1, top))
    assert start_scale(5.0, TRAINED["noise"]) == 5.0
    assert start_scale(1.0, TRAINED["flow 3"]) == 1.0


NOISE_PREDICTING = [name for name, row in SAMPLERS.items() if row.process == "noise" and name not in ("lcm", "pndm")]


@pytest.mark.parametrize("name", NOISE_PREDICTING)
@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
def test_our_own_levels_are_diffusers(name, spacing):
    from diffusers import DDIMScheduler

    from denoisecli.diffusion.clock import Clock
    from denoisecli.diffusion.scheduler import use_sampler

    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    for steps in (1, 10, 30):
        pipe = SimpleNamespace(scheduler=DDIMScheduler(**betas, set_alpha_to_one=False))
        use_sampler(pipe, name, spacing)
        pipe.scheduler.set_timesteps(steps)
        theirs, row = Clock(pipe.scheduler).levels.sigmas, SAMPLERS[name]
        ours = sampler_way(row, spacing, steps)
        np.testing.assert_allclose(ours.sigmas, theirs, rtol=3e-5)
        start = float(pipe.scheduler.init_noise_sigma) * (np.hypot(1, theirs[0]) if ours.scaled else 1)
        assert ours.start == pytest.approx(start, rel=3e-5)
