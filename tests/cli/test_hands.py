"""What a shell user reaches for first: help, completion, flags everywhere, lists that can be piped."""

import json
import re

import pytest
from typer.testing import CliRunner

from denoisecli.cli import complete, whole_app
from denoisecli.cli.console import Lines
from denoisecli.cli.labs import FLAGS, TOLD
from denoisecli.config.command import FLAGS as COPIED
from denoisecli.config.command import SWITCHES, command_of
from denoisecli.config.load import build, choices_at, flags
from denoisecli.registry import CONFIGS, ROOMS

app = whole_app()


def run(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words], prog_name="denoisecli")
    assert done.exit_code == code, (words, done.output, done.exception)
    return done


@pytest.mark.parametrize("words", [[], ["sample"], ["config", "init"], ["batch"]], ids=" ".join)
def test_help_is_a_command_too(words):
    assert run("help", *words).stdout.strip() == run(*words, "--help").stdout.strip()


def test_help_guesses():
    assert 'There is no command "bacth"; did you mean "batch"?' in run("help", "bacth", code=2).output


@pytest.mark.parametrize("lab", ROOMS)
def test_help_names_the_true_defaults_and_an_example(lab):
    config = CONFIGS[lab]()
    text = " ".join(run(lab, "--help").stdout.split())
    defaults, example = TOLD[lab]
    assert example.split("(")[0][:60] in text
    for key, told in defaults.items():
        value = config.scales if (lab, key) == ("cfg-sweep", "cfg") else getattr(config, key)
        numbers = [float(number) for number in re.findall(r"[\d.]+", told)]
        assert numbers == [float(one) for one in (value if isinstance(value, tuple) else [value])], key
        assert f"[default: {told}]" in text


@pytest.mark.parametrize("lab", ROOMS)
def test_a_copied_command_uses_the_flags_that_there_are(lab):
    """Each key with a flag is written as that flag, and the flag is one of the lab's."""
    config = CONFIGS[lab]
    for key in (*COPIED, *SWITCHES):
        written = key.partition(".")[0] in config.model_fields and key not in config.without_flag
        field = config.model_fields.get(key)
        if written and not (field and field.default is True):  # a switch that is on already is never written
            assert key.replace(".", "__") in FLAGS[lab], key
    for key in FLAGS[lab].keys() - {"quality", "seeds", "seed"}:
        assert key.replace("__", ".") in (*COPIED, *SWITCHES), key
    command = command_of(build(config, [flags(device="cpu", prompt="a mill")]))
    assert command == f"denoisecli {lab} --prompt 'a mill' --device cpu"


def test_a_copied_command_turns_switches_on():
    walk = build(CONFIGS["walk"], [flags(loop=True, frames=5)])
    assert command_of(walk) == "denoisecli walk --frames 5 --loop"


@pytest.mark.parametrize(
    ("offer", "incomplete", "some"),
    [
        pytest.param(complete.samplers, "dpmpp", {"dpmpp_2m", "dpmpp_2m_karras"}, id="samplers"),
        pytest.param(complete.labs, "", set(ROOMS), id="labs"),
        pytest.param(complete.models, "po", {"pocket"}, id="models"),
        pytest.param(complete.loras, "pocket/w", {"pocket/woodcut-print"}, id="loras"),
        pytest.param(complete.one_of("a1111", "comfyui"), "c", {"comfyui"}, id="tools"),
    ],
)
def test_completion(offer, incomplete, some):
    found = offer(incomplete)
    assert some <= set(found)
    assert all(word.startswith(incomplete) for word in found)


@pytest.mark.parametrize(
    ("incomplete", "some"),
    [
        ("film.th", ["film.theme="]),
        ("film.theme=", ["film.theme=dark", "film.theme=light", "film.theme=contrast"]),
        ("sampler=euler", ["sampler=euler", "sampler=euler_karras", "sampler=euler_a"]),
        ("device=c", ["device=cuda", "device=cpu"]),
        ("steps=", []),
        ("nothing=", []),
    ],
)
def test_completion_of_settings(incomplete, some):
    class Context:
        info_name = "sample"

    assert complete.settings(Context, incomplete) == some


def test_completion_of_run_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "sample" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "sample" / "one" / "trace.json").touch()
    assert complete.runs("ru") == ["runs/"]
    assert complete.runs("runs/sample/") == ["runs/sample/one"]


def test_the_shell_is_offered_values():
    """By the very protocol of the completion scripts."""
    env = {"_DENOISECLI_COMPLETE": "complete_bash", "COMP_WORDS": "denoisecli export --to ", "COMP_CWORD": "3"}
    done = CliRunner().invoke(app, [], prog_name="denoisecli", env=env)
    assert done.stdout.split() == ["comfyui", "a1111"]


def test_choices_are_found_in_optional_keys():
    assert choices_at(CONFIGS["sample"], ("spacing",)) == ["leading", "linspace", "trailing"]
    assert choices_at(CONFIGS["walk"], ("loop",)) == ["true", "false"]


def test_batch_takes_the_labs_flags(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "both.yaml").write_text("lab: sample\n---\nlab: noise\n")
    flagged = run("batch", "both.yaml", "--steps", "4", "--seed", "3", "-p", "a mill", "--theme", "light", "--dry-run")
    one = run("sample", "--steps", "4", "--seed", "3", "-p", "a mill", "--theme", "light", "--dry-run").stdout
    two = run("noise", "--seed", "3", "-p", "a mill", "--theme", "light", "--dry-run").stdout
    assert flagged.stdout == one + two  # nothing varies, so they have the very names
    varied = run("batch", "--vary", "cfg=3,7.5", "--steps", "4", "--dry-run").stdout.splitlines()
    alone = [run("sample", "--steps", "4", "--cfg", cfg, "--dry-run").stdout.strip() for cfg in ("3", "7.5")]
    assert [path[-8:] for path in varied] == [path[-8:] for path in alone]
    assert [path[path.index("-cfg-") : -9] for path in varied] == ["-cfg-3", "-cfg-7.5"]
    (tmp_path / varied[0]).mkdir(parents=True)
    assert run("sample", "--steps", "4", "--cfg", "3", "--dry-run").stdout.strip() == varied[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--loop"], "--loop: no config here takes it; they are for sample", id="another lab's"),
        pytest.param(["noise.yaml", "--seed", "1-3"], "--seed", id="seeds for one seed"),
        pytest.param(["--steps", "many"], "not a whole number", id="no number"),
    ],
)
def test_flags_that_fit_no_config(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise.yaml").write_text("lab: noise\n")
    done = run("batch", *words, "--dry-run", code=2)
    assert said in " ".join(done.output.split())


def test_dry_run_prints_a_folder_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("sample", "--dry-run")
    assert done.output.count("runs/sample/") == 1
    assert "would be made" in done.stderr
    batch = run("batch", "--vary", "seed=1-2", "--dry-run")
    assert batch.output.count("runs/sample/") == 2


@pytest.mark.parametrize(
    ("configs", "words", "told"),
    [
        pytest.param(["deck.yaml"], [], ["would be made"], id="one config"),
        pytest.param(["deck.yaml", "one.yaml"], ["--vary", "cfg=3"],
                     ["would be made: deck.yaml: cfg=3", "would be made: one.yaml: cfg=3"], id="two files"),
        pytest.param(["two.yaml", "deck.yaml"], [],
                     ["would be made: two.yaml:1", "would be made: two.yaml:4", "would be made: deck.yaml"],
                     id="two in one file"),
    ],
)  # fmt: skip
def test_a_batchs_dry_run_names_the_config(tmp_path, monkeypatch, configs, words, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deck.yaml").write_text("lab: sample\n")
    (tmp_path / "one.yaml").write_text("lab: sample\nsteps: 1\n")
    (tmp_path / "two.yaml").write_text("lab: sample\nsteps: 2\n---\nlab: sample\nsteps: 3\n")
    done = run("batch", *configs, *words, "--dry-run")
    assert done.stderr.splitlines()[:-1] == told  # the last line says what it will take


def test_a_logs_lines_say_where_it_is_once(capsys):
    lines = Lines()
    lines.stage("sample", 8)
    for done in (4, 8, 8):
        lines.step(done)
    lines.stage("load", 1)
    lines.step(1)
    said = [line.partition(" (")[0] for line in capsys.readouterr().err.splitlines()]
    assert said == ["sampling 0/8", "sampling 8/8", "loading the model ..."]


def test_a_logs_rate_is_of_what_is_made_now(capsys, monkeypatch):
    """A run that went on said "1732 a second": of steps that another process had made."""
    lines, now = Lines(), iter([0.0, 0.0, 10.0])
    monkeypatch.setattr("denoisecli.cli.console.time.monotonic", lambda: next(now))
    lines.stage("sample", 80)
    lines.passed(40)
    lines.step(60)
    assert capsys.readouterr().err.splitlines() == ["sampling 0/80", "sampling 60/80 (2.0 a second, 10 s left)"]


def test_a_log_tells_no_rate_where_nothing_is_made(capsys):
    lines = Lines()
    lines.stage("sample", 80)
    lines.passed(80)
    assert capsys.readouterr().err.splitlines() == ["sampling 0/80", "sampling 80/80"]


def test_show_in_a_pipe_breaks_no_line(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    from denoisecli.trace import Trace

    record = {"hash": "0a1b2c3d", "config": {"prompt": "a mill " * 60}, "command": "denoisecli sample " + "x" * 300}
    folder = Trace("sample", {}, record).save(tmp_path / "run")
    lines = run("show", folder).stdout.splitlines()
    assert ("a mill " * 60).strip() in (line.strip() for line in lines)
    assert any(line.startswith("command") and line.rstrip().endswith("x" * 300) for line in lines)


def test_show_lays_out_no_list_of_files(tmp_path, monkeypatch):
    """Of 100,000 files, two thirds of the time went into wrapping lines that are not wrapped."""
    from rich.text import Text

    from denoisecli.trace import Trace

    rows = [{"path": f"images/{number:04}.png", "bytes": 1000, "kind": "image"} for number in range(2000)]
    folder = Trace("sample", {}, {"artifacts": rows}).save(tmp_path / "run")
    laid_out, wrap = [], Text.wrap
    monkeypatch.setattr(Text, "wrap", lambda text, *a, **k: (laid_out.append(len(text)), wrap(text, *a, **k))[1])
    lines = run("show", folder).stdout.splitlines()
    assert len([line for line in lines if line.startswith("images/")]) == 2000
    assert sum(laid_out) < 2000


def test_models_tells_the_words_that_pocket_knows():
    told = run("models", "pocket").stdout
    assert "lighthouse" in told
    assert "pocket/woodcut-print" in told
    assert json.loads(run("models", "pocket", "--json").stdout)["words"]["time"] == ["dawn", "noon", "dusk", "night"]


def test_a_dry_run_of_very_many_runs_asks_first(tmp_path):
    """It listed any product: a billion runs of two lines each."""
    many = ("batch", "--vary", "seed=0-99999", "--dry-run", "--runs-dir", tmp_path)
    refused = run(*many, code=2)
    assert refused.stdout == ""
    assert "That is a long list: 100,000 runs." in refused.stderr
    assert len(run(*many, "--shard", "1/50000").stdout.splitlines()) == 2
