"""Batches: how they are split, halved when memory runs out, and joined again."""

import contextlib
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from denoisecli.errors import SamplingError, UsageError
from denoisecli.labs import room
from denoisecli.labs.at_once import batch_size
from denoisecli.labs.job import Job
from denoisecli.labs.loading import load, native_size, resolved
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.labs.sampling import Sample, sample_all, sample_each
from denoisecli.report import Report
from denoisecli.runs.folder import RunFolder
from denoisecli.trace_files import write_arrays


class Notes(Report):
    def __init__(self):
        self.warnings, self.kept = [], []

    def warn(self, text):
        self.warnings.append(text)

    def passed(self, done):
        self.kept.append(done)


@pytest.mark.parametrize(
    ("size", "samples", "batch"),
    [
        pytest.param((256, 256), 4, 4, id="all at once"),
        pytest.param((512, 512), 40, 16, id="sixteen of 512"),
        pytest.param((1024, 1024), 40, 4, id="four of 1024"),
        pytest.param((4096, 4096), 40, 1, id="never none"),
    ],
)
def test_batch_size(size, samples, batch):
    assert batch_size(size, samples) == batch


def test_resolved_config_resolves_to_itself():
    config, identity = resolved(SampleConfig())
    assert config.size == (256, 256)
    assert resolved(config) == (config, identity)


def test_native_size_of_the_pocket_model():
    from denoisecli.diffusion.references import POCKET

    assert native_size(POCKET) == (256, 256)


@pytest.fixture(scope="module")
def pocket():
    from denoisecli.diffusion.models import load_model

    return load_model("pocket")


def test_a_distilled_model_hears_no_negative_prompt(tmp_path, distilled):
    notes = Notes()
    config = SampleConfig(model=str(distilled), negative_prompt="clouds", size=(64, 64))
    load(Job(config, RunFolder(tmp_path / "run", "0" * 8), notes))
    assert notes.warnings == [f"the model {distilled} is distilled and hears no negative prompt"]


def test_scale_0_is_told(tmp_path):
    notes = Notes()
    load(Job(SampleConfig(cfg=0, size=(64, 64)), RunFolder(tmp_path / "run", "0" * 8), notes))
    assert notes.warnings == ["cfg 0 ignores the prompt; no guidance, which other tools may call 0, is 1"]


@pytest.mark.parametrize(
    ("sampler", "spacing", "steps", "told"),
    [
        ("ddim", "linspace", 8, True),
        ("pndm", "linspace", 8, True),
        ("ddim", "linspace", 20, False),
        ("ddim", "leading", 8, False),
        ("ddim", None, 8, False),
        ("euler_a", "linspace", 8, False),
    ],
)
def test_noise_that_a_spacing_leaves_is_told(tmp_path, sampler, spacing, steps, told):
    notes = Notes()
    config = SampleConfig(sampler=sampler, spacing=spacing, steps=steps, size=(64, 64))
    load(Job(config, RunFolder(tmp_path / "run", "0" * 8), notes))
    assert any(f"leaves noise in pictures of {steps} steps" in warning for warning in notes.warnings) is told


@pytest.mark.parametrize(
    ("steps", "cfg", "told"),
    [(4, 7.5, ["the pocket model paints fewer than 6 steps cleaner at --cfg 3"]), (6, 7.5, []), (4, 3, [])],
)
def test_few_steps_want_less_guidance(tmp_path, monkeypatch, steps, cfg, told):
    notes, heard = Notes(), []
    monkeypatch.setattr(notes, "note", heard.append)
    load(Job(SampleConfig(steps=steps, cfg=cfg, size=(64, 64)), RunFolder(tmp_path / "run", "0" * 8), notes))
    assert heard == told


def test_a_transformer_paints_whole_patches():
    from denoisecli.diffusion.canvas import check_size

    pipe = SimpleNamespace(transformer=SimpleNamespace(config={"patch_size": 2}), vae_scale_factor=2)
    check_size(pipe, (64, 72))
    with pytest.raises(UsageError, match="does not fit this model: it paints in steps of 4") as caught:
        check_size(pipe, (66, 64))
    assert caught.value.hint in ("Try 64x64.", "Try 68x64.")


def test_the_size_of_a_file_is_in_the_configs_beside_it(tmp_path, distilled):
    save_file({"model.diffusion_model.input_blocks.0.0.bias": np.zeros(1)}, tmp_path / "m.safetensors")
    assert native_size(tmp_path / "m.safetensors") == (512, 512)
    shutil.copytree(distilled, tmp_path / "m")
    assert native_size(tmp_path / "m.safetensors") == (256, 256)


@contextlib.contextmanager
def memory_for(model, samples):
    """Let the denoiser run out of memory, as torch says it, on more than `samples` at once."""
    import torch

    def full(_module, arguments):
        if len(arguments[0]) > 2 * samples:  # with and without the prompt
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    hook = model.pipe.unet.register_forward_pre_hook(full)
    try:
        yield
    finally:
        hook.remove()


def small_job(tmp_path, seeds):
    config, _ = resolved(SampleConfig(seeds=seeds, steps=1, size=64))
    return Job(config, RunFolder(tmp_path / "x", "a"), Notes()), [Sample(seed, 7.5) for seed in seeds]


@pytest.mark.parametrize(
    ("fits", "split"),
    [
        pytest.param(8, [[0, 1, 2, 3, 4]], id="all fit"),
        pytest.param(2, [[0, 1], [2, 3], [4]], id="two fit"),
        pytest.param(1, [[0], [1], [2], [3], [4]], id="one fits"),
    ],
)
def test_out_of_memory_halves_the_batch(tmp_path, pocket, fits, split):
    job, samples = small_job(tmp_path, [0, 1, 2, 3, 4])
    with job.folder.open(), memory_for(pocket, fits):
        trace = sample_all(job, pocket, samples, batch=5)
    assert trace.record["batches"] == split
    assert [run["seed"] for run in trace.record["runs"]] == [0, 1, 2, 3, 4]
    assert trace.x_t.shape == (5, 2, 4, 8, 8)
    assert trace.sigmas.shape == (2,)
    assert bool(job.report.warnings) == (fits < 5)


def test_states_that_are_too_many_for_memory_lie_on_the_disk(tmp_path, pocket, monkeypatch):
    found = []
    for name, limit in (("memory", 1 << 30), ("disk", 1000)):
        monkeypatch.setattr(room, "IN_MEMORY", limit)
        job, samples = small_job(tmp_path / name, [0, 1, 2])
        with job.folder.open():
            trace = sample_all(job, pocket, samples, batch=2)
            files = sorted(path.name for path in job.folder.work.glob("*.raw"))
            found.append((trace, write_arrays(trace.arrays, tmp_path / f"{name}.safetensors"), files))
    (here, _, none), (there, _, files) = found
    assert (none, files) == ([], [f"states-{name}.raw" for name in ("eps_cond", "eps_uncond", "x0", "x_t")])
    assert isinstance(there.x_t, np.memmap)
    assert here.record["batches"] == there.record["batches"] == [[0, 1], [2]]
    assert (tmp_path / "memory.safetensors").read_bytes() == (tmp_path / "disk.safetensors").read_bytes()


def test_split_after_a_halving_survives_an_interruption(tmp_path, pocket):
    job, samples = small_job(tmp_path, [0, 1, 2, 3])
    with pytest.raises(KeyboardInterrupt), job.folder.open(), memory_for(pocket, 2):
        job.report.step = lambda done, **_: (_ for _ in ()).throw(KeyboardInterrupt) if done == 4 else None
        sample_all(job, pocket, samples, batch=4)
    job.report = Notes()
    with job.folder.open():  # now there is memory for all, but the run has its split
        assert sample_all(job, pocket, samples, batch=4).record["batches"] == [[0, 1], [2, 3]]


def test_split_that_changed_half_way_survives_an_interruption(tmp_path, pocket):
    """Two fit at first, then only one: what was made by twos is not made again by ones."""
    job, samples = small_job(tmp_path, [0, 1, 2, 3, 4])
    with pytest.raises(KeyboardInterrupt), job.folder.open():
        batches = sample_each(job, pocket, samples, batch=2)
        assert next(batches)[0] == [0, 1]
        with memory_for(pocket, 1):
            assert next(batches)[0] == [2]
        raise KeyboardInterrupt
    with job.folder.open():
        assert sample_all(job, pocket, samples, batch=2).record["batches"] == [[0, 1], [2], [3], [4]]
    assert job.report.kept == [steps * job.config.steps for steps in (2, 3)]  # of the others a rate may tell


def test_out_of_memory_at_one_is_an_error(tmp_path, pocket):
    job, samples = small_job(tmp_path, [1])
    with job.folder.open(), memory_for(pocket, 0), pytest.raises(SamplingError, match="does not fit into memory"):
        sample_all(job, pocket, samples, batch=1)


@pytest.mark.parametrize(
    ("syntax", "prompt", "said"),
    [
        ("plain", "a lighthouse, " * 80, ["cut off"]),
        ("comfy", "a lighthouse, " * 80, []),
        ("a1111", "a lighthouse, " * 80, []),
        ("a1111", "a lighthouse BREAK at dusk", []),
        ("a1111", "a lighthouse AND at dusk", ["guides the parts around AND"]),
        ("comfy", "a lighthouse at dusk", []),
    ],
)
def test_what_is_said_of_long_prompts_and_parts(syntax, prompt, said):
    from denoisecli.diffusion.models import load_model
    from denoisecli.labs.loading import warn_of_lost_words

    warnings = []
    config = SimpleNamespace(prompt_syntax=syntax)
    job = SimpleNamespace(config=config, report=SimpleNamespace(warn=warnings.append))
    warn_of_lost_words(job, load_model("pocket"), prompt)
    assert [any(part in told for told in warnings) for part in said] == [True] * len(said)
    assert len(warnings) == len(said)
