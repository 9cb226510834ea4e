"""How long a run will take, learnt from those that were made on this machine."""

import json

import pytest

from denoisecli.cli.wording import expected
from denoisecli.registry import CONFIGS
from denoisecli.runs import rates

LORA = {"lora": "pocket", "images": True, "ranks": [1, 2], "seeds": 7}
TIMES = {"load": 6.0, "sample": 8.0, "decode": 4.0, "figures": 5.0, "encode": 5.5}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "denoisecli" / "rates"


def config(lab="sample", **keys):
    return json.loads(CONFIGS[lab](**({"size": 64} | keys if lab != "noise" else keys)).model_dump_json())


@pytest.mark.parametrize(
    ("lab", "keys", "samples", "makes"),
    [
        ("sample", {}, 4, "4 pictures of 64×64, 20 steps each"),
        ("sample", {"seeds": 7, "steps": 1}, 1, "1 picture of 64×64, 1 step"),
        ("sample", {"phases": [{"until": 0.5}, {"scale": 1.5}]}, 4, "4 pictures of 96×96, 20 steps each"),
        ("cfg-sweep", {"seeds": "1-2"}, 8, "8 pictures of 64×64, 20 steps each"),
        ("walk", {}, 47, "47 frames of 64×64, 20 steps each"),
        ("walk", {"loop": True, "seeds": "1-2", "frames": 5}, 8, "8 frames of 64×64, 20 steps each"),
        ("walk", {"between": {"prompts": ["a", "b", "c"]}, "frames": 5}, 9, "9 frames of 64×64, 20 steps each"),
        ("lora-rank", {}, 1, "a matrix at falling rank"),
        ("lora-rank", LORA, 4, "4 pictures of 64×64, 20 steps each"),
        ("fork", {"seeds": 7, "at": [2, 4]}, 3, "4 pictures of 64×64, 20 steps each"),
        ("words", {"seeds": "1-3"}, 3, "3 pictures of 64×64, 20 steps each"),
        ("noise", {}, 91, "91 noise levels"),
    ],
)  # fmt: skip
def test_what_a_run_makes(lab, keys, samples, makes):
    assert rates.work(config(lab, **keys)).samples == samples
    assert rates.work(config(lab, **keys)).made == makes


def test_unknown_until_one_was_made():
    assert rates.details(config())["seconds"] is None
    assert "will be known when one like it" in expected(rates.details(config()))
    rates.learn(config(), TIMES, 1000)
    assert rates.details(config())["seconds"] == 28  # 28.5 to two digits
    assert expected(rates.details(config())) == "4 pictures of 64×64, 20 steps each: about 28 s"


def test_a_drawing_of_what_is_there_takes_its_frames_alone():
    assert rates.details(config(), drawn=True)["seconds"] is None
    rates.learn(config(), TIMES, 1000)
    drawn = rates.details(config(), drawn=True)
    assert drawn["seconds"] == pytest.approx(5 + 5.5, abs=0.5)
    assert expected(drawn).startswith("new drawings of 4 pictures of 64×64, 20 steps each: about 1")


def test_costs_grow_with_what_makes_them():
    """Sampling and decoding by samples and steps, drawing by steps alone, loading not at all."""
    rates.learn(config(), TIMES, 1000)
    assert rates.details(config(seeds=7))["seconds"] == pytest.approx(6 + 3 + 10.5, abs=0.5)
    assert rates.details(config(steps=40))["seconds"] == pytest.approx(6 + 24 + 0.5 * 41, abs=0.6)


def test_other_kinds_are_unknown_but_for_their_sampling():
    rates.learn(config(), TIMES, 1000)
    assert rates.details(config(size=128))["seconds"] is None
    assert rates.details(config(film={"size": "640x360"}))["seconds"] is None
    walk = rates.details(config("walk"))
    assert walk["seconds"] is None
    assert walk["sampling_s"] == pytest.approx(0.1 * 940)
    assert expected(walk) == "47 frames of 64×64, 20 steps each: about 2 min of sampling, then drawing"


def test_the_newest_run_counts_half():
    rates.learn(config(), TIMES, 1000)
    rates.learn(config(), {name: 3 * value for name, value in TIMES.items()}, 1000)
    assert rates.details(config())["seconds"] == pytest.approx(2 * 28.5)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"load_s": "x"}', '{"load_s": -1, "sample_s": 1}', '{"load_s": 1e999}']
)
def test_damaged_notes_tell_nothing(cache, text):
    rates.learn(config(), TIMES, 1000)
    [note] = cache.iterdir()
    note.write_text(text)
    assert rates.details(config())["seconds"] is None
    assert "sampling_s" not in rates.details(config("walk"))


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    rates.learn(config(), TIMES, 1000)
    assert rates.details(config())["seconds"] is None
