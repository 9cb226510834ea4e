import re

import numpy as np
import pytest
from playwright.sync_api import expect

from denoisecli.figures.theme import DARK
from denoisecli.labs.cfg_sweep.figures.anatomy import heat_colours
from tests.browser.conftest import PHONE
from tests.browser.pages import HOSTILE, SIZES, sweep_page
from tests.browser.pointer import share_of


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
    """One seed at four scales, nine states."""
    return sweep_page(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="session")
def schedules(tmp_path_factory):
    """Two seeds; one scale falls on the way; guided in the middle half alone."""
    scales = [1, 7.5, [[0, 12], [0.5, 3]]]
    return sweep_page(
        tmp_path_factory.mktemp("schedules"), scales=scales, seeds=2, guidance_interval=(0.25, 0.75)
    )  # fmt: skip


def value(opened, name):
    return opened.page.locator(".measures button").filter(has_text=name).locator("b").inner_text()


@pytest.mark.parametrize(
    ("keys", "scale", "state"),
    [
        pytest.param([], "7.5", "3 of 8", id="opens where it is taken apart"),
        pytest.param(["ArrowUp", "ArrowRight"], "12", "4 of 8", id="up is more"),
        pytest.param(["ArrowUp", "ArrowUp"], "12", "3 of 8", id="stops at the strongest"),
        pytest.param(["ArrowDown", "ArrowDown", "ArrowDown", "End"], "1", "8 of 8", id="stops at the weakest"),
        pytest.param(["PageDown", "Home"], "7.5", "0 of 8", id="home"),
    ],
)
def test_keys_go_through_scales_and_states(show, sweep, keys, scale, state):
    opened = show(sweep[0])
    opened.press(*keys)
    assert opened.text(".hero b") == scale
    assert opened.texts("dd")[0] == state
    slider = opened.page.locator("[aria-label='guidance scale']")
    assert slider.get_attribute("aria-valuetext") == f"cfg {scale}"


@pytest.mark.parametrize(("across", "down", "scale", "state"), [(0.99, 0.05, "12", "8"), (0.01, 0.95, "1", "0")])
def test_the_strip_has_both(show, sweep, across, down, scale, state):
    opened = show(sweep[0], PHONE)  # where pictures of four rows stand close together
    box = opened.page.locator(".strip").bounding_box()
    opened.page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
    opened.settle()
    assert (opened.text(".hero b"), opened.texts("dd")[0]) == (scale, f"{state} of 8")
    frame = opened.page.locator(".strip .frame").bounding_box()
    assert box["y"] - 4 <= frame["y"] <= box["y"] + box["height"]
    assert abs(frame["y"] + frame["height"] / 2 - box["y"] - down * box["height"]) < 20


def test_the_scale_slider_has_its_own_arrows(show, sweep):
    opened = show(sweep[0])
    opened.page.locator("[aria-label='guidance scale']").focus()
    opened.press("ArrowLeft")
    assert (opened.text(".hero b"), opened.texts("dd")[0]) == ("3", "3 of 8")
    opened.press("Home")
    assert (opened.text(".hero b"), opened.texts("dd")[0]) == ("1", "3 of 8")
    opened.page.get_by_role("button", name="12", exact=True).click()
    opened.settle()
    assert opened.text(".hero b") == "12"


def test_touch(show, sweep):
    opened = show(sweep[0], PHONE, has_touch=True, is_mobile=True)
    for name, share in (("guidance scale", 0.02), ("state", 0.98)):
        slider = opened.page.locator(f"[aria-label='{name}']")
        slider.scroll_into_view_if_needed()
        opened.page.touchscreen.tap(*share_of(slider.bounding_box(), share))
    opened.settle()
    assert (opened.text(".hero b"), opened.texts("dd")[0]) == ("1", "8 of 8")


def test_what_is_shown_is_the_scale_and_state(show, sweep):
    opened = show(sweep[0])
    opened.press("End")
    for scale in range(4):
        shown, want = opened.pixels(scale), sweep[2]["guess"][scale, 8]
        assert np.abs(shown - want.astype(int)).mean() < 3
    assert opened.texts("figcaption") == ["cfg 1", "cfg 3", "cfg 7.5", "cfg 12"]
    opened.press("1")
    assert opened.on("view") == ["Canvas"]


def test_one_all_and_split(show, sweep):
    opened = show(sweep[0])
    opened.press("s")
    assert opened.on("compare") == ["Split"]
    assert opened.texts("figcaption") == ["cfg 1", "cfg 7.5"]
    opened.press("ArrowUp")
    assert opened.texts("figcaption") == ["cfg 7.5", "cfg 12"]
    opened.press("s")
    assert opened.texts("figcaption") == ["cfg 12"]
    opened.press("s")
    opened.page.locator("figure").nth(1).click()
    opened.settle()
    assert opened.text(".hero b") == "3"
    assert opened.on("compare") == ["All"]
    assert opened.page.locator("figure.now").count() == 1


def test_numbers_are_those_of_the_trace(show, sweep):
    path, trace, _ = sweep
    opened = show(path)
    opened.press("ArrowUp", "End")
    state = trace.record["runs"][3]["states"][8]
    assert float(value(opened, "contrast")) == pytest.approx(state["contrast"], abs=0.0006)
    assert float(value(opened, "distance")) == pytest.approx(state["distance_to_scales"][0], rel=0.01)
    assert float(value(opened, "clipped").split()[0]) == pytest.approx(100 * state["clipped"], abs=0.6)
    assert value(opened, "cond − uncond") == "–"  # no step leaves the last state
    opened.press("Home")
    pull = trace.record["runs"][3]["states"][0]["guidance"]
    assert float(value(opened, "cond − uncond")) == pytest.approx(pull, rel=0.01)


def test_a_number_is_plotted_by_its_button_or_m(show, sweep):
    opened = show(sweep[0])
    assert opened.text(".plot-title").startswith("clipped")
    opened.press("m")
    assert opened.text(".plot-title").startswith("contrast")
    opened.page.locator(".measures button").filter(has_text="cond − uncond").click()
    opened.settle()
    assert "cond − uncond, the difference" in opened.text(".plot-title")
    assert opened.page.locator(".plot .curve").count() == 4
    assert opened.page.locator(".plot .calm").count() == 3


def test_anatomy_shows_the_halves_and_where_guidance_pulls(show, sweep):
    path, trace, pictures = sweep
    opened = show(path)
    opened.press("ArrowUp", "3", "Home", "ArrowRight")
    assert opened.text(".hero b") == "7.5"
    assert opened.text(".formula") == "guided = uncond + 7.5 · (cond − uncond)"
    assert [text.split(" ·")[0] for text in opened.texts("figcaption")] == [
        "no prompt", "prompt", "guided", "|cond − uncond|"
    ]  # fmt: skip
    for panel, half in enumerate(("uncond", "cond", "guided")):
        assert np.abs(opened.pixels(panel) - pictures[half][1].astype(int)).mean() < 3
    pulls = np.sqrt(np.square(trace.eps_cond - trace.eps_uncond).mean(axis=2))
    levels = np.rint(np.clip(pulls[2, 1] / np.percentile(pulls, 99.5), 0, 1) * 255).astype(int)
    want = np.array(heat_colours(DARK))[levels]
    assert np.abs(opened.pixels(3) - want).max() <= 2


def test_anatomy_says_what_was_not_kept_or_not_run(show, sweep):
    opened = show(sweep[0])
    opened.press("3", "ArrowUp")
    assert opened.texts(".blank .why") == ["kept for cfg 7.5 only; --set anatomy=12 keeps this one"] * 2
    opened.press("ArrowDown", "ArrowDown", "ArrowDown")
    assert opened.text(".formula") == "guided = cond"
    assert opened.texts(".blank .why")[-1] == "no guidance in this step"
    opened.press("s")
    assert opened.on("view") == ["Guess"]


def test_schedules_and_intervals_are_shown(show, schedules):
    opened = show(schedules[0])
    assert opened.texts(".foot .mark") == ["guidance on", "guidance off"]
    opened.press("End", "ArrowUp", "Home")
    assert opened.text(".hero b") == "12→3"
    assert opened.text(".hero span") == "guidance scale, now 1"
    opened.press("ArrowRight", "ArrowRight")
    assert opened.text(".hero span") == "guidance scale, now 7.5"
    assert value(opened, "scale") == "7.50"
    opened.page.locator(".foot .mark").nth(1).click()
    opened.settle()
    assert opened.texts("dd")[0] == "6 of 8"


def test_seeds_are_chosen_and_compared(show, schedules):
    opened = show(schedules[0])
    first = opened.pixels(0)
    opened.press("n")
    assert opened.on("seed") == ["2"]
    assert np.abs(opened.pixels(0) - first).mean() > 3
    same = schedules[1].record["sameness"][2]["states"][3]
    assert float(value(opened, "sameness")) == pytest.approx(same, abs=0.006)


def test_space_plays_and_a_scrub_stops(show, sweep):
    opened = show(sweep[0])
    opened.press("Home", " ")
    expect(opened.page.locator("dd").first).to_have_text(re.compile("[2-8] of 8"))
    opened.press("Home")
    assert opened.page.locator(".play").get_attribute("aria-label") == "play"


def test_a_hostile_prompt_is_shown_not_run(show, tmp_path):
    opened = show(sweep_page(tmp_path, prompt=HOSTILE, negative_prompt=HOSTILE)[0])
    assert "onerror" in opened.text("h1")
    assert "onerror" in opened.text(".meta")
    assert opened.page.title() != "run"
    assert opened.page.locator("img").count() == 0


@pytest.mark.parametrize("keys", [["2"], ["s"], ["3"]], ids=["all", "split", "anatomy"])
def test_nothing_hangs_out_of_the_window(show, sweep, keys):
    opened = show(sweep[0])
    opened.press(*keys)
    for width, height in SIZES:
        opened.page.set_viewport_size({"width": width, "height": height})
        opened.settle()
        whole = opened.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert whole[0] <= width
        assert width < 1280 or whole[1] <= height


@pytest.mark.parametrize("scales", [(1, 5, 12), (1, 3, 7.5, 12), tuple(range(1, 9))], ids=len)
@pytest.mark.parametrize("steps", [8, 20])
def test_the_room_is_used_and_nothing_is_cut_off(show, tmp_path, scales, steps):
    opened = show(sweep_page(tmp_path, scales=list(scales), seeds=2, steps=steps)[0])
    for width, height in ((1400, 900), (1280, 720), (1920, 1080)):
        opened.page.set_viewport_size({"width": width, "height": height})
        opened.settle()
        assert opened.page.evaluate("document.documentElement.scrollHeight") <= height, (width, height)
        footer, last = (opened.page.locator(name).last.bounding_box() for name in ("footer", "figure canvas"))
        assert height - 40 <= footer["y"] + footer["height"] <= height
        blank = opened.page.locator(".foot").bounding_box()["y"] - last["y"] - last["height"]
        assert blank < 0.25 * height, (width, height)
    opened.page.set_viewport_size({"width": 400, "height": 800})
    opened.settle()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 400
    assert opened.page.locator("figure").first.bounding_box()["y"] < 300


def test_many_scales_have_one_row_at_a_time(show, tmp_path):
    path, _, _ = sweep_page(tmp_path, scales=[1.0 + k for k in range(12)], steps=3)
    opened = show(path)
    assert opened.page.locator(".strip").bounding_box()["height"] <= 80
    opened.page.get_by_role("button", name="One").click()
    opened.press("ArrowUp")
    assert opened.text(".hero b") == "4"


def test_one_scale_has_no_slider(show, tmp_path):
    opened = show(sweep_page(tmp_path, scales=[7.5], steps=3)[0])
    assert opened.page.locator("[aria-label='guidance scale']").count() == 0
    assert opened.page.locator("[aria-label=compare]").count() == 0
