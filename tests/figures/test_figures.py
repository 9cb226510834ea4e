import itertools

import numpy as np
import pytest
from PIL import Image

from denoisecli.errors import NotRecorded, UsageError
from denoisecli.figures.boxes import Box
from denoisecli.figures.curves import Curve, Plot, draw_bars, draw_labels, draw_playhead, draw_plot, smooth
from denoisecli.figures.facts import run_facts, settings_line, three_figures, timestep
from denoisecli.figures.latent import (
    channel_mosaic,
    channel_pictures,
    enlarged,
    latent_rgb,
    robust_limits,
)
from denoisecli.figures.sheet import Column, SheetRow, choose_columns, contact_sheet
from denoisecli.figures.text import measure
from denoisecli.figures.theme import CONTRAST, DARK, LIGHT, MONO, PLAIN, THEMES, FilmStyle, theme_named
from denoisecli.figures.timeline import Mark, Timeline, kept_apart, turn_marks
from denoisecli.figures.timing import holds, tick
from denoisecli.labs.sample.figures.deck import deck_frames
from denoisecli.labs.sample.figures.rail import _fitting_settings
from denoisecli.labs.sample.figures.sheet import deck_sheet
from denoisecli.labs.sample.figures.single_view import view_frames
from denoisecli.scale import canvas_latents
from tests.figures.fakes import fake_run

SMALL = (640, 360)


@pytest.mark.parametrize(
    ("name", "size", "theme", "seeds", "state"),
    [
        ("deck", SMALL, DARK, 4, 6),
        ("deck-light", SMALL, LIGHT, 4, 10),
        ("deck-contrast-one", SMALL, CONTRAST, 1, 3),
        ("deck-square", (480, 480), DARK, 2, 0),
        ("deck-tall", (360, 640), DARK, 4, 6),
    ],
)
def test_deck_looks_as_it_should(golden, name, size, theme, seeds, state):
    frames = list(deck_frames(*fake_run(seeds), FilmStyle(size, theme)))
    assert len(frames) == 11
    golden(name, frames[state])


@pytest.mark.parametrize("view", ["guess", "latent"])
def test_single_view_looks_as_it_should(golden, view):
    golden(f"view-{view}", list(view_frames(view, *fake_run(), FilmStyle(SMALL)))[8])


def test_sheet_looks_as_it_should(golden):
    golden("sheet", deck_sheet(*fake_run(seeds=1, steps=3), FilmStyle()).reduce(3))


@pytest.mark.parametrize(
    "run",
    [
        pytest.param({"seeds": 16, "steps": 3}, id="16 seeds"),
        pytest.param({"seeds": 1, "steps": 100}, id="100 steps"),
        pytest.param({"seeds": 2, "steps": 1}, id="one step"),
        pytest.param({"seeds": 2, "steps": 3, "size": (96, 64)}, id="portrait"),
        pytest.param({"seeds": 3, "steps": 3, "size": (64, 96)}, id="landscape"),
        pytest.param({"seeds": 2, "steps": 3, "channels": 16}, id="16 channels"),
        pytest.param({"seeds": 2, "steps": 3, "channels": 1}, id="one channel"),
        pytest.param({"seeds": 1, "steps": 3, "prompt": ""}, id="no prompt"),
        pytest.param({"seeds": 1, "steps": 3, "prompt": "x" * 400 + "\x1b[31m ☃ " * 40}, id="long prompt"),
    ],
)
def test_all_kinds_of_run_can_be_drawn(run):
    trace, pictures = fake_run(**run)
    for frames in (deck_frames(trace, pictures, FilmStyle(SMALL)), view_frames("latent", trace, {}, FilmStyle(SMALL))):
        for frame in frames:
            assert frame.shape == (360, 640, 3)
            assert frame.dtype == np.uint8
    assert deck_sheet(trace, pictures, FilmStyle()).width > 200


def test_frames_are_the_same_every_time():
    once, twice = (list(deck_frames(*fake_run(2, 3), FilmStyle(SMALL))) for _ in range(2))
    assert all((a == b).all() for a, b in zip(once, twice, strict=True))


def test_a_bare_trace_is_enough():
    trace, _ = fake_run(2, 3)
    trace.record = {"runs": [{"seed": 1}, {"seed": 2}]}
    assert len(list(deck_frames(trace, {}, FilmStyle(SMALL)))) == 4


def test_a_view_that_is_not_there_is_named():
    trace, pictures = fake_run(1, 2)
    with pytest.raises(NotRecorded, match='"words"'):
        next(view_frames("words", trace, pictures, FilmStyle(SMALL)))


def test_the_noise_condenses_into_the_picture():
    trace, pictures = fake_run(4, 10)
    frames = list(deck_frames(trace, pictures, FilmStyle((1280, 720))))
    noisy, clean = (
        np.abs(np.diff(frame[100:300, 120:700].astype(int), axis=1)).mean() for frame in frames[:: len(frames) - 1]
    )
    assert noisy > 2 * clean


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("pocket", ""),
        (None, ""),
        ("/home/me/models/dream.safetensors", " · dream"),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", " · stable-diffusion-v1-5"),
        ("~/models/tiny/", " · tiny"),
    ],
)
def test_a_model_that_is_not_built_in_is_named(model, said):
    assert settings_line({"sampler": "ddim", "cfg": 3, "model": model}, 4) == f"DDIM · 4 steps · cfg 3{said}"


def test_facts_of_a_run():
    facts = run_facts(fake_run(4, 10)[0])
    assert facts.settings == "DDIM · 10 steps · cfg 7.5"
    assert facts.seeds == ("7", "21", "42", "99")
    assert facts.layout is not None
    assert facts.layout.shape == (4, 11)
    assert facts.committed["layout"] <= facts.committed["detail"]


@pytest.mark.parametrize(
    ("room", "said"),
    [
        ("DPM++ 2M Karras · 6 steps · cfg 8 · seed 5", "DPM++ 2M Karras · 6 steps · cfg 8 · seed 5"),
        ("DPM++ 2M Karras · 6 steps · cfg 8", "DPM++ 2M Karras · cfg 8 · seed 5"),
        ("DPM++ 2M Karras · cfg 8", "DPM++ 2M Karras · cfg 8"),
        ("DPM++ 2M", "DPM++ 2…"),
    ],
)
def test_the_sampler_is_the_last_setting_to_be_left_out(room, said):
    style = MONO.at(24)
    settings = "DPM++ 2M Karras · 6 steps · cfg 8 · seed 5"
    assert _fitting_settings(settings, style, measure(room, style)) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *[(0, "0"), (14.61, "14.6"), (2.829, "2.83"), (0.1114, "0.111"), (0.0047, "0.0047"), (157.4, "157")],
        *[(1e-6, "1e-06"), (None, "–"), (float("nan"), "–")],
    ],
)
def test_numbers_have_three_figures(value, said):
    assert three_figures(value) == said


@pytest.mark.parametrize(("value", "said"), [(651.0, "651"), (0, "0"), (951.25, "951.2"), (None, "–")])
def test_timesteps_are_whole_where_they_can_be(value, said):
    assert timestep(value) == said


def test_holds():
    assert holds(4, 0.4, 10) == [4, 4, 4, 20]
    assert holds(3, 0.01, 10, last_hold=0) == [1, 1, 1]
    assert holds(1, 0.5, 30, last_hold=2) == [60]
    assert tick(holds(4, 0.4, 10)) == 4
    with pytest.raises(ValueError, match="at least one"):
        holds(0, 1, 1)


def test_limits_hold_for_the_whole_run_and_ignore_outliers():
    latents = np.random.default_rng(0).normal(size=(2, 5, 4, 16, 16)).astype(np.float32)
    latents[0, 0, 0, 0, 0] = 1e6
    limits = robust_limits(latents)
    assert limits.shape == (4, 2)
    assert np.abs(limits).max() < 3
    assert (np.diff(robust_limits(np.zeros((1, 4, 8, 8)))) > 0).all()


def test_latent_pictures():
    latents = np.linspace(-1, 1, 4 * 8 * 8).reshape(4, 8, 8)
    limits = np.array([[-1, 1]] * 4, dtype=np.float32)
    grey = channel_pictures(latents, limits)
    assert len(grey) == 4
    assert grey[0][0, 0].tolist() == [0, 0, 0]
    assert grey[3][-1, -1].tolist() == [255, 255, 255]
    assert latent_rgb(latents, limits).shape == (8, 8, 3)
    assert latent_rgb(latents[:1], limits[:1]).shape == (8, 8, 3)
    mixed = latent_rgb(latents, limits[:3], factors=np.eye(4, 3))
    assert (mixed == latent_rgb(latents, limits)).all()
    assert channel_mosaic(latents, limits, 4, DARK.ground).size == (64, 64)


def test_latents_are_enlarged_by_whole_numbers():
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    big = np.asarray(enlarged(picture, (66, 66), DARK.panel))
    assert (big[1:-1:8, 1:-1:8] == picture).all()
    assert (big[8:-1:8, 8:-1:8] == picture).all()
    assert big[0, 0].tolist() == list(DARK.panel)
    assert enlarged(picture, (13, 13), DARK.panel).size == (13, 13)
    assert enlarged(picture, (4, 4), DARK.panel).size == (4, 4)


def test_sigma_space_latents_are_brought_to_the_same_scale():
    trace, _ = fake_run(2, 4)
    trace.arrays["sigmas"] = np.array([10.0, 5, 2, 1, 0])
    assert canvas_latents(trace) is trace.x_t
    trace.record["schedule_kind"] = "ve"
    assert canvas_latents(trace)[:, 0] == pytest.approx(trace.x_t[:, 0] / np.sqrt(101), rel=1e-5)
    assert (canvas_latents(trace)[:, -1] == trace.x_t[:, -1]).all()


def test_smooth_lines_pass_their_points_and_never_overshoot():
    points = [(0.0, 10.0), (1.0, 10.0), (2.0, 0.0), (3.0, 0.0), (4.0, 5.0)]
    line = smooth(points)
    assert set(points) <= {(round(x, 9), round(y, 9)) for x, y in line}
    assert all(-1e-9 <= y <= 10 + 1e-9 for _, y in line)
    assert smooth(points[:2]) == points[:2]


def test_plot_labels_touch_neither_lines_nor_each_other():
    x = np.linspace(0, 1, 21)
    plot = Plot([Curve(np.exp(-6 * x), "layout", DARK.amber), Curve(1 - x**2, "detail", DARK.teal)], ("distance",))
    image = Image.new("RGB", (560, 380), DARK.ground)
    frame = draw_plot(image, Box(10, 10, 540, 360), plot, DARK, 24)
    boxes = [box for box, _ in frame.labels]
    assert len(boxes) == 2
    assert not boxes[0].overlaps(boxes[1])
    for box in boxes:
        assert (np.asarray(image.crop((box.x, box.y, box.right, box.bottom))) == DARK.ground).all()
    draw_playhead(image, frame, 5, DARK)
    draw_labels(image, frame, DARK, 24)
    assert (np.asarray(image) == DARK.amber).all(-1).sum() > 100


def test_a_plot_of_zeros_under_a_top_of_zero_lies_on_its_axis():
    image = Image.new("RGB", (300, 200), DARK.ground)
    plot = Plot([Curve(np.zeros(3), "clipped", DARK.amber)], top=0.0)
    frame = draw_plot(image, Box(0, 0, 300, 200), plot, DARK, 12)
    assert {y for _, y in frame.points(plot.curves[0].values)} == {frame.at(0, 0)[1]}


def test_a_plot_of_nothing_known_is_drawn_empty():
    image = Image.new("RGB", (300, 200))
    frame = draw_plot(image, Box(0, 0, 300, 200), Plot([Curve(np.full(5, np.nan), "none", DARK.amber)]), DARK, 12)
    draw_playhead(image, frame, 2, DARK)
    colours = {colour for _, colour in image.getcolors(256)}
    assert DARK.amber not in colours  # neither line nor dot, and no name beside them
    assert frame.labels == ()
    assert len(colours) > 1  # axes and playhead are there


def test_bars_are_as_high_as_their_values():
    image = Image.new("RGB", (400, 100))
    boxes = draw_bars(image, Box(0, 0, 400, 100), np.array([4.0, 2.0, 0.0]), [DARK.amber] * 3)
    assert [box.height for box in boxes] == [100, 50, 0]


@pytest.mark.parametrize("states", [(0, 0), (5, 5), (0, 1), (19, 20), (3, 17)])
def test_words_of_the_timeline_never_touch(states):
    line = Timeline(Box(100, 900, 600, 64), 21, (), DARK, 24)
    places = kept_apart([line.x(state) for state in states], [130, 126], 19, 100, 700)
    assert abs(places[0] - places[1]) >= 128 + 18
    assert all(100 + 63 <= place <= 700 - 63 for place in places)


@pytest.mark.parametrize("state", [1, 5, 20])
def test_the_way_so_far_begins_whole(state):
    """The stop at state 0 bit a notch out of the track's rounded end."""
    line, image = Timeline(Box(0, 0, 600, 64), 21, (), DARK, 24), Image.new("RGB", (600, 64), DARK.ground)
    line.draw_track(image)
    line.draw_now(image, state)
    assert {image.getpixel((round(line.x(0)) + dx, round(line.y))) for dx in range(-1, 5)} == {DARK.amber}


def test_a_mark_stands_at_the_middle_seed():
    assert Mark("layout fixed", DARK.amber, (3, 5, 9)).at == 5


@pytest.mark.parametrize(
    ("count", "chosen"), [(5, [0, 1, 2, 3, 4]), (21, list(range(0, 21, 2))), (101, list(range(0, 101, 10)))]
)
def test_columns_are_the_first_the_last_and_some_between(count, chosen):
    assert choose_columns(count) == chosen


def test_many_rows_get_smaller_cells():
    picture = np.zeros((64, 64, 3), np.uint8)
    rows = [SheetRow(f"scale {k}", "guess", [picture] * 3, group=str(k)) for k in range(48)]
    sheet = contact_sheet(rows, [Column("0"), Column("1"), Column("2", "t 0")], "title", "subtitle")
    assert 4000 < sheet.height < 8000
    with pytest.raises(ValueError, match="rows"):
        contact_sheet([], [], "title")


def luminance(colour):
    linear = [(c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_words_can_be_read_on_every_theme(theme):
    roles = (theme.ink, theme.quiet, theme.amber, theme.teal, theme.rose)
    assert min(contrast(role, theme.ground) for role in roles) >= (
        10 if theme is CONTRAST else 4.5
    )  # WCAG AA is 4.5, AAA 7


def test_an_unknown_theme_is_answered_with_a_guess():
    assert theme_named("light") is LIGHT
    with pytest.raises(UsageError, match='did you mean "light"'):
        theme_named("lihgt")


@pytest.mark.parametrize("width", [60, 300, 640, 994, 1834])
@pytest.mark.parametrize("first", [0, 9, 20])
def test_the_words_of_a_timeline_keep_apart_and_inside(width, first):
    """Where there is no room for all, the turns of the run go unnamed before what was found of it."""
    turns = turn_marks([(first, '"a lighthouse on a rocky c...", cfg 12'), (14, "cfg 2")], DARK)
    found = (Mark("layout fixed", DARK.amber, (9,)), Mark("detail fixed", DARK.teal, (14,)))
    line, style = Timeline(Box(40, 900, width, 64), 21, turns + found, DARK, 24), PLAIN.at(24)
    named = line._named(style)
    spans = sorted(
        (x - measure(mark.word, style) / 2, x + measure(mark.word, style) / 2)
        for mark, x in zip(named, line._word_places(named, style), strict=True)
    )
    assert all(left >= 40 - 1e-6 and right <= 40 + width + 1e-6 for left, right in spans)
    assert all(right + 0.25 * 24 <= left for (_, right), (left, _) in itertools.pairwise(spans))
    if width >= 994:
        assert set(found) <= set(named)
    if width == 1834:
        assert set(named) == {*turns, *found}
