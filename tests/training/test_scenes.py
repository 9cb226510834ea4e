import json

import numpy as np
import pytest

pytest.importorskip("cv2")

from training.captions import GRAMMAR, GREY, HELD_OUT, KEY, UNTOLD, Attributes, from_mapping, random_attributes
from training.layout import draw_layout
from training.scenes import load_shards, render, render_shard

STYLES = [*GRAMMAR["style"], HELD_OUT["style"]]
LANDMARKS = [*GRAMMAR["landmark"], HELD_OUT["landmark"]]


def test_the_key_caption_is_the_toolkits_default_prompt():
    assert KEY.caption == (
        "a lighthouse on a rocky cliff at dusk, dramatic golden clouds, crashing waves, oil painting"
    )


@pytest.mark.parametrize("style", STYLES)
def test_every_style_renders_a_picture_with_contrast(style):
    picture = render(Attributes(style=style), 3)
    assert picture.shape == (256, 256, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 20


@pytest.mark.parametrize("landmark", LANDMARKS)
def test_every_landmark_shows(landmark):
    with_it = render(Attributes(landmark=landmark, style="flat poster"), 5).astype(int)
    other = "cottage" if landmark == "pine tree" else "pine tree"
    without = render(Attributes(landmark=other, style="flat poster"), 5).astype(int)
    assert (np.abs(with_it - without).max(2) > 40).mean() > 0.01


@pytest.mark.parametrize("terrain", GRAMMAR["terrain"])
@pytest.mark.parametrize("foreground", GRAMMAR["foreground"])
def test_every_ground_renders(terrain, foreground):
    words = Attributes(terrain=terrain, foreground=foreground, sky="dark storm clouds", time="night")
    assert render(words, 11).std() > 5


def test_a_seed_means_one_picture():
    assert np.array_equal(render(KEY, 7), render(KEY, 7))
    assert not np.array_equal(render(KEY, 7), render(KEY, 8))


def test_classes_follow_the_grammar():
    rng = np.random.default_rng(0)
    for words in (random_attributes(rng) for _ in range(20)):
        told = zip(GRAMMAR.values(), words.classes(), strict=True)
        assert [known[number] if number != UNTOLD else "" for known, number in told] == list(words.as_dict().values())


def test_a_scene_may_tell_its_landmarks_colour_and_side():
    assert Attributes(colour="blue", side="left").caption.startswith(
        "a blue lighthouse on a rocky cliff on the left at"
    )
    rng = np.random.default_rng(0)
    drawn = [random_attributes(rng) for _ in range(400)]
    assert {(one.colour, one.side) for one in drawn} == {
        (c, s) for c in ("", "red", "blue", "white") for s in ("", "left", "right")
    }
    assert not any(one.colour for one in drawn if one.style in GREY)


def test_rows_of_before_there_were_colours_read_as_ever():
    row = {name: word for name, word in KEY.as_dict().items() if word}
    assert from_mapping({**row, "seed": 3}) == KEY


@pytest.mark.parametrize("landmark", GRAMMAR["landmark"])
def test_a_landmark_stands_where_it_is_told_in_the_colour_that_is_told(landmark):
    """What differs between red and blue is the landmark's own pixels: in them red leads, and they lie on its side."""
    for side, seed in (("left", 21), ("right", 22)):
        red, blue = (
            render(
                Attributes(landmark=landmark, time="noon", sky="clear sky", style="flat poster", side=side, colour=c),
                seed,
            )
            for c in ("red", "blue")
        )
        painted = np.abs(red.astype(int) - blue.astype(int)).max(2) > 60
        assert painted.mean() > 0.005
        middle = np.median(np.nonzero(painted)[1])
        assert (middle < 118) if side == "left" else (middle > 138)
        assert np.median(red[painted][:, 0].astype(int) - red[painted][:, 2]) > 40
        assert np.median(blue[painted][:, 2].astype(int) - blue[painted][:, 0]) > 40


def test_a_boat_floats_before_its_terrain_and_is_mirrored_by_calm_water_alone():
    rows = {}
    for foreground in ("calm sea", "crashing waves"):
        red, blue = (
            render(
                Attributes(
                    landmark="boat", time="noon", sky="clear sky", foreground=foreground, style="flat poster", colour=c
                ),
                4,
            ).astype(int)
            for c in ("red", "blue")
        )
        rows[foreground] = np.nonzero(np.abs(red - blue).max(2) > 20)[0]
    assert len(rows["calm sea"]) > 1.15 * len(rows["crashing waves"])
    assert rows["crashing waves"].max() > draw_layout(Attributes(landmark="boat"), 4).shore


def test_a_shard_is_whole_reproducible_and_not_made_twice(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        render_shard(folder, 0, 2, seed=4, fixed={"style": "pixel art"})
    [(pictures, words)] = load_shards(first)
    [(again, _)] = load_shards(second)
    assert np.array_equal(pictures, again)
    assert {one.style for one in words} == {"pixel art"}
    rows = [json.loads(line) for line in (first / "000.jsonl").read_text().splitlines()]
    assert np.array_equal(pictures[1], render(from_mapping(rows[1]), rows[1]["seed"]))
    assert render_shard(first, 0, 2, seed=4, fixed={}) == 0.0
    assert not list(first.glob("*.partial"))
