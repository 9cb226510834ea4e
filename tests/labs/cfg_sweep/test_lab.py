"""The guidance lab: its folder and numbers, the laws of guidance, thrift that changes nothing, and bad input."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image

from denoisecli.config.load import Layer, build
from denoisecli.diffusion.guidance import StepScales, takes_guidance
from denoisecli.diffusion.models import Model, ModelInfo
from denoisecli.diffusion.noise import starting_noise
from denoisecli.diffusion.recorder import record
from denoisecli.errors import ConfigError
from denoisecli.labs.cfg_sweep import lab as cfg_sweep
from denoisecli.labs.cfg_sweep.config import CfgSweepConfig
from denoisecli.labs.cfg_sweep.scales import guide_label, scale_steps, swept_scales, taken_apart
from denoisecli.media.picture_file import PictureFile
from denoisecli.report import Report
from denoisecli.trace import load
from tests.sampling import OTHER_SHAPE, sample_batch
from tests.tiny import embeds, noise, tiny_sd, tiny_sd3, tiny_sdxl, tiny_text_sd

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "trace.schema.json").read_text())
FILM = {"size": "640x360", "fps": 5, "hold_s": 0.2}
SCALES = [0, 1, 7.5, [[0, 12], [0.5, 3]]]
STEPS, SHAPE = 4, (4, 8, 8)

pytestmark = pytest.mark.usefixtures("kept_model")


def planned(folder, **values):
    config = CfgSweepConfig.model_validate({"film": FILM, "size": 64, "steps": 3} | values)
    return cfg_sweep.plan(config, folder, None, force=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return planned(tmp_path_factory.mktemp("sweep") / "run", scales=SCALES, seeds=[7, 21]).make(Report())


@pytest.fixture(scope="module")
def trace(folder):
    return load(folder)


@pytest.fixture(scope="module")
def model():
    info = ModelInfo("tiny", "sd1", "0" * 64, "epsilon", SHAPE, 2, (16, 16))
    return Model(tiny_text_sd(), info, torch.device("cpu"), torch.float32)


def sampled(model, scales, seeds=None, sampler="ddim"):
    """Sample one batch; a list or tuple among the scales is one for each step."""
    seeds = seeds or [1] * len(scales)
    stepped = [StepScales(tuple(scale) if isinstance(scale, (list, tuple)) else (scale,) * STEPS) for scale in scales]
    return sample_batch(
        model, prompt="a cat", negative_prompt="dog", noise=starting_noise(seeds, SHAPE), scales=stepped, steps=STEPS,
        sampler=sampler, seeds=seeds,
    )  # fmt: skip


# The folder


def test_the_folder_holds_what_the_trace_lists(folder, trace):
    listed = {row["path"] for row in trace.record["artifacts"]}
    assert listed >= {"film.mp4", "views/anatomy.mp4", "sheet.png", "finals.png", "states.safetensors", "page.html"}
    assert {f"images/seed-{seed}-cfg-{scale}.png" for seed in (7, 21) for scale in ("0", "1", "7.5", "12-3")} <= listed
    assert all((folder / path).stat().st_size for path in listed)
    assert not list(folder.parent.glob("*.partial"))


def test_the_trace_is_what_the_schema_says(trace):
    jsonschema.validate({"schema": "denoisecli/trace/1", "lab": trace.lab} | trace.record, SCHEMA)


def test_the_guided_guess_that_is_taken_apart_is_the_one_of_the_strip(folder, trace):
    """By one decoder, the one that the trace names: else the same latents would be seen in two ways."""
    with PictureFile.open(folder / "pictures.zip") as pictures:
        guess = pictures["guess"].array()[trace.record["anatomy"]["sample"]]
        assert (pictures["guided"].array() == guess[:-1]).all()
        assert pictures["uncond"].shape == pictures["cond"].shape == pictures["guided"].shape


def test_arrays_have_a_leading_scale_axis(trace):
    assert trace.x_t.shape == (4, 2, 4, 4, 8, 8)
    assert trace.x0.shape == trace.eps_uncond.shape == trace.eps_cond.shape == (4, 2, 3, 4, 8, 8)
    assert [(run["scale"], run["seed"]) for run in trace.record["runs"]] == [(s, n) for s in range(4) for n in (7, 21)]
    assert trace.record["batches"] == [[7, 7, 7, 7, 21, 21, 21, 21]]


def test_all_scales_start_from_one_noise_and_share_the_first_step(trace):
    for name in ("x_t", "eps_uncond", "eps_cond"):
        np.testing.assert_array_equal(trace[name][:, :, 0], np.broadcast_to(trace[name][:1, :, 0], (4, 2, 4, 8, 8)))


def test_the_first_guess_is_linear_in_the_scale(trace):
    guess = trace.x0[:, :, 0]
    np.testing.assert_allclose(guess[2], guess[0] + 7.5 * (guess[1] - guess[0]), rtol=1e-4, atol=1e-3)


def test_every_guess_is_that_of_the_mixed_halves(trace):
    for index, scale in enumerate(trace.record["scales"]):
        for step, value in enumerate(scale["steps"]):
            uncond, cond = trace.eps_uncond[index, :, step], trace.eps_cond[index, :, step]
            a = trace.alpha_bars[step]
            mixed = uncond + value * (cond - uncond)
            x0 = (trace.x_t[index, :, step] - np.sqrt(1 - a) * mixed) / np.sqrt(a)
            np.testing.assert_allclose(trace.x0[index, :, step], x0, rtol=1e-4, atol=1e-3)


def test_numbers_of_each_state(trace):
    for run in trace.record["runs"]:
        assert [state["index"] for state in run["states"]] == [0, 1, 2, 3]
        assert all(state["distance_to_scales"][run["scale"]] == 0 for state in run["states"])
        sizes = [state["guidance"] for state in run["states"]]
        assert sizes[-1] is None
        assert sizes[0] > 0
        assert (sizes[1:3] == [None, None]) == (run["cfg"] == 1), "cfg 1 runs no unconditional half after the first"
    final = {run["scale"]: run["states"][-1] for run in trace.record["runs"] if run["seed"] == 7}
    assert final[2]["latent_std"] > final[1]["latent_std"], "guidance widens the latents"


def test_sameness_is_the_seeds_correlation(trace):
    row = trace.record["sameness"][2]
    a, b = trace.x_t[2, :, -1]
    a, b = ((x - x.mean((1, 2), keepdims=True)).ravel() for x in (a, b))
    assert row["states"][-1] == pytest.approx(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), rel=1e-4)


def test_images_say_how_they_were_made(folder):
    text = Image.open(folder / "images" / "seed-7-cfg-12-3.png").text["parameters"]
    assert "CFG scale: 12, Seed: 7" in text
    assert 'CFG schedule: "[[0.0, 12.0], [0.5, 3.0]]"' in text
    assert "CFG scale: 7.5" in Image.open(folder / "images" / "seed-7-cfg-7.5.png").text["parameters"]


def test_the_config_of_a_run_finds_it_again(folder, trace):
    config = build(CfgSweepConfig, [Layer(dict(trace.record["config"]))])
    assert cfg_sweep.plan(config, folder, None, force=False).folder.done


def test_an_interrupted_sweep_goes_on_with_the_same_bytes(tmp_path):
    class Stops(Report):
        def step(self, done, **_):
            if done == 3 * 2:  # one batch of two samples, three steps
                raise KeyboardInterrupt

    values = {"scales": [1, 3], "seeds": [7, 21], "batch": 2, "film": FILM | {"size": "320x320"}}
    with pytest.raises(KeyboardInterrupt):
        planned(tmp_path / "a", **values).make(Stops())
    a, b = (load(planned(tmp_path / name, **values).make(Report())) for name in "ab")
    rows = [{row["path"]: row["sha256"] for row in one.record["artifacts"]} for one in (a, b)]
    assert rows[0] == rows[1]


def test_a_model_without_guidance_is_shown_at_scale_one(tmp_path, distilled):
    warnings = []
    report = Report()
    report.warn = warnings.append
    values = {"model": str(distilled), "film": FILM | {"size": "320x320"}}
    trace = load(planned(tmp_path / "x", **values).make(report))
    assert "takes no guidance" in warnings[-1]
    assert trace.x_t.shape[:2] == (1, 1)
    assert "eps_uncond" not in trace
    assert trace.record["scales"][0]["cfg"] == 1
    assert "views/anatomy.mp4" not in {row["path"] for row in trace.record["artifacts"]}


def test_who_takes_guidance(model):
    assert takes_guidance(model.pipe)
    assert not takes_guidance(object())


# Thrift


@pytest.mark.parametrize("sampler", ["ddim", "euler", "heun", "pndm", "dpmpp_2m"])
def test_a_sweep_is_its_scales_run_apart(model, sampler):
    together = sampled(model, [1, 3, 7.5], sampler=sampler)
    for index, scale in enumerate([1, 3, 7.5]):
        apart = sample_batch(
            model, prompt="a cat", negative_prompt="dog", noise=starting_noise([1], SHAPE), scales=[scale], steps=STEPS,
            sampler=sampler, seeds=[1],
        )  # fmt: skip
        np.testing.assert_allclose(together.x_t[index], apart.x_t[0], rtol=1e-5, atol=OTHER_SHAPE)


def test_a_sample_is_the_same_bit_for_bit_whatever_stands_beside_it(model):
    a, b = sampled(model, [1, 3, 7.5]), sampled(model, [1, 9, 7.5])
    np.testing.assert_array_equal(a.x_t[[0, 2]], b.x_t[[0, 2]])


@pytest.mark.parametrize(
    ("scales", "seeds", "rows"),
    [
        pytest.param([3, 7.5], [1, 1], [2, 4, 4, 4], id="first step once"),
        pytest.param([1, 3, 7.5], [1, 1, 1], [2, 5, 5, 5], id="no uncond at 1"),
        pytest.param([3, 3], [1, 2], [4, 4, 4, 4], id="two noises share nothing"),
        pytest.param([(1, 3, 3, 1)], [1], [1, 2, 2, 1], id="interval"),
        pytest.param([(1, 3, 3, 1), (1, 5, 5, 1)], [1, 1], [1, 4, 4, 2], id="interval of two"),
    ],
)
def test_rows_that_are_run(model, scales, seeds, rows):
    met = []
    original = model.pipe.unet.forward
    model.pipe.unet.forward = lambda *args, **kwargs: met.append(len(args[0])) or original(*args, **kwargs)
    try:
        sampled(model, scales, seeds)
    finally:
        del model.pipe.unet.forward
    assert met == rows


@pytest.mark.parametrize("make", [tiny_sd, tiny_sdxl, tiny_sd3])
def test_thrift_on_every_family(make):
    pipe, finals = make(), []
    for scales in ([1, 3, 7.5], [StepScales((scale,) * STEPS) for scale in (1, 3, 7.5)]):
        with record(pipe, scales=scales):
            start = noise(1).repeat(3, 1, 1, 1)
            call = {"num_inference_steps": STEPS, "height": 16, "width": 16, "output_type": "latent"}
            finals.append(pipe(**embeds(pipe, 3), latents=start, guidance_scale=2.0, **call).images)
    torch.testing.assert_close(*finals, rtol=1e-5, atol=OTHER_SHAPE)


def test_heun_shares_the_first_evaluation_only(model):
    trace = sampled(model, [(3, 5, 7, 9), (3, 3, 3, 3)], sampler="heun")
    np.testing.assert_array_equal(trace.x_t[0, 1], trace.x_t[1, 1])
    assert np.abs(trace.x_t[0, 2] - trace.x_t[1, 2]).max() > 1e-3


# Scales


@pytest.mark.parametrize(
    ("guide", "interval", "steps"),
    [
        pytest.param(7.5, (0, 1), [7.5] * 5, id="number"),
        pytest.param(((0.0, 10.0), (1.0, 0.0)), (0, 1), [10, 8, 6, 4, 2], id="line"),
        pytest.param(((0.4, 5.0), (0.6, 1.0)), (0, 1), [5, 5, 5, 1, 1], id="level beyond its ends"),
        pytest.param(((0.0, 9.0), (0.4, 9.0), (0.4, 2.0)), (0, 1), [9, 9, 2, 2, 2], id="jump"),
        pytest.param(7.5, (0.2, 0.8), [1, 7.5, 7.5, 7.5, 1], id="interval"),
    ],
)
def test_scale_of_each_step(guide, interval, steps):
    assert scale_steps(guide, 5, interval) == pytest.approx(steps)


def test_labels():
    assert guide_label(((0.0, 12.0), (0.5, 3.0))) == "12→3"
    config = CfgSweepConfig(scales=[[[0, 12], [0.5, 3]], [[0, 12], [0.9, 3]], 7])
    assert [scale.label for scale in swept_scales(config)] == ["12→3", "12→3 (2)", "7"]


def test_which_scale_is_taken_apart():
    config = CfgSweepConfig(scales=[0, 3, 9, 30])
    assert taken_apart(config, swept_scales(config)) == 2
    config = CfgSweepConfig(scales=[0, 3, 9, 30], anatomy=3)
    assert taken_apart(config, swept_scales(config)) == 1


def test_one_cfg_takes_the_place_of_the_scales():
    config = build(CfgSweepConfig, [Layer({"cfg": [[0, 12], [0.5, 3]]})])
    assert (config.scales, config.cfg) == ((((0, 12), (0.5, 3)),), None)
    assert build(CfgSweepConfig, [Layer({"scales": 3})]).scales == (3,)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param({"scales": [-1]}, "scales[0]: -1 is out of range (want 0 to 100)", id="negative"),
        pytest.param({"scales": [1, float("nan")]}, "scales[1]: nan is not a finite number", id="nan"),
        pytest.param({"scales": [1e6]}, "scales[0]: 1000000.0 is out of range", id="1e6"),
        pytest.param({"scales": [3, 3.0]}, "scales: 3 is there twice", id="duplicate"),
        pytest.param({"scales": []}, "scales: 0 scales; want 1 to 32", id="none"),
        pytest.param({"scales": ["high"]}, "scales[0]: 'high' is not a scale", id="word"),
        pytest.param({"scales": [True]}, "scales[0]: True is not a scale", id="bool"),
        pytest.param({"scales": [[[0, 12], 3]]}, "scales[0]: 3 is not a point of a schedule", id="no point"),
        pytest.param({"scales": [[[2, 12]]]}, "progress 2 is out of range", id="progress"),
        pytest.param({"scales": [[[0.5, 2], [0, 1]]]}, "run from 0 to 1, the earliest first", id="backwards"),
        pytest.param({"scales": [[]]}, "a schedule has 1 to 64 points", id="empty schedule"),
        pytest.param({"cfg": -2}, "cfg: -2 is out of range", id="cfg"),
        pytest.param({"guidance_interval": [0.8, 0.2]}, "[0.8, 0.2] is not a part of 0 to 1", id="interval"),
        pytest.param({"guidance_interval": [0, 7]}, "[0, 7] is not a part of 0 to 1", id="interval beyond"),
        pytest.param({"rows": ["guess", "guess"]}, "each once", id="rows"),
        pytest.param({"anatomy": 5}, "anatomy names none of the scales", id="anatomy"),
        pytest.param({"scale": [3]}, 'did you mean "scales"?', id="key"),
    ],
)
def test_bad_input(values, says):
    with pytest.raises(ConfigError) as caught:
        build(CfgSweepConfig, [Layer(values, source="x.yaml")])
    assert says in str(caught.value)
