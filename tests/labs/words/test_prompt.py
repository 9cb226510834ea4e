"""The prompt in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.labs.words.prompt import pieces


def rows(*words):
    found = []
    for text in words:
        found.append({"text": text, "occurrence": sum(row["text"] == text for row in found)})
    return found


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("a red cube", ["red", "cube"], [("a ", None), ("red", 0), (" ", None), ("cube", 1)]),
        ("red on red", ["red", "red"], [("red", 0), (" on ", None), ("red", 1)]),
        ("a Rocky  cliff", ["rocky cliff", "cliff"], [("a ", None), ("Rocky  cliff", 0)]),
        ("scattered, red", ["red"], [("scattered, ", None), ("red", 0)]),  # not the end of another word
        ("灯塔在悬崖", ["灯塔", "悬崖"], [("灯塔", 0), ("在", None), ("悬崖", 1)]),
        ("a cube", ["ball"], [("a cube", None)]),
        ("", ["ball"], []),
        ("(c++) a*", ["c++", "a*"], [("(", None), ("c++", 0), (") ", None), ("a*", 1)]),
    ],
)
def test_words_are_found_where_they_stand(text, words, found):
    assert pieces(text, rows(*words)) == found


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=6), max_size=5))
def test_the_pieces_are_the_text_and_each_word_is_there_once(text, words):
    found = pieces(text, rows(*words))
    assert "".join(said for said, _ in found) == text
    named = [number for _, number in found if number is not None]
    assert len(named) == len(set(named))
