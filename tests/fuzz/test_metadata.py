"""Metadata from anybody: a config that loads, or one of our own errors. Never anything else, and never a surrogate."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.config.load import Layer, build
from denoisecli.config.yaml import read_documents
from denoisecli.errors import DenoiseError
from denoisecli.interop import own_chunk as own
from denoisecli.interop.a1111 import read as a1111_reader
from denoisecli.interop.reader import config_text, import_image
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.registry import CONFIGS
from denoisecli.safe_text import shown
from tests.interop.made import graph

from .made import PLAIN, TEXTS, VALUES, tables

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of our own, in which nothing lies that a name may mean."""
    folder = tmp_path_factory.mktemp("metadata")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def imported(place, text, lab):
    """Import a file of this text as `denoisecli import --lab` does, and load what it wrote."""
    file = place / "x.json"
    file.write_text(text, encoding="utf-8")
    kind = CONFIGS[lab]
    with suppress(DenoiseError):
        found = import_image(file, kind)
        written = config_text(found, file.name, kind)
        [document] = read_documents(written.encode(), "x")  # strict: what leaves is UTF-8
        config = build(kind, [Layer(document.data, document.where, document.source)])
        for key in found.values.keys() & {"prompt", "negative_prompt"}:
            assert getattr(config, key) == found.values[key]


LAB = st.sampled_from(["sample", "cfg-sweep", "walk"])
CHUNK = tables(SampleConfig.model_fields.keys())
INVOKE = tables(
    {"positive_prompt", "negative_prompt", "seed", "steps", "cfg_scale", "width", "height", "scheduler", "model",
     "loras", "rand_device", "generation_mode", "clip_skip", "controlnets", "cfg_rescale_multiplier", "image",
     "model_weights"},
    VALUES | tables({"prompt", "weight", "sampler", "seed", "steps", "cfg_scale", "width", "height", "name", "key"}),
)  # fmt: skip
LINK = st.tuples(st.sampled_from("3456789"), st.integers(0, 2)).map(list)
INPUTS = tables(
    {"seed", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "denoise", "model", "positive", "negative",
     "latent_image", "ckpt_name", "width", "height", "batch_size", "text", "clip", "lora_name", "strength_model",
     "start_at_step", "sampler", "sigmas", "guider", "noise", "conditioning", "value", "control_net", "pixels"},
    LINK | VALUES,
)  # fmt: skip
NODES = st.dictionaries(
    st.sampled_from([f"n{number}" for number in range(3, 10)]),
    INPUTS.flatmap(lambda inputs: st.just(inputs) | st.sampled_from(["KSampler", "LoraLoader", "Reroute", "X"]).map(
        lambda kind: inputs | {"class_type": kind})),
    min_size=1, max_size=5,
)  # fmt: skip
DRAWN = st.lists(
    tables({"id", "type", "mode", "inputs", "widgets_values"},
           VALUES | st.integers(0, 9) | st.lists(tables({"name", "link", "widget"}), max_size=3)
           | st.sampled_from(["KSampler", "CLIPTextEncode", "EmptyLatentImage"])),
    max_size=5,
)  # fmt: skip
DRAWING = st.fixed_dictionaries({"nodes": DRAWN, "links": st.lists(VALUES | st.lists(st.integers(0, 9)), max_size=5)})


@given(values=CHUNK, lab=LAB)
def test_our_own_chunk(place, values, lab):
    found = own.read(json.dumps(values))
    assert found is not None
    SampleConfig.model_validate(found.values)


@given(values=INVOKE, lab=LAB)
def test_invokeai(place, values, lab):
    imported(place, json.dumps({"seed": 1} | values), lab)


@given(nodes=NODES, lab=LAB)
def test_comfyui_graph(place, nodes, lab):
    imported(place, graph(**nodes), lab)


@given(drawing=DRAWING)
def test_comfyui_drawing(place, drawing):
    imported(place, json.dumps(drawing), "sample")


KEY = st.sampled_from(
    ["Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "Eta DDIM", "RNG", "Clip skip", "ENSD",
     "Variation seed strength", "Hires upscale", "Denoising strength", "CFG rescale"]
)  # fmt: skip


@given(
    head=TEXTS,
    negative=TEXTS,
    pairs=st.lists(st.tuples(KEY | TEXTS, PLAIN.map(shown)), max_size=8),
    lab=LAB,
)
def test_infotext(place, head, negative, pairs, lab):
    line = ", ".join(f"{key}: {value}" for key, value in pairs)
    text = f"{head}\nNegative prompt: {negative}\nSteps: 2, Seed: 3, CFG scale: 4, {line}"
    a1111_reader.read(text)
    imported(place, text.encode(errors="replace").decode(), lab)
