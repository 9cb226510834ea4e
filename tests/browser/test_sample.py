import io
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from denoisecli.trace import Trace
from tests.browser.conftest import PHONE
from tests.browser.pages import COMMAND, HOSTILE, SIZES, deck_page
from tests.browser.pointer import drag, share_of


@pytest.mark.parametrize(
    ("keys", "state"),
    [
        pytest.param(["Home"], "0", id="home"),
        pytest.param(["End"], "8", id="end"),
        pytest.param(["Home", "ArrowRight", "ArrowRight", "ArrowLeft"], "1", id="arrows"),
        pytest.param(["Home", "ArrowLeft"], "0", id="stops at the noise"),
        pytest.param(["End", "ArrowRight"], "8", id="stops at the picture"),
        pytest.param(["Home", "PageDown", "PageUp", "PageDown"], "5", id="pages"),
    ],
)
def test_keys_step_through_the_states(show, deck, keys, state):
    opened = show(deck)
    opened.press(*keys)
    assert opened.text(".hero b") == state
    assert opened.page.locator(".slider input").input_value() == state


def test_opens_where_the_layout_is_fixed_with_all_seeds(show, deck):
    opened = show(deck)
    assert opened.texts("figcaption") == ["seed 7", "seed 21", "seed 42"]
    assert opened.on("view") == ["Guess"]
    assert opened.text(".mark.amber") == f"layout fixed {opened.text('.hero b')}"


@pytest.mark.parametrize("place", [".strip", "svg.plot"])
def test_dragging_scrubs(show, deck, place):
    opened = show(deck)
    drag(opened, place, 0.5, 0.01)
    assert opened.text(".hero b") == "0"
    drag(opened, place, 0.3, 0.99)
    assert opened.text(".hero b") == "8"


def test_dragging_the_slider_scrubs(show, deck):
    opened = show(deck)
    opened.press("Home")
    drag(opened, ".slider input", 0.01, 0.5)
    assert opened.text(".hero b") == "4"


def test_touch_scrubs(show, deck):
    opened = show(deck, PHONE, has_touch=True, is_mobile=True)
    box = opened.page.locator(".strip").bounding_box()
    opened.page.touchscreen.tap(*share_of(box, 0.99))
    opened.settle()
    assert opened.text(".hero b") == "8"


def test_space_plays_and_any_scrub_stops(show, deck):
    opened = show(deck)
    opened.press("Home", " ")
    assert opened.page.locator(".play").get_attribute("aria-label") == "pause"
    expect(opened.page.locator(".hero b")).to_have_text(re.compile("[2-8]"))
    opened.press("Home")
    assert opened.page.locator(".play").get_attribute("aria-label") == "play"
    assert opened.text(".hero b") == "0"


def test_space_on_the_slider_plays_too(show, deck):
    opened = show(deck)
    opened.page.locator(".slider input").focus()
    opened.press(" ")
    assert opened.page.locator(".play").get_attribute("aria-label") == "pause"


def test_views_show_other_pictures(show, deck):
    opened = show(deck)
    opened.press("Home")
    seen = {}
    for key, name in (("1", "Canvas"), ("2", "Guess"), ("3", "Latent")):
        opened.press(key)
        assert opened.on("view") == [name]
        seen[name] = opened.pixels()
    assert seen["Latent"].shape == (16, 16, 3)  # a pixel a cell
    assert seen["Canvas"].shape == (64, 64, 3)
    assert np.abs(seen["Canvas"] - seen["Guess"]).mean() > 10


def test_what_is_shown_is_the_state(show, tmp_path):
    from denoisecli.media.picture_file import PictureFile

    opened = show(deck_page(tmp_path))
    opened.press("2", "Home", "ArrowRight", "ArrowRight")
    with PictureFile.open(tmp_path / "pictures.zip") as stored:
        assert np.abs(opened.pixels(1) - stored["guess"][1, 2]).max() <= 2


def test_seeds_one_all_and_split(show, deck):
    opened = show(deck)
    opened.page.get_by_role("button", name="One").click()
    opened.settle()
    assert opened.texts("figcaption") == ["seed 7"]
    opened.page.get_by_role("button", name="21", exact=True).click()
    opened.settle()
    assert opened.texts("figcaption") == ["seed 21"]
    opened.page.get_by_role("button", name="Split").click()
    opened.settle()
    assert opened.texts("figcaption") == ["seed 7", "seed 21"]
    opened.page.get_by_role("button", name="42", exact=True).click()
    opened.settle()
    assert opened.texts("figcaption") == ["seed 21", "seed 42"]
    assert opened.on("seed") == ["21", "42"]


def test_the_seam_moves(show, deck):
    opened = show(deck)
    opened.press("s")
    assert opened.on("compare") == ["Split"]
    clip = "getComputedStyle(document.querySelectorAll('figure canvas')[1]).clipPath"
    assert "50%" in opened.page.evaluate(clip)
    drag(opened, ".split", 0.5, 0.2)
    percent = opened.page.locator(".seam-slider").input_value()
    assert 17 <= int(percent) <= 23
    assert f"{percent}%" in opened.page.evaluate(clip)
    state = opened.text(".hero b")
    opened.page.locator(".seam-slider").focus()
    opened.press("ArrowRight")
    assert opened.page.locator(".seam-slider").input_value() == str(int(percent) + 1)
    assert opened.text(".hero b") == state


def test_a_mark_goes_to_its_state(show, deck):
    opened = show(deck)
    opened.press("Home")
    opened.page.locator(".mark.teal").click()
    opened.settle()
    assert opened.text(".mark.teal").endswith(opened.text(".hero b"))


def test_numbers_belong_to_the_state(show, deck):
    opened = show(deck)
    opened.press("Home")
    assert opened.texts("dd")[:3] == ["950", "18.8", "0.0028"]
    assert opened.page.locator(".slider input").get_attribute("aria-valuetext") == (
        "state 0 of 8 · t 950 · σ 18.8 · ᾱ 0.0028"
    )


def test_hovering_the_strip_says_what_stands_there(show, deck):
    opened = show(deck)
    opened.page.mouse.move(*share_of(opened.page.locator(".strip").bounding_box(), 0.01))
    opened.settle()
    assert opened.text(".strip .tip.on").startswith("state 0 of 8 · t 950")


def test_copies_the_command(show, deck):
    opened = show(deck, permissions=["clipboard-read", "clipboard-write"])
    opened.page.locator(".command").click()
    expect(opened.page.locator(".told")).to_have_text("copied")
    assert opened.page.evaluate("navigator.clipboard.readText()") == COMMAND


def test_a_hostile_prompt_is_shown_not_run(show, tmp_path):
    opened = show(deck_page(tmp_path, prompt=HOSTILE))
    assert "onerror" in opened.text("h1")
    assert opened.page.title() != "run"
    assert opened.page.locator("img").count() == 0


def test_one_seed_has_nothing_to_compare(show, tmp_path):
    opened = show(deck_page(tmp_path, seeds=1))
    assert opened.texts("figcaption") == ["seed 7"]
    assert opened.page.locator("[aria-label=compare]").count() == 0


@pytest.fixture(scope="module")
def wordy(tmp_path_factory):
    """A deck whose prompt has 300 words."""
    return deck_page(tmp_path_factory.mktemp("wordy"), prompt=" ".join(f"word{number}" for number in range(300)))


@pytest.mark.parametrize(("size", "lines"), [((1400, 900), 3), ((1280, 720), 2), ((400, 800), 2)])
def test_a_long_prompt_is_cut_until_all_of_it_is_asked_for(show, wordy, size, lines):
    opened = show(wordy, size)
    title = opened.page.locator("h1")
    high = "h1 => [h1.offsetHeight / parseFloat(getComputedStyle(h1).lineHeight), h1.scrollHeight - h1.offsetHeight]"
    assert title.evaluate(high)[0] == pytest.approx(lines, abs=0.1)
    assert opened.page.locator("figure").first.bounding_box()["y"] < 0.3 * size[1]
    if size[0] >= 1280:
        assert opened.page.evaluate("document.documentElement.scrollHeight") <= size[1]
    button = opened.page.get_by_role("button", name="show all")
    assert button.get_attribute("aria-expanded") == "false"
    button.focus()
    opened.press("Enter")
    shown, hidden = title.evaluate(high)
    assert shown > lines + 2
    assert hidden <= 1
    button = opened.page.get_by_role("button", name="show less")
    assert button.get_attribute("aria-expanded") == "true"
    opened.press(" ")
    assert title.evaluate(high)[0] == pytest.approx(lines, abs=0.1)


def test_paper_has_the_whole_prompt(show, wordy):
    opened = show(wordy)
    opened.page.emulate_media(media="print")
    assert opened.page.locator("h1").evaluate("h1 => h1.scrollHeight - h1.offsetHeight") <= 1
    assert not opened.page.get_by_role("button", name="show all").is_visible()


def test_a_short_prompt_has_no_button(show, deck):
    assert not show(deck).page.locator(".unfold").is_visible()


@pytest.mark.parametrize("size", [(1400, 900), (1920, 1080), (400, 800)])
def test_a_strip_of_few_states_has_whole_pictures(show, tmp_path, size):
    from PIL import Image

    from denoisecli.media.picture_file import PictureFile

    opened = show(deck_page(tmp_path, seeds=1, steps=3), size)
    opened.press("End")
    framed, strip = (opened.page.locator(name).bounding_box() for name in (".strip .frame", ".strip"))
    assert framed["width"] == pytest.approx(framed["height"], abs=2)
    shot = opened.page.locator(".strip").screenshot()
    left = round(framed["x"] - strip["x"]) + 3
    side = round(framed["width"]) - 6
    small = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))[:side, left : left + side]
    with PictureFile.open(tmp_path / "pictures.zip") as stored:
        whole = Image.fromarray(stored["guess"][0, 3]).resize(small.shape[1::-1], Image.Resampling.LANCZOS)
    assert np.abs(small.astype(int) - np.asarray(whole))[4:-4, 4:-4].mean() < 6


@pytest.mark.parametrize("mode", ["all", "split"])
def test_nothing_hangs_out_of_the_window(show, deck, mode):
    opened = show(deck)
    if mode == "split":
        opened.press("s")
    for width, height in SIZES:
        opened.page.set_viewport_size({"width": width, "height": height})
        opened.settle()
        whole = opened.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert whole[0] <= width
        assert width < 1280 or whole[1] <= height


def test_slider_and_strip_agree(show, deck):
    opened = show(deck)
    for key in ("Home", "End"):
        opened.press(key)
        slider = opened.page.locator(".slider input").bounding_box()
        share = 0 if key == "Home" else 1
        knob = slider["x"] + 11 + share * (slider["width"] - 22)
        frame = opened.page.locator(".strip .frame").bounding_box()
        assert abs(frame["x"] + frame["width"] / 2 - knob) < 2.5


def test_a_notebook_shows_the_page_of_a_loaded_run(show, deck, tmp_path):
    framed = Trace(folder=deck.parent)._repr_html_()
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><meta charset=utf-8><body data-ready>{framed}", encoding="utf-8")
    opened = show(notebook)
    inside = opened.page.frame_locator("iframe")
    inside.locator("body[data-ready]").wait_for(state="attached")
    inside.locator(".strip").click(position={"x": 3, "y": 10})
    expect(inside.locator(".hero b")).to_have_text("0")
    assert Trace()._repr_html_() is None
    assert Trace(folder=tmp_path)._repr_html_() is None


def test_a_question_mark_opens_the_legend_and_escape_closes_it(show, deck):
    opened = show(deck)
    assert opened.page.locator("dialog").count() == 0
    opened.press("?")
    words = opened.texts("dialog dt")
    assert {"t", "σ", "ᾱ", "layout", "guess"} <= {*words}
    opened.press("Escape")
    expect(opened.page.locator("dialog")).to_have_count(0)  # its close event comes a moment later
    opened.page.locator(".ask").click()
    opened.page.locator("dialog .close").click()
    expect(opened.page.locator("dialog")).to_have_count(0)  # its close event comes a moment later


def test_every_number_says_what_it_is(show, deck):
    opened = show(deck)
    titles = opened.page.locator(".side dl > div").evaluate_all("nodes => nodes.map(node => node.title)")
    assert len(titles) == 4
    assert all("Unit: " in title for title in titles)
    assert opened.text(".plot-caption").startswith("High: ")


@pytest.mark.parametrize("presses", [1, 2, 3, 4, 5])
def test_the_chart_keeps_its_size_whatever_is_compared(show, deck, presses):
    opened = show(deck, (1400, 900))
    opened.press(*"s" * presses)
    box = opened.page.locator("svg.plot").evaluate(
        "svg => [svg.getAttribute('viewBox'), svg.clientWidth, svg.clientHeight]"
    )
    assert box[0] == f"0 0 {box[1]} {box[2]}"
