"""The noise film: boxes that never touch, pictures pixel for pixel, what moves and what stays."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisecli.figures.boxes import Box
from denoisecli.figures.theme import CONTRAST, DARK, LIGHT, FilmStyle
from denoisecli.labs.noise.config import SCHEDULES
from denoisecli.labs.noise.figures.film import NoiseDrawing, decibels, frame_order
from denoisecli.labs.noise.figures.layout import Wanted, noise_layout, picture_room
from denoisecli.labs.noise.figures.sheet import noise_sheet
from denoisecli.labs.noise.figures.views import LABELS
from denoisecli.labs.noise.lab import to_uint8
from denoisecli.process.forward import corrupt
from tests.labs.noise.figures.fakes import noise_trace

SIZES = [(1920, 1080), (1080, 1080), (1080, 1920), (3840, 2160), (1280, 720), (1080, 1350), (2560, 1080), (640, 360)]
UNITS = [(328, 328), (64, 64), (512, 512), (424, 280), (280, 424), (1024, 768), (4096, 64), (256, 256)]


# Boxes


@settings(deadline=None, max_examples=200)
@given(
    size=st.sampled_from(SIZES),
    panels=st.integers(1, 6),
    single=st.booleans(),
    unit=st.sampled_from(UNITS),
    lines=st.integers(1, 2),
)
def test_parts_never_overlap_and_stay_inside(size, panels, single, unit, lines):
    layout = noise_layout(size, Wanted(min(panels, 3) if single else panels, unit, single, lines))
    frame = Box(0, 0, *size)
    assert all(frame.contains(box) and box.width > 0 and box.height > 0 for box in layout.boxes)
    assert not [(a, b) for a, b in itertools.combinations(layout.boxes, 2) if a.overlaps(b)]
    assert layout.plot.height >= 4 * layout.measures.text


@given(size=st.sampled_from(SIZES), panels=st.integers(1, 6), unit=st.sampled_from(UNITS))
def test_pictures_are_enlarged_by_whole_numbers_or_said_not_to_be(size, panels, unit):
    layout = noise_layout(size, Wanted(panels, unit, single=panels == 1))
    for box in layout.panels:
        if layout.scale:
            assert (box.width, box.height) == (unit[0] * layout.scale, unit[1] * layout.scale)


@pytest.mark.parametrize("size", SIZES)
def test_pictures_that_may_be_resampled_fill_their_room(size):
    """A model's 256 pixels are drawn as large as a picture of any other size, not at twice 256."""
    small, fine = (noise_layout(size, Wanted(2, (side, side), smooth=True)) for side in (256, 4096))
    assert abs(small.panels[0].width - fine.panels[0].width) <= 1
    shown = sum(box.width * box.height for box in small.panels)
    assert shown > (0.3 if size[0] > 1.3 * size[1] else 0.2) * size[0] * size[1]


@pytest.mark.parametrize("size", SIZES)
def test_one_picture_is_the_hero(size):
    width, height = picture_room(size, 1, (1, 1), single=True)
    assert width * height > 0.2 * size[0] * size[1]


# Order


@pytest.mark.parametrize(
    ("count", "hold", "loop", "order"),
    [
        pytest.param(3, 2, True, [(0, 2), (1, 1), (2, 2), (1, 1)], id="there-and-back"),
        pytest.param(3, 2, False, [(0, 2), (1, 1), (2, 2)], id="there"),
        pytest.param(2, 0, True, [(0, 1), (1, 1)], id="two"),
    ],
)
def test_frame_order(count, hold, loop, order):
    assert frame_order(count, hold, loop=loop) == order


# Pixels


def test_the_panel_is_x_t_pixel_for_pixel():
    trace = noise_trace()
    drawing = NoiseDrawing(trace, FilmStyle((640, 360), DARK))
    box, scale = drawing.layout.panels[0], drawing.layout.scale
    for index in (0, 2, 4):
        shown = drawing.frame(index)[box.y : box.bottom : scale, box.x : box.right : scale]
        x_t = corrupt(trace["x0"], trace["eps"], trace["signals"][index], trace["noises"][index])
        inner = np.s_[4:-4, 4:-4]  # the corners are round
        assert np.abs(shown[inner].astype(int) - to_uint8(x_t)[inner].astype(int)).max() <= 1


def test_each_pixel_is_a_square():
    drawing = NoiseDrawing(noise_trace(), FilmStyle((640, 360), DARK))
    box, scale = drawing.layout.panels[0], drawing.layout.scale
    assert scale > 1
    panel = drawing.frame(4)[box.y : box.bottom, box.x : box.right].reshape(64, scale, 64, scale, 3)
    assert np.array_equal(panel[4:-4, :, 4:-4], np.broadcast_to(panel[4:-4, :1, 4:-4, :1], panel[4:-4, :, 4:-4].shape))


def test_a_large_picture_keeps_its_noise():
    """Shown smaller than it is, by pixels picked from it: averaging would take the noise away."""
    drawing = NoiseDrawing(noise_trace(size=(1024, 1024)), FilmStyle((640, 360), DARK))
    box = drawing.layout.panels[0]
    last = drawing.frame(4)[box.y : box.bottom, box.x : box.right].astype(float)
    assert last.std() > 70  # N(0, 1) clipped to black and white has 85


def test_a_frame_belongs_to_its_taker_and_repeats_exactly():
    drawing = NoiseDrawing(noise_trace(), FilmStyle((640, 360), LIGHT))
    first = drawing.frame(2)
    kept = first.copy()
    drawing.frame(3)
    assert np.array_equal(first, kept)
    assert np.array_equal(drawing.frame(2), kept)


@pytest.mark.parametrize("size", [(640, 360), (480, 480), (360, 640)], ids=["wide", "square", "tall"])
@pytest.mark.parametrize(
    "case",
    [
        pytest.param({"names": ("scaled_linear",)}, id="one"),
        pytest.param({"names": ("cosine", "rectified_flow")}, id="two"),
        pytest.param({"names": tuple(SCHEDULES)}, id="all"),
        pytest.param({"names": ("zero_snr",), "guess": True}, id="guess"),
    ],
)
def test_every_kind_of_film_can_be_drawn(case, size):
    drawing = NoiseDrawing(noise_trace(**case), FilmStyle(size, DARK))
    frames = [drawing.frame(index) for index in (0, 4)]
    assert frames[0].shape == (size[1], size[0], 3)
    assert not np.array_equal(*frames)


@pytest.mark.parametrize("theme", [DARK, LIGHT, CONTRAST], ids=lambda theme: theme.name)
def test_the_ground_is_the_themes(theme):
    frame = NoiseDrawing(noise_trace(), FilmStyle((640, 360), theme)).frame(1)
    assert (frame[0] == theme.ground).all()
    assert (frame[:, -1] == theme.ground).all()


def test_every_schedule_has_a_name_to_be_drawn():
    assert set(LABELS) == set(SCHEDULES)


@pytest.mark.parametrize(
    ("value", "said"), [(-12.345, "−12.3 dB"), (30.7, "30.7 dB"), (-np.inf, "−∞ dB"), (np.inf, "∞ dB")]
)
def test_decibels(value, said):
    assert decibels(value) == said


# Sheet


def test_the_sheet_has_a_column_for_each_t_and_a_row_for_each_schedule():
    one = noise_sheet(noise_trace(), FilmStyle(theme=DARK), [0, 500, 999])
    two = noise_sheet(noise_trace(("linear", "cosine")), FilmStyle(theme=DARK), [0, 500, 999])
    wider = noise_sheet(noise_trace(), FilmStyle(theme=DARK), [0, 250, 500, 750, 999])
    assert two.height > one.height + 200
    assert wider.width > one.width + 400
