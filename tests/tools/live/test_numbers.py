"""The numbers of the page's scripts, computed by Node, against torch, diffusers, transformers and NumPy."""

import json
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from training.synonyms import known_words

from denoisecli.diffusion.references import POCKET
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.scale import drawn_scale
from denoisecli.tools.live import pack
from denoisecli.tools.live.page import GRAMMAR, page_data, written
from tests.browser.conftest import refuse

HERE = Path(__file__).parent


def answer(what, **question):
    if shutil.which("node") is None:
        refuse("no node: apt-get install nodejs")
    asked = json.dumps({"what": what, **question})
    done = subprocess.run(["node", "numbers.js"], cwd=HERE, input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_noise_is_torchs_to_the_last_bit_or_the_one_before():
    seeds = [0, 1, 7, 42, 2**32 - 1, 2**32 + 7, 2**50 - 3, 2**63 - 1]
    found = np.array(answer("noise", seeds=[str(seed) for seed in seeds], length=4096), np.float32)
    wanted = torch.stack([torch.randn(4096, generator=torch.Generator().manual_seed(seed)) for seed in seeds]).numpy()
    assert np.abs(found - wanted).max() < 1e-6


def test_noise_of_an_odd_length():
    found = answer("noise", seeds=["5"], length=4093)[0]
    wanted = torch.randn(4093, generator=torch.Generator().manual_seed(5))
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_slerp_is_that_of_the_walk():
    from denoisecli.diffusion.noise import slerp

    a, b = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    for share in (0.0, 0.3, 1.0):
        found = answer("slerp", a=a.tolist(), b=b.tolist(), share=share)
        np.testing.assert_allclose(found, slerp(a, b, share), atol=1e-5)


TEXTS = [
    "a lighthouse on a rocky cliff at dusk, dramatic golden clouds, crashing waves, oil painting", "",
    "A  Castle, at\tdusk", "naïve café 12 don't", "日本語 and 😀 here", "it's we're I'll 'd x",
    "<|endoftext|> </script>",
    "the quick brown fox jumps over the lazy dog again and again and again and again and again and again",
]  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return page_data(SampleConfig(), POCKET / "tokenizer", (), exact=False)


def test_tokens_are_those_of_transformers(data):
    from transformers import CLIPTokenizer

    known = CLIPTokenizer.from_pretrained(POCKET / "tokenizer")
    found = answer("tokens", texts=TEXTS, **data["tokenizer"])
    wanted = known(TEXTS, padding="max_length", max_length=data["tokenizer"]["length"], truncation=True).input_ids
    assert [row["ids"] for row in found] == wanted
    assert found[0]["unknown"] == []
    assert found[-1]["cut"] > 0
    assert "brown" in found[-1]["unknown"]


def schedule():
    return np.frombuffer(pack.graphs().schedule, "<f4").reshape(3, -1)


@pytest.mark.parametrize("steps", [1, 2, 20, 100])
@pytest.mark.parametrize("name", ["ddim", "euler", "dpmpp_2m"])
def test_samplers_are_those_of_diffusers(name, steps):
    from types import SimpleNamespace

    from diffusers import DDIMScheduler

    from denoisecli.diffusion.scheduler import use_sampler

    pipe = SimpleNamespace(scheduler=DDIMScheduler.from_pretrained(POCKET / "scheduler"))
    use_sampler(pipe, name, None)
    pipe.scheduler.set_timesteps(steps)
    noise = torch.randn(64, generator=torch.Generator().manual_seed(3))
    x, guesses = noise * pipe.scheduler.init_noise_sigma, []
    for t in pipe.scheduler.timesteps:
        eps = 0.5 * pipe.scheduler.scale_model_input(x, t) + t.float() / 5000
        stepped = pipe.scheduler.step(eps, t, x)
        guesses.append(getattr(stepped, "pred_original_sample", None))
        x = stepped.prev_sample
    offset = pack.graphs().models["scheduler"]["steps_offset"]
    found = answer("sampler", name=name, steps=steps, offset=offset, noise=noise.tolist(), schedule=schedule().tolist())
    assert found["times"] == pipe.scheduler.timesteps.tolist()
    np.testing.assert_allclose(found["final"], x, rtol=2e-5, atol=2e-5)
    if guesses[0] is not None:
        np.testing.assert_allclose(found["guesses"], torch.stack(guesses), rtol=1e-4, atol=1e-4)


def test_settling_is_measured_as_in_the_trace():
    from denoisecli.metrics import LAYOUT_COMMITTED, committed_at, split_distance

    rng = np.random.default_rng(0)
    final = rng.normal(size=(4, 32, 32))
    guesses = np.stack([final + rng.normal(size=final.shape) * size for size in (1.5, 0.8, 0.3, 0)]).astype(np.float32)
    layout, detail = split_distance(guesses[None])
    found = answer("settle", guesses=guesses.reshape(4, -1).tolist(), side=32, threshold=LAYOUT_COMMITTED)
    np.testing.assert_allclose(found["layout"], layout[0], atol=1e-5)
    np.testing.assert_allclose(found["detail"], detail[0], atol=1e-5)
    assert found["layoutAt"] == committed_at(layout[0], LAYOUT_COMMITTED)


def test_guesses_are_scaled_into_range_as_in_python():
    rng = np.random.default_rng(3)
    final = rng.normal(size=(4, 8, 8)).astype(np.float32)
    guesses = np.stack([rng.normal(size=(4, 8, 8)) * size for size in (0.5, 0.7, 0.8, 2, 5)]).astype(np.float32)
    found = answer("scales", guesses=[guess.ravel().tolist() for guess in guesses], final=final.ravel().tolist())
    wanted = drawn_scale(guesses, final)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert (wanted < 1).tolist() == [False, False, False, True, True]


def test_the_command_makes_the_same_config_again(data):
    import shlex

    from denoisecli.config.load import build, flags, settings

    state = {
        "words": "it's a castle; $(rm -rf /) `x`", "negative": "grey, \"dull\"", "seeds": ["5", "1125899906842623"],
        "steps": 7, "cfg": 0, "sampler": "dpmpp_2m",
    }  # fmt: skip
    words = shlex.split(answer("command", state=state, defaults=data["defaults"]["sample"], loras=[]))
    assert words[:2] == ["denoisecli", "sample"]
    pairs = list(zip(words[2::2], words[3::2], strict=True))
    given = {
        key: [value for flag, value in pairs if flag == f"--{key}"]
        for key in ("prompt", "seed", "steps", "cfg", "sampler", "set")
    }
    layers = [
        flags(
            prompt=given["prompt"][0],
            seeds=given["seed"],
            steps=int(given["steps"][0]),
            cfg=float(given["cfg"][0]),
            sampler=given["sampler"][0],
        ),
        settings(SampleConfig, given["set"]),
    ]
    config = build(SampleConfig, layers)
    assert config.prompt == state["words"]
    assert config.negative_prompt == state["negative"]
    assert [str(seed) for seed in config.seeds] == state["seeds"]
    assert (config.steps, config.cfg, config.sampler) == (7, 0, "dpmpp_2m")
    plain = {**data["config"], "words": data["config"]["prompt"], "negative": ""}
    assert answer("command", state=plain, defaults=data["defaults"]["sample"], loras=[]) == "denoisecli sample"


def test_seeds_are_read_whole_or_not_at_all():
    found = answer("seeds", texts=["7", "7, 21 42;99", "007", "1 2 3 4 5", "-3", "x", "", "9007199254740993"])
    assert found == [["7"], ["7", "21", "42", "99"], ["7"], None, None, None, None, ["9007199254740993"]]


def test_menus_and_prompt_agree():
    words = [group[1] for group in GRAMMAR.values()]
    learnt = known_words(POCKET)
    assert {key: set(value) for key, value in GRAMMAR.items()} == {key: set(value) for key, value in learnt.items()}
    prompt = SampleConfig().prompt
    found = answer("grammar", words=words, grammar={key: list(value) for key, value in GRAMMAR.items()}, prompt=prompt)
    assert found[0] == "a castle on a grassy hill at dawn, clear sky, calm sea, watercolor"
    assert found[1] == [group[0] for group in GRAMMAR.values()]


def test_stored_bytes_come_back():
    every = bytes(range(256)) * 3
    text = written(every).decode("cp1252", errors="surrogateescape")
    for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D):  # HTML reads them as control characters, Python as nothing
        text = text.replace(chr(0xDC00 + byte), chr(byte))
    assert bytes(answer("unwritten", text=text)) == every
    assert not set(written(every)) & {0, 13, 60}
    assert answer("crc", text="denoisecli") == zlib.crc32(b"denoisecli")


def test_a_brush_puts_noise_into_a_disc_of_cells_and_leaves_the_rest():
    rng = np.random.default_rng(0)
    x, noise = (rng.standard_normal((4, 8, 8)).astype(np.float32) for _ in range(2))
    strokes = [{"x": 2, "y": 3, "r": 2}, {"x": 7, "y": 0, "r": 1}]
    found = answer("poked", x=x.ravel().tolist(), strokes=strokes, side=8, noise=noise.ravel().tolist())
    rows, columns = np.mgrid[:8, :8]
    inside = np.zeros((8, 8), bool)
    for stroke in strokes:
        inside |= (columns - stroke["x"]) ** 2 + (rows - stroke["y"]) ** 2 <= (stroke["r"] + 0.3) ** 2
    wanted = np.where(inside, noise, x)
    assert np.array_equal(np.float32(found["out"]).reshape(x.shape), wanted)
    assert found["kept"]
    apart = np.linalg.norm((wanted - x).astype(np.float64), axis=0)
    np.testing.assert_allclose(np.reshape(found["apart"], (8, 8)), apart, rtol=1e-5)
    assert found["share"] == pytest.approx((apart > 0.5).mean())


def test_two_places_change_places_where_both_are_in_the_picture():
    x = np.arange(4 * 64, dtype=np.float32).reshape(4, 8, 8)
    strokes = [{"x": 1, "y": 1, "r": 1, "to": {"x": 6, "y": 7}}]  # below the second place the picture ends
    found = answer("poked", x=x.ravel().tolist(), strokes=strokes, side=8, noise=[0] * x.size)
    wanted = x.copy()
    for column, row in [(1, 0), (0, 1), (1, 1), (2, 1)]:
        wanted[:, row, column], wanted[:, row + 6, column + 5] = x[:, row + 6, column + 5], x[:, row, column]
    assert np.array_equal(np.reshape(found["out"], x.shape), wanted)
    twice = answer("poked", x=x.ravel().tolist(), strokes=strokes * 2, side=8, noise=[0] * x.size)
    assert np.array_equal(np.reshape(twice["out"], x.shape), x)
