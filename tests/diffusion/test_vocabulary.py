"""Which words a model with a vocabulary of its own knows, and which it does not."""

import pytest

from denoisecli.diffusion.models import load_model
from denoisecli.diffusion.vocabulary import pieces_of, synonyms_of, unknown_words, words_of
from tests.tiny import tiny_text_sd


@pytest.fixture(scope="module")
def pocket():
    return load_model("pocket").pipe


def test_words_and_synonyms_are_told():
    words, synonyms = words_of("pocket"), synonyms_of("pocket")
    assert words["landmark"][:3] == ["lighthouse", "castle", "windmill"]
    assert words["landmark"][-3:] == ["church", "bridge", "boat"]
    assert set(words) == {"landmark", "terrain", "time", "sky", "foreground", "style"}
    assert synonyms["cottage"] == ["house", "cabin", "hut"]
    assert synonyms[","] == ["with", "and", "under"]


def test_every_word_that_is_told_is_known(pocket):
    words = [
        phrase for table in (words_of("pocket"), synonyms_of("pocket")) for row in table.values() for phrase in row
    ]
    assert unknown_words(pocket, "pocket", " ".join([*words, *synonyms_of("pocket")])) == []


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a castle by a zebra, Zebra QUAGGA", ["zebra", "quagga"]),
        ("a land of ill use", ["land", "ill", "use"]),  # tokens, as ends of island, hill and house
        ("field of flowers", []),
        ("a b c", []),
        ("", []),
    ],
)
def test_unknown_words(pocket, prompt, unknown):
    assert unknown_words(pocket, "pocket", prompt) == unknown


def test_pieces_are_never_what_the_model_was_taught(pocket):
    """Rows of the table of tokens that training never touched are as small as they were drawn."""
    rows = pocket.text_encoder.get_input_embeddings().weight
    vocabulary = pocket.tokenizer.get_vocab()
    assert {"land", "ill", "use"} < pieces_of("pocket")
    assert max(rows[vocabulary[f"{piece}</w>"]].norm() for piece in pieces_of("pocket")) < 0.3
    taught = {word for row in words_of("pocket").values() for phrase in row for word in phrase.split()}
    assert min(rows[vocabulary[f"{word}</w>"]].norm() for word in taught) > 0.3


def test_without_a_card_the_tokenizer_tells(tmp_path):
    pipe = tiny_text_sd()
    pipe.save_pretrained(tmp_path / "tiny")
    assert pieces_of(str(tmp_path / "tiny")) == set()
    assert unknown_words(pipe, str(tmp_path / "tiny"), "a b purple, PURPLE cat") == ["purple", "cat"]
