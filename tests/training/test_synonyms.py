import json
import shutil

import pytest

pytest.importorskip("cv2")

from safetensors.torch import load_file
from training.synonyms import EMBEDDING, SYNONYMS, known_words, pieces, teach, whole_words, with_words
from transformers import CLIPTokenizer

from denoisecli.diffusion.references import POCKET

KNOWN = [word for phrases in known_words(POCKET).values() for phrase in phrases for word in phrase.split()]


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    folder = tmp_path_factory.mktemp("taught")
    for part in ("tokenizer", "text_encoder"):
        shutil.copytree(POCKET / part, folder / part)
    teach(folder, SYNONYMS | {"castle": (*SYNONYMS["castle"], "stronghold")})
    return folder


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_word_reads_as_another(taught):
    rows = load_file(taught / "text_encoder" / "model.safetensors")[EMBEDDING]
    vocabulary = json.loads((taught / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    assert (
        json.loads((taught / "text_encoder" / "config.json").read_text())["vocab_size"] == len(rows) == len(vocabulary)
    )
    assert (rows[vocabulary["stronghold</w>"]] == rows[vocabulary["castle</w>"]]).all()
    assert (rows[vocabulary["windmill</w>"]] != rows[vocabulary["castle</w>"]]).any()


@pytest.mark.parametrize("from_file", ["tokenizer.json", "vocab.json"])
def test_all_its_words_are_one_token_and_others_fall_apart(taught, from_file, tmp_path):
    shutil.copytree(taught / "tokenizer", tmp_path / "tokenizer")
    if from_file == "vocab.json":  # as other programs and older versions read it
        (tmp_path / "tokenizer" / "tokenizer.json").unlink()
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "tokenizer")
    words = [
        *KNOWN,
        "stronghold",
        *(one for word, others in SYNONYMS.items() if word in whole_words(POCKET) for one in others),
    ]
    assert {word: len(tokenizer(word).input_ids) - 2 for word in words} == dict.fromkeys(words, 1)
    assert len(tokenizer("submarine").input_ids) > 3


def test_tokens_of_before_keep_their_numbers(taught):
    before, after = (
        json.loads((folder / "tokenizer" / "vocab.json").read_text(encoding="utf-8")) for folder in (POCKET, taught)
    )
    assert before.items() <= after.items()


def test_twice_is_once(taught, tmp_path):
    shutil.copytree(taught, tmp_path / "again")
    teach(tmp_path / "again", SYNONYMS | {"castle": (*SYNONYMS["castle"], "stronghold")})
    for path in taught.rglob("*.*"):
        assert (tmp_path / "again" / path.relative_to(taught)).read_bytes() == path.read_bytes(), path.name


def test_the_package_has_been_taught_these_words():
    rows = load_file(POCKET / "text_encoder" / "model.safetensors")[EMBEDDING]
    vocabulary = read(POCKET / "tokenizer" / "vocab.json")
    taught = {word: others for word, others in SYNONYMS.items() if f"{word}</w>" in vocabulary}
    number = {word: vocabulary.get(f"{word}</w>") for words in taught.items() for word in (words[0], *words[1])}
    assert None not in number.values()
    assert {"castle", "church", "boat"} < set(taught)
    assert all((rows[number[one]] == rows[number[word]]).all() for word, others in taught.items() for one in others)


def test_no_word_reads_as_two():
    others = [word for words in SYNONYMS.values() for word in words]
    assert len(others) == len(set(others))
    assert not set(others) & set(KNOWN)


@pytest.mark.parametrize(
    ("merges", "word", "expected"),
    [
        ([], "sea", ["s", "e", "a</w>"]),
        ([("e", "a</w>")], "sea", ["s", "ea</w>"]),
        ([("s", "e"), ("e", "a</w>")], "sea", ["se", "a</w>"]),
        ([("e", "a</w>"), ("s", "ea</w>")], "sea", ["sea</w>"]),
        ([("o", "o")], "oooo", ["oo", "o", "o</w>"]),
    ],
)
def test_pieces(merges, word, expected):
    assert pieces(word, merges) == expected


def test_merges_come_last():
    merges = [("e", "a</w>"), ("s", "ea</w>")]
    grown = with_words(merges, ["seal", "sea", "teal"])
    assert grown[:2] == merges
    assert [pieces(word, grown) for word in ("sea", "seal", "teal")] == [["sea</w>"], ["seal</w>"], ["teal</w>"]]
