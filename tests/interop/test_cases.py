"""Files as people's tools write them, each with its right config and what has to be told of it."""

import json
from pathlib import Path

import pytest

from denoisecli.interop.comfyui.read import read
from denoisecli.interop.reader import import_image
from denoisecli.labs.sample.config import SampleConfig

DATA = Path(__file__).parent / "data"
WINDMILL = {
    "prompt": "a windmill on a hill", "negative_prompt": "blurry", "seeds": [77], "steps": 12, "cfg": 6.0,
    "sampler": "euler_a", "size": [256, 256],
}  # fmt: skip
HOUSE = {
    "prompt": "a red house", "negative_prompt": "blurry", "seeds": [11], "steps": 8, "cfg": 5.0, "sampler": "euler",
    "spacing": "linspace", "size": [64, 64],
}  # fmt: skip
PLAIN = {"negative_prompt": ""}
LORAS = [{"file": "styleA.safetensors", "scale": 0.8}, {"file": "styleB.safetensors", "scale": 0.5, "text_scale": 0.25}]
CASES = {
    "a1111/a-pair-a-line.png": ({}, []),
    "a1111/civitai-resources.png": (PLAIN, []),
    "a1111/comfy-names-joined.png": (PLAIN | {"sampler": "dpmpp_2m_karras"}, []),
    "a1111/comfy-names.png": (PLAIN | {"sampler": "dpmpp_2m_karras"}, []),
    "a1111/comment-in-ifd0-as-bytes.jpg": ({}, []),
    "a1111/dots-for-newlines.png": ({}, []),
    "a1111/first-pass-size.png": (PLAIN, ["second pass"]),
    "a1111/infotext-utf16.txt": (PLAIN, []),
    "a1111/lora-named-weights.png": (PLAIN | {"loras": [{"file": "ink", "scale": 0.9, "text_scale": 0.2}]}, []),
    "a1111/lora-quoted-block-weights.png": (
        PLAIN | {"loras": [{"file": "ink style", "scale": 0.9, "text_scale": 0.7}]}, ["lbw=IN02"],
    ),
    "a1111/lora-weight-point5.png": (PLAIN | {"loras": [{"file": "ink", "scale": 0.5}]}, []),
    "a1111/newline-in-tail.png": ({}, ["Wildcard prompt", "with a river"]),
    "a1111/one-line.png": ({}, []),
    "a1111/paren-emphasis.png": (PLAIN | {"prompt": "a (red) windmill", "prompt_syntax": "a1111"}, []),
    "a1111/seed-float.png": (PLAIN, []),
    "a1111/size-spaces.png": (PLAIN, []),
    "a1111/text-chunk-in-utf8.png": ({"prompt": "風車の丘 🌾, a windmill", "negative_prompt": "ぼやけた"}, []),
    "a1111/utf16le-bom.jpg": ({"prompt": "風車の丘 🌾, a windmill", "negative_prompt": "ぼやけた"}, []),
    "a1111/utf8-behind-UNICODE.jpg": ({}, []),
    "comfyui/api-body.json": ({}, []),
    "comfyui/cfg-linked-float.png": ({}, []),
    "comfyui/civitai-generator.jpg": ({}, []),
    "comfyui/concatenate-linked.png": ({"prompt": "a windmill, on a hill"}, []),
    "comfyui/concatenate.png": ({}, []),
    "comfyui/conditioning-zero-out.png": (PLAIN, ["ConditioningZeroOut"]),
    "comfyui/efficient-loader.png": ({"clip_skip": 2}, []),
    "comfyui/flux-basic-guider.png": (PLAIN | {"cfg": 3.5, "sampler": "flow_euler"}, ["there: cfg 1", "family Flux"]),
    "comfyui/graph-in-usercomment.jpg": ({}, []),
    "comfyui/impact-wildcard-encode.png": ({}, []),
    "comfyui/impact-wildcards.png": ({}, []),
    "comfyui/large-ztxt.png": ({}, []),
    "comfyui/set-get.json": ({}, []),
    "comfyui/show-text.png": ({}, []),
    "comfyui/string-replace.png": ({}, []),
    "comfyui2/controlnet-advanced.png": ({}, ["ControlNet"]),
    "comfyui2/empty-latent-linked.png": ({"size": None}, ["size could not be found"]),
    "comfyui2/end-at-step.png": ({}, ["0 to 6 of 12"]),
    "comfyui2/pix2pix.png": ({"size": None}, ["another picture", "size could not be found"]),
    "comfyui2/style-model.png": ({}, ["picture was part of the prompt"]),
    "invokeai/cfg-list.png": ({}, []),
    "invokeai/compel-plus.png": ({"prompt": "a windmill++ on a (green hill)1.4, cow--"}, ["word++"]),
    "invokeai/regions.png": ({}, ["ref_images, regionalGuidance"]),
    "invokeai/sdxl-style-prompts.png": (
        {"prompt": "a windmill on a hill, watercolor", "negative_prompt": "blurry, photo"},
        ["positive style prompt", "negative style prompt"],
    ),
    "invokeai/v2-negative-in-brackets.png": ({"negative_prompt": "blurry, dark"}, []),
    "invokeai/v3-alpha.png": ({}, []),
    "import_api/03_advanced_ends_early.json": ({}, ["0 to 5 of 8"]),
    "import_api/05_custom_advanced_basicguider.json": (PLAIN | {"cfg": 1.0}, []),
    "import_api/06_custom_karras_node.json": ({"sampler": "euler_karras", "spacing": None}, []),
    "import_api/10_sampler_custom_no_noise.json": (
        {"sampler": "dpmpp_2m_karras", "spacing": None}, ["No noise was added"],
    ),
    "import_api/11_lora_chain.json": ({"loras": LORAS}, []),
    "import_api/16_cond_zero_out.json": (PLAIN, ["ConditioningZeroOut"]),
    "import_api/24_rescalecfg.json": ({"guidance_rescale": 0.7}, ["RescaleCFG"]),
    "import_api/27_string_concatenate.json": ({"prompt": "a blue boat on a lake"}, []),
    "import_api/29_set_area.json": ({}, ["part of the picture"]),
    "import_api/30_other_vae.json": ({}, ["other_vae.safetensors"]),
    "import_api/38_long_prompt_over_77.json": ({"prompt": "a house " * 60, "prompt_syntax": "comfy"}, []),
    "import_api/43_image_upscale_after.json": ({}, ["ImageScaleBy"]),
    "import_api/44_repeat_latent_batch.json": ({}, ["one of a batch"]),
    "import_api/50_controlnet_apply_advanced.json": ({"prompt": "a castle", "negative_prompt": "ugly"}, ["ControlNet"]),
    "import_api/52_flux_dev_basicguider.json": (
        PLAIN | {"prompt": "a fox in snow", "cfg": 3.5, "sampler": "flow_euler", "seeds": [219670278747233],
                 "steps": 20, "size": [1024, 1024], "spacing": None},
        ["there: cfg 1", "family Flux"],
    ),
    "import_api/54_sd35_simple.json": (
        {"sampler": "flow_euler", "cfg": 4.5, "steps": 20, "size": [1024, 1024], "spacing": None},
        ["family Stable Diffusion 3"],
    ),
    "import_api/60_dpmpp_2m_sde_gpu.json": (
        {"sampler": "dpmpp_2m_sde", "spacing": None, "schedule": "comfy-normal"}, [],
    ),
    "import_api/60_uni_pc_bh2.json": (
        {"sampler": "unipc", "spacing": None, "schedule": "comfy-normal"}, [],
    ),
    "import_api/61_euler_sgm_uniform.json": ({"spacing": "trailing"}, []),
    "import_api/67_plain_parens_weight_1_1.json": (
        {"prompt": "two (words here) weighted", "prompt_syntax": "comfy"}, [],
    ),
    "import_api/69_and_break.json": ({"prompt": "AND BREAK words"}, []),
    "import_ui/u06_subgraph_prompts.json": ({}, []),
    "import_ui/u07_subgraph_sampler.json": ({}, []),
    "import_ui/u17_subgraph_all_loaders.json": ({"loras": LORAS}, []),
}  # fmt: skip


def test_every_file_has_its_row():
    found = {str(path.relative_to(DATA)) for path in DATA.rglob("*.*") if not path.name.endswith(".truth.json")}
    assert found == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_right_config_and_what_is_told(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no model or LoRA of any name is here
    changes, told = CASES[name]
    found = import_image(DATA / name, SampleConfig)
    wanted = (HOUSE if name.startswith("import_") else WINDMILL) | changes
    values = found.values | {key: found.elsewhere[key] for key in ("loras",) if key in found.elsewhere}
    values = {key: value for key, value in values.items() if key in wanted or key not in ("spacing", "model")}
    assert values == {key: value for key, value in wanted.items() if value is not None}
    notes = [note for note in found.notes if "is not in this folder" not in note]
    assert len(notes) == len(told), notes
    for note, words in zip(
        sorted(notes), sorted(told, key=lambda words: next(n for n in notes if words in n)), strict=True
    ):
        assert words in note


@pytest.mark.parametrize("path", sorted((DATA / "import_ui").glob("*.truth.json")), ids=lambda path: path.name)
def test_a_drawing_means_what_its_page_sends(path):
    drawn = path.with_name(path.name.replace(".truth", ""))
    one, other = read(drawn.read_text()), read(json.dumps(json.loads(path.read_text())))
    assert (one.values, one.elsewhere, one.notes) == (other.values, other.elsewhere, other.notes)
