"""Runs sampled together are the runs that they would have been alone."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

import denoisecli
from denoisecli.batch.messages import Outcome, Run, Warned
from denoisecli.batch.packing import sample_together
from denoisecli.batch.place import Place
from denoisecli.batch.worker import BESIDE, MODELS, begin_pack, make_pack
from denoisecli.diffusion.models import load_model
from denoisecli.diffusion.references import POCKET
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.report import Report
from tests.digests import digests

TOLERANCE = 1e-4  # of the largest latent; the measured distance on the pocket model is a tenth of it
LORA = next((POCKET / "loras").glob("*.safetensors"))


def deck(**keys):
    film = {"size": "320x320", "fps": 5, "hold_s": 0.2}
    small = {"size": (64, 64), "steps": 3, "seeds": (1,), "film": film, "views": ["guess"]}
    return SampleConfig(**small | keys)


def make(root, configs, force=False, stopping=lambda: False):
    """Give the configs to a worker as one pack; return what became of each, in their order."""
    place, told = Place(root, force), []
    runs = []
    for number, config in enumerate(configs):
        plan = place.plan(config)
        runs.append(Run(number, f"{number}", plan.config, str(plan.folder.path)))
    make_pack(tuple(runs), place, 1, told.append, stopping)
    return sorted((message for message in told if isinstance(message, Outcome)), key=lambda one: one.number)


def alone(root, config):
    """Make the run with a model loaded for it alone."""
    return Place(root).plan(config).make(Report())


@pytest.fixture(autouse=True)
def no_model_stays():
    yield
    MODELS.clear()


def record(folder):
    return json.loads((folder / "trace.json").read_text())


def far(one, other):
    """Return the largest difference of two runs' latents, relative to the largest latent."""
    a, b = denoisecli.load(one).x_t, denoisecli.load(other).x_t
    return np.abs(a - b).max() / np.abs(b).max()


def test_mixed_pack_is_what_each_would_be_alone(tmp_path):
    configs = [
        deck(), deck(cfg=3.0), deck(prompt="a windmill on a grassy hill"), deck(seeds=(1, 2), batch=1),
        deck(prompt="a castle", negative_prompt="clouds", seeds=(5,)),
    ]  # fmt: skip
    outcomes = make(tmp_path / "packed", configs)
    assert [outcome.state for outcome in outcomes] == ["made"] * 5
    for outcome, config in zip(outcomes, configs, strict=True):
        whole = alone(tmp_path / "alone", config)
        packed = tmp_path / "packed" / "sample" / whole.name
        assert str(packed) == outcome.path
        assert far(packed, whole) < TOLERANCE
        one, two = record(packed), record(whole)
        assert one["packed"]["samples"] == 6
        assert one["packed"]["runs"] == 5
        assert "packed" not in two
        for same in ("batches", "hash", "model", "schedule", "environment"):
            assert one[same] == two[same]
        assert one["runs"][0]["seed"] == config.seeds[0]
        assert {path.name for path in packed.iterdir()} == {path.name for path in whole.iterdir()}


def test_same_batch_shape_is_bit_equal(tmp_path):
    make(tmp_path, [deck(seeds=(1,)), deck(seeds=(2,)), deck(seeds=(3,))])
    whole = denoisecli.load(alone(tmp_path, deck(seeds=(1, 2, 3))))
    packed = [path for path in (tmp_path / "sample").iterdir() if "packed" in record(path)]
    assert len(packed) == 3
    for path in packed:
        row = record(path)["runs"][0]["seed"] - 1
        found = denoisecli.load(path)
        for name in ("x_t", "x0", "eps_cond", "eps_uncond"):
            assert np.array_equal(found[name][0], whole[name][row]), name


@pytest.mark.parametrize("keys", [{"sampler": "euler_a"}, {"sampler": "heun"}, {"cfg": 1.0}, {"eta": 1.0}],
                         ids=lambda keys: str(keys))  # fmt: skip
def test_other_samplers_unpack_too(tmp_path, keys):
    """Noise of its own for each sample, second evaluations, no unconditional half."""
    outcomes = make(tmp_path / "packed", [deck(seeds=(seed,), **keys) for seed in (4, 5)])
    whole = alone(tmp_path / "alone", deck(seeds=(5,), **keys))
    assert far(tmp_path / "packed" / "sample" / whole.name, whole) < TOLERANCE
    assert denoisecli.load(outcomes[1].path).arrays.keys() == denoisecli.load(whole).arrays.keys()


def test_nothing_sticks_from_run_to_run(tmp_path):
    """LoRA, sampler, and the model of another lab: run k of a batch is byte for byte the run alone."""
    from denoisecli.registry import CONFIGS

    lora = {"file": str(LORA), "scale": 0.7}
    walk = CONFIGS["walk"](
        size=(64, 64), steps=2, seeds=(1,), loras=(lora,), between={"strengths": [0, 1]}, frames=2,
        film={"size": "320x320", "fps": 5, "hold_s": 0.2},
    )  # fmt: skip
    configs = [deck(loras=(lora,)), walk, deck(sampler="heun"), deck(loras=(lora,), cfg=2.0), deck()]
    for config in configs:  # a pack each, in one process with one model
        (outcome,) = make(tmp_path / "batch", [config])
        assert outcome.state == "made", outcome.error
    kept = MODELS.model
    for config in configs:
        whole = alone(tmp_path / "alone", config)
        made = tmp_path / "batch" / config.lab / whole.name
        assert digests(made, but="trace.json") == digests(whole, but="trace.json"), config
    assert kept is not None
    assert MODELS.model is kept


def test_runs_drawn_beside_others_are_the_same_to_the_byte(tmp_path):
    configs = [deck(), deck(sampler="heun"), deck(seeds=(3,), steps=2)]
    place, told = Place(tmp_path / "batch"), []
    for number, config in enumerate(configs):
        plan = place.plan(config)
        begin_pack((Run(number, "", plan.config, str(plan.folder.path)),), place, 1, told.append, lambda: False)
    BESIDE.wait()
    outcomes = {one.number: one for one in told if isinstance(one, Outcome)}
    assert [outcomes[number].state for number in range(3)] == ["made"] * 3
    for number, config in enumerate(configs):
        whole, made = alone(tmp_path / "alone", config), Path(outcomes[number].path)
        assert digests(made, but="trace.json") == digests(whole, but="trace.json")
        first, *_, last = [one for one in told if getattr(one, "number", None) == number]
        assert (first.event, last) == ("start", outcomes[number])


def test_run_that_cannot_be_drawn_fails_alone(tmp_path, monkeypatch):
    from denoisecli.errors import MediaError
    from denoisecli.labs.sample import lab

    original = lab.draw_sheet

    def fails(job, trace, pictures):
        if job.config.seeds == (2,):
            raise MediaError("sheet.png cannot be drawn.")
        original(job, trace, pictures)

    monkeypatch.setattr(lab, "draw_sheet", fails)
    outcomes = make(tmp_path, [deck(seeds=(seed,)) for seed in (1, 2, 3)])
    assert [outcome.state for outcome in outcomes] == ["made", "failed", "made"]
    partial = Path(f"{outcomes[1].path}.partial")
    assert (
        json.loads((partial / "error.json").read_text())["error"] == outcomes[1].error == "sheet.png cannot be drawn."
    )
    assert list((partial / "work").glob("batch-*.safetensors"))  # it goes on with what was sampled


def test_disk_that_is_full_for_all_is_told_once(tmp_path, monkeypatch):
    """Runs that are drawn beside each other meet the full disk at once; only one says so, and nothing more begins."""
    from denoisecli.errors import DiskFull
    from denoisecli.labs.sample import lab

    together, begun = threading.Barrier(2, timeout=60), []

    def full(job, trace, pictures):
        begun.append(job.config.seeds)
        together.wait()
        raise DiskFull("The disk is full.")

    monkeypatch.setattr(lab, "draw_sheet", full)
    outcomes = make(tmp_path, [deck(seeds=(seed,), steps=2) for seed in (1, 2, 3, 4, 5)])
    assert [(one.state, one.fatal) for one in outcomes if one.state == "failed"] == [("failed", True)]
    assert {one.state for one in outcomes} == {"failed", "stopped"}
    assert (len(begun), len(outcomes)) == (2, 5)


def test_model_is_loaded_once(tmp_path, monkeypatch):
    from denoisecli.diffusion import loading

    loaded = []
    original = loading.load_pipeline
    monkeypatch.setattr(loading, "load_pipeline", lambda *given: loaded.append(1) or original(*given))
    for seed in (1, 2):
        make(tmp_path, [deck(seeds=(seed,))])
    assert loaded == [1]
    assert load_model("pocket") is not load_model("pocket")


def test_pack_that_does_not_fit_is_halved(tmp_path):
    import torch

    make(tmp_path, [deck(seeds=(9,))])
    with MODELS.lent():
        model = load_model("pocket")

    def full(_module, arguments):
        if len(arguments[0]) > 4:  # two samples, with and without the prompt
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    hook = model.pipe.unet.register_forward_pre_hook(full)
    outcomes = make(tmp_path, [deck(seeds=(seed,)) for seed in range(5)])
    hook.remove()
    assert [outcome.state for outcome in outcomes] == ["made"] * 5
    sizes = [record(Path(outcome.path)).get("packed", {}).get("samples") for outcome in outcomes]
    assert sizes == [2, 2, None, 2, 2] or sizes == [2, 2, 2, 2, None]


def test_sample_that_goes_wrong_leaves_the_others_alone(tmp_path, monkeypatch):
    """A pack that fails is sampled run by run, so that only the faulty run fails."""
    from denoisecli.diffusion import batch as sample
    from denoisecli.errors import SamplingError

    original = sample.sample_batch

    def poisoned(model, batch, **keys):
        if 2 in batch.seeds:
            raise SamplingError("The latents stopped being numbers (NaN or infinite) in step 2 of 3.")
        return original(model, batch, **keys)

    monkeypatch.setattr(sample, "sample_batch", poisoned)
    outcomes = make(tmp_path, [deck(seeds=(seed,)) for seed in (1, 2, 3)])
    assert [outcome.state for outcome in outcomes] == ["made", "failed", "made"]
    assert "step 2 of 3" in outcomes[1].error
    note = json.loads((Path(f"{outcomes[1].path}.partial") / "error.json").read_text())
    assert note.keys() == {"error", "hint", "when"}
    assert note["error"] == outcomes[1].error
    monkeypatch.setattr(sample, "sample_batch", original)
    (again,) = make(tmp_path, [deck(seeds=(2,))])
    assert again.state == "made"
    assert not list(tmp_path.rglob("error.json"))


def test_force_packs_too(tmp_path):
    configs = [deck(seeds=(seed,)) for seed in (1, 2)]
    make(tmp_path, configs)
    stamps = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("states.safetensors"))]
    outcomes = make(tmp_path, configs, force=True)
    assert [outcome.state for outcome in outcomes] == ["made", "made"]
    after = sorted(tmp_path.rglob("states.safetensors"))
    assert all(path.stat().st_mtime_ns > stamp for path, stamp in zip(after, stamps, strict=True))
    assert all(record(path.parent)["packed"]["samples"] == 2 for path in after)
    assert [outcome.state for outcome in make(tmp_path, configs)] == ["done", "done"]


def test_stopped_between_sampling_and_drawing_goes_on_with_what_was_sampled(tmp_path):
    stopped = iter([False, True, True])
    configs = [deck(seeds=(seed,)) for seed in (1, 2)]
    outcomes = make(tmp_path, configs, stopping=lambda: next(stopped))
    assert [outcome.state for outcome in outcomes] == ["stopped", "stopped"]
    kept = sorted(tmp_path.rglob("batch-*.safetensors"))
    assert len(kept) == 2
    outcomes = make(tmp_path, configs)
    assert [outcome.state for outcome in outcomes] == ["made", "made"]
    assert all(record(path.parent)["packed"]["samples"] == 2 for path in tmp_path.rglob("trace.json"))


def test_folder_in_use_is_left_out_of_the_pack(tmp_path):
    configs = [deck(seeds=(seed,)) for seed in (1, 2, 3)]
    place = Place(tmp_path)
    with place.plan(configs[1]).folder.open():
        outcomes = make(tmp_path, configs)
        assert [outcome.state for outcome in outcomes] == ["made", "failed", "made"]
        assert "is being made by another process" in outcomes[1].error
        assert not list(tmp_path.rglob("error.json"))  # the other process's folder is not ours to write in


def test_kept_halves_are_not_sampled_again(tmp_path):
    place = Place(tmp_path)
    plans = [place.plan(deck(seeds=(seed,))) for seed in (1, 2)]
    sample_together(plans, Report(), lambda: False)
    before = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("batch-*.safetensors"))]
    sample_together(plans, Report(), lambda: False)
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("batch-*.safetensors"))] == before


def test_warnings_are_handed_on(tmp_path):
    told = []
    place = Place(tmp_path)
    plan = place.plan(deck(prompt="a qwertz", steps=1))
    make_pack((Run(0, "", plan.config, str(plan.folder.path)),), place, 3, told.append, lambda: False)
    (warned,) = [message for message in told if isinstance(message, Warned)]
    assert (warned.worker, "does not know: qwertz" in warned.text) == (3, True)
