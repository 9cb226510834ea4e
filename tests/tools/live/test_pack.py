"""The model as the page carries it: what is stored, and which models and LoRAs are refused."""

import gzip
import hashlib
import json
import re
import shutil
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from denoisecli.config.base import Lora
from denoisecli.diffusion.references import POCKET
from denoisecli.errors import ModelError, UsageError
from denoisecli.labs.pages import look_of
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.tools.live import loras, pack, tool
from denoisecli.tools.live.page import live_html


@pytest.fixture(scope="module")
def tensors():
    return pack.read_model(POCKET)


def unpacked(data):
    """Return the header and the floats of a pack, as worker.js makes them."""
    length = struct.unpack_from("<I", data)[0]
    header, body = json.loads(data[4 : 4 + length]), data[4 + length :]
    out = np.zeros(header["floats"], np.float32)
    for start, count, kind, at, channels, *_ in header["tensors"]:
        if kind == pack.FLOAT16:
            values = np.frombuffer(body, "<f2", count, at)
        elif kind == pack.FLOAT32:
            values = np.frombuffer(body, "<f4", count, at)
        else:
            numbers = np.frombuffer(body, np.int8, count, at).astype(np.float32)
            steps = np.frombuffer(body, "<f4", channels, at + -(-count // 4) * 4)
            shape = (channels, -1) if kind == pack.ROWS else (-1, channels)
            values = (numbers.reshape(shape) * (steps[:, None] if kind == pack.ROWS else steps)).ravel()
        out[start : start + count] = values
    return header, out


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "int8"])
def test_every_tensor_is_where_its_graph_looks_for_it(tensors, exact):
    packs = pack.packed(tensors, exact)
    for name, part in pack.graphs().parts.items():
        _, floats = unpacked(packs[name])
        for key, how, start, _ in part["tensors"]:
            wanted = tensors[part["folder"]][key].astype(np.float32)
            wanted = wanted.T if how == "transposed" else wanted
            found = floats[start : start + wanted.size].reshape(wanted.shape)
            if exact or part["folder"] in pack.KEPT or wanted.ndim < 2:
                np.testing.assert_array_equal(found, wanted)
            else:
                assert np.abs(found - wanted).max() <= np.abs(wanted).max() / 127 * 1.001, key


@pytest.mark.parametrize("shape", [(8, 6, 3, 3), (5, 40), (7, 3, 1, 1), (4, 300, 3, 3)])
def test_errors_of_rounding_cancel_in_a_channel(shape):
    tensor = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    numbers, steps = pack.quantised(tensor)
    exact = tensor.reshape(len(tensor), -1) / steps[:, None].astype(np.float64)
    errors = numbers - exact
    assert np.abs(numbers.astype(int)).max() == 127
    assert np.abs(errors).max() < 1
    assert np.abs(errors.sum(axis=1)).max() < 0.5 + 1e-6, "a layer that is given ones everywhere gives what it should"
    nearest = np.rint(exact) - exact
    assert np.abs(nearest.sum(axis=1)).max() > 0.5 or shape == (7, 3, 1, 1)
    assert np.square(errors).sum() < 1.5 * np.square(nearest).sum()


def test_graphs_hold_no_weights_and_the_engine_is_what_it_says():
    assert sum(map(len, pack.graphs().onnx.values())) < 300_000
    engine = pack.engine()
    assert hashlib.sha256(gzip.decompress(engine.wasm)).hexdigest() == engine.about["wasm_sha256"]
    assert hashlib.sha256(gzip.decompress(engine.script)).hexdigest() == engine.about["script_sha256"]


def test_the_schedule_is_that_of_diffusers():
    from diffusers import DDIMScheduler

    bars = DDIMScheduler.from_pretrained(POCKET / "scheduler").alphas_cumprod
    wanted = np.stack([bars, bars**0.5, (1 - bars) ** 0.5])
    np.testing.assert_array_equal(np.frombuffer(pack.graphs().schedule, "<f4").reshape(3, -1), wanted)


@pytest.fixture
def other(tmp_path):
    """Return a model of the pocket's shape to be spoilt."""
    shutil.copytree(POCKET, tmp_path / "model", ignore=shutil.ignore_patterns("card", "loras"))
    return tmp_path / "model"


def spoil_config(folder):
    path = folder / "unet" / "config.json"
    path.write_text(path.read_text().replace("192", "320"))


def spoil_size(folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(load_file(path) | {"conv_in.weight": np.zeros((48, 9, 3, 3), np.float16)}, path)


def spoil_numbers(folder):
    path = folder / "text_encoder" / "model.safetensors"
    held = load_file(path)
    held["final_layer_norm.bias"][0] = np.nan
    save_file(held, path)


def cut_off(folder):
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def lose_weights(folder):
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_config, "another model: its unet has block_out_channels"),
        (spoil_size, "conv_in.weight is (48, 9, 3, 3)"),
        (spoil_numbers, "not finite"), (cut_off, "cannot be read"), (lose_weights, "has no unet/"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_other_models_are_refused_in_a_sentence(other, spoil, said):
    spoil(other)
    with pytest.raises(ModelError, match=re.escape(said)):
        pack.read_model(other)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sampler": "heun"}, "sampler: heun"), ({"seeds": (1, 2, 3, 4, 5)}, "seeds"), ({"steps": 101}, "steps"),
        ({"cfg": 31.0}, "cfg"), ({"eta": 0.5}, "eta"), ({"size": (512, 512)}, "size"),
        ({"start": "own.png"}, "start"), ({"phases": [{"until": 0.5, "cfg": 2.0}]}, "phases"),
        ({"spacing": "trailing"}, "spacing"),
    ],
)  # fmt: skip
def test_settings_that_the_page_lacks_are_refused(keys, said):
    with pytest.raises(UsageError, match=said):
        tool.check(SampleConfig(**keys))
    tool.check(SampleConfig(steps=1, cfg=0, seeds=(2**40,)))


NAME = "lora_unet_down_blocks_1_attentions_0_proj_in"
KEY = "down_blocks.1.attentions.0.proj_in.weight"
WOODCUT = "pocket/woodcut-print"


def change(file="woodcut-print", name=NAME):
    """Return what a built-in LoRA adds to a weight at strength 1."""
    held = load_file(POCKET / "loras" / f"{file}.safetensors")
    up, down, alpha = (
        held[f"{name}.{end}"].astype(np.float32) for end in ("lora_up.weight", "lora_down.weight", "alpha")
    )
    return float(alpha) / len(down) * (up @ down)


def test_a_lora_is_added_to_the_weights(tensors):
    changed = {part: dict(held) for part, held in tensors.items()}
    loras.add_lora(changed, Lora(file=WOODCUT, scale=0.5))
    wanted = tensors["unet"][KEY].astype(np.float32) + 0.5 * change()
    np.testing.assert_allclose(changed["unet"][KEY], wanted, atol=1e-6)
    moved = [key for key in tensors["unet"] if changed["unet"][key] is not tensors["unet"][key]]
    assert len(moved) == 84


def unpacked_lora(data):
    """Return ΔW (rows, columns) at strength 1 by the weight's name in the graph, as worker.js makes it."""
    length = struct.unpack_from("<I", data)[0]
    told = json.loads(data[4 : 4 + length])
    step = told["step"]
    numbers = np.frombuffer(data, "i1" if step else "<f2", offset=4 + length).astype(np.float32) * (step or 1)
    found, at = {}, 0
    for number in range(max(rank for _, rank, *_ in told["layers"])):
        for name, rank, rows, columns, scale in told["layers"]:
            if number < rank:
                u, v = numbers[at : at + rows], numbers[at + rows : at + rows + columns]
                found[name] = found.get(name, 0) + scale * np.outer(u, v)
                at += rows + columns
    assert at == len(numbers)
    return found


@pytest.mark.parametrize(("exact", "worst"), [(True, 1e-6), (False, 0.08)], ids=["exact", "int8"])
def test_a_lora_is_carried_beside_the_weights(tensors, exact, worst):
    found = unpacked_lora(loras.carried(Lora(file=WOODCUT), tensors, exact=exact).packed)
    assert set(found) == set(pack.graphs().parts["unet"]["inputs"].values())
    wanted = change()
    given = found[pack.graphs().parts["unet"]["inputs"][KEY]]
    assert np.linalg.norm(given - wanted) <= worst * np.linalg.norm(wanted)


def test_loras_that_change_what_is_fixed_are_added(tensors, tmp_path):
    path = tmp_path / "conv.safetensors"
    ends = {"lora_up.weight": (48, 2, 1, 1), "lora_down.weight": (2, 4, 3, 3)}
    rng = np.random.default_rng(0)
    save_file(
        {f"lora_unet_conv_in.{end}": rng.normal(size=size).astype(np.float32) for end, size in ends.items()}, path
    )
    assert loras.carried(Lora(file=str(path)), tensors, exact=False) is None
    *_, last = tool.weights(SampleConfig(loras=[{"file": str(path)}, {"file": WOODCUT}]), POCKET, exact=False)
    assert [lora.file for lora in last.added] == [str(path), WOODCUT]


def test_a_page_has_sliders_for_its_own_loras_then_for_the_built_in_ones(tensors):
    ways = [
        way.sliders for way in tool.weights(SampleConfig(loras=[{"file": WOODCUT, "scale": 0.7}]), POCKET, exact=False)
    ]
    told = [[(one.file, one.scale, one.from_config) for one in sliders] for sliders in ways]
    own, more = (WOODCUT, 0.7, True), ("pocket/hot-air-balloon", 0, False)
    assert told == [[own, more], [own], []]
    assert [one.words for one in ways[0]] == ["woodcut print", "hot-air balloon"]


def test_a_lora_of_another_model_is_refused(tensors, tmp_path):
    path = tmp_path / "big.safetensors"
    arrays = {
        f"{NAME}.lora_up.weight": np.zeros((320, 4), np.float32),
        f"{NAME}.lora_down.weight": np.zeros((4, 320), np.float32),
    }
    save_file(arrays, path)
    for way in (loras.add_lora, lambda *given: loras.carried(*given[::-1], exact=False)):
        with pytest.raises(ModelError, match="LoRA of another model"):
            way(tensors, Lora(file=str(path)))


HOSTILE = "</script><script>alert(1)</script> <!-- \u2028 \N{SNOWMAN} 'q'"


@pytest.fixture(scope="module")
def html(tensors):
    return live_html(SampleConfig(prompt=HOSTILE), pack.packed(tensors), POCKET / "tokenizer", look_of("dark"))


def test_the_page_is_small_closed_and_ascii_but_for_what_is_stored(html):
    assert len(html) < 15_000_000
    head = html[: html.index(b'<script type="text/plain"')].decode("ascii")
    policy = re.search('Content-Security-Policy" content="([^"]*)"', head)[1]
    assert "default-src 'none'" in policy
    assert policy.count("sha256-") == 2
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy.replace("'wasm-unsafe-eval'", "")
    for tag, kind in (("script", "module"), ("style", "")):
        opening = f'<{tag} type="{kind}">' if kind else f"<{tag}>"
        text = head[head.index(opening) + len(opening) :].split(f"</{tag}>")[0]
        import base64

        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert "alert(1)</script>" not in head
    assert head.count("<script") == html.count(b"<script") - 5 - len(look_of("dark").fonts) == 3


def test_the_same_config_gives_the_same_page(html, tensors):
    again = live_html(SampleConfig(prompt=HOSTILE), pack.packed(tensors), POCKET / "tokenizer", look_of("dark"))
    assert again == html
