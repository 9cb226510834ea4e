"""What `record` hears is a run like any other: every command takes it."""

import gc
import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import denoisecli
from denoisecli.cli import whole_app
from denoisecli.config.samplers import SAMPLERS
from denoisecli.diffusion.references import POCKET
from denoisecli.diffusion.scheduler import name_of, use_sampler
from denoisecli.errors import ConfigError, NotRecorded, RunFolderError, UsageError
from tests.tiny import embeds, tiny_sd, tiny_sd3, tiny_text_sd

LOOK = {"size": "320x320", "fps": 5, "hold_s": 0.2}
SMALL = ("--set", "film.size=320x320", "--set", "film.fps=5", "--set", "film.hold_s=0.2")


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    """A pipeline that was loaded from a Path."""
    from diffusers import StableDiffusionPipeline

    folder = tmp_path_factory.mktemp("model")
    tiny_text_sd().save_pretrained(folder)
    found = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    assert isinstance(found.name_or_path, Path)
    found.set_progress_bar_config(disable=True)
    return found


def recorded(pipe, prompt="a mill", steps=3, seeds=(7,), **keys):
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    texts = {"prompt": prompt} if isinstance(prompt, list) else {"prompt": [prompt] * len(seeds)}
    with denoisecli.record(pipe) as trace:
        pipe(**texts, num_inference_steps=steps, generator=generators, output_type="latent", **keys)
    return trace


@pytest.fixture(scope="module")
def runs(pipe, tmp_path_factory):
    """Two recordings, saved."""
    folder = tmp_path_factory.mktemp("runs")
    one = recorded(pipe, seeds=(7, 8), negative_prompt=["fog", "fog"])
    two = recorded(pipe, seeds=(7, 8), guidance_scale=3.0)
    return SimpleNamespace(
        folder=folder, trace=one, one=one.save(folder / "one", **LOOK), two=two.save(folder / "two", **LOOK)
    )


def run(*words):
    done = CliRunner().invoke(whole_app(), [str(word) for word in words])
    assert done.exit_code == 0, (words, done.output, done.exception)
    return SimpleNamespace(out=done.stdout.strip(), err=done.stderr)


def test_the_run_says_what_the_call_said(runs, pipe):
    record = json.loads((runs.one / "trace.json").read_text())
    config = record["config"]
    assert (config["prompt"], config["negative_prompt"]) == ("a mill", "fog")
    assert (config["seeds"], config["steps"], config["cfg"], config["sampler"]) == ([7, 8], 3, 7.5, "ddim")
    assert config["size"] == [16, 16]
    assert record["model"]["ref"] == config["model"] == str(pipe.name_or_path)
    assert record["recorded"] == {"pipeline": "StableDiffusionPipeline", "scheduler": "DDIMScheduler"}
    assert [run["prompt"] for run in record["runs"]] == ["a mill"] * 2
    assert record["runs"][0]["states"][0]["clipped"] is not None
    assert record["decoders"]["states"].endswith("fitted to this run")
    assert record["decoders"]["finals"] == "vae"
    assert 0 < record["preview_psnr_db"] < 100
    names = {row["path"] for row in record["artifacts"]}
    assert {"film.mp4", "sheet.png", "page.html", "pictures.zip", "images/seed-7.png", "views/guess.mp4"} <= names
    back = denoisecli.load(runs.one)
    assert back.record.items() >= runs.trace.record.items()
    np.testing.assert_array_equal(back.x_t, runs.trace.x_t)


def test_a_film_is_drawn_for_who_asks_though_the_look_leaves_films_away(pipe, tmp_path):
    trace = recorded(pipe, seeds=(7,))
    folder = trace.save(tmp_path / "run", **LOOK, formats=[])
    assert sorted(path.suffix for path in folder.rglob("*.*") if path.suffix in (".mp4", ".png")) == [".png", ".png"]
    assert trace.film(tmp_path / "own.mp4").stat().st_size


def test_every_command_takes_it(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn = Path(run("render", runs.one, "--runs-dir", tmp_path, *SMALL).out)
    assert (drawn / "film.mp4").is_file()
    shown = run("show", runs.one).out
    assert "a mill" in shown
    assert "None" not in shown
    assert str(runs.one) in run("ls", runs.folder).out
    compared = Path(run("compare", runs.one, runs.two, "-o", tmp_path / "both").out.splitlines()[-1])
    assert (compared / "film.mp4").is_file()
    run("slides", runs.one, "-o", "talk.md")
    assert "None" not in Path("talk.md").read_text()
    run("gallery", runs.folder)
    assert "a mill" in (runs.folder / "index.html").read_text()
    (runs.folder / "index.html").unlink()


def test_the_picture_is_that_of_the_pipeline(pipe, tmp_path):
    from PIL import Image

    with denoisecli.record(pipe) as trace:
        made = pipe("a mill", num_inference_steps=2, generator=torch.Generator().manual_seed(3)).images[0]
    saved = Image.open(trace.save(tmp_path / "run", **LOOK) / "images" / "seed-3.png")
    np.testing.assert_array_equal(np.asarray(saved), np.asarray(made))


def test_drawings_before_and_after_saving(pipe, tmp_path):
    trace = recorded(pipe, steps=2)
    html = trace._repr_html_()
    assert html.startswith("<iframe")
    sheet = trace.sheet(tmp_path / "mine.png")
    assert sheet.read_bytes()[:4] == b"\x89PNG"
    assert "data:video/mp4" in trace.film()._repr_html_()
    room = trace.page().parent
    saved = trace.save(tmp_path / "run")
    assert trace.page() == saved / "page.html"
    assert trace._repr_html_() == html
    assert (saved / "sheet.png").read_bytes() == sheet.read_bytes()
    with pytest.raises(UsageError, match=r"\.mp4"):
        trace.film(tmp_path / "film.gif")
    trace.source.studio = None
    gc.collect()
    assert not room.exists()


def test_without_pictures(pipe, tmp_path):
    trace = recorded(pipe)
    run = trace.save(tmp_path / "run", pictures=False)
    assert {file.name for file in run.iterdir()} == {"config.yaml", "states.safetensors", "trace.json"}
    assert json.loads((run / "trace.json").read_text())["runs"][0]["committed_at"]["layout"] is not None
    trace.save(tmp_path / "run", **LOOK)
    assert (run / "film.mp4").is_file()


def test_when_the_pipeline_is_gone(tmp_path):
    pipe = tiny_sd()
    with denoisecli.record(pipe) as trace:
        pipe(**embeds(pipe), num_inference_steps=2, output_type="latent")
    del pipe
    gc.collect()
    with pytest.raises(NotRecorded, match="its pipeline is gone"):
        trace.save(tmp_path / "run", pictures=True)
    with pytest.raises(NotRecorded, match="its pipeline is gone"):
        trace.film()
    assert trace._repr_html_() is None
    run = trace.save(tmp_path / "run")
    assert not (run / "film.mp4").exists()
    record = json.loads((run / "trace.json").read_text())
    assert (record["config"]["prompt"], record["config"]["seeds"], record["runs"][0]["seed"]) == ("", [], None)


def test_a_broken_decoder_is_told_and_the_numbers_are_saved(tmp_path):
    pipe = tiny_sd()
    with denoisecli.record(pipe) as trace:
        pipe(**embeds(pipe), num_inference_steps=2, output_type="latent")
    pipe.vae = None
    with pytest.warns(UserWarning, match="without pictures: StableDiffusionPipeline has no decoder"):
        run = trace.save(tmp_path / "run")
    assert (run / "states.safetensors").is_file()


def test_nothing_recorded_is_not_saved(pipe, tmp_path):
    with denoisecli.record(pipe) as trace:
        pass
    for act in (lambda: trace.save(tmp_path / "run"), lambda: trace.x_t, lambda: trace.film()):
        with pytest.raises(NotRecorded, match="empty|no pipeline"):
            act()
    assert not (tmp_path / "run").exists()


def test_unknown_and_repeated_seeds_and_several_prompts(pipe, tmp_path):
    with denoisecli.record(pipe) as trace:
        pipe(["a mill", "a sea"], num_inference_steps=2, num_images_per_prompt=2, output_type="latent")
        pipe(["a fog"], num_inference_steps=2, generator=torch.Generator().manual_seed(5), output_type="latent")
        pipe(["a fog"], num_inference_steps=2, generator=torch.Generator().manual_seed(5), output_type="latent")
    run = trace.save(tmp_path / "run", **LOOK)
    record = json.loads((run / "trace.json").read_text())
    assert [row["prompt"] for row in record["runs"]] == ["a mill"] * 2 + ["a sea"] * 2 + ["a fog"] * 2
    assert record["config"]["prompt"] == "a mill | a sea | a fog"
    assert [row["seed"] for row in record["runs"]] == [None] * 4 + [5, 5]
    assert {file.name for file in (run / "images").iterdir()} == {f"picture-{n}.png" for n in range(1, 7)}
    assert "#2" in (run / "page.html").read_text()


class OddScheduler:
    """Makes a scheduler of a class that is none of ours."""

    def __new__(cls):
        from diffusers import DDIMScheduler

        kind = type("MyOwnScheduler", (DDIMScheduler,), {})
        return kind.from_config(tiny_sd().scheduler.config)


def test_somebodys_own_parts(pipe, tmp_path):
    """A scheduler we do not know, NumPy's numbers for seeds, and a pipeline that came from nowhere."""
    own = tiny_sd()
    own.scheduler = OddScheduler()
    with denoisecli.record(own, seeds=np.array([3], np.uint32)) as trace:
        own(**embeds(own), num_inference_steps=2, output_type="latent", guidance_scale=np.float32(2.5))
    run_ = trace.save(tmp_path / "run", **LOOK)
    record = json.loads((run_ / "trace.json").read_text())
    assert record["runs"][0]["seed"] == 3
    assert record["recorded"]["scheduler"] == "MyOwnScheduler"
    assert record["config"]["model"] == "StableDiffusionPipeline"
    drawn = run("render", run_, "--runs-dir", tmp_path / "drawn", *SMALL).out
    assert (Path(drawn) / "film.mp4").is_file()


def test_folders_are_replaced_only_where_they_may(pipe, tmp_path):
    trace, other = recorded(pipe, steps=2), recorded(pipe, steps=2, seeds=(8,))
    run = trace.save(tmp_path / "run", pictures=False)
    assert other.save(run, pictures=False) == run
    assert denoisecli.load(run).record["runs"][0]["seed"] == 8
    record = json.loads((run / "trace.json").read_text())
    del record["recorded"]
    (run / "trace.json").write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match="another config.*\n.*force=True"):
        trace.save(run, pictures=False)
    assert trace.save(run, pictures=False, force=True) == run
    (run / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"thesis\.txt"):
        trace.save(run, pictures=False, force=True)


@pytest.mark.parametrize("name", [name for name, row in SAMPLERS.items() if row.process != "trigflow"])
def test_a_scheduler_is_told_by_our_name(name):
    pipe = tiny_sd3() if SAMPLERS[name].flow else tiny_sd()
    use_sampler(pipe, name)
    assert name_of(pipe.scheduler) == name


@pytest.mark.parametrize("other", [{"use_lu_lambdas": True}, {"use_exponential_sigmas": True}, {"solver_order": 3}])
def test_a_scheduler_of_other_levels_or_order_is_told_by_its_class_and_is_ours_where_ours_is_asked_for(other):
    from diffusers import DPMSolverMultistepScheduler

    pipe = tiny_sd()
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config, **other)
    assert name_of(pipe.scheduler) == "DPMSolverMultistepScheduler"
    use_sampler(pipe, "dpmpp_2m")
    assert name_of(pipe.scheduler) == "dpmpp_2m"


def test_the_look_may_change_between_two_drawings(pipe, tmp_path):
    trace = recorded(pipe, steps=2)
    dark = trace.sheet().read_bytes()
    run = trace.save(tmp_path / "run", theme="light", **LOOK)
    assert (run / "sheet.png").read_bytes() != dark
    assert json.loads((run / "trace.json").read_text())["config"]["film"]["theme"] == "light"
    with pytest.raises(ConfigError, match="theem.*theme"):
        trace.save(tmp_path / "other", theem="light")


def test_the_decoder_keeps_its_layout():
    from diffusers import AutoencoderTiny

    from denoisecli.diffusion.decode import VaeDecoder, layout_kept

    vae = AutoencoderTiny.from_pretrained(POCKET / "vae")
    with layout_kept(vae):
        VaeDecoder(vae, "tiny autoencoder")
        assert any(not value.is_contiguous() for value in vae.parameters())
    assert all(value.is_contiguous() for value in vae.parameters())


@pytest.mark.parametrize(
    ("what", "said"),
    [
        pytest.param(object(), "object.* has no scheduler that steps", id="an object"),
        pytest.param(None, "NoneType.* has no scheduler", id="none"),
        pytest.param("pocket", r"not the name of one, 'pocket'\.\nLoad it first", id="a name"),
        pytest.param(Path("m"), "not the name of one, 'm'", id="a path"),
        pytest.param(SimpleNamespace, "is the class of one", id="a class"),
        pytest.param(torch.nn.Linear(1, 1), "Linear.* has no scheduler", id="a module"),
    ],
)
def test_what_cannot_be_recorded_is_told_at_once(what, said):
    with pytest.raises(UsageError, match=said):
        denoisecli.record(what)


@pytest.mark.parametrize("seeds", [["a"], [-1], [2**64], [1.5]])
def test_seeds_are_checked_before_anything_is_sampled(pipe, seeds):
    with pytest.raises(UsageError, match="is not a seed"):
        denoisecli.record(pipe, seeds=seeds)


def test_without_the_block_it_speaks(pipe):
    recording = denoisecli.record(pipe)
    assert (
        repr(recording)
        == "record(StableDiffusionPipeline), not begun: with denoisecli.record(pipe) as trace: pipe(...)"
    )
    with pytest.raises(AttributeError, match="call the pipeline inside"):
        _ = recording.x_t
    assert not hasattr(recording, "save")


def test_why_an_array_is_not_there(pipe):
    trace = recorded(pipe, guidance_scale=1.0)
    with pytest.raises(NotRecorded, match="no 'eps_uncond': the model ran without guidance"):
        _ = trace.eps_uncond


def test_the_pocket_model_runs_in_plain_diffusers():
    """As anyone would load it: no dtype is named. The weights stay float16 on the disk."""
    from diffusers import DiffusionPipeline
    from safetensors import safe_open

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = DiffusionPipeline.from_pretrained(POCKET)
    pipe.set_progress_bar_config(disable=True)
    assert {pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype} == {torch.float32}
    with denoisecli.record(pipe) as trace:
        picture = pipe("a mill", num_inference_steps=2).images[0]
    assert picture.size == (256, 256)
    assert repr(trace) == "Trace(sample, 1 seed, 3 states, 4×32×32)"
    assert (trace.record["model"]["ref"], trace.record["model"]["family"]) == ("pocket", "pocket")
    with safe_open(POCKET / "text_encoder" / "model.safetensors", "pt") as file:
        assert file.get_tensor(next(iter(file.keys()))).dtype == torch.float16
