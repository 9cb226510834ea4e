import re

import numpy as np
import pytest
from playwright.sync_api import expect

from denoisecli.figures.theme import DARK
from denoisecli.labs.lora_rank.figures.matrix import signed_picture
from denoisecli.labs.lora_rank.matrix import bolt, cut_matrix
from tests.browser.conftest import PHONE
from tests.browser.pages import SIZES, matrix_page
from tests.browser.pointer import drag, share_of

SHAPES = [(16, 16), (24, 7), (5, 30)]
COPY = 3  # which of the stage's canvases, as figures stand in the page: ΔW, B, A, B·A


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    return matrix_page(tmp_path_factory.mktemp("toy"))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_product_agrees_with_numpy(show, tmp_path, shape):
    """Every rank up and down again, as the seams of a sum that is changed in place would show."""
    matrix = bolt() if shape == (16, 16) else np.random.default_rng(1).normal(size=shape)
    most, limit = min(shape), np.abs(matrix).max()
    (B, A) = cut_matrix("m", matrix, (most,)).cuts[0]
    opened = show(matrix_page(tmp_path, matrix=matrix))
    back = max(1, most - 5)
    for keys, rank in ((["Home"], 1), (["End"], most), (["PageUp"], back), (["ArrowRight"], back + 1)):
        opened.press(*keys)
        assert opened.text(".hero b") == str(rank)
        want = signed_picture(B[:, :rank] @ A[:rank], limit, DARK)
        assert np.abs(opened.pixels(COPY) - want).max() <= 1
    opened.press("2")
    assert np.abs(opened.pixels(COPY) - signed_picture(matrix - B[:, :rank] @ A[:rank], limit, DARK)).max() <= 1
    opened.press("3")
    part = np.outer(B[:, rank - 1], A[rank - 1])
    assert np.abs(opened.pixels(COPY) - signed_picture(part, limit, DARK)).max() <= 1
    assert opened.text("figure.product b") == "σ·u·vᵀ"


def test_factors_grow_towards_the_product(show, toy):
    opened = show(toy)
    opened.press("Home", "ArrowRight")
    left, top = opened.pixels(1), opened.pixels(2)
    used = (left != DARK.panel).any(axis=(0, 2))
    assert list(np.flatnonzero(used)) == [14, 15]
    assert list(np.flatnonzero((top != DARK.panel).any(axis=(1, 2)))) == [14, 15]
    assert opened.text("figure.left span") == "16×2"


def test_numbers_are_those_of_the_trace(show, toy):
    opened = show(toy)
    assert opened.text(".hero b") == "3"
    (row,) = cut_matrix("bolt", bolt(), (3,)).rows
    assert opened.texts("dd") == ["96 of 256", f"{100 * row['energy']:.1f} %", f"{100 * row['error']:.1f} %"]
    assert opened.page.locator(".slider input").get_attribute("aria-valuetext").startswith("rank 3 · 96 of 256 numbers")


def test_marks_go_to_their_ranks(show, toy):
    opened = show(toy)
    for text, rank in (("as many numbers as ΔW", "8"), ("nothing lost", "10")):
        opened.page.get_by_role("button", name=text).click()
        opened.settle()
        assert opened.text(".hero b") == rank
    assert opened.texts("dd")[1:] == ["100.0 %", "0.0 %"]


@pytest.mark.parametrize("place", [".strip", "svg.plot", ".slider input", "canvas.bars"])
def test_dragging_changes_the_rank(show, toy, place):
    opened = show(toy)
    drag(opened, place, 0.3, 0.99)
    assert opened.text(".hero b") == "16"
    drag(opened, place, 0.9, 0.01)
    assert opened.text(".hero b") == "1"


def test_space_plays(show, toy):
    opened = show(toy)
    opened.press("Home", " ")
    assert opened.page.locator(".play").get_attribute("aria-label") == "pause"
    expect(opened.page.locator(".hero b")).to_have_text(re.compile("[3-9]"))


def test_touch(show, toy):
    opened = show(toy, PHONE, has_touch=True, is_mobile=True)
    opened.page.touchscreen.tap(*share_of(opened.page.locator(".strip").bounding_box(), 0.99))
    opened.settle()
    assert opened.text(".hero b") == "16"


@pytest.mark.parametrize("shape", [(16, 16), (60, 7), (7, 60), (1, 1)], ids=str)
def test_nothing_hangs_out_of_the_window(show, tmp_path, shape):
    opened = show(matrix_page(tmp_path, matrix=np.random.default_rng(0).normal(size=shape)))
    for width, height in SIZES:
        opened.page.set_viewport_size({"width": width, "height": height})
        opened.settle()
        whole = opened.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert whole[0] <= width
        assert width < 1280 or whole[1] <= height, (width, height)


def test_a_large_matrix_is_thinned_and_says_so(show, tmp_path):
    rng = np.random.default_rng(0)
    path = matrix_page(tmp_path, matrix=rng.normal(size=(900, 40)) @ rng.normal(size=(40, 600)))
    assert path.stat().st_size < 4_000_000
    opened = show(path)
    assert opened.text(".note").startswith("256×256 of the 900×600 numbers are drawn, and 256 ranks")
    opened.press("ArrowRight", "End")
    assert opened.text(".hero b") == "256"
