"""States decoded while others are sampled: never another byte, and as many as can be."""

import threading

import pytest

from denoisecli.diffusion.decode import can_draw_ahead
from denoisecli.labs import ahead
from denoisecli.labs.cfg_sweep.anatomy import taken_pictures
from denoisecli.labs.job import Job
from denoisecli.labs.loading import load, resolved
from denoisecli.labs.pictures import decode_states, decoding_ahead, stored
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.labs.sampling import Sample, sample_all
from denoisecli.report import Report
from denoisecli.runs.folder import RunFolder

STEPS, SEEDS = 8, (7, 21, 42)


@pytest.fixture(autouse=True)
def several_threads():
    """Sums are added up in another order by several threads than by one, whatever OMP_NUM_THREADS says."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    config, _ = resolved(SampleConfig(size=(64, 64), steps=STEPS, seeds=SEEDS))
    return load(Job(config, RunFolder(tmp_path_factory.mktemp("loaded") / "run", ""), Report()))


def painted(model, folder, monkeypatch, idle, apart=0, **settings):
    """Return the pictures of a run as stored, what decoded its states, and how many pictures were at hand.

    Its first sample is taken apart, as by a sweep. apart: which is told to be before.
    """
    monkeypatch.setattr(ahead, "IDLE", float("inf") if idle else 0.0)
    told = {"size": (64, 64), "steps": STEPS, "seeds": SEEDS, "cfg": 7.5, **settings}
    config, _ = resolved(SampleConfig.model_validate(told))
    job = Job(config, RunFolder(folder, ""), Report())
    job.folder.work.mkdir(parents=True)
    samples = [Sample(seed, config.cfg) for seed in SEEDS]
    with decoding_ahead(job, model, len(SEEDS), apart):
        trace = sample_all(job, model, samples, config.batch or len(SEEDS))
        pictures = decode_states(job, model, trace)
        halves = taken_pictures(job, trace, pictures, scale=0)
        at_hand = len(job.ahead.coded)
        stored(job, {"canvas": pictures.canvas, "guess": pictures.guess} | halves).close()
    return (job.folder.partial / "pictures.zip").read_bytes(), pictures.decoders["states"], at_hand


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"batch": 2}, id="two batches"),
        pytest.param({"sampler": "euler", "cfg": 30.0}, id="canvases divided by their level, guesses drawn scaled"),
    ],
)
def test_what_is_made_ahead_is_what_is_made_after(model, tmp_path, monkeypatch, settings):
    after, by, none = painted(model, tmp_path / "after", monkeypatch, idle=False, **settings)
    before, same, at_hand = painted(model, tmp_path / "before", monkeypatch, idle=True, **settings)
    assert (before, same, none) == (after, by, 0)
    assert at_hand > len(SEEDS) * STEPS, "not even the canvases"


def test_halves_of_the_sample_that_is_taken_apart_are_made_ahead(model, tmp_path, monkeypatch):
    settings = {"decode": {"in_range": False}}
    without, _, few = painted(model, tmp_path / "without", monkeypatch, idle=True, apart=None, **settings)
    told, _, many = painted(model, tmp_path / "told", monkeypatch, idle=True, **settings)
    assert (told, many) == (without, few + 2 * STEPS)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"phases": [{"until": 0.5, "cfg": 3.0}, {"cfg": 7.5}]}, id="phases"),
        pytest.param({"steps": 1}, id="one step"),
    ],
)
def test_runs_whose_states_are_not_heard_are_decoded_after(model, tmp_path, monkeypatch, settings):
    after, *_ = painted(model, tmp_path / "after", monkeypatch, idle=False, **settings)
    before, *_ = painted(model, tmp_path / "before", monkeypatch, idle=True, **settings)
    assert before == after


def test_a_run_that_fails_leaves_no_thread_at_work(model, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("enough")

    monkeypatch.setattr("denoisecli.labs.sampling.joined", fail)
    with pytest.raises(RuntimeError, match="enough"):
        painted(model, tmp_path / "run", monkeypatch, idle=True)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_large_pictures_are_left_to_all_threads(model):
    assert can_draw_ahead(model, "preview", (4, 32, 32))
    assert not can_draw_ahead(model, "preview", (4, 128, 128))
    assert not can_draw_ahead(model, "preview", (4, 2, 32, 32))
