"""What the command line prints, where, and with which exit code."""

import json

import pytest


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["sampel"], 2, "Did you mean 'sample'?", id="unknown command"),
        pytest.param(["sample", "--stpes", "3"], 2, "--steps", id="unknown option"),
        pytest.param(["sample", "absent.yaml"], 2, "absent.yaml: there is no such config file.", id="no config"),
        pytest.param(
            ["sample", "--steps", "0"], 2, "--steps: steps: 0 is out of range (want 1 to 1000)", id="no steps"
        ),
        pytest.param(["sample", "--cfg", "nan"], 2, "--cfg: cfg: nan is not a finite number", id="cfg nan"),
        pytest.param(["sample", "--seed", "x"], 2, '--seed: seeds: "x" is not a seed', id="seed"),
        pytest.param(["sample", "--seed", "5-1"], 2, '"5-1" runs backwards', id="seed range"),
        pytest.param(["sample", "--set", "sampler=dimm"], 2, 'did you mean "ddim"?', id="sampler"),
        pytest.param(["sample", "--model", "nowhere/at/all"], 1, "There is no model at nowhere/at/all.", id="no model"),
        pytest.param(["sample", "--model", "model.ckpt"], 1, "model.ckpt", id="ckpt"),
        pytest.param(["config", "init", "sampl"], 2, 'There is no lab "sampl"; did you mean "sample"?', id="no lab"),
        pytest.param(["config", "check", "absent.yaml"], 2, "absent.yaml: there is no such", id="check nothing"),
    ],
)
def test_wrong_use(run, tmp_path, arguments, code, says):
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_error_as_json(run):
    done = run("sample", "--json", "--set", "steps=0")
    assert done.returncode == 2
    event = json.loads(done.stdout)
    assert event["event"] == "error"
    assert "steps: 0 is out of range" in event["message"]


def test_traceback_only_when_asked_for(run):
    assert "Traceback" in run("sample", "-v", "--model", "nowhere/at/all").stderr


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


def test_version_and_models(run):
    assert run("--version").stdout.startswith("denoisecli ")
    row = json.loads(run("models", "--json").stdout.splitlines()[0])
    assert row["ref"] == "pocket"
    assert len(row["sha256"]) == 64


def test_doctor_is_content_here(run):
    done = run("doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert "missing" not in done.stdout
