import json

import numpy as np
import pytest

from denoisecli.figures.page_body import MOST_PICTURES, page_colours, page_fonts, shown_states
from denoisecli.figures.theme import THEMES
from denoisecli.labs.cfg_sweep import page as cfg_sweep
from denoisecli.labs.lora_rank import page as lora_rank
from denoisecli.labs.lora_rank.matrix import bolt, cut_matrix
from denoisecli.labs.noise.page import bounded
from denoisecli.labs.sample.page import sample_page
from denoisecli.labs.walk import page as walk
from denoisecli.trace import Trace
from tests.figures.fakes import fake_run
from tests.labs.cfg_sweep.figures.fakes import fake_sweep
from tests.labs.lora_rank.figures.fakes import painted, subject_file
from tests.labs.walk.figures.fakes import record


def page_of(seeds=2, steps=5, **changes):
    trace, pictures = fake_run(seeds, steps)
    for key, value in changes.items():
        trace.record[key] = value
    return sample_page(trace, {name: stack.shape for name, stack in pictures.items()}), trace


def test_a_deck_says_all_its_states():
    body, trace = page_of()
    json.dumps(body.data, allow_nan=False)
    assert body.data["views"] == ["canvas", "guess", "latent"]
    assert [row["index"] for row in body.data["states"]] == list(range(6))
    assert len(body.pictures) == 2 * 2 * 6
    assert body.arrays["latents"].shape == (2, 6, 3, 16, 16)
    assert body.data["layout"][0][-1] == 0
    assert body.data["committed"]["layout"] == [run["committed_at"]["layout"] for run in trace.record["runs"]]


def test_a_record_that_says_little_still_has_a_page():
    body, _ = page_of(runs=[{}, {}], config={}, schedule=[])
    assert body.data["title"] == "no prompt"
    assert body.data["layout"] is None
    assert body.data["committed"] == {"layout": [None, None], "detail": [None, None]}


@pytest.mark.parametrize(
    ("count", "each", "want"),
    [
        pytest.param(21, 8, list(range(21)), id="all"),
        pytest.param(1, 8, [0], id="one"),
        pytest.param(101, MOST_PICTURES // 3, [0, 50, 100], id="three"),
        pytest.param(101, MOST_PICTURES * 2, [0, 100], id="both ends at least"),
    ],
)
def test_long_runs_show_evenly_spread_states(count, each, want):
    assert shown_states(count, each) == want


def test_thinned_states_keep_their_numbers(monkeypatch):
    monkeypatch.setattr("denoisecli.figures.page_body.MOST_PICTURES", 12)
    body, trace = page_of(steps=10)
    assert [row["index"] for row in body.data["states"]] == [0, 5, 10]
    assert body.data["note"] == "3 of 11 states are shown."
    assert body.data["last"] == 10
    assert max(place for _, _, place in body.pictures) == 10
    fixed = trace.record["runs"][0]["committed_at"]["detail"]
    shown = [row["index"] for row in body.data["states"]]
    assert shown[body.data["committed"]["detail"][0]] >= fixed


def luminance(code):
    parts = np.array([int(code[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
@pytest.mark.parametrize(
    ("role", "ground"),
    [(role, "ground") for role in ("ink", "quiet", "amber", "teal", "rose")]
    + [("ink", "panel"), ("quiet", "panel"), ("ink", "raised")],
)
def test_words_stand_out_from_what_is_behind_them(theme, role, ground):
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    colours = page_colours(theme)
    low, high = sorted(luminance(colours[name]) for name in (ground, role))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_fonts_are_the_films():
    assert {family for family, _ in page_fonts()} == {"Inter", "Inter Display", "JetBrains Mono"}


def test_a_bounded_picture_keeps_its_proportions_and_the_noise_its_strength():
    x0 = np.linspace(-1, 1, 3 * 300 * 1200, dtype=np.float32).reshape(3, 300, 1200)
    eps = np.random.default_rng(0).standard_normal((3, 300, 1200), dtype=np.float32)
    picture, noise = bounded(x0, eps)
    assert picture.shape == noise.shape == (128, 512, 3)
    assert 0.99 < noise.std() < 1.01


def test_a_small_picture_is_embedded_bit_for_bit():
    pixels = np.random.default_rng(1).integers(0, 256, (3, 20, 30))
    x0 = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    picture, _ = bounded(x0, x0)
    assert (picture == pixels.transpose(1, 2, 0)).all()


def sweep_of(anatomy=True, **keys):
    trace, pictures = fake_sweep(**keys)
    trace.arrays |= {"eps_cond": trace.x0 * 2, "eps_uncond": trace.x0}
    shapes = {name: stack.shape for name, stack in pictures.items()}
    if anatomy:
        trace.record["anatomy"] = {"sample": 1, "scale": 1}
        shapes |= dict.fromkeys(cfg_sweep.HALVES, (4, 64, 64, 3))
    return cfg_sweep.sweep_page(trace, shapes), trace


def test_a_sweep_says_all_its_scales_and_states():
    body, trace = sweep_of(guidance_interval=[0.25, 0.75])
    json.dumps(body.data, allow_nan=False)
    assert [row["label"] for row in body.data["scales"]] == ["1", "7.5", "12→3"]
    assert [row["name"] for row in body.data["measures"]][3:] == ["distance", "cond − uncond", "scale"]
    assert np.shape(body.data["measures"][0]["values"]) == (3, 1, 5)
    assert [mark["index"] for mark in body.data["marks"]] == [1, 3]
    assert len(body.pictures) == 2 * 3 * 5 + 3 * 4
    rms = np.sqrt(np.square(trace.x0).mean(axis=2))
    np.testing.assert_allclose(body.arrays["pull"] / 255, np.minimum(rms / np.percentile(rms, 99.5), 1), atol=0.003)


def test_large_pulls_are_kept_for_the_sample_taken_apart(monkeypatch):
    monkeypatch.setattr(cfg_sweep, "MOST_PULL", 2000)
    body, _ = sweep_of()
    assert body.data["anatomy"]["samples"] == [1]
    assert body.arrays["pull"].shape == (1, 4, 16, 16)


def test_a_sweep_without_guidance_has_no_anatomy():
    body, _ = sweep_of(anatomy=False, labels=("1",), seeds=2)
    assert "anatomy" not in body.data
    names = [row["name"] for row in body.data["measures"]]
    assert names == ["clipped", "contrast", "saturation", "sameness", "cond − uncond"]
    assert body.data["settings"].endswith("2 seeds")


def test_a_matrix_carries_its_factors_and_marks():
    body = lora_rank.matrix_page(cut_matrix("bolt", bolt(), (16,)))
    json.dumps(body.data, allow_nan=False)
    assert [(mark["text"], mark["index"] + 1) for mark in body.data["marks"]] == [
        ("as many numbers as ΔW", 8), ("nothing lost", 10)
    ]  # fmt: skip
    assert body.data["start"] == 3
    np.testing.assert_allclose(body.arrays["B"] @ body.arrays["A"], bolt(), atol=1e-6)


def test_a_matrix_of_zeros_has_a_page():
    body = lora_rank.matrix_page(cut_matrix("none", np.zeros((4, 3)), (3,)))
    json.dumps(body.data, allow_nan=False)


def test_a_large_matrix_is_thinned_evenly():
    matrix = np.add.outer(np.arange(1000.0), np.arange(300.0))
    body = lora_rank.matrix_page(cut_matrix("m", matrix, (300,)))
    assert body.arrays["delta"].shape == (256, 256)
    assert body.arrays["delta"][-1, -1] == matrix[-1, -1]
    np.testing.assert_allclose(body.arrays["B"] @ body.arrays["A"], body.arrays["delta"], atol=0.05)


def test_a_file_says_its_cuts_blocks_and_strengths():
    subject, values = subject_file(), {"down 0 attn": np.linspace(1, 0.1, 16), "mid": np.linspace(1, 0.5, 4)}
    given = {row["rule"]: {"down 0 attn": 4, "mid": 2} for row in subject.rows}
    body = lora_rank.file_page(subject, lora_rank.Layers(values, given), None, painted(), subject.rows)
    json.dumps(body.data, allow_nan=False)
    assert body.data["views"] == ["ranks", "blocks"]
    assert [cut["big"] for cut in body.data["cuts"]] == ["1", "4", "90 %", "σ₁/10", "16"]
    assert [layer["length"] for layer in body.data["layers"]] == [16, 4]
    assert body.arrays["layer_values"].shape == (2, 16)
    assert len(body.pictures) == 7 * 3


def test_the_layers_of_a_huge_file_are_left_out(monkeypatch):
    monkeypatch.setattr(lora_rank, "MOST_SPECTRA", 100)
    subject = subject_file()
    body = lora_rank.file_page(subject, lora_rank.Layers({"a": np.ones(16), "b": np.ones(16)}, {}))
    assert body.data["layers"] == []
    assert set(body.arrays) == {"block_values"}
    assert body.data["views"] == ["blocks"]


def way_of(back=True, frames=5, **keys):
    found = record(frames=frames, **keys)
    count = len(found["runs"])
    found["sheet"] = {"frames": [0, 3, count - 1], "states": [0, 2, 4]}
    shapes = {"final": (count, 48, 64, 3), "guess": (3, 2, 48, 64, 3)}
    return walk.walk_page(Trace("walk", {}, found), shapes, back=back)


@pytest.mark.parametrize("loop", [False, True])
def test_a_walk_says_its_frames_and_its_map(loop):
    body = way_of(loop=loop)
    json.dumps(body.data, allow_nan=False)
    assert len(body.data["frames"]) == (12 if loop else 9)
    assert body.data["map"]["pictures"] == [0, 4, 8]
    assert body.data["back"] is not loop
    assert body.data["columns"] == [0, 3, 11 if loop else 8]
    assert len(body.pictures) == len(body.data["frames"]) + 3 * 2
    radii = np.linalg.norm([point[:2] for point in body.data["map"]["points"]], axis=1)
    np.testing.assert_allclose(radii, 1, atol=1e-4)  # starting noises lie on a sphere
    assert body.data["jumps"]["largest"] == {}


def test_a_long_walk_shows_evenly_spread_frames_its_ends_and_those_of_the_sheet(monkeypatch):
    monkeypatch.setattr("denoisecli.figures.page_body.MOST_PICTURES", 20)
    body = way_of(frames=60)
    assert body.data["note"] == f"{len(body.data['frames'])} of 119 frames are shown."
    assert [body.data["frames"][at]["index"] for at in body.data["map"]["pictures"]] == [0, 59, 118]
    assert {body.data["frames"][at]["index"] for at in body.data["columns"]} == {0, 3, 118}
