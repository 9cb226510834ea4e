"""Phases, pictures and masks, out to ComfyUI's graphs and back: what acts in each step stays the same."""

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from denoisecli.config.phases import stretches
from denoisecli.diffusion.prompt_syntax import Piece, pieces
from denoisecli.interop.comfyui import read as comfyui_reader
from denoisecli.interop.comfyui.ranges import level_of, share_between
from denoisecli.interop.comfyui.stages import way
from denoisecli.interop.comfyui.write import api_graph, drawing
from denoisecli.interop.gaps import comfyui_losses
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.process.comfyui_sigmas import Training, levels
from tests.interop.comfyui.test_write import GIVES, REQUIRED
from tests.interop.made import graph, recipe_for

TRAINING = Training.scaled_linear()
MORE = {
    "KSamplerAdvanced": {
        "add_noise": str, "noise_seed": int, "steps": int, "cfg": float, "sampler_name": str, "scheduler": str,
        "start_at_step": int, "end_at_step": int, "return_with_leftover_noise": str, "model": "MODEL",
        "positive": "CONDITIONING", "negative": "CONDITIONING", "latent_image": "LATENT",
    },
    "LoadImage": {"image": str}, "LoadImageMask": {"image": str, "channel": str},
    "ImageScale": {"image": "IMAGE", "upscale_method": str, "width": int, "height": int, "crop": str},
    "VAEEncode": {"pixels": "IMAGE", "vae": "VAE"}, "SetLatentNoiseMask": {"samples": "LATENT", "mask": "MASK"},
    "LatentUpscaleBy": {"samples": "LATENT", "upscale_method": str, "scale_by": float},
    "ConditioningSetTimestepRange": {"conditioning": "CONDITIONING", "start": float, "end": float},
    "ConditioningCombine": {"conditioning_1": "CONDITIONING", "conditioning_2": "CONDITIONING"},
}  # fmt: skip
GIVEN = GIVES | {
    "KSamplerAdvanced": ["LATENT"], "LoadImage": ["IMAGE", "MASK"], "LoadImageMask": ["MASK"], "ImageScale": ["IMAGE"],
    "VAEEncode": ["LATENT"], "SetLatentNoiseMask": ["LATENT"], "LatentUpscaleBy": ["LATENT"],
    "ConditioningSetTimestepRange": ["CONDITIONING"], "ConditioningCombine": ["CONDITIONING"],
}  # fmt: skip
"""ComfyUI's nodes.py: what each node must be given, and gives."""


@st.composite
def phased(draw, *, words_alone=False):
    """A config of any phases: in a row of samplers all settings change, in ranges the words alone."""
    word = st.text("abc ,()", min_size=1, max_size=12).map(str.strip).filter(bool)
    steps = draw(st.integers(3, 40))
    ends = sorted(draw(st.sets(st.integers(1, steps - 1), min_size=1, max_size=3)))
    own = {"prompt": word, "negative_prompt": st.one_of(st.just(""), word)}
    if not words_alone:
        own |= {
            "cfg": st.integers(2, 20).map(float), "sampler": st.sampled_from(["euler", "ddim", "heun"]),
            "loras": st.sampled_from([[], ["pocket/woodcut-print"]]),
        }  # fmt: skip
    phase = st.dictionaries(st.sampled_from(sorted(own)), st.none(), min_size=1)
    phases = []
    for end in [*ends, None]:
        changed = {key: draw(own[key]) for key in draw(phase)}
        if not words_alone and end != ends[0] and draw(st.booleans()):
            changed["scale"] = draw(st.sampled_from([1.5, 2.0]))
        phases.append(({"until": math.ceil(1e6 * end / steps) / 1e6} if end else {}) | changed)
    last = 1.0
    for one in phases:
        one |= {"scale": last} if 1 < one.get("scale", 1) < last else {}
        last = max(last, one.get("scale", 1.0))
    sampler = {"sampler": "dpmpp_2m"} if words_alone else {"sampler": "euler", "schedule": "comfy-normal"}
    return SampleConfig(
        prompt=draw(word), steps=steps, seeds=[draw(st.integers(0, 999))], phases=phases, size=64, **sampler
    )


def acting(config):
    """What acts in each step."""
    found = []
    for stretch in stretches(config.phases, config.steps):
        own = stretch.config(config)
        texts = [pieces(text, "comfy") if config.prompt_syntax == "comfy" else [Piece(text, 1.0)] * bool(text)
                 for text in (own.prompt, own.negative_prompt)]  # fmt: skip
        found += [(*texts, own.cfg, own.loras, own.sampler, stretch.scale)] * (stretch.until - stretch.first)
    return found


def back(text, **more):
    found = comfyui_reader.read(text)
    return SampleConfig.model_validate({key: value for key, value in found.values.items() if key != "model"} | more)


@settings(max_examples=60, deadline=None)
@given(phased())
def test_samplers_in_a_row_come_back(config):
    made = recipe_for(config)
    assert way(made) == "row"
    nodes = api_graph(made)
    for text in (json.dumps(nodes), json.dumps(drawing(nodes))):
        found = back(text)
        assert acting(found) == acting(config)
        assert (found.seeds, found.steps, found.size) == (config.seeds, config.steps, config.size)


@settings(max_examples=60, deadline=None)
@given(phased(words_alone=True))
def test_words_in_ranges_come_back(config):
    """Where the levels are written out, one sampler runs them, and conditionings act in parts of it."""
    made = recipe_for(config)
    assert way(made) == "ranges"
    nodes = api_graph(made)
    for text in (json.dumps(nodes), json.dumps(drawing(nodes))):
        assert [row[:2] for row in acting(back(text, sampler="dpmpp_2m", spacing="leading"))] == [
            row[:2] for row in acting(config)
        ]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["normal", "karras", "simple", "exponential"]), st.integers(2, 60), st.data())
def test_a_share_lies_between_two_steps(scheduler, steps, data):
    sigmas = levels(scheduler, TRAINING, steps)
    at = data.draw(st.integers(1, steps - 1))
    share = share_between(sigmas[at - 1], sigmas[at], TRAINING)
    if share is not None:  # of four digits; levels may lie nearer to each other
        assert sigmas[at] < level_of(share, TRAINING) < sigmas[at - 1]


RANGES = {
    "n3": {"positive": ["22", 0]},
    "n20": {"class_type": "ConditioningSetTimestepRange", "conditioning": ["6", 0], "start": 0.0, "end": 0.5},
    "n21": {"class_type": "ConditioningSetTimestepRange", "conditioning": ["23", 0], "start": 0.5, "end": 1.0},
    "n22": {"class_type": "ConditioningCombine", "conditioning_1": ["20", 0], "conditioning_2": ["21", 0]},
    "n23": {"class_type": "CLIPTextEncode", "text": "a mill", "clip": ["4", 1]},
}


def test_ranges_of_a_conditioning_are_phases():
    """Half of the timesteps, of 20 at 999, 946.4, ...: the first ten are at 499.5 or above. Nothing is told of it."""
    found = comfyui_reader.read(graph(**RANGES))
    assert found.values["phases"] == [{"until": 0.5, "prompt": "a bottle with a galaxy"}]
    assert found.values["prompt"] == "a mill"
    assert not any("acted" in note or "combined" in note for note in found.notes)


def test_a_share_is_of_timesteps_and_not_of_steps():
    """Karras has more of its steps at little noise, so half of the timesteps are fewer of the steps."""
    found = comfyui_reader.read(graph(**(RANGES | {"n3": {"positive": ["22", 0], "scheduler": "karras"}})))
    sigmas = levels("karras", TRAINING, 20)
    count = int((sigmas[:-1] >= level_of(0.5, TRAINING)).sum())
    assert count < 10
    assert found.values["phases"][0]["until"] == pytest.approx(count / 20)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"n20": RANGES["n20"] | {"end": 0.3}}, "In some steps no prompt acted"),
        ({"n20": RANGES["n20"] | {"end": 0.8}}, "Several texts were combined"),
    ],
)
def test_ranges_that_leave_a_gap_or_overlap_are_told(changes, note):
    found = comfyui_reader.read(graph(**(RANGES | changes)))
    assert any(note in said for said in found.notes)


def test_ranges_of_a_flow_are_told():
    flow = {"n30": {"class_type": "ModelSamplingSD3", "model": ["4", 0], "shift": 3.0}}
    told = RANGES | flow | {"n3": {"positive": ["22", 0], "model": ["30", 0]}}
    found = comfyui_reader.read(graph(**told))
    if "phases" not in found.values:
        assert any("A prompt acted" in said for said in found.notes)


HIRES = {"sampler": "euler", "schedule": "comfy-normal", "phases": [{"until": 0.6}, {"scale": 1.5}], "size": 512}
START = {"sampler": "euler", "schedule": "comfy-normal", "size": 512, "start": {"image": "in/own.png", "strength": 0.6}}
MASKED = START | {"start": {"image": "in/own.png", "strength": 0.6, "mask": "sky.png"}}
WORDS = {"phases": [{"until": 0.4, "prompt": "a sketch"}, {"prompt": "a mill"}], "sampler": "dpmpp_2m"}


@pytest.mark.parametrize("values", [HIRES, START, MASKED, WORDS, START | {"phases": [{"until": 0.7, "cfg": 2.0}]}])
def test_every_node_gets_what_it_needs(values):
    nodes = api_graph(recipe_for(SampleConfig(seeds=[1, 2], **values)))
    wanted = REQUIRED | MORE
    for node in nodes.values():
        assert node["inputs"].keys() == wanted[node["class_type"]].keys()
        for key, kind in wanted[node["class_type"]].items():
            value = node["inputs"][key]
            if isinstance(kind, str):
                assert GIVEN[nodes[value[0]]["class_type"]][value[1]] == kind
            else:
                assert type(value) is kind, key
    drawn = drawing(nodes)
    assert len({node["id"] for node in drawn["nodes"]}) == len(nodes)


def test_a_hi_res_phase_is_ended_enlarged_and_noised_anew():
    """The first sampler steps to 0 from its last level, which is the guess; the second noises it to its own."""
    nodes = api_graph(recipe_for(SampleConfig(seeds=[1], **HIRES)))
    first, second = (node["inputs"] for node in nodes.values() if node["class_type"] == "KSamplerAdvanced")
    assert (first["end_at_step"], first["return_with_leftover_noise"]) == (12, "disable")
    assert (second["start_at_step"], second["add_noise"]) == (12, "enable")
    found = comfyui_reader.read(json.dumps(nodes))
    assert found.values["phases"] == [{"until": 0.6}, {"scale": 1.5}]
    assert found.values["size"] == [512, 512]


@pytest.mark.parametrize("values", [START, MASKED])
def test_a_picture_and_its_mask_come_back_where_they_are_here(values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = SampleConfig(seeds=[1], **values)
    text = json.dumps(api_graph(recipe_for(config)))
    assert "start" not in comfyui_reader.read(text).values
    for name in ("own.png", "sky.png"):
        Image.new("RGB", (8, 8)).save(name)
    found = back(text)
    assert found.start.strength == config.start.strength
    assert (found.start.image, found.start.mask) == ("own.png", config.start.mask)
    assert (found.steps, found.size) == (config.steps, config.size)


@pytest.mark.parametrize(
    ("masked", "strength"),
    [
        ({"class_type": "VAEEncodeForInpaint", "pixels": ["9", 0], "mask": ["12", 0], "grow_mask_by": 6}, 1.0),
        ({"class_type": "SetLatentNoiseMask", "samples": ["13", 0], "mask": ["12", 0]}, 0.5),
    ],
)
def test_a_mask_of_either_node_is_read(masked, strength, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = graph(
        n3={"latent_image": ["10", 0], "steps": 10, "denoise": strength}, n10=masked,
        n9={"class_type": "LoadImage", "image": "own.png"}, n13={"class_type": "VAEEncode", "pixels": ["9", 0]},
        n12={"class_type": "LoadImageMask", "image": "mask.png", "channel": "red"},
    )  # fmt: skip
    for name in ("own.png", "mask.png"):
        Image.new("RGB", (8, 8)).save(name)
    found = comfyui_reader.read(made)
    assert found.values["start"] == {"image": "own.png", "strength": strength, "mask": "mask.png"}
    assert any("the mask acts in each guess" in note for note in found.notes)
    assert any("was made grey" in note for note in found.notes) == (strength == 1)
    assert not any("Only a part" in note for note in found.notes)


def test_a_refiner_that_is_here_is_a_phase(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    phases = [{"until": 0.75}, {"model": "fine.safetensors"}]
    config = SampleConfig(seeds=[1], sampler="euler", schedule="comfy-normal", model="base.safetensors", phases=phases)
    text = json.dumps(api_graph(recipe_for(config)))
    assert "phases" not in comfyui_reader.read(text).values
    for name in ("base.safetensors", "fine.safetensors"):
        (tmp_path / name).touch()
    found = comfyui_reader.read(text).values
    assert (found["model"], found["phases"]) == ("base.safetensors", phases)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (HIRES, "larger picture's noise|enlarged picture's noise"),
        (START, "Put own.png into ComfyUI's input folder"),
        (MASKED, "Put own.png and sky.png into"),
        (MASKED, "softens the mask's edge"),
        ({"sampler": "lms", "schedule": "comfy-normal", "phases": [{"until": 0.5, "cfg": 2.0}]}, "solver begins anew"),
        ({"sampler": "dpmpp_2m", "phases": [{"until": 0.5, "cfg": 2.0}]}, "phases are not in the graph"),
        ({"sampler": "dpmpp_2m", "start": "own.png"}, "It started from own.png, which is not in the graph"),
    ],
)
def test_what_is_otherwise_there_is_told(values, says):

    assert any(re.search(says, note) for note in comfyui_losses(recipe_for(SampleConfig(**values))))
