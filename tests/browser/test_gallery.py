"""The index of runs: filter, order, open, and two of them compared."""

import re

import numpy as np
import pytest

from denoisecli.media.picture_file import write_pictures
from denoisecli.report import Report
from denoisecli.tools.gallery.tool import make_gallery
from tests.browser.conftest import PHONE
from tests.browser.pages import gallery_page
from tests.hand_made import hand_made_run

DOT = "\N{NO-BREAK SPACE}· "


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return gallery_page(tmp_path_factory.mktemp("runs"))


def titles(opened):
    """Return what stands behind the second dot; a dot stays with the word before it, on its line."""
    return [text.split(DOT)[2] for text in opened.texts(".card .settings") if text.count(DOT) > 2]


def differing(opened):
    return [row.split("\t") for row in opened.page.locator(".versus tbody tr").all_inner_texts()]


def test_cards_say_what_each_run_is(show, index):
    opened = show(index)
    assert opened.text(".meta").startswith("6 runs · ")
    assert opened.page.locator(".card").count() == 6
    assert opened.texts(".card.failed .state") == ["failed"]
    assert "The disk is full." in opened.text(".card.failed .settings")
    assert titles(opened) == ["cfg 1", "cfg 3", "cfg 12", "cfg 7.5"]  # the newest first
    loaded = "[...document.querySelectorAll('.card img')].map(image => image.naturalWidth)"
    assert all(width > 0 for width in opened.page.evaluate(loaded))


def test_filter_and_order(show, index):
    opened = show(index)
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("ddim cfg 1")
    opened.settle()
    assert titles(opened) == ["cfg 1"]
    assert opened.text(".meta").startswith("1 of 6 runs")
    opened.page.keyboard.type("2")
    opened.settle()
    assert titles(opened) == ["cfg 12"]
    opened.page.keyboard.type(" nowhere")
    opened.settle()
    assert opened.page.locator(".none").is_visible()
    opened.press("Escape")
    opened.page.get_by_role("button", name="sample").click()
    opened.page.get_by_label("order", exact=True).select_option("cfg")
    opened.settle()
    assert titles(opened) == ["cfg 1", "cfg 3", "cfg 7.5", "cfg 12"]


def test_a_link_opens_the_page_of_a_run_whatever_its_name(show, index):
    opened = show(index)
    link = opened.page.locator(".card", has_text="cfg 3").get_by_role("link")
    assert link.get_attribute("href") == "./sample/four%20%23%20%26%20more/page.html"
    with opened.page.expect_navigation():
        link.click()
    assert opened.page.title() == "2"
    opened.requests.clear()  # a click may leave the file; nothing else may


def test_two_runs_compared(show, index):
    opened = show(index)
    tick = lambda words: opened.page.locator(".card", has_text=words).get_by_role("checkbox").check()  # noqa: E731
    tick("cfg 7.5"), tick("cfg 12")
    opened.page.wait_for_selector(".versus canvas")
    opened.settle()
    assert differing(opened) == [["cfg", "7.5", "12"]]
    assert opened.page.locator(".versus .curve").count() == 2
    left, right = (opened.pixels(panel) for panel in (0, 1))
    assert np.abs(left - right).mean() > 5
    seam = opened.page.get_by_label("seam between the two runs")
    seam.focus()
    opened.page.keyboard.press("ArrowRight")
    assert "inset(0px 0px 0px 51%)" in opened.page.locator("figure canvas").nth(1).evaluate(
        "canvas => canvas.style.clipPath"
    )
    opened.page.get_by_role("button", name="Side by side").click()
    opened.settle()
    assert opened.page.locator(".versus .seam").count() == 0
    tick("cfg 3")  # takes the place of the second
    opened.settle()
    assert ["sampler", "ddim", "euler"] in [
        row.split("\t") for row in opened.page.locator(".versus tbody tr").all_inner_texts()
    ]
    opened.page.get_by_role("button", name="Close").click()
    opened.settle()
    assert not opened.page.locator(".versus").is_visible()
    assert opened.page.locator(".card.picked").count() == 0


def test_paper_has_every_picture(show, tmp_path):
    for number in range(16):
        run = hand_made_run(tmp_path / str(number), film=False)
        write_pictures(run / "pictures.zip", {"canvas": np.full((1, 1, 24, 32, 3), 16 * number, np.uint8)})
    opened = show(make_gallery([tmp_path], tmp_path / "index.html", Report(), theme="dark"), PHONE)
    waiting = opened.page.locator(".card img:not([src])")
    assert waiting.count() > 0  # those far below the window
    paper = opened.page.pdf()
    assert waiting.count() == 0
    assert len(re.findall(rb"/Subtype ?/Image", paper)) == 16


HOSTILE = '</script><img src=x onerror=document.title="run">"\'<b>'


def test_hostile_words_are_shown_not_run(show, tmp_path):
    opened = show(gallery_page(tmp_path, prompt=HOSTILE))
    assert opened.page.title().startswith("Runs")
    assert opened.texts(".card h2")[1] == HOSTILE
    assert opened.page.locator("b:not(.versus b), img:not(.card img)").count() == 0
