"""What is measured of words, from maps made by hand."""

import pytest

from denoisecli.labs.words.lab import slow_states
from denoisecli.labs.words.numbers import groups
from denoisecli.labs.words.words import findings, lesson
from tests.labs.words.fakes import words_run


def test_words_are_measured_beside_those_that_compete_with_them():
    trace, _ = words_run()
    found = {(row["text"], row["negative"]): row for row in trace.record["words"]}
    assert found["sun", False]["found_at"] == [3, 3]
    assert found["sun", False]["found"] == 3
    assert found["hills", False]["found_at"] == [0, 0]
    assert found["oil", False]["silent"]
    assert found["oil", False]["found_at"] == [None, None]
    assert found["people", True]["strength"] == 1  # of the negative prompt's it is the loudest
    assert found["sun", False]["overlap"][-1] == 1
    assert len(found["sun", False]["share_by_seed"]) == 2


def test_pairs_are_numbered_as_the_words():
    trace, _ = words_run()
    texts = [row["text"] for row in trace.record["words"]]
    pairs = {tuple(texts[k] for k in pair["words"]): pair for pair in trace.record["word_pairs"]}
    assert ("sun", "cloud") in pairs
    assert pairs["sun", "cloud"]["on"][0] > 0.9  # the sun stands where the cloud's word looks


@pytest.mark.parametrize(("kinds", "found"), [([], []), ([0, 0], [[0, 1]]), ([0, 1, 1], [[0], [1, 2]]), ([1], [[0]])])
def test_concepts_are_a_group_of_their_own(kinds, found):
    assert groups([{"concept": bool(kind)} for kind in kinds]) == found


def test_a_run_says_what_its_words_did():
    trace, _ = words_run()
    assert findings(trace.record) == [
        "“sun” found its place by state 3 of 8", "“oil” hardly spoke", "50 % of the attention is on no word",
    ]  # fmt: skip
    assert lesson(trace.record) == (
        "“sun” found its place by state 3 of 8; “hills” and “cloud” had theirs from the start."
    )


def test_words_that_all_were_there_are_told_by_the_loudest():
    rows = [{"text": text, "found": 0, "strength": loud} for text, loud in (("sea", 0.5), ("sky", 1.0))]
    told = lesson({"schedule": [{}] * 9, "words": rows})
    assert told == "All words that speak were in their places from the start, “sky” and “sea” most loudly."


def test_the_film_slows_where_a_word_that_was_not_there_found_its_place():
    trace, _ = words_run()
    assert slow_states(trace) == {3: 3}
