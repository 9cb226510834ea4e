"""The noise lab with the pocket model beside it, and the numbers of its guesses."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import denoisecli
from denoisecli.config.load import load_configs, settings
from denoisecli.diffusion import one_step as one_jump
from denoisecli.labs.noise import lab as noise
from denoisecli.labs.noise.config import NoiseConfig
from denoisecli.labs.noise.lab import plan
from denoisecli.labs.noise.model import guess_errors
from denoisecli.report import Report

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "trace.schema.json").read_text())
SMALL = ["size=64", "frames=3", "film.size=480x320", "sheet=[0,999]", "film.hold_s=0.1", "device=cpu"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    pairs = [*SMALL, "space=latent", "guess=true"]
    config = load_configs(NoiseConfig, [], [settings(NoiseConfig, pairs)])[0]
    return plan(config, tmp_path_factory.mktemp("noise") / "run", None, force=False).make(Report())


def test_latents_and_guesses_are_kept(run):
    trace = denoisecli.load(run)
    assert trace["latent_x0"].shape == trace["latent_eps"].shape == (4, 8, 8)
    assert trace["latent_pictures"].shape == trace["guess_pictures"].shape == (3, 64, 64, 3)
    record = trace.record
    jsonschema.validate(record, SCHEMA)
    assert record["model"]["ref"] == "pocket"
    assert record["environment"]["torch"]
    assert record["decoders"]


def test_the_guess_is_worse_the_more_noise_there_is(run):
    trace = denoisecli.load(run)
    errors = trace["guess_error"]
    assert errors[0] < 0.2
    assert errors[0] < errors[1] < errors[2]
    states = trace.record["runs"][0]["states"]
    assert [state["guess_error"] for state in states] == pytest.approx(errors.tolist(), rel=1e-6)


def test_a_killed_run_goes_on_and_gives_the_same_bytes(run, tmp_path, monkeypatch):
    config = load_configs(NoiseConfig, [str(run / "config.yaml")])[0]
    draw = noise.draw
    monkeypatch.setattr(noise, "draw", lambda job, trace: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        plan(config, tmp_path / "run", None, force=False).make(Report())
    monkeypatch.setattr(noise, "draw", draw)
    assert list((tmp_path / "run.partial" / "work").glob("batch-00000-*.safetensors"))
    monkeypatch.setattr(one_jump, "_embedded", None)  # nothing is left to guess
    again = plan(config, tmp_path / "run", None, force=False).make(Report())
    assert (again / "states.safetensors").read_bytes() == (run / "states.safetensors").read_bytes()


def test_near_clean_latents_decode_to_the_picture(run):
    trace = denoisecli.load(run)
    picture = (trace["x0"].transpose(1, 2, 0) + 1) * 127.5
    for name in ("latent_pictures", "guess_pictures"):
        assert np.abs(trace[name][0] - picture).mean() < 30


@pytest.mark.parametrize(
    ("change", "layout", "detail"),
    [
        pytest.param(lambda x0: x0, 0, 0, id="right"),
        pytest.param(lambda x0: x0 + 3, 0, 0, id="another-mean-colour"),
        pytest.param(lambda x0: np.broadcast_to(x0.mean((1, 2), keepdims=True), x0.shape), 1, 1, id="flat"),
        pytest.param(lambda x0: -x0, 2, 2, id="negative"),
    ],
)
def test_guess_errors(change, layout, detail):
    x0 = np.random.default_rng(0).standard_normal((4, 32, 32)).astype(np.float32)
    errors = guess_errors(np.ascontiguousarray(change(x0))[None], x0)
    assert errors["guess_error_layout"][0] == pytest.approx(layout, abs=1e-5)
    assert errors["guess_error_detail"][0] == pytest.approx(detail, abs=1e-5)


def test_slow_waves_are_layout_and_fast_ones_detail():
    x = np.arange(32) / 32
    slow, fast = np.sin(2 * np.pi * x), np.sin(2 * np.pi * 10 * x)
    x0 = np.tile((slow + fast).astype(np.float32), (1, 32, 1))
    errors = guess_errors(np.tile(slow.astype(np.float32), (1, 1, 32, 1)), x0)
    assert errors["guess_error_layout"][0] == pytest.approx(0, abs=1e-5)
    assert errors["guess_error_detail"][0] == pytest.approx(1, abs=1e-5)


def test_what_the_model_is_told():
    assert "lighthouse" in NoiseConfig().told
    assert NoiseConfig(image="cat.png").told == ""
    assert NoiseConfig(image="cat.png", prompt="a cat").told == "a cat"
