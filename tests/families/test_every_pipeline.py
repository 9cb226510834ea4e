"""What `record()` makes of every pipeline of diffusers that paints from text: recorded, refused, or why not tried."""

from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from denoisecli.diffusion.families import BY_CLASS
from denoisecli.diffusion.recorder import record
from denoisecli.errors import UsageError
from tests.families import every, newest, older

MADE = newest.NEWEST | older.OLDER
STEPS = 2
DOCS = Path(__file__).parents[2] / "docs" / "models.md"

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*experimental:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning"),
]


def call(pipe, arguments):
    given = {
        "height": 32,
        "width": 64,
        "num_inference_steps": STEPS,
        "output_type": "latent",
        "generator": [torch.Generator().manual_seed(seed) for seed in range(2)],
        "return_dict": False,
    }
    return pipe(**(given | arguments(2)))[0]


@pytest.mark.parametrize("name", every.RECORDED)
def test_recorded_bit_for_bit_with_its_scale_measured(name):
    """The last state is the result, where the pipeline does not unpack it; halves mix to what the scheduler got."""
    shape, scale, kind = every.RECORDED[name]
    pipe, arguments = MADE[name]()
    assert type(pipe).__name__ == kind
    plain = call(pipe, arguments)
    with record(pipe) as trace:
        result = call(pipe, arguments)
    assert torch.equal(plain, result)
    n = 1 if name == "cosmos3" else 2  # one prompt a call
    assert trace.x_t.shape == (n, STEPS + 1, *shape)
    assert trace.x0.shape == (n, STEPS, *shape)
    assert (np.diff(trace.sigmas) <= 0).all()
    assert trace.record["latents"].get("frames", 1) == (shape[1] if len(shape) == 4 else 1)
    if result.numel() == trace.x_t[:, -1].size and result.shape[-2:] == trace.x_t.shape[-2:]:
        assert torch.equal(torch.from_numpy(trace.x_t[:, -1]).reshape(result.shape), result.float())
    for row in trace.record["guidance_measured"]:
        if scale is None:
            assert row["residual"] > 1e-3
        else:
            assert row["scale"] == pytest.approx(scale, abs=1e-3)
            assert row["residual"] < 1e-3


def test_a_learned_variance_is_left_to_solvers_that_cut_it_off_themselves():
    """DeepFloyd hands DPM++ both, of which it takes the first three channels."""
    pipe, arguments = MADE["deepfloyd"]()
    options = {"variance_type": "learned_range", "algorithm_type": "dpmsolver++", "thresholding": False}
    pipe.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(pipe.scheduler.config, **options)
    convert, own = pipe.scheduler.convert_model_output, []

    def spy(*args, **kwargs):
        own.append(convert(*args, **kwargs))
        return own[-1]

    plain = call(pipe, arguments)
    pipe.scheduler.convert_model_output = spy
    with record(pipe) as trace:
        assert torch.equal(call(pipe, arguments), plain)
    expected = torch.stack(own, dim=1).numpy()
    np.testing.assert_allclose(trace.x0, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("name", every.REFUSED)
def test_refused_with_a_sentence_and_painted_all_the_same(name):
    kind, words = every.REFUSED[name]
    pipe, arguments = MADE[name]()
    assert type(pipe).__name__ == kind
    plain = call(pipe, arguments)
    with pytest.raises(UsageError, match=words), record(pipe) as trace:
        assert torch.equal(call(pipe, arguments), plain)
    assert not trace.arrays


def test_guidance_between_guesses_is_solved_for():
    """Cosmos 2 puts a share of x_t to each half before it mixes them: the halves are told in the scheduler's terms."""
    pipe, arguments = MADE["cosmos2"]()
    got = []

    def hear(_pipe, _step, _t, tensors):
        got.append(tensors["latents"])
        return {}

    with record(pipe) as trace:
        call(pipe, lambda n: arguments(n) | {"callback_on_step_end": hear})
    assert trace.record["guidance"]["preconditioned"] is True
    x_t, sigma = trace.x_t[:, 0], trace.sigmas[0]
    mixed = trace.eps_uncond[:, 0] + 5 * (trace.eps_cond[:, 0] - trace.eps_uncond[:, 0])
    np.testing.assert_allclose(x_t + (trace.sigmas[1] - sigma) * mixed, got[0][:, :, 0].numpy(), atol=2e-4 * sigma)


def test_every_pipeline_that_paints_from_text_is_accounted_for():
    """A new one in diffusers is tried, or the reason why not is written down."""
    if not diffusers.__version__.startswith(f"{every.VERSION}."):
        pytest.skip(f"the list is of diffusers {every.VERSION}")
    listed = {name for *_, name in every.RECORDED.values()} | {name for name, _ in every.REFUSED.values()}
    listed |= {name for names in every.NOT_TRIED.values() for name in names}
    assert every.from_text() - listed - set(BY_CLASS) == set()
    assert not listed & set(BY_CLASS)
    assert [name for name in listed if not hasattr(diffusers, name)] == []


def test_the_page_on_models_has_the_list():
    assert every.rows() in DOCS.read_text(encoding="utf-8")
