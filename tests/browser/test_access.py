"""Axe finds nothing, in any theme, on desk and phone; and each page looks as it did."""

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.conftest import DESK, PHONE, RUN
from tests.browser.pages import (
    deck_page,
    fork_page,
    gallery_page,
    lora_page,
    matrix_page,
    noise_page,
    sweep_page,
    walk_page,
    words_page,
)

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Return pages(lab, theme) → path, each made once."""
    made = {}

    def page(lab, theme):
        if (lab, theme) not in made:
            folder = tmp_path_factory.mktemp(f"{lab}-{theme}")
            found = MAKERS[lab](folder, theme)
            made[lab, theme] = found if isinstance(found, Path) else found[0]
        return made[lab, theme]

    return page


MAKERS = {
    "sample": deck_page, "noise": noise_page, "cfg-sweep": sweep_page, "lora-matrix": matrix_page, "lora": lora_page,
    "walk": walk_page, "gallery": gallery_page, "words": words_page,
    "fork": fork_page,
}  # fmt: skip
VIEWS = {
    "sample": [], "noise": [], "cfg-sweep": [], "cfg-sweep-anatomy": ["3"], "lora-matrix": [], "lora": [],
    "lora-blocks": ["3"], "walk": ["PageDown"], "walk-states": ["2", "PageDown"], "gallery": [],
    "words": ["t"], "fork": [], "gallery-versus": [*["Tab"] * 9, " ", "Tab", "Tab", " "],
}  # fmt: skip
"""What is looked at: the page of a lab, after some keys."""
LOOKS = [("dark", DESK), ("light", DESK), ("contrast", DESK), ("dark", PHONE)]


@pytest.mark.parametrize(("theme", "size"), LOOKS, ids=lambda value: value if isinstance(value, str) else str(value[0]))
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_and_it_looks_as_it_did(show, pages, axe, golden, view, theme, size):
    lab = next(name for name in sorted(MAKERS, key=len, reverse=True) if view.startswith(name))
    opened = show(pages(lab, theme), size)
    opened.press(*VIEWS[view])
    if VIEWS[view]:
        opened.page.wait_for_timeout(150)  # transitions
    shot = opened.page.screenshot(full_page=True)
    opened.page.evaluate(axe)
    found = [(row["id"], row["impact"], row["nodes"][0]["html"]) for row in opened.page.evaluate(RUN)]
    assert found == []
    golden(f"{view}-{theme}-{size[0]}", Image.open(io.BytesIO(shot)).convert("RGB"))


def test_split_and_latent_pass_axe_too(show, pages, axe):
    opened = show(pages("sample", "light"))
    opened.press("s", "3")
    opened.page.evaluate(axe)
    assert [row["id"] for row in opened.page.evaluate(RUN)] == []


def test_everything_is_reached_by_tab_and_shows_its_focus(show, pages):
    opened = show(pages("sample", "dark"))
    found = "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
    seen = []
    while len(seen) < 40:
        opened.page.keyboard.press("Tab")
        tag, outline = opened.page.evaluate(found)
        if tag == "BODY":
            break
        seen.append(tag)
        assert outline == "solid", seen
    assert len(seen) == 3 + 3 + 3 + 1 + 1 + 2 + 1 + 1  # views, seeds, modes, play, slider, two marks, legend, command


def test_paper_is_white_and_has_no_buttons(show, pages):
    opened = show(pages("sample", "dark"))
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not opened.page.locator(".tabs").first.is_visible()
    assert opened.page.locator("figure canvas").first.is_visible()


def test_reduced_motion_has_no_transitions(show, pages):
    opened = show(pages("sample", "dark"), DESK, reduced_motion="reduce")
    moving = "[...document.querySelectorAll('*')].filter(e => getComputedStyle(e).transitionDuration !== '0s').length"
    assert opened.page.evaluate(moving) == 0
