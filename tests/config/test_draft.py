"""`--quick`: fewer and smaller where nobody said otherwise, and another run."""

import pytest

from denoisecli.config.command import command_of
from denoisecli.config.load import build, flags, settings
from denoisecli.registry import CONFIGS, ROOMS


def draft(lab, *pairs, **given):
    return build(CONFIGS[lab], [flags(quality="draft", **given), settings(CONFIGS[lab], pairs)])


@pytest.mark.parametrize("lab", ROOMS)
def test_a_draft_is_smaller(lab):
    found, whole = draft(lab), CONFIGS[lab]()
    assert found.film.size == (960, 540)
    assert found.draft_words
    for key in CONFIGS[lab].draft:
        mine, usual = getattr(found, key), getattr(whole, key)
        assert (len(mine) < len(usual)) if isinstance(usual, tuple) else (mine < usual)
    assert CONFIGS[lab](**found.model_dump()) == found
    assert command_of(found) == f"denoisecli {lab} --quick"


@pytest.mark.parametrize("lab", [lab for lab in ROOMS if lab != "noise"])
def test_what_is_set_stays(lab):
    found = draft(lab, "film.size=640x360", "film.fps=5", steps=33, seeds=["3", "4"])
    assert (found.steps, found.seeds, found.film.size, found.film.fps) == (33, (3, 4), (640, 360), 5)


def test_keys_that_stand_for_others_are_heard():
    assert draft("cfg-sweep", cfg=3.0).scales == (3.0,)
    assert len(draft("walk", "between={prompts: [a mill, a sea]}").seeds) == 1
    assert draft("noise", "schedules=[cosine, linear]").schedule is None


def test_what_it_leaves_out_is_said():
    from denoisecli.cli.wording import expected
    from denoisecli.labs.job import draft_note

    text = expected({"makes": "2 pictures", "seconds": 9.0} | draft_note(draft("sample")))
    assert text.startswith("2 pictures: about 9 s. A draft: two seeds of 12 steps instead of four of 20")
    assert draft_note(CONFIGS["sample"]()) == {}
