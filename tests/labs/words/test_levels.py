"""How maps are drawn: on one scale for a seed, louder words stronger, nothing that changes from step to step."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from denoisecli.labs.words.levels import levels, scale_of
from tests.labs.words.fakes import words_run

maps = hnp.arrays(
    np.float16, st.tuples(*[st.integers(1, 3)] * 2, st.just(4), st.just(5)), elements=st.floats(0, 1, width=16)
)


@given(maps)
def test_levels_are_between_nothing_and_the_full_hue(some):
    found = levels(some, scale_of(some))
    assert ((found >= 0) & (found <= 1.00001)).all()


@given(maps)
def test_more_attention_is_never_drawn_weaker(some):
    found = levels(some, scale_of(some))
    for word in range(some.shape[1]):
        order = np.argsort(some[:, word], axis=None, kind="stable")
        assert (np.diff(found[:, word].ravel()[order]) >= -1e-6).all()


def test_a_step_is_drawn_by_the_scale_of_all_steps():
    trace, _ = words_run()
    whole = trace["words"][0]
    scale = scale_of(whole)
    np.testing.assert_array_equal(levels(whole, scale)[3], levels(whole[3], scale))


def test_the_loudest_word_is_drawn_in_full_and_a_quiet_one_is_not():
    trace, _ = words_run()
    most = levels(trace["words"][0], scale_of(trace["words"][0])).max(axis=(0, 2, 3))
    assert most[1] > 0.99  # the sun
    assert most[3] < 0.3  # oil
