"""Comparing two runs: pairs of rows and states, distances against their formula, verdicts, settings that differ."""

import json

import numpy as np
import pytest

from denoisecli.errors import UsageError
from denoisecli.tools.compare.states import (
    FLOAT_NOISE,
    Setting,
    align,
    compare,
    pair_rows,
    report,
    rows_of,
    sentence,
    settings,
)
from denoisecli.trace import Trace

SHAPE = (4, 4, 4)


def trace(steps=4, seeds=(7,), *, lab="sample", kind="vp", shape=SHAPE, cfg=7.5, random=0, scales=None, **config):
    """A run whose arrays are noise drawn from `random`; with `scales` a sweep."""
    rng = np.random.default_rng(random)
    lead = (len(seeds),) if scales is None else (len(scales), len(seeds))
    sigmas = np.append(np.geomspace(14, 0.1, steps), 0.0)
    arrays = {
        "x_t": rng.standard_normal((*lead, steps + 1, *shape)).astype(np.float32),
        "x0": rng.standard_normal((*lead, steps, *shape)).astype(np.float32),
        "sigmas": sigmas,
    }
    if kind == "ve":
        arrays["x_t"] *= np.sqrt(1 + sigmas**2).astype(np.float32)[:, None, None, None]
    runs = [{"seed": seed, "cfg": cfg} for _ in scales or [0] for seed in seeds]
    record = {"lab": lab, "runs": runs, "schedule_kind": kind, "config": {"cfg": cfg, "steps": steps} | config}
    if scales is not None:
        record["scales"] = [{"label": label} for label in scales]
    return Trace(lab, arrays, record)


def walk(frames, random=0):
    rng = np.random.default_rng(random)
    arrays = {name: rng.standard_normal((frames, *SHAPE)).astype(np.float32) for name in ("x_T", "final")}
    return Trace("walk", arrays, {"lab": "walk", "config": {}, "runs": []})


def changed(source, state, by):
    arrays = {name: array.copy() for name, array in source.arrays.items()}
    arrays["x_t"][0, state:] *= np.float32(1 + by)
    return Trace(source.lab, arrays, source.record)


@pytest.mark.parametrize(
    ("by", "verdict", "first", "bits"),
    [
        pytest.param(0.0, "bit-equal", None, None, id="the same"),
        pytest.param(2e-6, "float noise", None, 2, id="the last bits"),
        pytest.param(0.25, "differs", 2, 2, id="another picture"),
    ],
)
def test_verdict(by, verdict, first, bits):
    one = trace()
    found = report(compare(one, changed(one, 2, by)))
    assert (found["verdict"], found["first_difference"]) == (verdict, first)
    assert found["pairs"][0]["first_unequal_bits"] == bits
    assert [state["x_t"] for state in found["pairs"][0]["states"]] == pytest.approx([0, 0, by, by, by], abs=1e-7)


def test_distance_is_relative_to_the_first_run():
    found = compare(trace(random=1), trace(random=2))
    a, b = trace(random=1).x_t[0, 3].astype(float), trace(random=2).x_t[0, 3].astype(float)
    assert found.canvas[0, 3] == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a))
    assert found.guess[0, -1] == pytest.approx(found.canvas[0, -1])  # the last guess is the result


def test_samplers_of_both_kinds_are_on_one_scale():
    found = compare(trace(kind="vp"), trace(kind="ve"))
    assert found.canvas.max() < FLOAT_NOISE


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        pytest.param({"seeds": (7, 21)}, {"seeds": (21, 7)}, ((0, 1), (1, 0)), id="by seed"),
        pytest.param({"seeds": (7, 21)}, {"seeds": (3, 21, 8)}, ((1, 1),), id="seeds of both"),
        pytest.param({"seeds": (7, 8)}, {"seeds": (1, 2, 3)}, ((0, 0), (1, 1)), id="no seed in common: by place"),
        pytest.param({"cfg": 7.5}, {"cfg": 3.0}, ((0, 0),), id="another scale, the same seed"),
        pytest.param(
            {}, {"lab": "cfg-sweep", "scales": ("1", "7.5"), "seeds": (21, 7)}, ((0, 3),), id="one of a sweep"
        ),
    ],
)
def test_rows_that_belong_together(a, b, pairs):
    assert pair_rows(rows_of(trace(**a)), rows_of(trace(**b))) == pairs


def test_other_numbers_of_steps_meet_at_the_nearest_noise_level():
    few, many = rows_of(trace(4)), rows_of(trace(10))
    states, by = align(few, many)
    assert by == "noise level"
    assert states[0] == (0, 0)
    assert states[-1] == (4, 10)
    for a, b in states[1:-1]:
        others = np.abs(np.log(many.sigmas[:-1]) - np.log(few.sigmas[a]))
        assert b == others.argmin()
    assert align(many, few)[0] == tuple((b, a) for a, b in states)


@pytest.mark.parametrize("scales", [None, ("1", "7.5", "12→3")], ids=["sample", "sweep"])
def test_a_run_equals_itself(scales):
    one = trace(seeds=(7, 21), lab="cfg-sweep" if scales else "sample", scales=scales)
    found = compare(one, one)
    assert found.verdict() == "bit-equal"
    assert len(found.pairs) == 2 * len(scales or [0])
    assert sentence(found) == "The runs are bit-equal in all 5 states."
    json.dumps(report(found), allow_nan=False)


def test_walks_are_compared_frame_by_frame():
    found = compare(walk(5), walk(9, random=1))
    assert found.aligned_by == "share of the way"
    assert found.states == ((0, 0), (1, 2), (2, 4), (3, 6), (4, 8))
    assert "at the last frame" in sentence(found)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        pytest.param(trace(), trace(shape=(4, 8, 8)), "Latents of 4×4×4 and 4×8×8 have no distance", id="size"),
        pytest.param(trace(), walk(3), "A sample run and a walk run have no states in common", id="walk"),
        pytest.param(trace(), Trace("noise", {}, {}), "A noise run has no sampled states", id="noise"),
        pytest.param(trace(), trace(kind="flow"), "A flow-matching model's states", id="flow"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_sentence(a, b, message):
    with pytest.raises(UsageError, match=message) as caught:
        compare(a, b)
    assert caught.value.message.count(".") == 1
    with pytest.raises(UsageError):
        compare(b, a)


def test_settings_that_differ():
    a = {"lab": "sample", "config": {"cfg": 7.5, "film": {"fps": 1}, "decode": {"states": "vae"}, "loras": []}}
    b = {"lab": "sample", "config": {"cfg": 0.0, "film": {"fps": 9}, "decode": {"states": "preview"}, "eta": 1.0}}
    a["environment"], b["environment"] = {"device": "cpu"}, {"device": "cuda"}
    assert settings(a, b) == (
        Setting("cfg", 7.5, 0.0),
        Setting("decode.states", "vae", "preview"),
        Setting("loras", [], None),
        Setting("eta", None, 1.0),
        Setting("environment.device", "cpu", "cuda"),
    )
