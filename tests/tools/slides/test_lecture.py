"""The lecture: no two slides alike, words from numbers, each run once."""

import pytest

from denoisecli import registry
from denoisecli.tools.slides import lecture

ROWS = [{"seed": seed, "committed_at": {"layout": 3 + seed, "detail": 12}, "states": []} for seed in range(4)]


def test_no_two_slides_are_alike():
    titles = [one.title for one in lecture.PARTS]
    assert len({*titles}) == len(titles)
    assert len({(one.lab, one.film, str(one.settings)) for one in lecture.PARTS}) == len(titles)


def test_every_run_is_made_once_in_the_order_of_the_talk():
    runs = list(lecture.runs_of())
    assert [lab for lab, _ in runs] == ["noise", "sample", "words", "cfg-sweep", "walk", "lora-rank", "lora-rank"]
    assert {lab for lab, _ in runs} <= {*registry.CONFIGS}
    assert all({*settings} <= {*registry.CONFIGS[lab].model_fields} for lab, settings in runs)


@pytest.mark.parametrize("one", lecture.PARTS, ids=lambda one: f"{one.lab}-{one.film}")
def test_two_or_three_sentences_even_of_a_record_that_says_little(one):
    script = one.script({"lab": one.lab})
    assert 1 <= len(script.say) <= 3
    assert all(said.strip() and said[-1] == "." for said in script.say)


def test_the_deck_is_told_from_its_numbers():
    deck = next(one for one in lecture.PARTS if one.lab == "sample")
    said = " ".join(deck.script({"lab": "sample", "schedule": [{}] * 21, "runs": ROWS}).say)
    assert "4 noises" in said
    assert "20 small steps" in said
    assert "fixed by state 5 of 20" in said


def test_slides_of_one_run_share_it(tmp_path):
    order = list(lecture.runs_of())
    made = {place: tmp_path / str(place) for place in range(len(order))}
    slides = lecture.scripts(made, {place: {"lab": lab} for place, (lab, _) in enumerate(order)})
    assert [run.name for run, _ in slides] == ["0", "1", "1", "2", "3", "3", "4", "4", "5", "6"]


def test_a_talk_of_drafts_shows_no_film_that_a_draft_lacks():
    from denoisecli.labs.sample.config import VIEWS

    whole, drafts = (lecture.parts_of(draft=draft) for draft in (False, True))
    views = [one for one in whole if one.lab == "sample" and one.film in {f"views/{view}.mp4" for view in VIEWS}]
    assert [one for one in whole if one not in drafts] == views  # a draft of the deck has no films of single views
    assert len(list(lecture.runs_of(drafts))) == len(list(lecture.runs_of(whole)))
