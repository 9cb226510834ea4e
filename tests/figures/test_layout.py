import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.figures.boxes import Box
from denoisecli.figures.layout import (
    TEXT_SHARE,
    DeckLayout,
    Measures,
    deck_layout,
    prompt_room,
    rail_boxes,
    strip_layout,
)
from denoisecli.figures.slider import slider_layout
from denoisecli.figures.theme import FilmStyle
from denoisecli.labs.cfg_sweep.figures.head import make_head
from denoisecli.labs.cfg_sweep.figures.layout import sweep_layout
from denoisecli.labs.lora_rank.figures.matrix import matrix_boxes
from denoisecli.labs.walk.figures.film import MOST_PROMPT_LINES
from denoisecli.labs.walk.figures.layout import walk_layout

SIZES = [
    (1920, 1080),
    (1080, 1080),
    (1080, 1920),
    (3840, 2160),
    (1280, 720),
    (1080, 1350),
    (2560, 1080),
    (640, 360),
    (320, 7680),
    (7680, 320),
]
ASPECTS = [(32, 32), (64, 64), (32, 64), (64, 32), (48, 64), (152, 104), (128, 128)]


def assert_apart(boxes: list[Box], size: tuple[int, int]) -> None:
    assert all(Box(0, 0, *size).contains(box) and box.width > 0 and box.height >= 0 for box in boxes)
    assert not [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]


def parts(layout: DeckLayout, lines: int, line: float) -> list[Box]:
    return [*layout.grid.boxes, layout.timeline, *rail_boxes(layout, lines, line).boxes]


@given(
    size=st.sampled_from(SIZES),
    views=st.integers(1, 3),
    seeds=st.integers(1, 16),
    unit=st.sampled_from(ASPECTS),
    data=st.data(),
)
def test_parts_of_a_deck_never_overlap_and_stay_inside(size, views, seeds, unit, data):
    layout = deck_layout(size, views, seeds, unit)
    lines = data.draw(st.integers(0, prompt_room(layout)[1]))
    shrunk = lines == prompt_room(layout)[1]
    boxes = parts(layout, lines, 1.36 * layout.measures.text * (1 if shrunk else 28 / 24))
    frame = Box(0, 0, *size)
    assert all(frame.contains(box) and box.width > 0 and box.height >= 0 for box in boxes)
    assert not [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
    assert len(layout.grid.panels) == views
    assert all(len(row) == seeds for row in layout.grid.panels)


@given(size=st.sampled_from(SIZES), views=st.integers(1, 3), seeds=st.integers(1, 16), unit=st.sampled_from(ASPECTS))
def test_panels_are_large_enough_and_have_the_pictures_proportions(size, views, seeds, unit):
    grid = deck_layout(size, views, seeds, unit).grid
    for box in (box for row in grid.panels for box in row):
        assert min(box.width, box.height) >= 0.04 * min(size)
        assert box.width / box.height == pytest.approx(unit[0] / unit[1], rel=0.06)


@given(size=st.sampled_from(SIZES), seeds=st.integers(1, 16), unit=st.sampled_from(ASPECTS))
def test_parts_of_a_single_view_never_overlap_and_stay_inside(size, seeds, unit):
    layout = strip_layout(size, seeds, unit)
    boxes = [*layout.grid.boxes, layout.head, layout.timeline]
    assert all(Box(0, 0, *size).contains(box) for box in boxes)
    assert not [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]


@given(
    size=st.sampled_from(SIZES[:-2]),
    unit=st.sampled_from(ASPECTS),
    lines=st.integers(1, 4),
    notes=st.integers(1, 2),
)
def test_parts_of_a_walk_never_overlap_and_stay_inside(size, unit, lines, notes):
    shape = Measures(*size).shape
    layout = walk_layout(size, unit, min(lines, MOST_PROMPT_LINES[shape]), notes if shape == "wide" else 1)
    assert_apart(layout.boxes, size)
    assert layout.picture.width * layout.picture.height > 0.1 * size[0] * size[1]
    assert layout.map.height >= 2 * layout.measures.text


@given(
    size=st.sampled_from(SIZES[:-2]),
    rows=st.integers(1, 4),
    scales=st.integers(1, 12),
    unit=st.sampled_from(ASPECTS),
    plots=st.integers(1, 4),
)
def test_parts_of_a_sweep_never_overlap_and_stay_inside(size, rows, scales, unit, plots):
    words = make_head(size, "a lighthouse on a rocky cliff at dusk " * 4, "DDIM · 20 steps · cfg 1, 3 · " + "x" * 90)
    plots = min(plots, 2) if words.measures.shape == "tall" else plots
    layout = sweep_layout(words, rows, scales, unit, plots)
    assert_apart(layout.boxes, size)


@given(size=st.sampled_from(SIZES[:-2]), lines=st.integers(1, 3), rank=st.integers(1, 16), columns=st.integers(1, 64))
def test_parts_of_a_rank_film_never_overlap_and_stay_inside(size, lines, rank, columns):
    layout, area = slider_layout(FilmStyle(size))
    text = layout.measures.text
    matrix = matrix_boxes(area, (16, columns), min(rank, columns), text)
    figure = [matrix.whole, matrix.left, matrix.top, matrix.product, matrix.spectrum]
    rail = rail_boxes(layout, min(lines, prompt_room(layout)[1]), 1.36 * text * 28 / 24).boxes
    assert_apart([*figure, *rail, layout.timeline], size)


@pytest.mark.parametrize("size", SIZES[:-2])
def test_text_is_never_smaller_than_a_45th_of_the_height(size):
    assert deck_layout(size, 3, 4).measures.text >= size[1] * TEXT_SHARE


@pytest.mark.parametrize(
    ("seeds", "side"),
    [pytest.param(4, 256, id="native"), pytest.param(2, 384, id="two"), pytest.param(16, 128, id="16")],
)
def test_panels_are_whole_multiples_of_the_latent(seeds, side):
    assert {(b.width, b.height) for row in deck_layout((1920, 1080), 3, seeds, (32, 32)).grid.panels for b in row} == {
        (side, side)
    }


def test_one_seed_shows_the_guess_large():
    canvas, guess, latent = (row[0] for row in deck_layout((1920, 1080), 3, 1, (32, 32)).grid.panels)
    assert guess.width > 2 * canvas.width == 2 * latent.width


def test_wide_frames_have_a_plot_and_it_is_large():
    layout = deck_layout((1920, 1080), 3, 4, (32, 32))
    plot = rail_boxes(layout, 3, 38).plot
    assert plot is not None
    assert plot.height > 300


def test_a_frame_that_is_far_too_small_says_so():
    with pytest.raises(ValueError, match="no room"):
        deck_layout((60, 40), 3, 16)
