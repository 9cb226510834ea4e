"""What maps of words say: places, when they are found, shares, pairs, and words that hardly speak."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from denoisecli.process.words import FOUND, found_at, middle, overlap, pairs, peaks, place, shares, silent, strengths

SIDE = 8
fields = hnp.arrays(np.float32, st.tuples(st.just(3), st.just(5), st.just(6)), elements=st.integers(0, 1000).map(float))


def spot(left: int, width: int = 3, size: int = SIDE, high: float = 1.0, low: float = 0.01) -> np.ndarray:
    """Return a map that is `high` in a band of columns and `low` beside it."""
    found = np.full((size, size), low, np.float16)
    found[:, left : left + width] = high
    return found


def run(*words: list[np.ndarray]) -> np.ndarray:
    """Return maps (seed, step, word, h, w) of one seed from each word's maps by step."""
    return np.stack([np.stack(word) for word in words], axis=1)[None]


@given(fields, st.integers(1, 50), st.integers(-100, 100))
def test_a_place_is_the_same_at_any_scale_and_level(maps, factor, level):
    """Thresholded as DAAM does it, a map's place does not ask how large its numbers are."""
    np.testing.assert_array_equal(place(maps), place(maps.astype(np.float64) * factor + level))


@given(fields)
def test_a_place_holds_the_peak_and_never_the_least(maps):
    found = place(maps)
    for one, inside in zip(maps, found, strict=True):
        flat = one.min() == one.max()
        assert inside.flat[one.argmax()] == (not flat)
        assert not inside.flat[one.argmin()]


@given(fields, fields)
def test_overlap_is_even_handed_whole_with_itself_and_bounded(a, b):
    first, second = place(a), place(b)
    both = overlap(first, second)
    np.testing.assert_array_equal(both, overlap(second, first))
    assert ((both >= 0) & (both <= 1)).all()
    np.testing.assert_array_equal(overlap(first, first), first.any(axis=(-2, -1)).astype(float))


@pytest.mark.parametrize(
    ("bands", "state"),
    [
        ([0, 0, 0, 0], 0),  # there from the start
        ([5, 5, 0, 0], 2),
        ([0, 5, 0, 0], 2),  # the last time counts
        ([5, 5, 5, 0], 3),  # at the last step every map is its own final one
        ([5, 1, 0, 0], 2),  # a shift by a third: 2 of 4 columns, under the bound
    ],
)
def test_when_a_word_found_its_place(bands, state):
    assert found_at(run([spot(left) for left in bands])) == [[state]]


def test_a_word_without_a_place_has_found_none():
    loud, flat = [spot(0)] * 3, [np.full((SIDE, SIDE), 0.5, np.float16)] * 3
    hushed = [spot(4, high=0.2)] * 3
    assert found_at(run(loud, flat, hushed)) == [[0], [None], [None]]
    assert silent(run(loud, flat, hushed)) == [False, False, True]


def test_each_seed_is_judged_by_itself():
    first, second = run([spot(0), spot(0)]), run([spot(5), spot(0)])
    assert found_at(np.concatenate([first, second])) == [[0, 1]]


@settings(max_examples=30)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**31))
def test_found_is_what_a_plain_loop_finds(seeds, steps, words, draw):
    maps = np.random.default_rng(draw).random((seeds, steps, words, 4, 5)).astype(np.float16)
    found, loud = found_at(maps), strengths(maps)
    for word in range(words):
        for seed in range(seeds):
            final = place(maps[seed, -1, word])
            stays = [overlap(place(maps[seed, step, word]), final) >= FOUND for step in range(steps)]
            first = next(step for step in range(steps) if all(stays[step:]))
            assert found[word][seed] == (first if loud[seed, word] >= 0.4 else None)


def test_a_videos_frames_are_one_place():
    frames = np.random.default_rng(2).random((1, 3, 2, 4, 5, 6)).astype(np.float16)
    assert found_at(frames) == found_at(frames.reshape(1, 3, 2, 20, 6))


def test_shares_of_all_words_and_the_rest_are_the_whole():
    """A softmax over the tokens: what words do not get, padding gets."""
    rows = np.random.default_rng(1).random((2, 3, 7, 4, 4))
    maps = (rows / rows.sum(axis=2, keepdims=True)).astype(np.float16)
    found = shares(maps)
    assert found.shape == (7, 2, 3)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=2e-3)


def test_shares_of_half_precision_do_not_lose_what_is_small():
    maps = np.full((1, 1, 1, 128, 128), 1e-4, np.float16)
    assert shares(maps).item() == pytest.approx(1e-4, rel=1e-3)


def test_the_loudest_word_has_strength_one():
    maps = run([spot(0, high=0.5)] * 2, [spot(4, high=0.25)] * 2)
    assert peaks(maps).tolist() == [[0.5, 0.25]]
    assert strengths(maps).tolist() == [[1, 0.5]]
    assert strengths(np.zeros((1, 1, 2, 2, 2), np.float16)).tolist() == [[0, 0]]


def test_a_pair_shares_a_place_parts_or_leaks():
    """Red on the cube alone, blue on both: blue leaks onto the cube, and two words that part say so step by step."""
    cube, ball, both = spot(0), spot(5), spot(0, 3) + spot(5, 3)
    maps = run([cube, cube], [ball, ball], [cube, cube], [cube, both])  # cube, ball, red, blue
    found = {tuple(pair["words"]): pair for pair in pairs(maps)}
    assert set(found) == {(0, 2), (0, 3), (1, 3), (2, 3)}
    assert found[0, 2]["overlap"] == [1, 1]
    assert found[0, 3]["overlap"] == pytest.approx([1, 0.5])
    assert found[0, 3]["on"] == pytest.approx([1, 0.5])  # all of the cube is blue's, half of blue's is the cube
    assert found[1, 3]["overlap"] == pytest.approx([0, 0.5])


def test_pairs_are_bounded_and_the_closest_come_first():
    maps = np.random.default_rng(0).random((2, 3, 30, 6, 6)).astype(np.float16)
    found = pairs(maps, most=10)
    height = [max(pair["overlap"]) for pair in found]
    assert len(found) == 10
    assert height == sorted(height, reverse=True)
    assert pairs(maps[:, :, :1]) == []


@pytest.mark.parametrize(
    ("found", "state"), [([2, 4], 3.0), ([2, None, 4], 3.0), ([2, None], None), ([None], None), ([], None)]
)
def test_the_middle_seed_speaks_where_most_seeds_do(found, state):
    assert middle(found) == state
