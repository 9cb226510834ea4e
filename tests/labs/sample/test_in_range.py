"""Guesses outside of what pictures have: drawn scaled, marked, and measured as they are."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from denoisecli.labs.sample import lab as sample
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.media.picture_file import PICTURES_FILE, PictureFile
from denoisecli.report import Report
from denoisecli.scale import drawn_scale
from denoisecli.trace import load

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "trace.schema.json").read_text())


@pytest.fixture(scope="module")
def folders(tmp_path_factory, kept_model):
    """The same run drawn in range and as it is; a scale of 30 leaves every picture's range, whatever the weights."""
    made = {}
    for in_range in (True, False):
        config = SampleConfig.model_validate(
            {"film": {"size": "640x360", "fps": 5, "hold_s": 0.2}, "size": 64, "steps": 4, "cfg": 30, "seeds": [7, 21],
             "decode": {"in_range": in_range, "states": "vae"}}
        )  # fmt: skip
        folder = tmp_path_factory.mktemp("deck") / "run"
        made[in_range] = sample.plan(config, folder, None, force=False).make(Report())
    return made


@pytest.fixture(scope="module")
def traces(folders):
    return {in_range: load(folder) for in_range, folder in folders.items()}


def factors(trace):
    return np.array([[state["drawn_scale"] for state in run["states"]] for run in trace.record["runs"]])


def test_factors_are_those_of_the_formula_and_the_finished_picture_has_none(traces):
    trace = traces[True]
    expected = [drawn_scale(guesses, final) for guesses, final in zip(trace.x0, trace.x_t[:, -1], strict=True)]
    assert factors(trace)[:, :-1] == pytest.approx(np.stack(expected), rel=1e-5)
    assert (factors(trace)[:, -1] == 1).all()
    assert (factors(trace) < 1).any()
    assert (factors(traces[False]) == 1).all()
    jsonschema.validate(json.loads(json.dumps(trace.record)), SCHEMA)


def test_arrays_and_numbers_are_of_the_guess_as_it_is(traces):
    scaled, raw = traces[True], traces[False]
    assert all(np.array_equal(scaled[name], raw[name]) for name in ("x_t", "x0"))
    for run, other in zip(scaled.record["runs"], raw.record["runs"], strict=True):
        for state, as_it_is in zip(run["states"], other["states"], strict=True):
            assert {**state, "drawn_scale": 1} == as_it_is


def test_only_scaled_guesses_are_drawn_differently(folders, traces):
    with (
        PictureFile.open(folders[True] / PICTURES_FILE) as ours,
        PictureFile.open(folders[False] / PICTURES_FILE) as raw,
    ):
        same = [[np.array_equal(ours["guess"][seed, k], raw["guess"][seed, k]) for k in range(5)] for seed in range(2)]
        assert np.array_equal(ours["canvas"].array(), raw["canvas"].array())
    assert np.array_equal(np.array(same), factors(traces[True]) == 1)


def test_page_says_which_guesses_were_scaled(folders, traces):
    pages = {in_range: (folder / "page.html").read_text(encoding="utf-8") for in_range, folder in folders.items()}
    assert f"drawn ×{factors(traces[True]).min():.2g}" in pages[True]
    assert "are drawn scaled into it" in pages[True]
    assert "are drawn scaled into it" not in pages[False]
