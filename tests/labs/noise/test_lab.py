"""The noise lab from config to folder: what it leaves, what it says to bad input, and that no torch is needed."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import denoisecli
from denoisecli.config.load import load_configs, settings
from denoisecli.config.write import commented_yaml
from denoisecli.errors import ConfigError, DenoiseError
from denoisecli.labs.noise.config import SCHEDULES, NoiseConfig
from denoisecli.labs.noise.lab import clean_picture, plan, to_uint8
from denoisecli.labs.noise.scene import lighthouse
from denoisecli.process.forward import corrupt, draw_noise
from denoisecli.report import Report

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "trace.schema.json").read_text())
SMALL = ["size=64", "frames=3", "film.size=320x320", "sheet=[0,999]", "film.hold_s=0.1"]


def config(*pairs):
    return load_configs(NoiseConfig, [], [settings(NoiseConfig, [*SMALL, *pairs])])[0]


def make(folder, *pairs):
    return plan(config(*pairs), folder, None, force=False).make(Report())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One small run of the toy scene."""
    return make(tmp_path_factory.mktemp("noise") / "run")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """One small run of two schedules."""
    return make(tmp_path_factory.mktemp("noise") / "run", "schedules=[zero_snr, rectified_flow]", "pacing=snr")


# What a run leaves


def test_what_a_finished_run_lacks_is_told(tmp_path):
    make(tmp_path / "run")
    (tmp_path / "run" / "film.mp4").unlink()
    warnings, report = [], Report()
    report.warn = warnings.append
    plan(config(), tmp_path / "run", None, force=False).make(report)
    again = "`denoisecli render` draws films and sheets again"
    assert warnings == [f"{tmp_path / 'run'} lacks film.mp4; {again}"]


def test_a_prompt_without_a_guess_is_told(tmp_path):
    warnings, report = [], Report()
    report.warn = warnings.append
    plan(config("prompt=a castle"), tmp_path / "run", None, force=False).make(report)
    assert [text for text in warnings if "--guess" in text]


def test_a_run_is_whole(run):
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert files == {
        "config.yaml", "trace.json", "states.safetensors", "film.mp4", "sheet.png", "page.html",
        "images/t-000.png", "images/t-999.png",
    }  # fmt: skip
    record = json.loads((run / "trace.json").read_text())
    jsonschema.validate(record, SCHEMA)
    assert record["lab"] == "noise"
    assert {row["path"] for row in record["artifacts"]} == files - {"trace.json"}


def test_the_arrays_make_every_frame(run):
    trace = denoisecli.load(run)
    assert trace["x0"].shape == trace["eps"].shape == (3, 64, 64)
    assert np.array_equal(trace["eps"], draw_noise(7, (3, 64, 64)))
    assert np.array_equal(to_uint8(trace["x0"]), lighthouse((64, 64)))
    assert trace["alpha_bars"] == pytest.approx([0.99915, 0.2763327, 0.0046601], abs=1e-6)
    assert trace["timesteps"].tolist() == [0, 500, 999]
    assert trace["signals"] ** 2 == pytest.approx(trace["alpha_bars"])
    assert trace["noises"] ** 2 == pytest.approx(1 - trace["alpha_bars"])


def test_a_still_is_x_t(run):
    trace = denoisecli.load(run)
    expected = to_uint8(corrupt(trace["x0"], trace["eps"], trace["signals"][2], trace["noises"][2]))
    assert np.array_equal(np.asarray(Image.open(run / "images" / "t-999.png")), expected)


def test_the_trace_says_how_much_of_the_picture_is_left(run):
    trace = denoisecli.load(run)
    states = trace.record["runs"][0]["states"]
    for k, state in enumerate(states):
        x_t = corrupt(trace["x0"], trace["eps"], trace["signals"][k], trace["noises"][k])
        assert state["correlation"] == pytest.approx(np.corrcoef(trace["x0"].ravel(), x_t.ravel())[0, 1], abs=1e-5)
        assert state["correlation"] == pytest.approx(state["correlation_expected"], abs=0.03)
        assert state["sqrt_alpha_bar"] == pytest.approx(state["alpha_bar"] ** 0.5, rel=1e-6)
        assert state["snr_db"] == pytest.approx(-20 * np.log10(state["sigma"]), abs=1e-5)
        assert state["x_norm"] == pytest.approx(np.sqrt(np.mean(x_t.astype(float) ** 2)), rel=1e-5)


def test_compared_schedules_share_picture_and_noise(compared):
    trace = denoisecli.load(compared)
    assert trace["x0"].ndim == trace["eps"].ndim == 3
    assert trace["alpha_bars"].shape == (2, 3)
    assert [row["schedule"] for row in trace.record["runs"]] == ["zero_snr", "rectified_flow"]
    assert trace["alpha_bars"][:, -1].tolist() == [0, 0]
    assert trace.record["runs"][0]["states"][-1]["sigma"] is None  # infinite: null in JSON
    assert {path.name for path in (compared / "images").iterdir()} == {
        "zero_snr-t-000.png", "zero_snr-t-999.png", "rectified_flow-t-000.png", "rectified_flow-t-999.png",
    }  # fmt: skip


def test_the_same_config_gives_the_same_bytes(run, tmp_path):
    again = make(tmp_path / "again")
    for name in ("film.mp4", "sheet.png", "page.html", "states.safetensors", "images/t-999.png"):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name


def test_its_config_makes_the_run_again(run):
    again = load_configs(NoiseConfig, [str(run / "config.yaml")])[0]
    assert plan(again, run, None, force=False).folder.done


def test_another_seed_is_another_run(tmp_path):
    first, second = (plan(config(f"seed={seed}"), None, tmp_path, force=False).folder.path for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize(
    ("pairs", "size"),
    [
        pytest.param([], (328, 328), id="film-filled-three-times"),
        pytest.param(["film.size=3840x2160"], (328, 328), id="4k-six-times"),
        pytest.param(["schedules=[linear, cosine]"], (336, 336), id="two-side-by-side"),
    ],
)
def test_the_size_left_open_fills_the_panel(pairs, size, tmp_path):
    wanted = load_configs(NoiseConfig, [], [settings(NoiseConfig, pairs)])[0]
    assert plan(wanted, None, tmp_path, force=False).config.size == size


# A picture of one's own


def save(path, mode="RGB", size=(80, 48), **options):
    gradient = np.linspace(0, 255, size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    image = Image.fromarray(gradient)
    (image if mode == "RGB" else image.convert(mode)).save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1", "LA"])
def test_any_mode_of_picture(mode, tmp_path):
    path = save(tmp_path / ("x.tif" if mode == "CMYK" else "x.png"), mode)
    assert clean_picture(config(f"image={path}")).shape == (64, 64, 3)


def test_sixteen_bits_keep_their_range(tmp_path):
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    picture = clean_picture(config(f"image={tmp_path / 'deep.png'}"))
    assert (picture.min(), picture.max()) == (0, 255)


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    path = save(tmp_path / "turned.jpg", exif=exif)
    wanted = load_configs(NoiseConfig, [], [settings(NoiseConfig, [f"image={path}"])])[0]
    width, height = plan(wanted, None, tmp_path, force=False).config.size
    assert height > width


def test_what_is_transparent_becomes_white(tmp_path):
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (clean_picture(config(f"image={tmp_path / 'clear.png'}")) == 255).all()


def test_an_edited_picture_is_another_run(tmp_path):
    path = save(tmp_path / "x.png")
    before = plan(config(f"image={path}"), None, tmp_path, force=False).folder.path
    save(path, size=(96, 48))
    assert plan(config(f"image={path}"), None, tmp_path, force=False).folder.path != before


# Bad input


def bomb(path):
    Image.new("1", (10_000, 10_000)).save(path)


def truncated(path):
    save(path, size=(400, 300))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("prepare", "said", "code"),
    [
        pytest.param(lambda path: None, "there is no picture at", 2, id="missing"),
        pytest.param(lambda path: path.mkdir(), "is a folder, not a picture", 2, id="folder"),
        pytest.param(lambda path: path.write_text("words"), "not a picture", 1, id="no-picture"),
        pytest.param(lambda path: path.touch(), "not a picture", 1, id="empty"),
        pytest.param(bomb, "at most", 1, id="bomb"),
        pytest.param(truncated, "cannot be read", 1, id="truncated"),
    ],
)
def test_bad_pictures(prepare, said, code, tmp_path):
    path = tmp_path / "x.png"
    prepare(path)
    with pytest.raises(DenoiseError, match=said) as caught:
        make(tmp_path / "run", f"image={path}")
    assert caught.value.exit_code == code
    assert "\n" not in caught.value.message
    assert {entry.name for entry in tmp_path.iterdir()} <= {"x.png"}


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        pytest.param(["schedule=scaled_liner"], 'did you mean "scaled_linear"', id="schedule"),
        pytest.param(["schedule=7"], "is not a schedule we know", id="schedule-number"),
        pytest.param(["schedule=linear", "schedules=[linear, cosine]"], "both set", id="both"),
        pytest.param(["schedules=[linear, cosyne]"], 'did you mean "cosine"', id="one-of-several"),
        pytest.param(["schedules=[linear]"], "want two to 6", id="one"),
        pytest.param(["schedules=[linear, linear]"], "each once", id="twice"),
        pytest.param(["frames=1"], "want 2 to 1000", id="frames-1"),
        pytest.param(["frames=0"], "want 2 to 1000", id="frames-0"),
        pytest.param(["frames=100000"], "want 2 to 1000", id="frames-100000"),
        pytest.param(["frames=2.5"], "not a whole number", id="frames-half"),
        pytest.param(["size=65"], "multiple of 8", id="size"),
        pytest.param(["seed=-1"], "out of range", id="seed"),
        pytest.param(["sheet=[1000]"], "want 0 to 999", id="sheet"),
        pytest.param(["sheet=[]"], "want 1 to 24", id="sheet-empty"),
        pytest.param(["pacing=slow"], "want t, snr", id="pacing"),
        pytest.param(["space=latents"], 'did you mean "latent"', id="space"),
        pytest.param(["space=latent", "schedules=[linear, cosine]"], "takes one schedule", id="latent-compared"),
        pytest.param(["guess=true", "schedules=[linear, cosine]"], "takes one schedule", id="guess-compared"),
        pytest.param(["framse=3"], 'did you mean "frames"', id="key"),
    ],
)
def test_bad_configs(pairs, said):
    with pytest.raises(ConfigError, match=said) as caught:
        config(*pairs)
    assert caught.value.exit_code == 2
    assert "--set" in caught.value.message


def test_schedules_alone_replace_the_default():
    assert config("schedules=[linear, cosine]").compared == ("linear", "cosine")
    assert config().compared == ("scaled_linear",)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_can_be_asked_for(name):
    assert config(f"schedule={name}").compared == (name,)


# The command


def test_the_command_needs_no_torch(tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'diffusers', 'transformers'): sys.modules[name] = None\n"
        f"sys.argv = ['denoisecli', 'noise', '-q', '-o', 'run', '--seed', '3'] + "
        f"[word for pair in {SMALL!r} for word in ('--set', pair)]\n"
        "from denoisecli.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "run\n", "")
    assert json.loads((tmp_path / "run" / "trace.json").read_text())["config"]["seed"] == 3


def test_the_command_says_one_sentence_about_a_missing_picture(tmp_path):
    command = [sys.executable, "-m", "denoisecli", "noise", "--image", "none.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("denoisecli: image: there is no picture at none.png.")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_shipped_config_is_the_default():
    assert (ROOT / "configs" / "noise.yaml").read_text(encoding="utf-8") == commented_yaml(NoiseConfig)
    assert load_configs(NoiseConfig, [str(ROOT / "configs" / "noise.yaml")])[0] == NoiseConfig()
