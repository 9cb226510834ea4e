import numpy as np
import pytest

from denoisecli.labs.noise.config import SCHEDULES
from denoisecli.labs.noise.lab import to_uint8
from denoisecli.process.forward import corrupt, schedule_named
from tests.browser.pages import guess_page, noise_page


@pytest.mark.parametrize("number", range(len(SCHEDULES)), ids=SCHEDULES)
def test_agrees_with_numpy_to_one_grey_level(show, noise, number):
    path, trace = noise
    opened = show(path)
    opened.press(*["s"] * number)
    schedule = schedule_named(SCHEDULES[number])
    for t, keys in (
        (0, ["Home"]),
        (999, ["End"]),
        (899, ["PageUp"]),
        (889, ["ArrowLeft"]),
        (890, ["Shift+ArrowRight"]),
    ):
        opened.press(*keys)
        assert opened.text(".hero b") == str(t)
        level = schedule.at([t])
        want = to_uint8(corrupt(trace["x0"], trace["eps"], level.signals[0], level.noises[0]))
        assert np.abs(opened.pixels() - want).max() <= 1


def test_views_show_the_parts(show, noise):
    path, trace = noise
    opened = show(path)
    opened.press("2")
    assert np.abs(opened.pixels() - to_uint8(trace["x0"])).max() <= 1
    opened.press("3")
    assert np.abs(opened.pixels() - to_uint8(trace["eps"])).max() <= 1
    assert opened.on("view") == ["Noise ε"]


def test_numbers_follow_t_and_the_schedule(show, noise):
    opened = show(noise[0])
    opened.press("End", *["s"] * 5)
    assert opened.on("schedule") == ["rectified flow"]
    assert opened.texts("dd") == ["0", "1.00", "−∞ dB"]
    assert opened.texts(".formula b") == ["0.000", "1.000"]
    assert opened.page.locator(".slider input").get_attribute("aria-valuetext") == "t 999 · ᾱ 0 · σ 1.00 · −∞ dB"


@pytest.mark.parametrize("place", [".strip", "svg.plot", ".slider input"])
def test_dragging_changes_t(show, noise, place):
    opened = show(noise[0])
    box = opened.page.locator(place).bounding_box()
    y = box["y"] + box["height"] / 2
    opened.page.mouse.move(box["x"] + 0.9 * box["width"], y)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 0.5 * box["width"], y)
    opened.page.mouse.up()
    opened.settle()
    assert abs(int(opened.text(".hero b")) - 500) <= 10


def test_the_mark_is_where_noise_and_picture_are_equal(show, noise):
    opened = show(noise[0])
    opened.page.locator(".mark").click()
    opened.settle()
    assert opened.texts("dd")[0] in ("0.500", "0.499")


def test_a_large_picture_is_bounded_and_says_so(show, tmp_path):
    path, _ = noise_page(tmp_path, size=(1024, 256))
    assert path.stat().st_size < 4_000_000
    opened = show(path)
    assert "512×128 of the run's 1024×256" in opened.text(".note")


@pytest.mark.parametrize(("t", "frame"), [(0, 0), (250, 1), (500, 2), (740, 3), (999, 4)])
def test_a_guess_is_seen_beside_the_latents_that_it_was_made_of(show, tmp_path, t, frame):
    path, trace = guess_page(tmp_path)
    opened = show(path)
    assert opened.on("view") == ["Guess x̂₀"]
    opened.page.locator(".slider input").fill(str(t))
    opened.settle()
    panels = opened.page.locator(".stage canvas")
    assert opened.texts(".stage figcaption") == ["Latents, decoded", "Guess x̂₀"]
    for panel, name in zip(panels.all(), ("latent_pictures", "guess_pictures"), strict=True):
        colour = panel.evaluate("canvas => [...canvas.getContext('2d').getImageData(5, 5, 1, 1).data].slice(0, 3)")
        assert np.abs(np.array(colour) - trace[name][frame][5, 5]).max() <= 3
    assert float(opened.texts("dd")[3]) == pytest.approx(trace["guess_error"][frame], abs=0.001)


def test_the_guesses_errors_are_plotted_and_the_picture_is_still_computed(show, tmp_path):
    path, trace = guess_page(tmp_path)
    opened = show(path)
    assert {"layout", "detail"} <= set(opened.page.locator("svg.plot .name").all_text_contents())
    opened.press("2")
    assert np.abs(opened.pixels() - to_uint8(trace["x0"])).max() <= 1
    assert not opened.page.locator("[aria-label=schedule]").count()  # the model saw one schedule
    assert not opened.errors


def test_latents_without_a_guess_are_a_view(show, tmp_path):
    opened = show(guess_page(tmp_path, guess=False)[0])
    assert opened.on("view") == ["Noisy xₜ"]
    opened.press("4")
    assert opened.on("view") == ["Latents"]
    assert opened.texts(".stage figcaption") == ["Latents, decoded"]
