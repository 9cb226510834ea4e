"""Texts of many tools, read here and by sd-parsers; where both disagree, the row says why ours is right."""

import json

import pytest

from denoisecli.interop.reader import import_image
from denoisecli.labs.sample.config import SampleConfig
from tests.interop.made import png

A1111 = (
    "a red house <lora:ink:0.8>\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, "
    "CFG scale: 7, Seed: 42, Size: 512x768, Model hash: abcdef1234, Model: dream, Version: v1.10.1"
)
FORGE = (
    "a red house\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 42, "
    'Size: 512x768, Model: flux1-dev, Module 1: ae, Version: f2.0.1v1.10.1, Note: "a, b: c"'
)
CIVITAI = (
    "a red house\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x768, "
    "Clip skip: 2, Created Date: 2026-01-02T03:04:05.6789Z, Civitai resources: "
    '[{"type":"checkpoint","modelVersionId":1,"modelName":"Dream, Steps: 99"}], Civitai metadata: {}'
)
FOOOCUS = {
    "prompt": "a red house", "negative_prompt": "blurry", "steps": 20, "guidance_scale": 4.0, "seed": "42",
    "resolution": "(512, 768)", "sampler": "dpmpp_2m", "scheduler": "karras", "base_model": "dream",
    "base_model_hash": "abcdef1234", "sharpness": 2, "styles": "['Fooocus V2']", "clip_skip": 2,
    "loras": [["ink", 0.5, "abc"]], "version": "Fooocus v2.5.5", "metadata_scheme": "fooocus",
}  # fmt: skip
NOVELAI = {
    "prompt": "a red house", "steps": 20, "height": 768, "width": 512, "scale": 5.0, "cfg_rescale": 0.2, "seed": 42,
    "noise_schedule": "karras", "sampler": "k_dpmpp_2m", "uc": "blurry", "request_type": "PromptGenerateRequest",
}  # fmt: skip
SWARM = {"sui_image_params": {
    "prompt": "a (red:1.2) house", "negativeprompt": "blurry", "model": "dream", "seed": 42, "steps": 20, "cfgscale": 7,
    "width": 512, "height": 768, "sampler": "euler_ancestral", "scheduler": "normal", "loras": ["ink"],
    "loraweights": ["0.5"], "swarm_version": "0.9.7.0",
}}  # fmt: skip
DRAW_THINGS = {
    "c": "a red house", "uc": "blurry", "seed": 42, "steps": 20, "scale": 7, "size": "512x768", "strength": 1,
    "sampler": "DPM++ 2M Karras", "model": "dream.ckpt", "lora": [{"model": "ink.ckpt", "weight": 0.5}],
}  # fmt: skip
WANTED = {"prompt": "a red house", "negative_prompt": "blurry", "seeds": [42], "steps": 20, "cfg": 7.0,
          "size": [512, 768], "sampler": "dpmpp_2m_karras"}  # fmt: skip
LORA = {"loras": [{"file": "ink", "scale": 0.5}]}
ROWS = {
    "A1111": ({"parameters": A1111}, {"loras": [{"file": "ink", "scale": 0.8}]},
              {"prompt"}),  # the LoRA's tag is no word: it is in `loras`
    "Forge": ({"parameters": FORGE}, {"negative_prompt": "", "cfg": 3.5, "sampler": "euler", "spacing": "trailing"},
              {"cfg"}),  # 1 mixes nothing there; what the model hears is the distilled one
    "Civitai": ({"parameters": CIVITAI}, {"sampler": "euler_a", "clip_skip": 2},
                {"steps"}),  # what a value's own JSON says is no setting; sd-parsers takes its "Steps: 99"
    "Fooocus": ({"parameters": json.dumps(FOOOCUS)}, {"cfg": 4.0, "clip_skip": 2} | LORA, set()),
    "NovelAI": ({"Description": "a red house", "Software": "NovelAI", "Source": "Stable Diffusion XL C1E1DE52",
                 "Comment": json.dumps(NOVELAI)}, {"cfg": 5.0, "guidance_rescale": 0.2}, set()),
    "SwarmUI": ({"parameters": json.dumps(SWARM)},
                {"prompt": "a (red:1.2) house", "prompt_syntax": "comfy", "sampler": "euler_a", "spacing": "linspace"}
                | LORA, None),  # sd-parsers does not know it
    "Draw Things": ({"parameters": json.dumps(DRAW_THINGS)}, {"loras": [{"file": "ink.ckpt", "scale": 0.5}]}, None),
}  # fmt: skip


def ours(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    return import_image(path, SampleConfig)


@pytest.mark.parametrize("name", ROWS)
def test_what_tools_write_is_read(tmp_path, monkeypatch, name):
    texts, changes, _ = ROWS[name]
    found = ours(png(tmp_path / "x.png", **texts), monkeypatch)
    values = found.values | {key: found.elsewhere[key] for key in ("loras",) if key in found.elsewhere}
    values.pop("spacing", None) if "spacing" not in changes else None
    assert values == WANTED | changes


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[2] is not None])
def test_sd_parsers_reads_the_same(tmp_path, monkeypatch, name):
    parsers = pytest.importorskip("sd_parsers")
    texts, _, apart = ROWS[name]
    path = png(tmp_path / "x.png", **texts)
    here, there = ours(path, monkeypatch).values, parsers.ParserManager().parse(path)
    [sampler] = there.samplers
    theirs = {
        "prompt": there.full_prompt,
        "negative_prompt": there.full_negative_prompt,
        "seeds": [int(sampler.parameters["seed"])],
        "cfg": float(sampler.parameters["cfg_scale"]),
    }
    if "steps" in sampler.parameters:
        theirs["steps"] = sampler.parameters["steps"]
    assert {key for key, value in theirs.items() if str(here[key]) != str(value)} == apart


@pytest.mark.parametrize(
    ("tool", "changes", "told"),
    [
        (FOOOCUS, {}, "Styles and the prompt's expansion"),
        (NOVELAI, {"prompt": "a {red} house"}, "Weights such as {word}"),
        (DRAW_THINGS, {"strength": 0.4}, "img2img"),
        (DRAW_THINGS, {"seed": "x"}, "The seed could not be read"),
        (SWARM["sui_image_params"], {"refinermodel": "big"}, "Left out, for want of an equal: refinermodel"),
        (FOOOCUS, {"sampler": None}, "The sampler was the tool's usual one"),
    ],
)
def test_what_is_told_of_them(tmp_path, monkeypatch, tool, changes, told):
    found = ours(png(tmp_path / "x.png", parameters=json.dumps(tool | changes)), monkeypatch)
    assert any(told in note for note in found.notes)


@pytest.mark.parametrize("tool", [FOOOCUS, NOVELAI, SWARM["sui_image_params"], DRAW_THINGS], ids=range(4))
@pytest.mark.parametrize("value", [None, [], {}, "x", -1, 1e300, [[1, 2], 3], True])
def test_odd_values_do_no_harm(tmp_path, monkeypatch, tool, value):
    for key in tool:
        changed = tool | {key: value}
        path = png(tmp_path / "x.png", Comment=json.dumps(changed), parameters="{")
        assert ours(path, monkeypatch).source
