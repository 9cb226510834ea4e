import json
import shutil

import numpy as np
import pytest

pytest.importorskip("cv2")

import torch
from safetensors.torch import load_file
from training.captions import GRAMMAR, LEFT_OUT, Attributes
from training.synonyms import EMBEDDING

from denoisecli.diffusion.references import POCKET
from training import new_words


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """The package's tokenizer and text encoder with one word more than they have."""
    folder = tmp_path_factory.mktemp("grown")
    for part in ("tokenizer", "text_encoder"):
        shutil.copytree(POCKET / part, folder / part)
    return folder


def test_new_words_are_one_token_near_a_known_one_and_all_others_stay(grown, monkeypatch):
    before = load_file(grown / "text_encoder" / "model.safetensors")[EMBEDDING]
    monkeypatch.setitem(new_words.NEW, "landmark", {"submarine": "castle", "church": "castle"})
    new_words.grow(grown, ["landmark"])
    after = load_file(grown / "text_encoder" / "model.safetensors")[EMBEDDING]
    tokens = json.loads((grown / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    assert torch.equal(after[: len(before)], before)
    assert len(after) == len(tokens)
    new, castle, dusk = (after[tokens[f"{word}</w>"]].float() for word in ("submarine", "castle", "dusk"))
    assert 0 < (new - castle).norm() < (new - dusk).norm()


OLD = {name: words for name, words in GRAMMAR.items() if name not in LEFT_OUT} | {"landmark": GRAMMAR["landmark"][:6]}


def test_what_is_not_to_be_taught_is_neither_shown_nor_told(tmp_path):
    words = [Attributes(side="left"), Attributes(landmark="boat", side="left"), Attributes(colour="red", side="left")]
    np.save(tmp_path / "000.npy", np.zeros((12, 4, 32, 32), np.float16))
    rows = [json.dumps({**one.as_dict(), "seed": 0}) for one in words * 4]
    (tmp_path / "000.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for teach in (["landmark"], ["side"], ["colour", "side"]):
        lessons = new_words.Lessons(tmp_path, np.random.default_rng(0), OLD, teach)
        told = [scene for scene in lessons.draw(200)[1] if scene]
        assert {"boat"} & {scene.get("landmark") for scene in told} == ({"boat"} if "landmark" in teach else set())
        assert any("side" in scene for scene in told) == ("side" in teach)
        assert any("colour" in scene for scene in told) == ("colour" in teach)
        assert set(lessons.told(words[0])) - set(OLD) == {"side"} & set(teach)
    knows = new_words.Lessons(tmp_path, np.random.default_rng(0), OLD | {"side": GRAMMAR["side"]}, ["colour"])
    assert all("side" in scene for scene in knows.draw(200)[1] if scene and "landmark" in scene), (
        "what is known is told"
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (Attributes(), False),
        (Attributes(landmark="boat"), True),
        (Attributes(colour="white"), True),
        (Attributes(side="left"), False),
    ],
)
def test_what_shows_something_new(words, expected):
    assert new_words.shows_new(words, OLD) is expected


@pytest.mark.parametrize("words", [Attributes(), Attributes(landmark="boat"), Attributes(colour="white")])
def test_nothing_is_new_to_a_model_that_has_the_whole_grammar(words):
    assert not new_words.shows_new(words, GRAMMAR)
    assert new_words.known_part(words.told, GRAMMAR) == words.told


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        ({"landmark": "castle", "time": "dusk"}, {"landmark": "castle", "time": "dusk"}),
        ({"landmark": "castle", "time": "dusk", "colour": "white"}, {"landmark": "castle", "time": "dusk"}),
        ({"landmark": "castle", "side": "left"}, {"landmark": "castle"}),
        ({"landmark": "boat", "time": "dusk", "colour": "red"}, {}),
        ({"time": "dusk"}, {"time": "dusk"}),
        ({}, {}),
    ],
)
def test_what_the_old_model_knows_of_a_scene(scene, expected):
    assert new_words.known_part(scene, OLD) == expected
