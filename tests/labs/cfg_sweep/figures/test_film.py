"""The figures of a sweep: nothing overlaps, what was set is said, and pages hold every scale."""

from itertools import pairwise

import numpy as np
import pytest

from denoisecli.figures.theme import DARK, THEMES, FilmStyle
from denoisecli.labs.cfg_sweep.figures.anatomy import anatomy_frames, heat_colours, top_tenth
from denoisecli.labs.cfg_sweep.figures.facts import ramp, settings_line, sweep_facts
from denoisecli.labs.cfg_sweep.figures.film import sweep_frames
from denoisecli.labs.cfg_sweep.figures.head import make_head
from denoisecli.labs.cfg_sweep.figures.layout import sweep_layout
from denoisecli.labs.cfg_sweep.figures.sheet import final_plots, finals_strip, sweep_sheet
from denoisecli.metrics import contrast, distances, sameness, saturation
from tests.labs.cfg_sweep.figures.fakes import STEPS, fake_anatomy, fake_sweep

SIZES = [(1920, 1080), (1080, 1080), (1080, 1920), (640, 360), (320, 320), (3840, 2160)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (2, 4), (4, 4), (1, 12)])
@pytest.mark.parametrize("plots", [2, 4])
def test_nothing_overlaps_or_leaves_the_frame(size, rows, columns, plots):
    words = make_head(size, "a lighthouse on a rocky cliff at dusk, oil painting " * 3, "DDIM · 20 steps · " + "x" * 90)
    layout = sweep_layout(words, rows, columns, (64, 64), plots)
    boxes = layout.boxes
    for index, box in enumerate(boxes):
        assert box.width > 0
        assert box.height > 0
        assert (box.x, box.y) >= (0, 0)
        assert box.right <= size[0]
        assert box.bottom <= size[1]
        assert not any(box.overlaps(other) for other in boxes[index + 1 :]), (box, boxes)


@pytest.mark.parametrize("size", [(640, 360), (320, 320), (360, 640)])
@pytest.mark.parametrize("seeds", [1, 2])
def test_one_frame_a_state(size, seeds):
    trace, pictures = fake_sweep(seeds=seeds, guidance_interval=[0.25, 0.75])
    frames = list(sweep_frames(trace, pictures, FilmStyle(size), ("canvas", "guess")))
    assert len(frames) == STEPS + 1
    assert {frame.shape for frame in frames} == {(size[1], size[0], 3)}
    assert all((a != b).any() for a, b in pairwise(frames))


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_one_frame_a_step_of_the_anatomy(theme):
    trace, pictures = fake_sweep()
    frames = list(anatomy_frames(trace, fake_anatomy(pictures), FilmStyle((640, 360), theme)))
    assert len(frames) == STEPS


def test_a_step_without_guidance_shows_no_guess_that_was_not_made():
    trace, pictures = fake_sweep()
    ran = next(iter(anatomy_frames(trace, fake_anatomy(pictures), FilmStyle((640, 360)))))
    not_run = next(iter(anatomy_frames(trace, fake_anatomy(pictures, (False,) * STEPS), FilmStyle((640, 360)))))
    blank = (not_run == DARK.panel).all(axis=-1).mean()
    assert blank > (ran == DARK.panel).all(axis=-1).mean() + 0.1


def test_the_settings_line_says_what_was_set():
    config = {"sampler": "ddim", "guidance_rescale": 0.7, "guidance_interval": [0.2, 0.8], "negative_prompt": "blur"}
    said = settings_line(config, ["1", "12→3"], 20)
    assert said == "DDIM · 20 steps · cfg 1, 12→3 · rescale 0.7 · guided from 20 to 80 % of the way · not: blur"


def test_colours_go_with_the_scale_and_not_with_the_order():
    facts = sweep_facts(fake_sweep(("12", "1", "7.5"))[0])
    assert facts.colours(DARK) == [DARK.rose, DARK.quiet, ramp(DARK, 0.5)]
    assert len(set(heat_colours(DARK))) > 200


def test_pages_hold_every_scale():
    trace, pictures = fake_sweep(seeds=2)
    sheet = sweep_sheet(trace, pictures, FilmStyle(), ("guess",))
    strip = finals_strip(trace, pictures, FilmStyle())
    assert sheet.height > 6 * 256
    assert strip.width > 3 * 256
    plots = final_plots(sweep_facts(trace), DARK)
    assert [plot.titles[-1] for plot in plots] == ["clipped pixels", "contrast", "saturation", "sameness"]
    assert plots[0].x is not None
    assert (np.diff(plots[0].x) > 0).all()


def test_scales_of_one_mean_have_no_plot_over_the_scale():
    trace, pictures = fake_sweep(("3", "3"))
    assert final_plots(sweep_facts(trace), DARK) == []
    finals_strip(trace, pictures, FilmStyle())


def test_top_tenth():
    even, peaked = np.ones((1, 10, 10)), np.zeros((1, 10, 10))
    peaked[0, 0] = 1
    assert top_tenth(np.float32(even))[0] == pytest.approx(0.1)
    assert top_tenth(np.float32(peaked))[0] == pytest.approx(1)
    assert np.isnan(top_tenth(np.zeros((1, 4, 4), np.float32))[0])


# The numbers behind them


def test_contrast_and_saturation():
    grey, halves = np.full((1, 4, 4, 3), 90, np.uint8), np.zeros((1, 4, 4, 3), np.uint8)
    halves[0, :2] = 255
    red = np.zeros((1, 4, 4, 3), np.uint8)
    red[..., 0] = 200
    assert contrast(grey)[0] == pytest.approx(0, abs=1e-6)
    assert contrast(halves)[0] == pytest.approx(0.5)
    assert [float(saturation(one)[0]) for one in (grey, halves, red)] == [0, 0, 1]


def test_distances_and_sameness():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 3, 4, 8, 8))
    apart = distances(np.stack([a, b]))
    assert apart.shape == (2, 2, 3)
    np.testing.assert_allclose(apart[0, 1], np.sqrt(np.square(a - b).mean((1, 2, 3))), rtol=1e-5)
    np.testing.assert_allclose(sameness(np.stack([a, 3 * a + 1])), 1, rtol=1e-6)
    np.testing.assert_allclose(sameness(np.stack([a, -a])), -1, rtol=1e-6)
    assert np.abs(sameness(np.stack([a, b]))).max() < 0.2
