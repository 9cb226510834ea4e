"""The fork lab on the built-in model, small: its folder, its contract, stored runs, and bad input."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from denoisecli.config.load import Layer, build
from denoisecli.errors import DenoiseError
from denoisecli.labs.fork import lab as fork
from denoisecli.labs.fork.config import ForkConfig
from denoisecli.labs.sample import lab as sample
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.report import Report
from denoisecli.trace import load
from denoisecli.trace_files import write_arrays
from tests.sampling import OTHER_SHAPE
from tests.told import Told

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "trace.schema.json").read_text())
SMALL = {"film": {"formats": []}, "size": 64, "steps": 4, "seeds": [7, 21]}
FILM = {"size": "640x360", "fps": 5, "hold_s": 0.2}

pytestmark = pytest.mark.usefixtures("kept_model")


def made(folder, report=None, **values):
    config = build(ForkConfig, [Layer(SMALL | values, source="test")])
    return fork.plan(config, folder, None, force=False).make(report or Report())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made(tmp_path_factory.mktemp("fork") / "run", film=FILM)


@pytest.fixture(scope="module")
def deck(tmp_path_factory):
    config = build(SampleConfig, [Layer(SMALL, source="test")])
    return sample.plan(config, tmp_path_factory.mktemp("deck") / "run", None, force=False).make(Report())


def test_the_folder_is_as_the_contract_says(folder):
    trace = load(folder)
    jsonschema.validate(trace.record, SCHEMA)
    assert trace.lab == "fork"
    assert trace["final"].shape == (2, 2, 4, 8, 8)
    assert trace["pure"].shape == (2, 4, 8, 8)
    assert "outputs" not in trace
    assert [row["at"] for row in trace.record["forks"]] == [0, 2]
    assert trace.record["forks"][0]["layout"] == pytest.approx(1)
    assert set(trace.record["decided_at"]) == {"layout", "detail", "interval", "window"}
    assert {path.name for path in folder.iterdir()} >= {"film.mp4", "sheet.png", "page.html", "pictures.zip"}
    assert len(list((folder / "images").iterdir())) == 2 + 2 * 2


def test_the_trunk_is_the_deck_and_changed_from_the_start_is_another_deck(folder, deck, tmp_path):
    assert np.array_equal(load(folder).x_t, load(deck).x_t)
    config = build(SampleConfig, [Layer(SMALL | {"prompt": ForkConfig().to.prompt}, source="test")])
    other = sample.plan(config, tmp_path / "other", None, force=False).make(Report())
    np.testing.assert_allclose(load(folder)["pure"], load(other).x_t[:, -1], atol=1e-4)


def test_a_change_that_is_none_is_told_and_gives_the_run_again(tmp_path):
    report = Told()
    trace = load(made(tmp_path / "run", report, at=[2], to={"prompt": ForkConfig().prompt}, seeds=[7]))
    assert any("every fork will be the run itself" in text for text in report.warnings)
    np.testing.assert_allclose(trace["final"][0], trace.x_t[:, -1], atol=OTHER_SHAPE)


@pytest.mark.parametrize("to", [{"prompt": "a castle"}, {"cfg": 1.0}, {"noise": 5}, {"sampler": "euler"}])
def test_a_stored_run_is_taken_up_where_it_is(deck, tmp_path, to):
    """No state of the trunk is sampled again, and the branches are those of the same config."""
    stored = load(made(tmp_path / "stored", Told(), run=str(deck), at=[1, 3], to=to))
    fresh = load(made(tmp_path / "fresh", Told(), at=[1, 3], to=to))
    assert np.array_equal(stored.x_t, load(deck).x_t)
    np.testing.assert_allclose(stored["final"], fresh["final"], atol=OTHER_SHAPE)
    assert stored.record["command"] != load(deck).record["command"] or stored.record["lab"] == "fork"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"run": "nowhere"}, "nowhere"),
        ({"run": "DECK", "prompt": "a cat"}, "prompt: the run .* has its own"),
        ({"run": "DECK", "at": 4}, "state 4 is the finished picture"),
        ({"to": {"sampler": "euler_karras"}, "at": [2]}, "do not meet at state 2: σ is"),
        ({"to": {"sampler": "pndm"}, "at": [2]}, "pndm cannot begin on the way"),
        ({"to": {"loras": ["nothing.safetensors"]}}, "no LoRA at nothing.safetensors"),
    ],
)
def test_what_cannot_be_forked_is_one_sentence(deck, tmp_path, values, said):
    values = {key: str(deck) if value == "DECK" else value for key, value in values.items()}
    with pytest.raises(DenoiseError, match=said):
        made(tmp_path / "run", **values)


def copied(deck, folder, *names, **changes):
    """Return a copy of a stored run with these files, and its record changed."""
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes((deck / name).read_bytes())
    record = json.loads((deck / "trace.json").read_text()) | changes
    (folder / "trace.json").write_text(json.dumps({key: value for key, value in record.items() if value is not None}))
    return folder


def test_a_stored_run_without_its_states_is_refused(deck, tmp_path):
    """Its file was deleted to save room, or it never kept x_t."""
    with pytest.raises(DenoiseError, match="states.safetensors"):
        made(tmp_path / "run", run=str(copied(deck, tmp_path / "gone", "config.yaml")))
    without = copied(deck, tmp_path / "without", "config.yaml")
    arrays = {name: array for name, array in load(deck).arrays.items() if name not in ("x_t", "x0")}
    write_arrays(arrays, without / "states.safetensors")
    with pytest.raises(DenoiseError, match="has kept no states, so there is nothing to take up"):
        made(tmp_path / "run", run=str(without))


def test_a_run_of_an_older_version_is_refused(deck, tmp_path):
    """One that does not say what weights made it cannot be taken up as if it were of these."""
    old = copied(deck, tmp_path / "old", "config.yaml", "states.safetensors", identity=None)
    with pytest.raises(DenoiseError, match="made by pocket with weights of an unknown kind, and pocket here has"):
        made(tmp_path / "run", run=str(old))


def test_another_model_is_refused_by_both_names(deck, tmp_path):
    record = json.loads((deck / "trace.json").read_text())
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("states.safetensors", "config.yaml"):
        (copy / name).write_bytes((deck / name).read_bytes())
    (copy / "trace.json").write_text(json.dumps(record | {"identity": "f" * 64}))
    with pytest.raises(DenoiseError, match="made by pocket with weights ffffffffffff, and pocket here has"):
        made(tmp_path / "run", run=str(copy))
