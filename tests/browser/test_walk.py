import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESK, PHONE
from tests.browser.pages import HOSTILE, SIZES, walk_page
from tests.browser.pointer import drag, share_of

LAST = 8  # three seeds, five frames a leg, the shared one once


@pytest.fixture(scope="session")
def way(tmp_path_factory):
    return walk_page(tmp_path_factory.mktemp("walk"))


def frame(opened):
    return int(opened.texts("dd")[0].split(" of ")[0]) - 1


@pytest.mark.parametrize(
    ("keys", "number", "words"),
    [
        pytest.param([], 0, ("seed 7", ""), id="opens at the first seed"),
        pytest.param(["ArrowRight"], 1, ("25%", "from seed 7 to 21"), id="on its way"),
        pytest.param(["PageDown", "ArrowLeft"], 4, ("seed 21", ""), id="at a seed"),
        pytest.param(["End", "ArrowRight"], LAST, ("seed 42", ""), id="stops at the last"),
    ],
)
def test_keys_go_along_the_way(show, way, keys, number, words):
    opened = show(way[0])
    opened.press(*keys)
    assert frame(opened) == number
    assert (opened.text(".hero b"), opened.text(".hero span")) == words
    assert np.abs(opened.pixels(0) - way[1]["final"][number].astype(int)).mean() < 3


@pytest.mark.parametrize("place", [".strip", "svg.scrubs", "input[aria-label=frame]"])
def test_dragging_scrubs(show, way, place):
    opened = show(way[0])
    drag(opened, place, 0.5, 0.99)
    assert frame(opened) == LAST
    drag(opened, place, 0.5, 0.01)
    assert frame(opened) == 0


def test_the_map_can_be_dragged(show, way):
    opened = show(way[0])
    centre = "e => { const box = e.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }"
    spots = [step.evaluate(centre) for step in opened.page.locator(".map .step").all()]
    assert len(spots) == LAST + 1
    mouse = opened.page.mouse
    mouse.move(*spots[1])
    mouse.down()
    for number in (3, 6):
        mouse.move(*spots[number], steps=3)
        opened.settle()
        assert frame(opened) == number
        here = opened.page.locator(".map .here").evaluate(centre)
        assert np.abs(np.subtract(here, spots[number])).max() < 1
    mouse.up()


def test_ends_stand_on_the_map_with_their_pictures(show, way):
    opened = show(way[0])
    assert opened.texts(".map .end") == ["seed 7", "seed 21", "seed 42"]
    whole = opened.page.locator(".map").bounding_box()
    for end in opened.page.locator(".map .end canvas").all():
        box = end.bounding_box()
        assert box["width"] >= 36
        assert whole["x"] <= box["x"] <= box["x"] + box["width"] <= whole["x"] + whole["width"]


def test_the_plot_tells_the_jumps_and_both_pacings(show, way):
    opened = show(way[0])
    assert opened.texts("dd")[1] == "0.100"
    names = opened.page.locator(".plot .name").all_text_contents()
    assert names == ["largest, even 0.500", "largest, perceptual 0.340"]
    opened.press("End")
    assert opened.texts("dd")[1] == "–"  # nothing follows


def test_plays_there_and_back_or_round(show, way):
    opened = show(way[0])
    opened.press("End", " ")
    expect(opened.page.locator("dd").first).to_have_text(re.compile("^[1-7] of"))
    opened.press(" ", "b", "End", "ArrowLeft", " ")
    assert opened.on("play") == ["↻"]
    expect(opened.page.locator("dd").first).to_have_text(re.compile("^[1-4] of"))
    opened.press("Home")
    assert opened.page.locator(".play").first.get_attribute("aria-label") == "play"


def test_states_of_the_runs_along_the_way(show, way):
    path, shown = way
    opened = show(path)
    opened.press("2", "Home")
    assert opened.texts("figcaption") == ["seed 7", "50%", "seed 21", "50%", "seed 42"]
    assert opened.texts("dd")[2] == "2 · t 300"
    for column in range(5):
        assert np.abs(opened.pixels(column) - shown["guess"][column, 1].astype(int)).mean() < 3
    opened.press("ArrowUp", "ArrowUp")
    assert opened.texts("dd")[2] == "0 · t 900"
    opened.press("ArrowDown", "ArrowDown", "ArrowRight")
    assert (opened.texts("dd")[2], opened.text(".hero b")) == ("finished", "50%")
    opened.press("s")
    assert opened.page.locator("figure").count() == 1
    assert np.abs(opened.pixels(0) - shown["final"][2].astype(int)).mean() < 3


def test_scaled_guesses_say_by_how_much(show, tmp_path):
    """A guess outside of the finished picture's range is drawn scaled; neither other guesses nor finished ones are."""
    path, _ = walk_page(tmp_path, drawn=[[0.21, 1], [0.5, 0.9], [1, 1], [1, 1], [1, 1]])
    opened = show(path)
    assert "drawn scaled" in opened.page.locator("body").inner_text()
    opened.press("2", "Home")
    assert opened.texts("figcaption") == ["seed 7", "50% · drawn ×0.9", "seed 21", "50%", "seed 42"]
    opened.press("ArrowUp")
    assert opened.texts("figcaption")[:3] == ["seed 7 · drawn ×0.21", "50% · drawn ×0.5", "seed 21"]
    opened.press("s")
    assert opened.texts("figcaption") == ["seed 7 · drawn ×0.21"]
    opened.press("ArrowDown", "ArrowDown")
    assert opened.texts("figcaption") == ["seed 7"]  # finished
    opened.press("1")
    assert opened.texts("figcaption") == []


def test_a_walk_without_scaled_guesses_says_nothing_of_them(show, way):
    opened = show(way[0])
    assert "drawn" not in opened.page.locator("body").inner_text()


def test_the_strip_of_states_has_both(show, way):
    opened = show(way[0], PHONE)  # where pictures of three rows stand close together
    opened.press("2")
    opened.page.locator(".strip:visible").scroll_into_view_if_needed()
    box = opened.page.locator(".strip:visible").bounding_box()
    opened.page.mouse.click(box["x"] + 0.99 * box["width"], box["y"] + 0.05 * box["height"])
    opened.settle()
    assert (opened.text(".hero b"), opened.texts("dd")[2]) == ("seed 42", "0 · t 900")
    opened.page.locator("input[aria-label=state]").focus()
    opened.press("ArrowRight")
    assert (opened.text(".hero b"), opened.texts("dd")[2]) == ("seed 42", "2 · t 300")


@pytest.mark.parametrize("size", [DESK, PHONE, (1280, 720)])
def test_the_strip_on_the_way_has_whole_pictures(show, way, size):
    opened = show(way[0], size)
    opened.press("2")
    framed = opened.page.locator(".strip:visible .frame").bounding_box()
    assert framed["width"] == pytest.approx(framed["height"], abs=2)
    assert framed["height"] >= 28


def test_a_loop_plays_round(show, tmp_path):
    opened = show(walk_page(tmp_path, loop=True)[0])
    assert opened.on("play") == ["↻"]
    assert opened.texts(".map .end") == ["seed 7", "seed 21", "seed 42"]


def test_touch(show, way):
    opened = show(way[0], PHONE, has_touch=True, is_mobile=True)
    opened.page.touchscreen.tap(*share_of(opened.page.locator(".strip:visible").bounding_box(), 0.99))
    opened.settle()
    assert frame(opened) == LAST


def test_hostile_words_are_shown_not_run(show, tmp_path):
    opened = show(walk_page(tmp_path, prompt=HOSTILE, names=("seed 7", f"prompt {HOSTILE}", "seed 42"))[0])
    assert "onerror" in opened.text("h1")
    assert opened.page.title() != "run"
    assert opened.page.locator("img").count() == 0


def test_a_page_with_a_note_fits_a_desk(show, tmp_path):
    drawn = [[0.21, 1], [0.5, 0.9], [1, 1], [1, 1], [1, 1], [1, 1], [1, 1]]
    opened = show(walk_page(tmp_path, loop=True, drawn=drawn)[0])
    assert opened.page.locator(".note").last.inner_text()
    assert opened.page.evaluate("document.documentElement.scrollHeight") == DESK[1]


@pytest.mark.parametrize("key", ["1", "2"])
def test_nothing_hangs_out_of_the_window(show, way, key):
    opened = show(way[0])
    opened.press(key)
    for width, height in SIZES:
        opened.page.set_viewport_size({"width": width, "height": height})
        opened.settle()
        whole = opened.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert whole[0] <= width
        assert width < 1280 or whole[1] <= height, (width, height)
