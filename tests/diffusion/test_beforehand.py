"""What a model's configs say of its samplers before a weight is read: the same as the model itself would."""

import diffusers
import numpy as np
import pytest

from denoisecli.config.samplers import SAMPLERS
from denoisecli.diffusion import beforehand
from denoisecli.diffusion.recorder import record
from denoisecli.diffusion.scheduler import use_sampler
from denoisecli.errors import UsageError
from tests.tiny import embeds, tiny_sd


@pytest.mark.parametrize("name", SAMPLERS)
def test_configs_alone_say_what_a_model_has_learned_to_turn_round(tmp_path, name):
    row = SAMPLERS[name]
    getattr(diffusers, row.class_name)(**row.options).save_pretrained(tmp_path / "scheduler")
    assert beforehand.process_in(tmp_path) == row.process
    beforehand.check_fits(name, tmp_path)
    other = "flow_euler" if row.process == "noise" else "ddim"
    with pytest.raises(UsageError, match=f"'{other}' does not fit this model"):
        beforehand.check_fits(other, tmp_path)


def test_where_configs_say_nothing_nothing_is_refused(tmp_path):
    assert beforehand.process_in(tmp_path) is None
    beforehand.check_fits("flow_euler", tmp_path)
    assert beforehand.levels_in(tmp_path, "ddim", None, None, 4) is None


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A pipeline, and a folder with the config of its own scheduler."""
    pipe, folder = tiny_sd(), tmp_path_factory.mktemp("model")
    pipe.scheduler.save_pretrained(folder / "scheduler")
    return pipe, folder


@pytest.mark.parametrize("name", [name for name, row in SAMPLERS.items() if row.process == "noise"])
def test_levels_by_the_configs_are_those_of_the_run(saved, name):
    pipe, folder = saved
    found = beforehand.levels_in(folder, name, None, None, 4)
    use_sampler(pipe, name)
    with record(pipe) as trace:
        pipe(**embeds(pipe), num_inference_steps=4, output_type="latent", height=64, width=64)
    np.testing.assert_allclose(found.sigmas, trace.sigmas, rtol=1e-6)


def test_steps_that_a_sampler_cannot_take_are_the_runs_own_to_say(saved):
    assert beforehand.levels_in(saved[1], "lcm", None, None, 900) is None
