"""The figures of words: nothing overlaps or leaves the frame, words light up, and hues lie where words speak."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from denoisecli.figures.boxes import Box
from denoisecli.figures.theme import DARK, LIGHT, THEMES, FilmStyle
from denoisecli.labs.words.figures.facts import hue_of, seed_levels, words_facts
from denoisecli.labs.words.figures.film import words_frames
from denoisecli.labs.words.figures.layout import most_words, words_layout
from denoisecli.labs.words.figures.lit import lit_prompt
from denoisecli.labs.words.figures.sheet import words_sheet
from denoisecli.labs.words.figures.tint import tinted
from tests.golden import check_golden
from tests.labs.words.fakes import words_run

GOLDEN = Path(__file__).parent / "golden"
SIZES = [(1920, 1080), (1280, 720), (640, 360), (1080, 1080), (1080, 1920), (864, 1080), (3840, 2160), (320, 320)]
LONG = "hills and the sun, " * 30


@pytest.fixture(scope="module")
def run():
    return words_run()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("unit", [(64, 64), (96, 64), (64, 96)])
@pytest.mark.parametrize("words", [1, 3, 99])
def test_layout(size, unit, words):
    layout = words_layout(size, 1 + min(words, most_words(size)), unit)
    frame = Box(0, 0, *size)
    assert all(box.width > 0 and box.height > 0 and frame.contains(box) for box in layout.boxes)
    assert not [pair for pair in itertools.combinations(layout.boxes, 2) if pair[0].overlaps(pair[1])]


@pytest.mark.parametrize("prompt", ["hills", "hills under a low sun", LONG])
@pytest.mark.parametrize("size", SIZES)
def test_the_prompt_stays_in_its_box(size, prompt):
    trace, _ = words_run(prompt=prompt)
    facts = words_facts(trace)
    layout = words_layout(size, 4, (64, 64))
    lit = lit_prompt(trace, facts, layout, facts.run.settings, DARK)
    said = "".join(run.text for run in lit.runs)
    assert said.startswith(prompt[:20])
    assert ("…" in said) == (prompt == LONG)
    assert lit.bottom + 0.3 * layout.measures.text <= layout.head.bottom
    if layout.measures.shape != "wide":  # the number stands at the head's foot
        assert lit.bottom <= layout.head.bottom - 3 * layout.measures.text


def test_a_picture_takes_a_words_hue_where_it_speaks_and_is_dim_elsewhere():
    picture = np.full((64, 64, 3), (200, 120, 40), np.uint8)
    levels = np.zeros((1, 16, 16), np.float32)
    levels[0, :, 8:] = 1
    hue = (64, 208, 252)
    found = np.asarray(tinted(picture, levels, [hue], DARK, (64, 64))).astype(int)
    assert np.abs(found[:, 60] - hue).max() < 45
    assert found[:, 4].max() < 120
    assert np.ptp(found[0, 4]) < np.ptp(picture[0, 4].astype(int)) / 3  # most of its colour is gone


def test_two_words_are_two_hues_that_mix_where_both_speak():
    picture = np.zeros((32, 32, 3), np.uint8)
    levels = np.ones((2, 4, 4), np.float32)
    levels[0, :, 2:], levels[1, :, :2] = 0, 0
    levels[:, 3] = 0.5
    found = np.asarray(tinted(picture, levels, [(255, 0, 0), (0, 0, 255)], DARK, (32, 32))).astype(int)
    left, right, both = found[4, 2], found[4, 29], found[30, 16]
    assert left[0] > 200 > 60 > left[2]
    assert right[2] > 200 > 60 > right[0]
    assert abs(both[0] - both[2]) < 30


def test_a_word_lights_up_as_it_speaks_and_keeps_its_hue(run):
    trace, _ = run
    facts, drawn = words_facts(trace), seed_levels(trace, 0)
    sun = next(word for word in facts.words if word.text == "sun")
    assert len({hue_of(word, DARK) for word in facts.words}) == len(facts.words)
    assert drawn[False][:, sun.index].max() > 0.95
    oil = next(word for word in facts.words if word.text == "oil")
    assert oil.silent
    assert drawn[False][:, oil.index].max() < 0.35


def test_small_figures_show_the_loudest_words_in_their_order(run):
    facts = words_facts(run[0])
    assert [word.text for word in facts.loudest(3)] == ["hills", "sun", "cloud"]
    assert [word.label for word in facts.loudest(6)][-2:] == ["− people", "− rain"]


def test_equal_words_are_told_apart(run):
    trace = run[0]
    rows = [row | {"text": "hills", "occurrence": k} for k, row in enumerate(trace.record["words"][:4])]
    twice = type(trace)("words", trace.arrays, trace.record | {"words": rows})
    assert [word.label for word in words_facts(twice).words] == ["hills", "hills (2)", "hills (3)", "hills (4)"]


def test_the_loudest_words_have_hues_of_their_own():
    rows = [{"text": str(k), "strength": 0.1 if k < 5 else 1.0, "found_at": []} for k in range(13)]
    trace, _ = words_run(seeds=1, steps=2)
    trace.record["words"] = rows
    loud = words_facts(trace).loudest(8)
    assert len({word.hue for word in loud}) == 8


@pytest.mark.parametrize(("size", "theme", "state"), [((960, 540), "dark", 4), ((540, 960), "light", 8)])
def test_frames_look_as_they_did(run, size, theme, state, request):
    trace, pictures = run
    frames = list(words_frames(trace, pictures, FilmStyle(size, THEMES[theme])))
    assert len(frames) == trace.steps + 1
    assert all(frame.shape == (size[1], size[0], 3) for frame in frames)
    assert not np.array_equal(frames[2], frames[4])
    update = request.config.getoption("--update-golden")
    check_golden(GOLDEN / f"film-{theme}.png", frames[state], update=update)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_the_sheet_has_a_row_for_each_word(run, theme):
    trace, pictures = run
    one, _ = words_run(negative="")
    whole, fewer = (words_sheet(which, pictures, FilmStyle(theme=theme)) for which in (trace, one))
    assert whole.width == fewer.width
    assert whole.height > fewer.height


@pytest.mark.parametrize("prompt", ["<b>hills</b> & sun", "hills 灯台 sun", "s" * 300])
def test_any_prompt_can_be_drawn(prompt):
    trace, pictures = words_run(seeds=1, steps=2, prompt=prompt)
    assert len(list(words_frames(trace, pictures, FilmStyle((320, 320))))) == 3


def shown(trace, seed):
    config = trace.record["config"] | {"shown_seed": seed}
    return type(trace)("words", trace.arrays, trace.record | {"config": config})


def test_the_film_and_the_sheet_show_the_seed_that_is_asked_for(run):
    trace, pictures = run
    seeds = [row["seed"] for row in trace.record["runs"]]
    style, first, second = FilmStyle((640, 360)), shown(trace, None), shown(trace, seeds[1])
    frames = [[*words_frames(one, pictures, style)][4] for one in (trace, first, second)]
    sheets = [np.asarray(words_sheet(one, pictures, style)) for one in (trace, first, second)]
    for one, same, other in (frames, sheets):
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)
    assert words_facts(first).said_seed == f"seed {seeds[0]} (1 of 2)"
    assert words_facts(second).said_seed == f"seed {seeds[1]} (2 of 2)"
    sun = words_facts(second).words[1]
    assert words_facts(second).found(sun) == trace.record["words"][1]["found_at"][1]


def test_the_film_says_how_many_words_it_leaves_out():
    from denoisecli.labs.words.figures.film import _settings

    facts = words_facts(words_run()[0])
    settings, seed = facts.run.settings, f"seed {facts.run.seeds[0]} (1 of 2)"
    assert _settings(facts, [*facts.words], len) == f"{settings} · {seed}"
    assert _settings(facts, facts.loudest(4), len) == f"{settings} · {seed} · the 4 loudest of 6 words"
    assert _settings(facts, facts.loudest(4), lambda _: False) == f"{seed} · the 4 loudest of 6 words · {settings}"


def test_concepts_whose_maps_are_no_attention_have_bars_of_their_own(run):
    from PIL import Image

    from denoisecli.labs.words.figures.shares import draw_shares

    def bars(**of):
        trace = run[0]
        rows = [row | (of if row["text"] == "cloud" else {}) for row in trace.record["words"]]
        facts = words_facts(type(trace)("words", trace.arrays, trace.record | {"words": rows}))
        image = Image.new("RGB", (400, 300), DARK.ground)
        draw_shares(image, Box(0, 0, 400, 300), facts, [*facts.words[:3]], 4, DARK, 16)
        return {
            word.text: int((np.asarray(image)[:, 150:350] == hue_of(word, DARK)).all(-1).sum())
            for word in facts.words[:3]
        }

    plain = bars()
    alike = bars(concept=True, by_outputs=True, share=[0.9] * 8)
    loud = bars(concept=True, share=[0.9] * 8)
    assert alike["hills"] == plain["hills"] > 5 * loud["hills"]
    assert alike["cloud"] > plain["cloud"]
