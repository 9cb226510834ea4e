"""What the command line prints, where, and with which exit code."""

import importlib
import json
import pkgutil
import re
import shutil
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import denoisecli
from denoisecli import cli
from denoisecli.cli.app import app


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["sampel"], 2, "Did you mean 'sample'?", id="unknown command"),
        pytest.param(["sample", "--stpes", "3"], 2, "--steps", id="unknown option"),
        pytest.param(["sample", "absent.yaml"], 2, "absent.yaml: there is no such config file.", id="no config"),
        pytest.param(["noise", "photo.JPG"], 2, "denoisecli noise --image", id="a picture for a config"),
        pytest.param(["sample", "my.safetensors"], 2, "given with --model", id="a model for a config"),
        pytest.param(["sample", "--size", "512"], 2, "no flag --size, but a setting: --set size=...", id="a setting"),
        pytest.param(["sample", "--strength", "0.5"], 2, "but a setting: --set start.strength=...", id="a part"),
        pytest.param(["sample", "--negative=fog"], 2, "--set negative_prompt=...", id="a setting's beginning"),
        pytest.param(["noise", "--fps", "5"], 2, "--set film.fps=...", id="a setting of the film"),
        pytest.param(["sample", "--seeds", "7"], 2, "no flag --seeds; it is called --seed.", id="nearly a flag"),
        pytest.param(["sample", "a lighthouse"], 2, "A prompt is given with --prompt.", id="a prompt for a config"),
        pytest.param(
            ["sample", "--steps", "0"], 2, "--steps: steps: 0 is out of range (want 1 to 1000)", id="no steps"
        ),
        pytest.param(["sample", "--cfg", "nan"], 2, "--cfg: cfg: nan is not a finite number", id="cfg nan"),
        pytest.param(["sample", "--seed", "-1"], 2, "seed -1 is out of range", id="a random seed"),
        pytest.param(["sample", "--seed", "x"], 2, '--seed: seeds: "x" is not a seed', id="seed"),
        pytest.param(["sample", "--seed", "5-1"], 2, '"5-1" runs backwards', id="seed range"),
        pytest.param(["sample", "--set", "sampler=dimm"], 2, 'did you mean "ddim"?', id="sampler"),
        pytest.param(["sample", "-m", "/dev/null"], 1, "/dev/null is not a file but a device.", id="a device as model"),
        pytest.param(["sample", "-m", "./" + "x" * 5000], 1, "... has too long a name.", id="a long name as model"),
        pytest.param(["sample", "--model", "nowhere/at/all"], 1, "There is no model at nowhere/at/all.", id="no model"),
        pytest.param(["sample", "--model", "model.ckpt"], 1, "model.ckpt", id="ckpt"),
        pytest.param(["config", "init", "sampl"], 2, 'There is no lab "sampl"; did you mean "sample"?', id="no lab"),
        pytest.param(["sample", "--cfg", "high"], 2, "'--cfg': 'high' is not a number.", id="word for cfg"),
        pytest.param(["sample", "--steps", "1e3"], 2, "'--steps': '1e3' is not a whole number.", id="float for steps"),
        pytest.param(["walk", "--seed", "7"], 2, "--seed: seeds: a walk needs two seeds or more", id="walk of one"),
        pytest.param(
            ["sample", "--set", "loras=[gone.safetensors]"], 1, "There is no LoRA at gone.safetensors.", id="no lora"
        ),
        pytest.param(["sample", "--set", "loras=[woodcut]"], 1, "Built in: pocket/hot-air-balloon", id="half a lora"),
        pytest.param(["sample", "--set", "loras=[x.pt]"], 1, "There is no LoRA at x.pt", id="no pickled lora"),
        pytest.param(["sample", "--set", "film=1"], 2, "not a block of keys (want size, fps,", id="value for a block"),
        pytest.param(["sample", "--model", "no/such"], 1, "no/such is not on this machine", id="no hub model"),
        pytest.param(["noise", "--image", "gone.png"], 2, "there is no picture at gone.png", id="no picture"),
        pytest.param(["lora-rank", "--lora", "gone.safetensors"], 1, "there is no such file", id="no lora to cut"),
        pytest.param(["render", "gone"], 2, "gone is not there.", id="no run"),
        pytest.param(["compare", "gone", "gone"], 2, "gone is not there.", id="no runs"),
        pytest.param(["import", "gone.png"], 1, "gone.png is not there.", id="nothing to import"),
        pytest.param(["config", "check", "absent.yaml"], 2, "absent.yaml: there is no such", id="check nothing"),
        pytest.param(["sample", "--seed", "\udcff"], 2, "--seed: seeds[0]: '\\udcff' is not text", id="no UTF-8"),
        pytest.param(["sample", "--set", "\udcff=1"], 2, "unknown key", id="a key of no UTF-8"),
        *[
            pytest.param(words, None, "...", id=f"long {' '.join(words)[:12]}")
            for words in (
                ["9" * 5000],
                ["--" + "9" * 5000],
                ["sample", "--seed", "9" * 5000],
                ["noise", "--seed", "9" * 5000],
                ["sample", "--set", "9" * 5000],
                ["sample", "--set", "seeds=[" + "9" * 5000 + "]"],
                ["show", "9" * 5000],
                ["config", "init", "9" * 5000],
                ["batch", "--vary", "seed=" + "9" * 5000],
                ["noise", "--image", "9" * 5000],
                ["batch", "--vary", "x=" + "9 " * 5000],
                ["batch", "--shard", "9" * 5000 + "/" + "9" * 5000],
                ["import", "9" * 5000],
            )
        ],
    ],
)
def test_wrong_use(run, tmp_path, arguments, code, says):
    done = run(*arguments)
    assert done.returncode == code or (code is None and done.returncode in (1, 2)), done.stderr
    assert says in done.stderr
    assert len(done.stderr) < 1500  # what was typed is not said again at any length
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "runs").exists()


def pages():
    for module in pkgutil.iter_modules(cli.__path__):  # each adds its commands
        importlib.import_module(f"denoisecli.cli.{module.name}")
    root = get_command(app)
    return [[], *([name] for name in root.commands), *(["config", name] for name in root.commands["config"].commands)]


@pytest.mark.parametrize("command", pages(), ids=" ".join)
def test_help_is_whole_and_plain(command):
    """No summary is cut off, no Python type is shown, and every option is said something about."""
    text = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}, terminal_width=80).output
    assert text.startswith("Usage: ")
    commands = text.partition("Commands:\n")[2]
    assert "..." not in commands
    assert not re.search(r"<[a-z]", text)
    for line in text.partition("Options:\n")[2].partition("Commands:")[0].splitlines():
        assert not line.startswith("  -") or len(line.split("  ")) > 2 or len(line) > 25, line


def test_the_labs_help_leads_to_all_settings(run):
    text = run("cfg-sweep", "--help").stdout
    assert text.splitlines()[-1].strip() == "Every setting and its default: denoisecli config init cfg-sweep"


def test_faults_of_a_file_in_the_order_of_its_lines(run, tmp_path):
    (tmp_path / "x.yaml").write_text("lab: sample\nstpes: 5\nsampler: dim\nfilm:\n  fps: 0\n")
    lines = run("sample", "x.yaml").stderr.splitlines()
    assert [line.rpartition("x.yaml:")[2][0] for line in lines] == ["2", "3", "5"]


@pytest.mark.usefixtures("heavy")
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(lambda pocket: cut(pocket / "unet" / WEIGHTS), "only the start of one", id="cut weights"),
        pytest.param(
            lambda pocket: (pocket / "vae" / WEIGHTS).unlink(), "holds no .safetensors weights", id="no weights"
        ),
        pytest.param(lambda pocket: (pocket / "unet" / "config.json").write_text("{"), "config.json", id="torn config"),
        pytest.param(lambda pocket: (pocket / "model_index.json").unlink(), "model_index.json", id="no index"),
    ],
)
def test_a_damaged_installation(run, tmp_path, damage, says):
    """The package's own model, damaged on the disk: one sentence, the way out, exit 1, and `doctor` sees most of it."""
    package = tmp_path / "site" / "denoisecli"
    shutil.copytree(Path(denoisecli.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    damage(package / "pocket")
    done = run("sample", "--set", "size=64", env={"PYTHONPATH": str(package.parent)})
    assert (done.returncode, done.stdout) == (1, "")
    assert "denoisecli: The embedded pocket model is damaged: " in done.stderr
    assert says in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Install denoisecli again: pip install")
    if says != "config.json":
        told = run("doctor", env={"PYTHONPATH": str(package.parent)})
        assert told.returncode == 1
        assert "missing: The embedded pocket model is damaged" in told.stdout


WEIGHTS = "diffusion_pytorch_model.safetensors"


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def test_no_ffmpeg(run, tmp_path):
    done = run("noise", "--set", "frames=2", "--set", "film.size=640x360", env={"IMAGEIO_FFMPEG_EXE": "/no/ffmpeg"})
    assert (done.returncode, done.stdout) == (1, "")
    assert "ffmpeg does not start" in done.stderr
    assert "pip install imageio-ffmpeg" in done.stderr


@pytest.mark.usefixtures("heavy")
def test_words_that_the_model_does_not_know(run):
    small = ["--steps", "1", "--seed", "1", "--set", "size=64", "--set", "film.formats=[]", "-q"]
    done = run("sample", *small, "-p", "a zebra on a cliff", "--set", "negative_prompt=quagga")
    way = "(`denoisecli models pocket` lists those it knows)"
    assert done.stderr.splitlines() == [
        f"warning: words of the prompt that the model pocket does not know: zebra {way}",
        f"warning: words of the negative prompt that the model pocket does not know: quagga {way}",
    ]


@pytest.mark.usefixtures("heavy")
def test_a_loras_own_words_are_known(run):
    small = ["--steps", "1", "--seed", "1", "--set", "size=64", "--set", "film.formats=[]", "-q"]
    for lab, lora in (("sample", ["--set", "loras=[pocket/hot-air-balloon]"]), ("lora-rank", ["--images"])):
        assert run(lab, *small, "-p", "a hot-air balloon on a hill", *lora).stderr == "", lab


def test_error_as_json(run):
    done = run("sample", "--json", "--set", "steps=0")
    assert done.returncode == 2
    event = json.loads(done.stdout)
    assert event["event"] == "error"
    assert "steps: 0 is out of range" in event["message"]


def test_traceback_only_when_asked_for(run):
    assert "Traceback" in run("sample", "-v", "--model", "nowhere/at/all").stderr


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("steps: 20\nsize: 1024x1024\nphases: [{until: 0.1, cfg: 3}, {until: 0.14, cfg: 5}]", "phase 2 has no step"),
        ("steps: 20\nsize: 1024x1024\nphases: [{until: 0.5, scale: 1}, {scale: 8}]", "a side has at most"),
        ("steps: 20\nphases: [{until: 0.1, cfg: 3}, {until: 0.14, cfg: 5}]", "phase 2 has no step"),
        ("phases: [{until: 0.01, cfg: 3}]", "phase 1 has no step"),
        ("steps: 8\nstart: {image: x.png, strength: 0.1}", "is less than one of 8 steps"),
    ],
)
def test_a_config_whose_states_no_run_could_have_fails_its_check(run, tmp_path, keys, said):
    (tmp_path / "x.yaml").write_text(f"lab: sample\n{keys}\n")
    checked = run("config", "check", "x.yaml")
    assert checked.returncode == 2
    assert said in checked.stderr


def test_steps_that_are_the_models_to_say_are_not_checked_without_it(run, tmp_path):
    (tmp_path / "x.yaml").write_text("lab: sample\nmodel: some/model\nphases: [{until: 0.04, cfg: 3}]\n")
    assert run("config", "check", "x.yaml").stdout == "x.yaml: sample: ok\n"


@pytest.mark.usefixtures("heavy")
def test_config_round_trip_through_a_pipe(run, tmp_path):
    text = run("config", "init", "sample").stdout
    (tmp_path / "x.yaml").write_text(text)
    assert run("config", "check", "x.yaml").stdout == "x.yaml: sample: ok\n"
    assert run("config", "check", "-", stdin=text).stdout == "-: sample: ok\n"
    planned = {run("sample", *arguments, "--dry-run").stdout for arguments in ([], ["x.yaml"])}
    assert len(planned) == 1
    assert run("sample", "-", "--dry-run", stdin=text).stdout in planned


def test_schema_describes_every_key(run):
    schema = json.loads(run("config", "schema", "sample").stdout)
    assert schema["additionalProperties"] is False
    assert all("description" in field for field in schema["properties"].values())


def test_dry_run_makes_nothing(run, tmp_path):
    done = run("sample", "--dry-run", "--seed", "1-3")
    assert done.stdout.startswith("runs/sample/a-lighthouse-on-a-rocky-cliff")
    assert "would be made" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_out_names_one_folder(run, tmp_path):
    (tmp_path / "x.yaml").write_text("steps: 1\n---\nsteps: 2\n")
    done = run("sample", "x.yaml", "-o", "here")
    assert done.returncode == 2
    assert "-o names one folder, but there are 2 configs" in done.stderr


@pytest.mark.usefixtures("heavy")
def test_version_and_models(run):
    assert run("--version").stdout.startswith("denoisecli ")
    row = json.loads(run("models", "--json").stdout.splitlines()[0])
    assert row["ref"] == "pocket"
    assert len(row["sha256"]) == 64


@pytest.mark.usefixtures("heavy")
def test_doctor_is_content_here(run):
    done = run("doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert "missing" not in done.stdout


LONG = "x" * 5000


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["noise", "-o", LONG], id="a run's folder"),
        pytest.param(["noise", "--runs-dir", LONG], id="the folder of runs"),
        pytest.param(["noise", f"{LONG}.yaml"], id="a config"),
        pytest.param(["noise", "--set", f"image={LONG}"], id="a picture"),
        pytest.param(["lora-rank", "--lora", f"{LONG}.safetensors"], id="a LoRA"),
        pytest.param(["ls", LONG], id="a folder to list"),
        pytest.param(["show", LONG], id="a run"),
        pytest.param(["rm", LONG], id="a run to delete"),
        pytest.param(["gallery", "-o", LONG], id="a gallery"),
        pytest.param(["gallery", LONG], id="a gallery's folder"),
        pytest.param(["render", LONG], id="a run to draw"),
        pytest.param(["slides", LONG, "-o", "x.pptx"], id="a run for a talk"),
        pytest.param(["import", f"{LONG}.png"], id="a picture to import"),
        pytest.param(["batch", f"{LONG}.yaml"], id="a batch's config"),
        pytest.param(["config", "check", f"{LONG}.yaml"], id="a config to check"),
    ],
)
def test_too_long_a_name_is_no_fault_of_ours(tmp_path, monkeypatch, words):
    from tests.damage import said

    monkeypatch.chdir(tmp_path)
    code, text = said(words)
    assert code in (1, 2), text
    assert "fault in denoisecli" not in text
    assert "Traceback" not in text
