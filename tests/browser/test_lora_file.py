import numpy as np
import pytest

from denoisecli.figures.theme import DARK
from denoisecli.labs.lora_rank.figures.matrix import signed_picture
from tests.browser.pages import HOSTILE, SIZES, lora_page
from tests.browser.pointer import drag

CUTS = ["rank 1", "rank 4", "energy 0.9", "ratio 10", "rank 16"]


@pytest.fixture(scope="session")
def lora(tmp_path_factory):
    return lora_page(tmp_path_factory.mktemp("lora"))


def value(opened, name):
    return opened.page.locator(".measures button").filter(has_text=name).locator("b").inner_text()


def cut_slider(opened, label="cut"):
    return opened.page.locator(f"input[aria-label={label}]")


def test_opens_with_every_cut_beside_none_and_the_whole(show, lora):
    opened = show(lora[0])
    assert opened.texts("figcaption")[:7] == ["without", *CUTS, "whole, rank 16"]
    assert opened.on("view") == ["Ranks"]
    for panel in range(7):
        assert np.abs(opened.pixels(panel) - lora[2][panel, 0].astype(int)).mean() < 4
    opened.press("n")
    assert opened.on("seed") == ["21"]
    assert np.abs(opened.pixels(3) - lora[2][3, 1].astype(int)).mean() < 4


def test_keys_go_through_the_cuts(show, lora):
    opened = show(lora[0])
    third = ["Home", "ArrowRight", "ArrowRight"]
    for keys, big, of in ((["Home"], "1", "of 16"), (["End"], "16", "of 16"), (third, "90 %", "of energy")):
        opened.press(*keys)
        assert (opened.text(".hero b"), opened.text(".hero span")) == (big, of)
    assert cut_slider(opened).get_attribute("aria-valuetext") == "energy 0.9 · 320 kB · 70.0 % of the energy"


def test_numbers_and_sizes(show, lora):
    opened = show(lora[0])
    opened.press("Home")
    assert [value(opened, name) for name in ("file", "energy", "error", "distance")] == [
        "20 kB", "40.0 %", "77.5 %", "0.600"
    ]  # fmt: skip
    opened.page.locator(".measures button").filter(has_text="file").click()
    opened.settle()
    assert opened.text(".plot-box .plot-title").startswith("size of the file")


def test_the_seam_is_against_the_whole_file(show, lora):
    opened = show(lora[0])
    opened.press("Home", "s")
    assert opened.texts("figcaption")[:2] == ["rank 1", "whole, rank 16"]
    drag(opened, ".split", 0.5, 0.2)
    assert 17 <= int(opened.page.locator(".seam-slider").input_value()) <= 23
    opened.press("s")
    assert opened.texts("figcaption")[0] == "rank 1"


def test_a_panel_chooses_its_cut(show, lora):
    opened = show(lora[0])
    opened.page.locator("figure").nth(1).click()
    opened.settle()
    assert opened.text(".hero b") == "1"


def test_strengths_have_a_slider_of_their_own(show, lora):
    opened = show(lora[0])
    opened.press("2")
    assert opened.texts("figcaption")[:4] == ["strength 0", "strength 0.5", "strength 1", "strength 1.5"]
    assert not cut_slider(opened).is_visible()
    opened.press("Home", "ArrowRight")
    assert (opened.text(".hero b"), value(opened, "distance")) == ("0.5", "0.500")
    assert cut_slider(opened, "strength").get_attribute("aria-valuetext").startswith("strength 0.5")
    opened.press("s")
    assert opened.texts("figcaption")[:2] == ["strength 0.5", "without"]
    opened.press("1")
    assert cut_slider(opened).is_visible()


def test_blocks_are_filled_as_far_as_a_cut_keeps_them(show, lora):
    path, body, _ = lora
    opened = show(path)
    opened.press("3", "Home")
    assert opened.texts(".blocks li span") == [block["name"] for block in body.data["blocks"]]
    width = "e.getBoundingClientRect().width / e.parentNode.getBoundingClientRect().width"
    filled = opened.page.locator(".fill").evaluate_all(f"all => all.map(e => {width})")
    want = [block["kept"][0] / block["share"] for block in body.data["blocks"]]
    np.testing.assert_allclose(filled, want, atol=0.01)


def test_the_spectrum_of_any_layer_can_be_picked(show, lora):
    path, body, _ = lora
    opened = show(path)
    opened.press("3", "Home", "ArrowRight")
    opened.page.locator("select").select_option(label="down 1 attn")
    opened.settle()
    values = body.arrays["layer_values"][1]
    share = np.square(values[:4]).sum() / np.square(values).sum()
    assert opened.text(".picker .plot-title") == f"singular values · rank 4 of 16 keeps {100 * share:.1f} %"


def test_the_layer_is_multiplied_in_the_page(show, lora):
    path, body, _ = lora
    opened = show(path)
    opened.press("4", "Home", "ArrowRight")
    assert (opened.text(".hero b"), opened.text(".hero span")) == ("4", "of up 0 attn2_to_k")
    B, A = body.arrays["B"], body.arrays["A"]
    canvas = opened.page.locator(".matrix .product canvas")
    index = opened.page.locator("figure canvas").evaluate_all("(all, one) => all.indexOf(one)", canvas.element_handle())
    want = signed_picture(np.float64(B[:, :4]) @ A[:4], body.data["matrix"]["limit"], DARK)
    assert np.abs(opened.pixels(index) - want).max() <= 1
    drag(opened, ".spectrum canvas", 0.5, 0.99)
    assert opened.text(".hero b") == "12"


def test_without_pictures_the_blocks_come_first(show, tmp_path):
    opened = show(lora_page(tmp_path, paints=False)[0])
    assert opened.on("view") == ["Blocks"]
    assert opened.text("h1") == "a style of mine, cut to falling rank"
    assert opened.page.locator("[aria-label=compare]").count() == 0
    drag(opened, ".strip", 0.5, 0.99)
    assert opened.text(".hero b") == "16"


def test_hostile_words_are_shown_not_run(show, tmp_path):
    opened = show(lora_page(tmp_path, prompt=HOSTILE)[0])
    assert "onerror" in opened.text("h1")
    assert opened.page.title() != "run"
    assert opened.page.locator("img").count() == 0


@pytest.mark.parametrize("key", ["1", "s", "3", "4"])
def test_nothing_hangs_out_of_the_window(show, lora, key):
    opened = show(lora[0])
    opened.press(key)
    for width, height in SIZES:
        opened.page.set_viewport_size({"width": width, "height": height})
        opened.settle()
        whole = opened.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert whole[0] <= width
        assert width < 1280 or whole[1] <= height, (width, height)
