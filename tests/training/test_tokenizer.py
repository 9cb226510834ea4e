import pytest

pytest.importorskip("cv2")

from training.captions import GRAMMAR, KEY
from training.models import MAX_TOKENS, tokenize
from training.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return build_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_each_word_of_the_grammar_is_one_token(tokenizer):
    words = {word for phrases in GRAMMAR.values() for phrase in phrases for word in phrase.split()}
    assert {word: len(tokenizer.tokenize(word)) for word in words} == dict.fromkeys(words, 1)


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("", id="empty"),
        pytest.param("a purple dragon über the sea! 龍", id="unknown"),
        pytest.param(KEY.caption * 9, id="long"),
    ],
)
def test_no_prompt_breaks_it(tokenizer, prompt):
    assert tokenize(tokenizer, [prompt]).shape == (1, MAX_TOKENS)
