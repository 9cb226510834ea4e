"""The lora-rank figures: parts that never touch in any frame, and nothing that runs over the edge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisecli.figures.boxes import Box
from denoisecli.figures.theme import CONTRAST, DARK, LIGHT, FilmStyle
from denoisecli.labs.lora_rank.figures.blocks import file_frames, file_sheet, hero, size
from denoisecli.labs.lora_rank.figures.matrix import matrix_boxes, matrix_frames, matrix_sheet, percent, signed_picture
from denoisecli.labs.lora_rank.figures.pictures import rank_frames, rank_sheet, scale_frames, scale_sheet
from denoisecli.labs.lora_rank.matrix import bolt, cut_matrix
from tests.labs.lora_rank.figures.fakes import painted, subject_file

SIZES = [(1920, 1080), (1080, 1080), (1080, 1920), (640, 360)]
ranked = pytest.mark.parametrize("frame", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def assert_clean_edges(frame, style, margin=4):
    ground = np.array(style.theme.ground)
    for edge in (frame[:margin], frame[-margin:], frame[:, :margin], frame[:, -margin:]):
        assert (edge == ground).all()


@ranked
@pytest.mark.parametrize("theme", [DARK, LIGHT, CONTRAST], ids=lambda theme: theme.name)
def test_matrix_frames(frame, theme):
    style = FilmStyle(frame, theme)
    subject = cut_matrix("bolt", bolt(), (1, 3, 16))
    frames = list(matrix_frames(subject, style))
    assert [picture.shape for picture in frames] == [(frame[1], frame[0], 3)] * 3
    for picture in frames:
        assert_clean_edges(picture, style)


@ranked
@pytest.mark.parametrize("shape", [(60, 7), (7, 60), (1, 1), (300, 200)], ids=str)
def test_matrices_of_any_shape(frame, shape):
    style = FilmStyle(frame)
    matrix = np.random.default_rng(0).standard_normal(shape)
    (picture,) = matrix_frames(cut_matrix("m", matrix, (min(shape),)), style)
    assert_clean_edges(picture, style)


@settings(max_examples=200, deadline=None)
@given(st.integers(300, 1300), st.integers(300, 1300), st.integers(1, 300), st.integers(1, 300), st.data())
def test_matrix_boxes_never_touch(width, height, rows, columns, data):
    area = Box(50, 40, width, height)
    rank = data.draw(st.integers(1, min(rows, columns)))
    boxes = matrix_boxes(area, (rows, columns), rank, 20)
    parts = [boxes.whole, boxes.left, boxes.top, boxes.product, boxes.spectrum]
    for index, part in enumerate(parts):
        assert area.contains(part)
        assert not any(part.overlaps(other) for other in parts[index + 1 :])


@ranked
@pytest.mark.parametrize("blocks", [1, 7, 14])
def test_file_frames(frame, blocks):
    style = FilmStyle(frame)
    for picture in file_frames(subject_file(blocks), style):
        assert picture.shape == (frame[1], frame[0], 3)
        assert_clean_edges(picture, style)


@pytest.mark.parametrize("blocks", [1, 7, 14])
@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_file_sheet(blocks, theme):
    style = FilmStyle(theme=theme)
    assert_clean_edges(np.asarray(file_sheet(subject_file(blocks), style)), style)


@ranked
@pytest.mark.parametrize("seeds", [1, 3])
def test_painted_frames(frame, seeds):
    style, rows = FilmStyle(frame), subject_file().rows
    for draw in (rank_frames, scale_frames):
        for picture in draw(painted(seeds), rows, style):
            assert_clean_edges(picture, style)


@pytest.mark.parametrize("draw", [rank_sheet, scale_sheet])
def test_painted_sheets(draw):
    sheet = np.asarray(draw(painted(), subject_file().rows, DARK))
    assert_clean_edges(sheet, FilmStyle())


def test_a_sheet_leaves_out_ranks_that_add_nothing():
    full = matrix_sheet(cut_matrix("bolt", bolt(), tuple(range(1, 17))), DARK)
    ten = matrix_sheet(cut_matrix("bolt", bolt(), tuple(range(1, 11))), DARK)
    assert full.tobytes() == ten.tobytes()


def test_colours_of_signs():
    picture = signed_picture(np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]]), 1.0, DARK)[0]
    assert [tuple(colour) for colour in picture.tolist()] == [DARK.teal, DARK.teal, DARK.line, DARK.amber, DARK.amber]


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0.0 %"), (0.5, "50.0 %"), (0.99961, "99.9 %"), (1 - 1e-12, "100.0 %"), (1, "100.0 %")]
)
def test_percent(share, said):
    assert percent(share) == said


@pytest.mark.parametrize(
    ("count", "said"), [(900, "900 B"), (34_400, "34 kB"), (1_230_000, "1.2 MB"), (151_000_000, "151 MB")]
)
def test_size(count, said):
    assert size(count) == said


@pytest.mark.parametrize(
    ("rule", "said"),
    [("rank-4", ("4", "of 16")), ("energy-0.95", ("95 %", "of energy")), ("ratio-10", ("σ₁/10", "and above"))],
)
def test_hero(rule, said):
    assert hero({"rule": rule}, 16) == said
