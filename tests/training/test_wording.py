import numpy as np
import pytest

pytest.importorskip("cv2")

from dataclasses import asdict, replace

from training.captions import GRAMMAR, HELD_OUT, KEY
from training.synonyms import SYNONYMS
from training.wording import SHORT, aligned, caption, draw_scene, other_words, part_of

BETWEEN = {"a", "on", "at", "of", ",", "the"}


def test_a_whole_scene_is_told_as_captions_tell_it():
    for words in (KEY, replace(KEY, colour="red", side="right")):
        assert caption({name: word for name, word in asdict(words).items() if word}) == words.caption


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        ({"terrain": "sand dune"}, "a sand dune"),
        ({"time": "dusk", "style": "oil painting"}, "dusk, oil painting"),
        ({"terrain": "sand dune", "time": "noon"}, "a sand dune at noon"),
        ({"landmark": "castle", "sky": "clear sky"}, "a castle, clear sky"),
        ({"landmark": "boat", "colour": "red", "side": "left"}, "a red boat on the left"),
    ],
)
def test_a_part_of_a_scene(scene, expected):
    assert caption(scene) == expected


def test_other_words_tell_the_same_scene():
    rng = np.random.default_rng(0)
    for _ in range(300):
        scene = draw_scene(rng)
        told = other_words(scene, rng)
        forms = [(phrase, *SHORT.get(phrase, ())) for phrase in scene.values()]
        own = {word for phrases in forms for phrase in phrases for word in phrase.split()}
        assert set(told.replace(",", " , ").split()) <= own | BETWEEN, told
        assert all(any(form in told for form in phrases) for phrases in forms), told


def test_a_landmark_that_is_told_keeps_its_colour_and_one_that_is_not_leaves_none():
    rng, scene = np.random.default_rng(1), {**asdict(KEY), "colour": "blue", "side": "left"}
    for part in (part_of(scene, rng) for _ in range(200)):
        assert ("landmark" in part) == ("colour" in part) == ("side" in part)


def test_short_forms_are_of_the_grammar_and_begin_with_words_that_the_model_has():
    phrases = {phrase for known in (*GRAMMAR.values(), HELD_OUT.values()) for phrase in known}
    words = {word for phrase in phrases for word in phrase.split()}
    assert set(SHORT) <= phrases
    assert {word for forms in SHORT.values() for form in forms for word in form.split()} <= words
    assert set(SYNONYMS) <= words | {"a", "at", "on", ","}


def test_words_are_paired_wherever_they_stand():
    start, end, a, castle, dusk, comma = 90, 99, 1, 2, 3, 4
    told = [start, dusk, comma, a, castle, *[end] * 27]
    right = [start, a, castle, dusk, *[end] * 28]
    pairs = aligned(told, right, {castle, dusk}, end)
    assert pairs[:3] == [(0, 0), (1, 3), (4, 2)]
    assert pairs[3:5] == [(5, 4), (6, 5)]
    assert pairs[-1] == (31, 30)
