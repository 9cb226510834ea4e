"""The words lab on the built-in model, small: its folder, its contract, and bad input."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from denoisecli.config.load import Layer, build
from denoisecli.errors import DenoiseError, NotRecorded
from denoisecli.labs.sample import lab as sample
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.labs.words import lab as words
from denoisecli.labs.words.config import WordsConfig
from denoisecli.process.words import found_at
from denoisecli.report import Report
from denoisecli.tools import render
from denoisecli.trace import load
from tests.told import Told

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "trace.schema.json").read_text())
SMALL = {"film": {"formats": []}, "size": 64, "steps": 3, "seeds": [7, 21]}
FILM = {"size": "640x360", "fps": 5, "hold_s": 0.2}

pytestmark = pytest.mark.usefixtures("kept_model")


def made(folder, report=None, **values):
    config = build(WordsConfig, [Layer(SMALL | values, source="test")])
    return words.plan(config, folder, None, force=False).make(report or Report())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made(tmp_path_factory.mktemp("words") / "run", film=FILM, negative_prompt="castle, dark", batch=1)


def test_the_folder_is_as_the_contract_says(folder):
    trace = load(folder)
    jsonschema.validate(trace.record, SCHEMA)
    rows = trace.record["words"]
    own = [row for row in rows if not row["negative"]]
    assert trace.lab == "words"
    assert trace["words"].shape == (2, 3, len(own), 8, 8)
    assert trace["words"].dtype == np.float16
    assert trace["negative_words"].shape == (2, 3, 2, 8, 8)
    assert [row["text"] for row in own][:3] == ["lighthouse", "rocky", "cliff"]
    assert [row["text"] for row in rows if row["negative"]] == ["castle", "dark"]
    assert [row["found_at"] for row in own] == found_at(trace["words"])
    assert {path.name for path in folder.iterdir()} >= {"film.mp4", "sheet.png", "page.html", "pictures.zip"}
    assert len(list((folder / "images").iterdir())) == 2


def test_shares_are_those_of_the_maps_and_with_the_rest_they_are_the_whole(folder):
    """Over all batches: each of these had one seed."""
    trace = load(folder)
    own = [row for row in trace.record["words"] if not row["negative"]]
    for index, row in enumerate(own):
        np.testing.assert_allclose(
            row["share"], trace["words"][:, :, index].mean(axis=(0, 2, 3), dtype=float), rtol=1e-3
        )
    rest = trace.record["words_rest"]
    total = np.sum([row["share"] for row in own], axis=0) + rest["share"] + rest["other"]
    np.testing.assert_allclose(total, 1, atol=2e-3)


def test_the_run_is_the_decks_to_the_bit(folder, tmp_path):
    values = SMALL | {"negative_prompt": "castle, dark", "batch": 1}
    config = build(SampleConfig, [Layer(values, source="test")])
    deck = sample.plan(config, tmp_path / "deck", None, force=False).make(Report())
    assert np.array_equal(load(folder).x_t, load(deck).x_t)


def test_words_and_phrases_that_are_asked_for(tmp_path):
    trace = load(made(tmp_path / "run", words=["rocky cliff", "cloud"], cfg=1.0, seeds=[7]))
    assert [row["text"] for row in trace.record["words"]] == ["rocky cliff", "clouds"]
    assert trace["words"].shape == (1, 3, 2, 8, 8)
    assert "negative_words" not in trace


def test_words_that_are_not_in_the_prompt_are_concepts_and_the_picture_stays(folder, tmp_path):
    told = Told()
    values = {
        "words": ["lighthouse", "submarine"],
        "concepts": ["sky"],
        "seeds": [7],
        "negative_prompt": "castle, dark",
    }
    trace = load(made(tmp_path / "run", told, **values))
    rows = trace.record["words"]
    assert [(row["text"], row["concept"]) for row in rows] == [
        ("lighthouse", False), ("submarine", True), ("sky", True),
    ]  # fmt: skip
    assert trace["words"].shape == (1, 3, 3, 8, 8)
    assert any("'submarine' is not in the prompt: it was heard as a concept" in text for text in told.warnings)
    assert any("words of the concepts that the model pocket does not know: submarine" in text for text in told.warnings)
    assert np.array_equal(trace.x_t[0], load(folder).x_t[0])
    html = (tmp_path / "run" / "page.html").read_text()
    assert "also looked for" in html


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_map_bytes": 1 << 16, "size": 256}, "max_map_bytes"),
        ({"pool": ["nowhere"]}, "nowhere"),
        ({"prompt": "cliff " * 40 + "lighthouse", "words": ["lighthouse"]}, "behind the end"),
    ],
)
def test_what_cannot_be_heard_is_one_sentence(tmp_path, values, said):
    with pytest.raises(DenoiseError, match=said):
        made(tmp_path / "run", seeds=[7], **values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record.pop("words"), "tells of no words"),
        (lambda record: record["words"].pop(), "maps of negative_words"),
        (lambda record: record["words"][0].update(found_at=[1]), "found_at"),
        (lambda record: record["words"][0].update(overlap=[1.0]), "for each step"),
        (lambda record: record["word_pairs"].append({"words": [0, 99], "overlap": [1, 1, 1]}), "word_pairs"),
    ],
)
def test_a_damaged_run_is_told_before_it_is_drawn(folder, tmp_path, change, said):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    record = json.loads((copy / "trace.json").read_text())
    change(record)
    (copy / "trace.json").write_text(json.dumps(record))
    with pytest.raises(NotRecorded, match=said):
        render.plan(copy).make(Report())
