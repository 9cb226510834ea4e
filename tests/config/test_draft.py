"""`--quick`: fewer and smaller where nobody said otherwise, and another run."""

import pytest

from denoisecli.config.command import command_of
from denoisecli.config.load import build, flags, settings
from denoisecli.labs.job import draft_note, draft_words
from denoisecli.registry import CONFIGS, ROOMS


def draft(lab, *pairs, **given):
    return build(CONFIGS[lab], [flags(quality="draft", **given), settings(CONFIGS[lab], pairs)])


@pytest.mark.parametrize("lab", ROOMS)
def test_a_draft_is_smaller(lab):
    found, whole = draft(lab), CONFIGS[lab]()
    assert found.film.size == (960, 540)
    assert draft_words(found)
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


SMALL = "a film of 960×540"


@pytest.mark.parametrize(
    ("lab", "pairs", "said"),
    [
        pytest.param(
            "sample",
            [],
            ["2 seeds instead of 4", "12 steps instead of 20", SMALL, "no films of single views"],
            id="sample",
        ),
        pytest.param(
            "sample",
            ["seeds=1-3", "film.size=640x360"],
            ["12 steps instead of 20", "no films of single views"],
            id="set",
        ),
        pytest.param("fork", ["film.formats=[]"], ["1 seed instead of 4", "10 steps instead of 20"], id="no film"),
        pytest.param("fork", ["run=a-run"], [SMALL], id="a stored run"),
        pytest.param("cfg-sweep", [], ["3 scales instead of 4", "12 steps instead of 20", SMALL], id="sweep"),
        pytest.param(
            "walk", [], ["2 seeds instead of 3", "8 frames instead of 24", "10 steps instead of 20", SMALL], id="walk"
        ),
        pytest.param("noise", [], ["31 frames instead of 91", SMALL], id="noise"),
        pytest.param("lora-rank", [], [SMALL], id="a toy"),
        pytest.param(
            "lora-rank", ["lora=a.safetensors", "images=true", "steps=30"], ["1 seed instead of 4", SMALL], id="a LoRA"
        ),
    ],
)
def test_what_it_leaves_out_is_said_and_what_was_set_is_not(lab, pairs, said):
    assert draft_words(draft(lab, *pairs)) == ", ".join(said)


def test_a_run_says_that_it_is_a_draft():
    from denoisecli.cli.wording import expected

    text = expected({"makes": "2 pictures", "seconds": 9.0} | draft_note(draft("sample")))
    assert text.startswith("2 pictures: about 9 s. A draft: 2 seeds instead of 4")
    assert draft_note(CONFIGS["sample"]()) == {}
