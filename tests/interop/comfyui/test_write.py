"""What we write for ComfyUI: graphs that its server and its page take, and that come back as they were."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisecli.config.base import SPACINGS
from denoisecli.config.samplers import SAMPLERS, SCHEDULES
from denoisecli.diffusion.prompt_syntax import Piece, pieces
from denoisecli.interop.a1111 import read as a1111_reader
from denoisecli.interop.a1111.write import infotext
from denoisecli.interop.comfyui import read as comfyui_reader
from denoisecli.interop.comfyui.levels import proven, same
from denoisecli.interop.comfyui.write import api_graph, drawing
from denoisecli.interop.gaps import a1111_losses, comfyui_losses
from denoisecli.interop.samplers import APART, NEAR, sampler_way
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.process.comfyui_sigmas import Training, levels
from tests.interop.made import recipe_for

# ComfyUI's nodes.py and comfy/samplers.py: what a node must be given, what it gives
REQUIRED = {
    "CheckpointLoaderSimple": {"ckpt_name": str},
    "LoraLoader": {"model": "MODEL", "clip": "CLIP", "lora_name": str, "strength_model": float, "strength_clip": float},
    "RescaleCFG": {"model": "MODEL", "multiplier": float},
    "CLIPTextEncode": {"text": str, "clip": "CLIP"},
    "EmptyLatentImage": {"width": int, "height": int, "batch_size": int},
    "EmptySD3LatentImage": {"width": int, "height": int, "batch_size": int},
    "KSampler": {
        "model": "MODEL", "seed": int, "steps": int, "cfg": float, "sampler_name": str, "scheduler": str,
        "positive": "CONDITIONING", "negative": "CONDITIONING", "latent_image": "LATENT", "denoise": float,
    },
    "RandomNoise": {"noise_seed": int},
    "DisableNoise": {},
    "ManualSigmas": {"sigmas": str},
    "AddNoise": {"model": "MODEL", "noise": "NOISE", "sigmas": "SIGMAS", "latent_image": "LATENT"},
    "KSamplerSelect": {"sampler_name": str},
    "CFGGuider": {"model": "MODEL", "positive": "CONDITIONING", "negative": "CONDITIONING", "cfg": float},
    "SamplerCustomAdvanced": {
        "noise": "NOISE", "guider": "GUIDER", "sampler": "SAMPLER", "sigmas": "SIGMAS", "latent_image": "LATENT",
    },
    "LatentMultiply": {"samples": "LATENT", "multiplier": float},
    "CLIPSetLastLayer": {"clip": "CLIP", "stop_at_clip_layer": int},
    "VAEDecode": {"samples": "LATENT", "vae": "VAE"},
    "SaveImage": {"images": "IMAGE", "filename_prefix": str},
}  # fmt: skip
GIVES = {
    "CheckpointLoaderSimple": ["MODEL", "CLIP", "VAE"], "LoraLoader": ["MODEL", "CLIP"], "RescaleCFG": ["MODEL"],
    "CLIPTextEncode": ["CONDITIONING"], "EmptyLatentImage": ["LATENT"], "EmptySD3LatentImage": ["LATENT"],
    "RandomNoise": ["NOISE"], "DisableNoise": ["NOISE"], "ManualSigmas": ["SIGMAS"], "AddNoise": ["LATENT"],
    "KSamplerSelect": ["SAMPLER"], "CFGGuider": ["GUIDER"], "SamplerCustomAdvanced": ["LATENT", "LATENT"],
    "LatentMultiply": ["LATENT"], "CLIPSetLastLayer": ["CLIP"],
    "KSampler": ["LATENT"], "VAEDecode": ["IMAGE"], "SaveImage": [],
}  # fmt: skip
SAMPLER_NAMES = {
    "euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "lms", "dpmpp_2m", "dpmpp_2m_sde", "ddpm", "lcm",
    "deis", "ddim", "uni_pc", "uni_pc_bh2",
}  # fmt: skip
SCHEDULERS = {"normal", "karras", "simple", "sgm_uniform", "ddim_uniform"}
RICH = SampleConfig(
    seeds=[1, 2],
    negative_prompt="blur (heavy)",
    guidance_rescale=0.5,
    loras=[{"file": "a/ink.safetensors", "scale": 0.5}, {"file": "wash.safetensors", "scale": -1.0}],
)


def configs():
    """Any config that a graph or an infotext can say, of any sampler."""
    word = st.text("abc ,.:()[]{}\\<>'\"é猫", min_size=1, max_size=30).map(str.strip)
    text = word.filter(lambda words: words and not words.startswith("Negative prompt:"))
    return st.builds(
        SampleConfig,
        prompt=text,
        negative_prompt=st.one_of(st.just(""), text),
        seeds=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3, unique=True),
        steps=st.integers(1, 1000),
        cfg=st.integers(0, 1000).map(lambda tenths: tenths / 10),
        spacing=st.sampled_from(SPACINGS),
        sampler=st.sampled_from([name for name, row in SAMPLERS.items() if not row.flow]),
        size=st.tuples(st.integers(8, 512), st.integers(8, 512)).map(lambda sides: [side * 8 for side in sides]),
    )


@st.composite
def rich_configs(draw):
    """Any config of the keys that came later: flow, ComfyUI's levels, weights, clip skip, rescaling, LoRAs."""
    config = draw(configs())
    flows = [name for name, row in SAMPLERS.items() if row.flow and row.comfyui]
    lora = st.fixed_dictionaries(
        {"file": st.sampled_from(["ink.safetensors", "wash.safetensors"]), "scale": st.sampled_from([0.5, 1.0, -0.25])},
        optional={"text_scale": st.sampled_from([0.0, 0.75])},
    )
    changes = {
        "loras": draw(st.lists(lora, max_size=2, unique_by=lambda row: row["file"])),
        "guidance_rescale": draw(st.sampled_from([0.0, 0.7])),
        "clip_skip": draw(st.sampled_from([1, 2, 3])),
        "steps": draw(st.integers(2, 60)),
    }
    if draw(st.booleans()):
        changes |= {"sampler": draw(st.sampled_from(flows)), "spacing": None}
    else:
        runs = [name for name, row in SAMPLERS.items() if proven(row) and row.spaced and name != "ddim"]
        changes |= {
            "sampler": draw(st.sampled_from(runs)),
            "spacing": None,
            "schedule": draw(st.sampled_from(SCHEDULES)),
        }
        changes |= {"prompt_syntax": draw(st.sampled_from(["plain", "comfy"]))}
    return SampleConfig.model_validate(config.model_dump() | changes)


@settings(max_examples=30, deadline=None)
@given(rich_configs())
def test_all_keys_come_back(config):
    """What ComfyUI's graph can say comes back, from the form of its server and of its page."""
    nodes = api_graph(recipe_for(config))
    for text in (json.dumps(nodes), json.dumps(drawing(nodes, ["a note"]))):
        found = comfyui_reader.read(text)
        values = found.values | {"loras": found.elsewhere.get("loras", [])}
        back = SampleConfig.model_validate({key: value for key, value in values.items() if key != "model"})
        for key in ("seeds", "steps", "cfg", "size", "clip_skip", "guidance_rescale"):
            assert getattr(back, key) == getattr(config, key), key
        one, other = SAMPLERS[back.sampler], SAMPLERS[config.sampler]
        assert (one.comfyui[0], one.flow) == (other.comfyui[0], other.flow)  # euler_karras is euler on comfy-karras
        assert [lora.strengths for lora in back.loras] == [lora.strengths for lora in config.loras]
        assert said(back) == said(config)
        if not SAMPLERS[config.sampler].flow:
            assert len(runs(back)) == len(runs(config))
            np.testing.assert_allclose(runs(back), runs(config), rtol=NEAR)


def said(config):
    """The prompts as words and weights, whatever syntax writes them."""
    texts = (config.prompt, config.negative_prompt)
    return [pieces(text, "comfy") if config.prompt_syntax == "comfy" else [Piece(text, 1.0)] * bool(text)
            for text in texts]  # fmt: skip


def runs(config):
    """The levels that a config runs through but for the last, by its own name or ComfyUI's."""
    sampler = SAMPLERS[config.sampler]
    if config.schedule:
        name = config.schedule.removeprefix("comfy-")
        found = levels(name, Training.scaled_linear(), config.steps, sampler.comfyui[0])
    else:
        found = sampler_way(sampler, config.spacing, config.steps).sigmas
    return found[:-1]


def kept(config, row):
    """What of a config must come back: the spacing only where the schedule is named by it."""
    keys = ["prompt", "negative_prompt", "seeds", "steps", "cfg", "size", "sampler"]
    values = {key: getattr(config, key) for key in keys} | {"model": "pocket"}
    return values | ({"spacing": config.spacing} if row[1] is None else {})


def plain(values):
    return values | {"seeds": tuple(values["seeds"]), "size": tuple(values["size"])}


@settings(max_examples=150, deadline=None)
@given(configs())
def test_comfyui_round_trip(config):
    row = SAMPLERS[config.sampler].comfyui
    nodes = api_graph(recipe_for(config))
    sampler = SAMPLERS[config.sampler]
    told = sampler.stochastic or config.sampler == "ddim"
    apart = told and (config.spacing, sampler.class_name) in APART
    for text in (json.dumps(nodes), json.dumps(drawing(nodes, ["a note"]))):
        found = comfyui_reader.read(text)
        if apart and row[1] is None:  # no levels are near there, and it is told that the picture differs
            found.values["spacing"] = config.spacing
            found.values.pop("schedule", None)
        if row is None:
            assert found.values["sampler"] == "euler"  # it stands in
        else:
            by_levels(found.values, config)
            assert plain(found.values) == kept(config, row)


def by_levels(values, config):
    """Name the spacing as the config does where another name, of ComfyUI's or of ours, means the very same levels.

    With few steps several names do. The last level may differ by ComfyUI's name: 0 there, a thirtieth here.
    """
    sampler = SAMPLERS[config.sampler]
    if values.get("spacing") == config.spacing or not proven(sampler) or sampler.options.get("use_karras_sigmas"):
        return
    ours = sampler_way(sampler, config.spacing, config.steps).sigmas
    if "schedule" in values:
        name = values.pop("schedule").removeprefix("comfy-")
        assert same(levels(name, Training.scaled_linear(), config.steps, sampler.comfyui[0])[:-1], ours[:-1])
    elif "spacing" in values:
        assert same(sampler_way(sampler, values["spacing"], config.steps).sigmas, ours)
    values["spacing"] = config.spacing


@pytest.mark.parametrize("sampler", ["unipc", "unipc_bh1", "dpmpp_2m", "euler", "heun", "lms", "deis"])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 4, 7, 8, 20, 1000])
def test_few_steps_and_odd_ones_come_back_at_their_levels(sampler, spacing, steps):
    config = SampleConfig(sampler=sampler, spacing=spacing, steps=steps, seeds=(0,), size=(64, 64))
    found = comfyui_reader.read(json.dumps(api_graph(recipe_for(config))))
    by_levels(found.values, config)
    assert plain(found.values) == kept(config, SAMPLERS[sampler].comfyui)


@settings(max_examples=150, deadline=None)
@given(configs())
def test_a1111_round_trip(config):
    row = SAMPLERS[config.sampler].a1111
    if row is None:
        return
    made = recipe_for(config)
    for seed, shot in zip(config.seeds, made.shots, strict=True):
        found = a1111_reader.read(infotext(made, shot))
        assert plain(found.values) == kept(config.model_copy(update={"seeds": (seed,)}), row)


@pytest.mark.parametrize("name", [name for name, row in SAMPLERS.items() if row.comfyui])
def test_every_sampler_is_known_to_comfyui(name):
    for spacing in SPACINGS:
        nodes = api_graph(recipe_for(SampleConfig(sampler=name, spacing=spacing)))
        sampler = next(node["inputs"] for node in nodes.values() if "sampler_name" in node["inputs"])
        assert sampler["sampler_name"] in SAMPLER_NAMES
        assert sampler.get("scheduler", "normal") in SCHEDULERS


@pytest.mark.parametrize(
    "config",
    [
        SampleConfig(),
        RICH,
        SampleConfig(sampler="flow_euler"),
        SampleConfig(sampler="dpmpp_2m"),
        SampleConfig(steps=30, clip_skip=2),
    ],
    ids=["plain", "rich", "flow", "levels written out", "and an end of its own"],
)
def test_every_node_gets_what_it_needs(config):
    nodes = api_graph(recipe_for(config))
    for node in nodes.values():
        assert node["inputs"].keys() == REQUIRED[node["class_type"]].keys()
        for key, kind in REQUIRED[node["class_type"]].items():
            value = node["inputs"][key]
            if isinstance(kind, str):
                source, slot = value
                assert GIVES[nodes[source]["class_type"]][slot] == kind
            else:
                assert type(value) is kind


def test_what_the_pictures_share_is_there_once():
    nodes = api_graph(recipe_for(RICH))
    count = {kind: sum(node["class_type"] == kind for node in nodes.values()) for kind in REQUIRED}
    assert count["KSampler"] == count["SaveImage"] == 2
    assert count["CheckpointLoaderSimple"] == count["EmptyLatentImage"] == count["RescaleCFG"] == 1
    assert count["LoraLoader"] == count["CLIPTextEncode"] == 2


def test_loras_in_the_order_of_their_use():
    found = comfyui_reader.read(json.dumps(api_graph(recipe_for(RICH))))
    assert found.elsewhere["loras"] == [
        {"file": "ink.safetensors", "scale": 0.5},
        {"file": "wash.safetensors", "scale": -1.0},
    ]


@pytest.mark.parametrize("config", [SampleConfig(), RICH], ids=["plain", "rich"])
def test_the_drawing_holds_together(config):
    """docs.comfy.org/specs/workflow_json_0.4: each link is at both its ends, numbers are unique, nothing overlaps."""
    nodes = api_graph(recipe_for(config))
    drawn = drawing(nodes, ["one", "two"])
    by_id = {node["id"]: node for node in drawn["nodes"]}
    assert drawn["version"] == 0.4
    assert len(by_id) == len(drawn["nodes"]) == drawn["last_node_id"]
    assert [link[0] for link in drawn["links"]] == list(range(1, drawn["last_link_id"] + 1))
    for number, source, slot, to, into, kind in drawn["links"]:
        assert number in by_id[source]["outputs"][slot]["links"]
        assert by_id[source]["outputs"][slot]["type"] == kind
        assert (by_id[to]["inputs"][into]["link"], by_id[to]["inputs"][into]["type"]) == (number, kind)
    for node in drawn["nodes"]:
        assert node.keys() >= {"id", "type", "pos", "size", "flags", "order", "mode", "properties"}
    assert sorted(node["order"] for node in drawn["nodes"]) == list(range(len(by_id)))
    boxes = [
        (*node["pos"], node["pos"][0] + node["size"][0], node["pos"][1] + node["size"][1]) for node in by_id.values()
    ]
    for i, a in enumerate(boxes):
        assert all(a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1] for b in boxes[i + 1 :])


def test_widgets_stand_in_the_pages_order():
    """ComfyUI_frontend's defaultGraph.ts: a KSampler has seven widgets, the second is the page's own."""
    drawn = drawing(api_graph(recipe_for(SampleConfig(seeds=[5], sampler="euler", spacing="linspace"))))
    values = {node["type"]: node["widgets_values"] for node in drawn["nodes"]}
    assert values["KSampler"] == [5, "fixed", 20, 7.5, "euler", "normal", 1.0]
    assert values["EmptyLatentImage"] == [64, 64, 1]
    assert values["CheckpointLoaderSimple"] == ["pocket.safetensors"]
    assert "Note" not in values


def test_the_note_says_what_is_lost():
    made = recipe_for(RICH)
    drawn = drawing(api_graph(made), comfyui_losses(made))
    (note,) = [node for node in drawn["nodes"] if node["type"] == "Note"]
    assert "RescaleCFG rescales the v" in note["widgets_values"][0]
    assert "put them into models/loras: ink.safetensors, wash.safetensors" in note["widgets_values"][0]


@pytest.mark.parametrize(
    ("losses", "changes", "says"),
    [
        (comfyui_losses, {}, "No other tool loads the pocket model"),
        (comfyui_losses, {"model": "who/what"}, "The model is who/what; choose its checkpoint file"),
        (comfyui_losses, {"model": "/home/me/x.safetensors"}, "The model is x.safetensors; put it into"),
        (comfyui_losses, {"model": "/home/me/folder"}, "The model is folder; choose"),
        (comfyui_losses, {"sampler": "pndm"}, "ComfyUI has no PNDM; euler stands in"),
        (comfyui_losses, {"sampler": "euler_a"}, "Euler a draws fresh noise in each step"),
        (comfyui_losses, {"eta": 0.5}, "eta 0.5"),
        (comfyui_losses, {"seeds": [2**50]}, "rounds seeds of 2^50"),
        (comfyui_losses, {"prompt": "a {b|c}"}, "Curly brackets"),
        (comfyui_losses, {"steps": 30}, "written out (ManualSigmas)"),
        (comfyui_losses, {}, "ends at the level 0.029 here and at 0 in ComfyUI"),
        (comfyui_losses, {"spacing": "linspace"}, "does not step to where it goes on"),
        (a1111_losses, {"sampler": "deis"}, "A1111 has no DEIS"),
        (a1111_losses, {"sampler": "euler", "steps": 28}, "makes 29 steps of 28"),
        (a1111_losses, {}, "DDIM evaluates the model once less"),
        (a1111_losses, {"spacing": "trailing"}, "in one way only (leading), not trailing"),
        (a1111_losses, {"sampler": "dpmpp_2m_sde"}, "A1111 draws it otherwise"),
        (a1111_losses, {"guidance_rescale": 0.7}, "needs an extension"),
        (a1111_losses, {"cfg": 0.5}, "no CFG scale below 1"),
        (a1111_losses, {"negative_prompt": "a BREAK b"}, "BREAK and AND are commands"),
    ],
)
def test_what_cannot_be_said_is_told(losses, changes, says):
    assert any(says in note for note in losses(recipe_for(SampleConfig(**changes))))
    if "model" not in changes and changes:
        assert not any(says in note for note in losses(recipe_for(SampleConfig(sampler="euler"))))


def test_no_folder_of_this_machine_is_named():
    loras = [{"file": "/home/me/loras/ink.safetensors"}]
    made = recipe_for(SampleConfig(model="/home/me/models/dream.safetensors", loras=loras))
    nodes = api_graph(made)
    everything = json.dumps([drawing(nodes, comfyui_losses(made)), a1111_losses(made)]) + infotext(made, made.shots[0])
    assert "home" not in everything
    assert "dream.safetensors" in everything


def test_another_start_is_told_with_its_size():
    [said] = [note for note in comfyui_losses(recipe_for(SampleConfig(sampler="euler"))) if "starts from noise" in note]
    assert "0.4%" in said
    assert not any("starts from" in note for note in comfyui_losses(recipe_for(SampleConfig(sampler="dpmpp_2m"))))
