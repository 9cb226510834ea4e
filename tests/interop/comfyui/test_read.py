"""ComfyUI's graphs: the usual one, links through other nodes, other samplers, and what has no equal."""

import json

import pytest

from denoisecli.interop.comfyui.read import read
from tests.interop.made import graph

PLAIN = {
    "seeds": [8566257], "steps": 20, "cfg": 8.0, "sampler": "euler", "spacing": "linspace",
    "prompt": "a bottle with a galaxy",
    "negative_prompt": "text, watermark", "size": [512, 768],
}  # fmt: skip
CUSTOM = {
    "n3": {
        "class_type": "SamplerCustomAdvanced", "noise": ["20", 0], "guider": ["21", 0], "sampler": ["22", 0],
        "sigmas": ["23", 0], "latent_image": ["5", 0], "seed": None, "steps": None, "cfg": None, "sampler_name": None,
        "scheduler": None, "positive": None, "negative": None, "model": None,
    },
    "n20": {"class_type": "RandomNoise", "noise_seed": 42},
    "n21": {"class_type": "CFGGuider", "cfg": 3.5, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]},
    "n22": {"class_type": "KSamplerSelect", "sampler_name": "dpmpp_2m"},
    "n23": {"class_type": "BasicScheduler", "scheduler": "karras", "steps": 12, "denoise": 1.0, "model": ["4", 0]},
}  # fmt: skip


def without_none(text):
    nodes = json.loads(text)
    for node in nodes.values():
        node["inputs"] = {key: value for key, value in node["inputs"].items() if value is not None}
    return json.dumps(nodes)


def test_the_usual_graph():
    found = read(graph())
    assert found.values == PLAIN
    assert found.elsewhere == {"model": "v1-5-pruned-emaonly.safetensors"}
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        pytest.param(
            {"n6": {"text": ["10", 0]}, "n10": {"class_type": "PrimitiveString", "value": "a hill"}},
            {"prompt": "a hill"}, id="text from a primitive",
        ),
        pytest.param(
            {"n3": {"seed": ["10", 0]}, "n10": {"class_type": "PrimitiveNode", "value": 5}},
            {"seeds": [5]}, id="seed from a primitive",
        ),
        pytest.param(
            {"n3": {"positive": ["10", 0]}, "n10": {"class_type": "Reroute", "": ["6", 0]}},
            {}, id="reroute",
        ),
        pytest.param(
            {"n3": {"class_type": "KSamplerAdvanced", "noise_seed": 9, "seed": None, "add_noise": "enable"}},
            {"seeds": [9]}, id="advanced",
        ),
        pytest.param(
            CUSTOM, {"seeds": [42], "cfg": 3.5, "steps": 12, "sampler": "dpmpp_2m_karras", "spacing": None}, id="custom"
        ),
        pytest.param(
            {"n3": {"sampler_name": "ddim", "scheduler": "ddim_uniform"}},
            {"sampler": "ddim", "spacing": "leading"}, id="ddim",
        ),
        pytest.param({"n3": {"scheduler": "simple"}}, {"spacing": "trailing"}, id="simple"),
        pytest.param({"n6": {"text": r"a \(b\)"}}, {"prompt": "a (b)"}, id="plain brackets"),
        pytest.param({"n5": {"class_type": "EmptySD3LatentImage", "width": 64}}, {"size": [64, 768]}, id="sd3 latent"),
        pytest.param(
            {"n6": {"class_type": "CLIPTextEncodeSDXL", "text": None, "text_g": "a mill", "text_l": "a mill"}},
            {"prompt": "a mill"}, id="sdxl prompts",
        ),
    ],
)  # fmt: skip
def test_values_are_found(changes, values):
    found = read(without_none(graph(**changes)))
    wanted = {key: value for key, value in (PLAIN | values).items() if value is not None}
    assert found.values == wanted
    assert len(found.notes) == 1, found.notes  # the model's name


@pytest.mark.parametrize(
    ("scheduler", "steps", "values"),
    [
        ("simple", 20, {"spacing": "trailing"}),
        ("simple", 30, {"schedule": "comfy-simple"}),  # a timestep off: 1.7 %
        ("sgm_uniform", 8, {"spacing": "trailing"}),
        ("sgm_uniform", 200, {"schedule": "comfy-sgm_uniform"}),
        ("normal", 30, {"spacing": "linspace"}),
        ("ddim_uniform", 20, {"spacing": "leading"}),
        ("ddim_uniform", 30, {"schedule": "comfy-ddim_uniform"}),  # which makes 31 steps
    ],
)
def test_a_spacing_where_its_levels_are_near_else_the_schedule(scheduler, steps, values):
    found = read(graph(n3={"scheduler": scheduler, "steps": steps})).values
    assert {key: found[key] for key in ("spacing", "schedule") if key in found} == values


@pytest.mark.parametrize(("sampler", "steps"), [("euler", 1), ("euler_ancestral", 30)])
def test_where_a_spacing_stands_for_other_levels_that_is_told(sampler, steps):
    found = read(graph(n3={"scheduler": "simple" if steps > 1 else "normal", "sampler_name": sampler, "steps": steps}))
    assert "schedule" not in found.values
    assert any(f"levels differ a little at {steps} steps" in note for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        pytest.param({"n3": {"denoise": 0.5}}, "denoise 0.5", id="denoise"),
        pytest.param({"n3": {"start_at_step": 4}}, "Only a part of the steps", id="advanced part"),
        pytest.param({"n5": {"batch_size": 4}}, "one of a batch", id="batch"),
        pytest.param({"n3": {"sampler_name": "res_multistep"}}, '"res_multistep" has no equal', id="sampler"),
        pytest.param({"n3": {"scheduler": "beta57"}}, 'no schedule "beta57"', id="scheduler"),
        pytest.param(
            {"n3": {"model": ["10", 0]}, "n10": {"class_type": "FreeU_V2", "model": ["4", 0], "b1": 1.3}},
            "without an equal here: FreeU_V2", id="model patch",
        ),
        pytest.param(
            {"n3": {"positive": ["10", 0]}, "n10": {"class_type": "ControlNetApply", "conditioning": ["6", 0],
             "control_net": ["4", 0], "strength": 1}},
            "ControlNet", id="controlnet",
        ),
        pytest.param(
            {"n3": {"latent_image": ["10", 0]}, "n10": {"class_type": "VAEEncode", "pixels": ["9", 0]}},
            "made from another picture", id="img2img",
        ),
        pytest.param(
            {"n3": {"positive": ["10", 0]}, "n10": {"class_type": "ConditioningCombine", "conditioning_1": ["6", 0],
             "conditioning_2": ["7", 0]}},
            "Several texts", id="two texts",
        ),
    ],
)  # fmt: skip
def test_what_has_no_equal_is_told(changes, note):
    assert any(note in said for said in read(graph(**changes)).notes)


SPLIT = {"n4": {"class_type": "UNETLoader", "unet_name": "new.safetensors", "ckpt_name": None}}
CLIP = {"class_type": "CLIPLoader", "clip_name": "text.safetensors"}


@pytest.mark.parametrize(
    ("changes", "sampler", "note"),
    [
        pytest.param(SPLIT | {"n8": CLIP | {"type": "krea2"}}, "flow_euler", "family krea2", id="told by its encoder"),
        pytest.param(
            SPLIT | {"n8": CLIP | {"type": "lens"}, "n5": {"class_type": "EmptyFlux2LatentImage"}},
            "flow_euler", "family lens", id="before what other families need too",
        ),
        pytest.param(SPLIT | {"n8": CLIP | {"type": "stable_diffusion"}}, "euler", "does not say of which", id="none"),
        pytest.param(
            SPLIT | {"n8": CLIP | {"type": "stable_diffusion"}, "n3": {"model": ["9", 0]},
             "n9": {"class_type": "ModelSamplingAuraFlow", "shift": 3.0, "model": ["4", 0]}},
            "flow_euler", "does not say of which", id="a flow by its shift",
        ),
    ],
)  # fmt: skip
def test_families_of_split_models(changes, sampler, note):
    text = without_none(graph(**changes | {"n6": {"clip": ["8", 0]}, "n7": {"clip": ["8", 0]}}))
    found = read(text)
    assert found.values["sampler"] == sampler
    assert any(note in said for said in found.notes)


@pytest.mark.parametrize(
    ("encoder", "negative"),
    [({"negative_prompt": "fog"}, "fog"), ({}, "")],
    ids=["a text for each", "a text for one"],
)
def test_an_encoder_with_two_outputs(encoder, negative):
    both = {"class_type": "TextEncodeNewEdit", "prompt": "a hill", "clip": ["4", 1]} | encoder
    found = read(graph(n3={"positive": ["10", 0], "negative": ["10", 1]}, n10=both))
    assert (found.values["prompt"], found.values["negative_prompt"]) == ("a hill", negative)
    assert any("without a text" in note for note in found.notes) == (not negative)


def test_what_a_language_model_wrote_is_not_what_it_was_asked():
    asked = {"class_type": "TextGenerate", "prompt": "You are an expert. Rewrite: a hill", "clip": ["4", 1]}
    switch = {"class_type": "ComfySwitchNode", "switch": True, "on_true": ["11", 0], "on_false": "a hill"}
    found = read(graph(n6={"text": ["10", 0]}, n10=switch, n11=asked))
    assert found.values["prompt"] == ""
    assert any("computed by TextGenerate" in note for note in found.notes)


@pytest.mark.parametrize(("cfg", "told"), [(1, 0), (7, 1)])
def test_a_negative_prompt_that_is_not_heard_needs_no_word(cfg, told):
    zero = {"class_type": "ConditioningZeroOut", "conditioning": ["6", 0]}
    found = read(graph(n3={"cfg": cfg, "negative": ["10", 0]}, n10=zero))
    assert sum("ConditioningZeroOut" in note for note in found.notes) == told


def test_a_sampler_that_makes_a_map_for_another_is_not_taken():
    depth = {
        "n20": {"class_type": "UNETLoader", "unet_name": "lotus-depth.safetensors"},
        "n21": json.loads(graph())["3"]["inputs"] | {"class_type": "KSampler", "model": ["20", 0], "steps": 1},
        "n22": {"class_type": "VAEDecode", "samples": ["21", 0], "vae": ["4", 2]},
        "n23": {"class_type": "ControlNetApplyAdvanced", "positive": ["6", 0], "negative": ["7", 0],
                "image": ["22", 0]},
        "n24": {"class_type": "VAEEncode", "pixels": ["22", 0], "vae": ["4", 2]},
        "n3": {"positive": ["23", 0], "negative": ["23", 1], "latent_image": ["24", 0]},
    }  # fmt: skip
    found = read(graph(**depth))
    assert found.values["steps"] == 20
    assert any("has 2 samplers" in note for note in found.notes)


def test_two_samplers_the_first_pass_is_taken():
    second = {"class_type": "KSampler", "seed": 1, "steps": 9, "cfg": 1, "positive": ["6", 0], "latent_image": ["3", 0]}
    found = read(graph(n2=second))
    assert found.values["steps"] == 20
    assert any("The graph has 2 samplers; the first pass is taken (node 3)" in note for note in found.notes)


def second_sampler(**changes):
    usual = json.loads(graph())["3"]["inputs"]
    return {"n2": {"class_type": "KSampler"} | usual | changes}


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"seed": 5}, {"seeds": [5, 8566257]}),
        ({"cfg": 3}, {"seeds": [8566257], "scales": [3.0, 8.0]}),
    ],
)
def test_samplers_that_differ_in_seed_or_cfg_are_taken_together(changes, values):
    """ComfyUI sorts no nodes: what comes first in the file counts."""
    nodes = json.loads(graph(**second_sampler(**changes)))
    found = read(json.dumps(dict(sorted(nodes.items()))))
    assert {key: found.values[key] for key in values} == values
    assert not any("samplers" in note for note in found.notes)


def test_samplers_that_differ_in_more_are_not():
    found = read(graph(**second_sampler(seed=5, steps=9)))
    assert found.values["seeds"] == [8566257]
    assert any("The graph has 2 samplers" in note for note in found.notes)


@pytest.mark.parametrize(
    ("model", "clip", "strengths"),
    [
        (["10", 0], ["10", 1], {"scale": 0.8, "text_scale": 0.5}),
        (["10", 0], ["4", 1], {"scale": 0.8, "text_scale": 0.0}),
        (["4", 0], ["10", 1], {"scale": 0.0, "text_scale": 0.5}),
    ],
    ids=["both", "the model alone", "the prompts alone"],
)
def test_a_lora_acts_where_its_outputs_are_taken(model, clip, strengths):
    lora = {"class_type": "LoraLoader", "model": ["4", 0], "clip": ["4", 1], "lora_name": "ink.safetensors",
            "strength_model": 0.8, "strength_clip": 0.5}  # fmt: skip
    found = read(graph(n3={"model": model}, n6={"clip": clip}, n7={"clip": clip}, n10=lora))
    assert found.elsewhere["loras"] == [{"file": "ink.safetensors"} | strengths]


def test_loras_in_the_order_of_their_use():
    lora = {"class_type": "LoraLoader", "clip": ["4", 1], "strength_clip": 0.5}
    chain = {
        "n3": {"model": ["11", 0]},
        "n6": {"clip": ["11", 1]},
        "n11": lora
        | {"lora_name": "styles\\second.safetensors", "strength_model": 0.5, "model": ["10", 0], "clip": ["10", 1]},
        "n10": lora | {"lora_name": "first.safetensors", "strength_model": 0.8, "model": ["4", 0]},
    }
    assert read(graph(**chain)).elsewhere["loras"] == [
        {"file": "first.safetensors", "scale": 0.8, "text_scale": 0.5},
        {"file": "second.safetensors", "scale": 0.5},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "[" * 100_000, '{"1": 5}', '{"1": {"class_type": "SaveImage", "inputs": 3}}',
        json.dumps({"1": {"class_type": "KSampler", "inputs": {}}}),
    ],
    ids=range(8),
)  # fmt: skip
def test_no_graph(text):
    assert read(text) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"n3": {"steps": float("nan"), "cfg": float("inf")}}, id="nan"),
        pytest.param({"n3": {"positive": ["3", 0], "negative": ["3", 0]}}, id="a node linked to itself"),
        pytest.param({"n3": {"seed": ["10", 0]}, "n10": {"class_type": "Loop", "value": ["10", 0]}}, id="loop"),
        pytest.param({"n3": {"seed": {}, "steps": [], "cfg": "x", "model": ["99", 0]}}, id="wrong types"),
        pytest.param({"n3": {"sampler_name": ["4", 0], "positive": None, "latent_image": "x"}}, id="odd links"),
    ],
)
def test_odd_graphs_do_no_harm(changes):
    found = read(graph(**changes))
    assert found.values["negative_prompt"] is not None


MILL = {"n11": {"class_type": "CLIPTextEncode", "text": "a mill", "clip": ["4", 1]}}


def advanced(changed, **more):
    """Two samplers, the second of which goes on where the first one ended."""
    second = {
        "class_type": "KSamplerAdvanced", "add_noise": "disable", "noise_seed": 0, "steps": 20, "cfg": 7.5,
        "sampler_name": "euler", "scheduler": "normal", "positive": ["6", 0], "negative": ["7", 0], "model": ["4", 0],
        "latent_image": ["3", 0], "start_at_step": 8, "end_at_step": 10000, "return_with_leftover_noise": "disable",
    }  # fmt: skip
    first = {
        "class_type": "KSamplerAdvanced", "seed": None, "noise_seed": 9, "add_noise": "enable", "start_at_step": 0,
        "steps": 20, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal",
        "end_at_step": 8, "return_with_leftover_noise": "enable",
    }  # fmt: skip
    return without_none(graph(n3=first, n10=second | changed, **more))


@pytest.mark.parametrize(
    ("changed", "more", "phase"),
    [
        ({"cfg": 3.0}, {}, {"cfg": 7.5}),
        ({"positive": ["11", 0]}, MILL, "WORDS"),
        ({"sampler_name": "ddim"}, {}, {"sampler": "euler"}),
    ],
)  # fmt: skip
def test_samplers_in_a_row_are_phases(changed, more, phase):
    """The last one's settings are the run's; the first one's those of its steps."""
    found = read(advanced(changed, **more)).values
    plain = read(advanced({})).values
    assert "phases" not in plain
    assert found["phases"] == [{"until": 0.4} | ({"prompt": plain["prompt"]} if phase == "WORDS" else phase)]
    assert found["seeds"] == [9]
    assert found["steps"] == 20
    if phase == "WORDS":
        assert found["prompt"] == "a mill"


@pytest.mark.parametrize(
    ("sampler", "steps", "strength"),
    [({"steps": 12, "denoise": 0.6}, 20, 0.6), ({"class_type": "KSamplerAdvanced", "start_at_step": 5}, 20, 0.75)],
)
def test_a_picture_that_is_here_is_what_the_run_starts_from(tmp_path, monkeypatch, sampler, steps, strength):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    made = graph(
        n3={"latent_image": ["10", 0], "steps": 20} | sampler,
        n10={"class_type": "VAEEncode", "pixels": ["9", 0]}, n9={"class_type": "LoadImage", "image": "sub/own.png"},
    )  # fmt: skip
    assert "start" not in read(made).values
    Image.new("RGB", (8, 8)).save("own.png")
    found = read(made)
    assert found.values["steps"] == steps
    assert found.values["start"] == {"image": "own.png", "strength": strength}
    assert not any("from noise" in note or note.startswith("denoise") for note in found.notes)
