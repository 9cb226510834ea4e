"""The page of words: a tapped word shows where it is, the state shows when, a place shows which."""

import re

import numpy as np
import pytest

from tests.browser.conftest import DESK, PHONE
from tests.browser.pages import HOSTILE, SIZES, words_page


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    """Two seeds, four words and two of the negative prompt, nine states."""
    return words_page(tmp_path_factory.mktemp("words"))


def ranked(opened):
    return opened.texts(".rank li span")


def captions(opened):
    return opened.texts("figcaption")


def test_it_opens_with_the_word_that_came_last_where_it_found_its_place(show, page):
    opened = show(page)
    assert captions(opened)[1] == "sun"
    assert opened.text(".hero b") == "3"
    assert opened.texts("dd")[3] == "3"
    assert "found its place by state 3 of 8 (by seed: 3, 3)" in opened.text(".side .note")
    assert opened.texts(".mark") == ["sun found 3"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["ArrowDown"], "cloud"),
        (["ArrowUp", "ArrowUp"], "− rain"),
        (["t"], "cloud · sun"),  # the one that shares its place most
        (["t", "ArrowUp"], "sun · hills"),
        (["t", "t"], "sun"),
    ],
)
def test_keys_go_through_the_words(show, page, keys, words):
    opened = show(page)
    opened.press(*keys)
    assert captions(opened)[1] == words
    pressed = opened.page.locator(".word[aria-pressed=true]").all_inner_texts()
    assert sorted(pressed) == sorted(words.replace("− ", "").split(" · "))


def test_a_tapped_word_is_shown_and_one_under_the_pointer_for_as_long(show, page):
    opened = show(page)
    opened.page.get_by_role("button", name="hills", exact=True).click()
    opened.page.mouse.move(5, 500)
    opened.settle()
    assert captions(opened)[1] == "hills"
    opened.page.get_by_role("button", name="cloud", exact=True).hover()
    opened.settle()
    assert captions(opened)[1] == "cloud"
    opened.page.mouse.move(5, 500)
    opened.settle()
    assert captions(opened)[1] == "hills"


MIDDLE = "c => [...c.getContext('2d').getImageData(c.width / 2, 0, 1, c.height).data]"


def test_the_hue_lies_where_the_word_is(show, page):
    opened = show(page)
    opened.page.get_by_role("button", name="hills", exact=True).click()
    opened.page.mouse.move(5, 500)
    opened.settle()
    column = np.array(opened.page.locator("figure canvas").nth(1).evaluate(MIDDLE)).reshape(-1, 4)
    high, low = column[len(column) // 10], column[9 * len(column) // 10]
    assert low[0] > low[2] + 80  # amber below
    assert abs(high[0] - high[2]) < 40  # nothing above


def test_a_place_tells_its_words_and_the_whole_picture_those_of_all(show, page):
    opened = show(page)
    assert ranked(opened) == ["hills", "cloud", "sun", "oil", "no word"]
    assert opened.page.locator(".rank li i").count() == 4  # what no word gets is a number alone
    box = opened.page.locator("figure canvas").first.bounding_box()
    opened.page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.9 * box["height"])
    opened.settle()
    assert ranked(opened)[0] == "hills"
    assert "at this place" in opened.text(".rank-title")
    assert opened.page.locator(".spot").nth(1).is_visible()
    opened.page.mouse.move(5, 500)
    opened.settle()
    assert "at this place" not in opened.text(".rank-title")


def test_a_place_can_be_reached_by_keys_and_left(show, page):
    opened = show(page)
    opened.press(*["s"] * 8)
    assert ranked(opened)[0] == "hills"
    opened.press(*["w"] * 12)
    assert ranked(opened)[0] in ("sun", "cloud")
    opened.press("Escape")
    assert "no word" in ranked(opened)


def test_negative_words_stand_apart_and_are_ranked_among_themselves(show, page):
    opened = show(page)
    assert opened.text(".kept").startswith("keeps away from: people, rain")
    opened.page.get_by_role("button", name="people", exact=True).click()
    opened.settle()
    assert ranked(opened) == ["− people", "− rain"]


def test_views_show_all_words_and_all_seeds(show, page):
    opened = show(page)
    opened.press("2")
    assert captions(opened) == ["hills", "sun", "cloud", "oil", "− people", "− rain"]
    opened.page.locator("figure").nth(2).click()
    opened.page.mouse.move(5, 500)
    opened.settle()
    assert captions(opened)[1] == "cloud"
    opened.press("3")
    assert captions(opened) == ["seed 7", "seed 21"]
    opened.page.locator("figure").nth(1).click()
    opened.settle()
    assert opened.page.locator("[aria-label=seed] button").nth(1).get_attribute("aria-pressed") == "true"


def test_pairs_are_told_in_a_sentence(show, page):
    opened = show(page)
    opened.press("t")
    said = opened.text(".side .note")
    assert re.search(r"The places of “cloud” and “sun” overlap by [\d.]+ % here, [\d.]+ % at the end", said)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_window(show, page, size):
    opened = show(page, size)
    for view in "123":
        opened.press(view)
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("size", [(1280, 720), (1024, 768), (1280, 800), DESK])
def test_a_low_window_shows_all_and_cuts_no_sentence(show, page, size):
    opened = show(page)
    opened.page.set_viewport_size({"width": size[0], "height": size[1]})
    opened.settle()
    assert opened.page.evaluate("document.documentElement.scrollHeight") <= size[1]
    caption = opened.page.locator(".plot-caption")
    assert caption.inner_text().endswith(".")
    assert caption.evaluate("node => node.scrollWidth - node.clientWidth") <= 0


def test_a_touch_sets_a_place_that_stays(show, page):
    opened = show(page, PHONE)
    opened.page.locator("figure canvas").first.dispatch_event(
        "pointerdown", {"pointerType": "touch", "clientX": 100, "clientY": 400, "button": 0}
    )
    opened.settle()
    assert "at this place" in opened.text(".rank-title")


def test_any_prompt_is_text(show, tmp_path):
    opened = show(words_page(tmp_path, prompt=HOSTILE + " hills", negative=""))
    assert "<img" in opened.text("h1")
    assert opened.page.title() != "run"
    assert opened.page.locator(".kept").count() == 1  # words that stand nowhere in this prompt: sun, cloud, oil


def test_one_seed_and_one_state_need_no_choice(show, tmp_path):
    opened = show(words_page(tmp_path, seeds=1, steps=1))
    opened.press("ArrowRight", "n", "t", "2")
    assert opened.page.locator("[aria-label=seed]").count() == 0
