"""The walk's figures: nothing overlaps or leaves the frame, the map is where the walk is, the film's order."""

import itertools
import math

import numpy as np
import pytest
from PIL import Image

from denoisecli.figures.boxes import Box
from denoisecli.figures.layout import strip_layout
from denoisecli.figures.theme import DARK, THEMES, FilmStyle
from denoisecli.labs.walk.figures.change import AHEAD, ChangeCurve
from denoisecli.labs.walk.figures.cross_fade import SideBySide, fade_frames
from denoisecli.labs.walk.figures.facts import walk_facts
from denoisecli.labs.walk.figures.film import WalkDrawing, frame_order
from denoisecli.labs.walk.figures.layout import walk_layout
from denoisecli.labs.walk.figures.map import Course, way_map
from denoisecli.labs.walk.figures.sheet import sheet_frames, sheet_states, walk_sheet
from denoisecli.labs.walk.figures.steps import step_frames
from tests.figures.fakes import scene
from tests.labs.walk.figures.fakes import record

SIZES = [(1920, 1080), (1280, 720), (640, 360), (1080, 1080), (1080, 1920), (3840, 2160), (320, 320)]


def picture(number, height=64, width=64):
    return (scene(number, height, width) * 255).astype(np.uint8)


def drawing(facts, size, unit=(64, 64), theme=DARK):
    ends = [picture(end, *reversed(unit)) for end in range(len(facts.course.names))]
    return WalkDrawing(facts, lambda frame: picture(frame, *reversed(unit)), ends, FilmStyle(size, theme))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("unit", [(64, 64), (96, 64), (64, 96), (256, 64)])
@pytest.mark.parametrize("lines", [1, 4])
def test_layout(size, unit, lines):
    layout = walk_layout(size, unit, min(lines, 2) if size[0] < 1.3 * size[1] else lines, 1)
    frame = Box(0, 0, *size)
    assert all(box.width > 0 and box.height > 0 and frame.contains(box) for box in layout.boxes)
    overlapping = [pair for pair in itertools.combinations(layout.boxes, 2) if pair[0].overlaps(pair[1])]
    assert not overlapping
    ratio = layout.picture.width / layout.picture.height
    assert ratio == pytest.approx(unit[0] / unit[1], rel=0.02)


def test_a_square_picture_fills_the_height_of_a_wide_frame():
    assert walk_layout((1920, 1080), (1, 1), 2, 2).picture == Box(0, 0, 1080, 1080)


@pytest.mark.parametrize("round_", [True, False])
@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("ends", [2, 3, 5, 12, 64])
def test_map_stays_in_its_box(ends, loop, round_):
    box = Box(100, 50, 700, 370)
    course = Course(tuple(f"seed {number}" for number in range(ends)), loop, round_)
    way = way_map(course, box, DARK, 24)
    for end in range(ends):
        x, y = way.end_point(end)
        half = max(way.side / 2, 9)
        assert box.x <= round(x - half)
        assert round(x + half) <= box.right
        assert box.y <= round(y - half)
        assert round(y + half) + (36 if way.side else 0) <= box.bottom
    for leg in range(course.legs - 1):
        assert course.at(leg, 1.0) == pytest.approx(course.at(leg + 1, 0.0))


@pytest.mark.parametrize(("frames", "dots"), [(24, True), (60, True), (400, False)])
def test_frames_too_close_to_be_told_apart_have_no_dots(frames, dots):
    box, course = Box(0, 0, 700, 370), Course(("seed 7", "seed 21"), loop=False, round=True)
    image = Image.new("RGB", (700, 370), DARK.ground)
    way_map(course, box, DARK, 24).draw_static(image, [(0, k / (frames - 1)) for k in range(frames)])
    found = (np.asarray(image) == DARK.tick).all(axis=-1).any()
    assert found == dots


def test_two_seeds_lie_at_right_angles_as_independent_noises_do():
    course = Course(("seed 7", "seed 21"), loop=False, round=True)
    (ax, ay), (bx, by) = course.at(0, 0.0), course.at(0, 1.0)
    assert math.isclose(ax * bx + ay * by, 0, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("kind", "share", "said"),
    [
        pytest.param("seeds", 0.0, ("seed 7", ""), id="at a seed"),
        pytest.param("seeds", 0.25, ("25%", "from seed 7 to 21"), id="between seeds"),
        pytest.param("scales", 0.25, ("1.5", "from cfg 1 to 3"), id="between scales"),
        pytest.param("prompts", 0.25, ("25%", "from prompt 1 to 2"), id="between prompts"),
    ],
)
def test_hero(kind, share, said):
    names = {
        "seeds": ("seed 7", "seed 21", "seed 42"),
        "scales": ("cfg 1", "cfg 3", "cfg 9"),
        "prompts": ("prompt 1", "prompt 2", "prompt 3"),
    }[kind]
    facts = walk_facts(record(names, kind=kind))
    assert facts.hero(int(4 * share)) == said


def test_order_of_the_film():
    facts = walk_facts(record(frames=3))
    assert frame_order(facts, 4, back=False) == [(0, 4), (1, 1), (2, 4), (3, 1), (4, 4)]
    assert [frame for frame, _ in frame_order(facts, 4, back=True)] == [0, 1, 2, 3, 4, 3, 2, 1, 0]
    loop = walk_facts(record(frames=3, loop=True))
    assert [frame for frame, _ in frame_order(loop, 4, back=True)] == [0, 1, 2, 3, 4, 5]


def test_change_is_known_at_every_frame():
    facts = walk_facts(record())
    assert np.isfinite(facts.speeds).all()
    assert facts.speeds[0] == pytest.approx(facts.jumps[0])
    assert facts.speeds[1] == pytest.approx((facts.jumps[0] + facts.jumps[1]) / 2)


@pytest.mark.parametrize("loop", [False, True])
def test_a_frame_knows_nothing_of_what_comes_after_the_next_but_one(loop):
    """So that films can be drawn while their walk is being sampled, and `render` draws the same."""
    known, blind = walk_facts(record(loop=loop)), walk_facts(record(loop=loop))
    whole = list(drawing(known, (640, 360)).frames(range(len(known.places))))
    for frame in range(len(known.places)):
        blind.jumps[frame + AHEAD :] = np.nan
        *_, last = drawing(blind, (640, 360)).frames(range(frame + 1))
        assert np.array_equal(last, whole[frame])
        blind.jumps[:] = known.jumps


def test_on_the_way_back_the_whole_curve_is_there():
    facts = walk_facts(record())
    there, back = (list(drawing(facts, (640, 360)).frames(order))[-1] for order in ([0, 1], [*range(9), 1]))
    area = walk_layout((640, 360), (64, 64), 1, 2).plot
    new = np.flatnonzero((there != back).any(axis=(0, 2)))  # columns
    assert area.x + area.width / 8 < new.min() < area.x + area.width / 2
    assert new.max() == pytest.approx(area.right, abs=8)


@pytest.mark.parametrize(
    ("frames", "words"),
    [(3, {"100%"}), (24, {"100%", "10%"}), (60, {"100%", "10%", "1%"}), (600, {"10%", "1%", "0.1%"})],
)
def test_the_curves_axis_follows_from_the_number_of_frames(frames, words):
    facts = walk_facts(record(("seed 7", "seed 21"), frames=frames))
    size = (1920, 1080)
    layout = walk_layout(size, (64, 64), 1, 2)
    change = ChangeCurve.on(Image.new("RGB", size), layout, facts, [picture(0), picture(1)], DARK)
    assert {word for _, word in change.plot.plot.ticks} == words


def test_ends_that_do_not_differ_are_no_unit():
    facts = walk_facts(record(("cfg 1", "cfg 3", "cfg 9"), kind="scales"))
    facts.jumps[:] = 0
    same = WalkDrawing(facts, lambda _: picture(0), [picture(0)] * 3, FilmStyle((640, 360)))
    assert len(list(same.frames(range(9)))) == 9


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
@pytest.mark.parametrize("size", [(640, 360), (360, 360), (360, 640)])
def test_frames_show_the_picture_and_move(size, theme):
    facts = walk_facts(record(prompt="word " * 60))
    first, second = drawing(facts, size, theme=theme).frames([0, 1])
    assert first.shape == (size[1], size[0], 3)
    assert (first != second).any()
    box = walk_layout(size, (64, 64), 1, 1).picture
    inside = first[box.y + 4 : box.bottom - 4, box.x + 4 : box.right - 4]
    assert inside.std() > 10


def test_long_seeds_and_two_frames_are_drawn():
    facts = walk_facts(record((f"seed {2**63}", f"seed {2**63 + 1}"), frames=2))
    assert len(list(drawing(facts, (640, 360)).frames([0, 1]))) == 2


def test_prompts_of_a_leg_are_both_shown():
    facts = walk_facts(record(("prompt 1", "prompt 2", "prompt 3"), kind="prompts"))
    frames = list(drawing(facts, (640, 360)).frames([1, 3, 5]))
    assert len(frames) == 3


def test_cross_fade_is_the_sum_of_the_ends():
    facts = walk_facts(record())
    ends = [picture(end) for end in range(3)]
    shown = SideBySide(facts, picture, ends)
    assert np.array_equal(shown[1][0], ends[0])
    assert np.array_equal(shown[1][4], ends[1])
    half = (ends[0].astype(float) + ends[1]) / 2
    assert np.abs(shown[1][2] - half).max() <= 0.5
    (frame,) = fade_frames(shown, [2], FilmStyle((640, 360)))
    assert frame.shape == (360, 640, 3)


@pytest.mark.parametrize(
    ("legs", "frames", "loop", "count"),
    [(1, 24, False, 9), (2, 24, False, 9), (3, 5, True, 7), (1, 3, False, 3), (20, 2, False, 9)],
)
def test_sheet_has_the_ends_and_points_between(legs, frames, loop, count):
    places = [(leg, k / (frames - 1)) for leg in range(legs) for k in range(frames - 1)]
    places += [] if loop else [(legs - 1, 1.0)]
    chosen = sheet_frames(places, legs)
    assert len(chosen) == len(set(chosen)) == count
    assert chosen[0] == 0
    if not loop:
        assert chosen[-1] == len(places) - 1


def test_sheet_is_states_by_points():
    states = sheet_states(4)
    assert states == [0, 1, 2, 3, 4]
    image = walk_sheet(record(), [0, 2, 4, 6, 8], states, lambda row, frame: picture(row + frame), DARK)
    assert image.width > 5 * 192
    assert image.height > 5 * 192


@pytest.mark.parametrize("size", SIZES)
def test_steps_advance_in_all_points_together(size):
    asked = []

    def at(row, frame):
        asked.append((row, frame))
        return picture(row + frame)

    points, states = [0, 1, 4, 6, 8], [0, 2, 4]
    frames = list(step_frames(record(prompt="word " * 60), points, states, at, FilmStyle(size)))
    assert [frame.shape for frame in frames] == [(size[1], size[0], 3)] * len(states)
    assert set(asked) == {(row, frame) for row in range(3) for frame in points}
    panels = strip_layout(size, len(points), (64, 64)).grid.panels[0]
    for first, second in itertools.pairwise(frames):
        assert all(
            (first[b.y : b.bottom, b.x : b.right] != second[b.y : b.bottom, b.x : b.right]).any() for b in panels
        )


def test_points_are_named_as_in_the_sheet():
    facts = walk_facts(record())
    assert facts.point(0) == ("seed 7", "")
    assert facts.point(1) == ("25%", "7 → 21")
    assert facts.point(8) == ("seed 42", "")
