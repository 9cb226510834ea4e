import json

import numpy as np
import pytest

pytest.importorskip("cv2")

from training.captions import GRAMMAR, HELD_OUT, KEY, Attributes, from_mapping, random_attributes
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
    words = random_attributes(np.random.default_rng(0))
    names = list(GRAMMAR)
    assert [GRAMMAR[name][number] for name, number in zip(names, words.classes(), strict=True)] == list(
        words.as_dict().values()
    )


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
