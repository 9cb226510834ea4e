"""Drawings (ComfyUI's `workflow`) of old and new pages, with what a page may do to nodes."""

import copy
import json

import pytest

from denoisecli.interop.comfyui.read import read

# The shape of ComfyUI_frontend's defaultGraph.ts, with texts of our own
OLD = {
    "nodes": [
        {"id": 7, "type": "CLIPTextEncode", "mode": 0, "inputs": [{"name": "clip", "type": "CLIP", "link": 5}],
         "widgets_values": ["blur"]},
        {"id": 6, "type": "CLIPTextEncode", "mode": 0, "inputs": [{"name": "clip", "type": "CLIP", "link": 3}],
         "widgets_values": ["a hill"]},
        {"id": 5, "type": "EmptyLatentImage", "mode": 0, "widgets_values": [512, 256, 1]},
        {"id": 3, "type": "KSampler", "mode": 0,
         "inputs": [{"name": "model", "link": 1}, {"name": "positive", "link": 4}, {"name": "negative", "link": 6},
                    {"name": "latent_image", "link": 2}],
         "widgets_values": [42, True, 1, 8, "euler", "normal", 1]},
        {"id": 4, "type": "CheckpointLoaderSimple", "mode": 0, "widgets_values": ["dream.safetensors"]},
        {"id": 10, "type": "LoraLoader", "mode": 4, "widgets_values": ["ink.safetensors", 0.8, 1],
         "inputs": [{"name": "model", "link": 7}, {"name": "clip", "link": 8}]},
    ],
    "links": [
        [1, 10, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"], [3, 4, 1, 6, 0, "CLIP"], [4, 6, 0, 3, 1, "CONDITIONING"],
        [5, 4, 1, 7, 0, "CLIP"], [6, 7, 0, 3, 2, "CONDITIONING"], [7, 4, 0, 10, 0, "MODEL"], [8, 4, 1, 10, 1, "CLIP"],
    ],
    "version": 0.4,
}  # fmt: skip
VALUES = {
    "seeds": [42], "steps": 1, "cfg": 8.0, "sampler": "euler", "spacing": "linspace", "prompt": "a hill",
    "negative_prompt": "blur", "size": [512, 256],
}  # fmt: skip


def changed(number, **changes):
    drawn = copy.deepcopy(OLD)
    next(node for node in drawn["nodes"] if node["id"] == number).update(changes)
    return drawn


def test_an_old_drawing_and_what_is_bypassed():
    found = read(json.dumps(OLD))
    assert found.values == VALUES
    assert found.elsewhere == {"model": "dream.safetensors"}  # and no LoRA, which is bypassed


def test_what_is_not_bypassed():
    found = read(json.dumps(changed(10, mode=0)))  # the prompts take their encoder from before it
    assert found.elsewhere["loras"] == [{"file": "ink.safetensors", "scale": 0.8, "text_scale": 0.0}]


@pytest.mark.parametrize("after", ["randomize", "fixed", False, None])
def test_what_stands_behind_a_seed(after):
    """Pages write true, false or a word there; some programs nothing. Then 1 is the steps and not `true`."""
    rest = [1, 8, "euler", "normal", 1]
    values = [42, *rest] if after is None else [42, after, *rest]
    assert read(json.dumps(changed(3, widgets_values=values))).values == VALUES


def test_a_new_drawing_names_its_links_and_widgets():
    """Version 1: links are tables. Nodes that we do not know have their widgets named."""
    drawn = changed(6, type="FancyTextEncode", inputs=[
        {"name": "clip", "link": 3}, {"name": "style", "widget": {"name": "style"}, "link": None},
        {"name": "text", "widget": {"name": "text"}, "link": None},
    ], widgets_values=["none", "a hill"])  # fmt: skip
    drawn["links"] = [{"id": a, "origin_id": b, "origin_slot": c} for a, b, c, *_ in drawn["links"]]
    assert read(json.dumps(drawn)).values == VALUES


def test_a_widget_that_is_linked_to_a_primitive():
    drawn = changed(3, inputs=[*OLD["nodes"][3]["inputs"], {"name": "seed", "widget": {"name": "seed"}, "link": 9}])
    drawn["nodes"].append({"id": 11, "type": "PrimitiveNode", "widgets_values": [7, "fixed"]})
    drawn["links"].append([9, 11, 0, 3, 4, "INT"])
    assert read(json.dumps(drawn)).values == VALUES | {"seeds": [7]}


def test_a_muted_sampler_is_none():
    assert read(json.dumps(changed(3, mode=2))) is None


@pytest.mark.parametrize(
    "drawn",
    [
        {"nodes": [1, None, {}, {"id": []}, {"id": {}, "type": 3}]},
        {"nodes": [{"id": 1, "type": "KSampler", "widgets_values": 5, "inputs": {"a": 1}}], "links": [[], [1], 5, {}]},
        {"nodes": [{"id": 1, "type": "KSampler", "inputs": [{"name": "model", "link": [1]}]}], "links": [[[1], 2, 3]]},
        {"nodes": [{"id": 1, "type": "KSampler", "widgets_values": [[{}], [{}]]}], "links": None},
    ],
    ids=range(4),
)
def test_odd_drawings_do_no_harm(drawn):
    assert read(json.dumps(drawn)) is None


def subgraph(**instance):
    """A drawing whose prompts, sampler and all stand in a subgraph with three widgets on its outside."""
    inside = {"id": "one", "inputs": [{"name": "model", "type": "MODEL"}, {"name": "text", "type": "STRING"},
              {"name": "text_1", "type": "STRING"}, {"name": "seed", "type": "INT"}], "outputs": []}  # fmt: skip
    inside |= copy.deepcopy({key: OLD[key] for key in ("nodes", "links")})
    for number, name in ((6, "text"), (7, "text"), (3, "seed")):
        node = next(node for node in inside["nodes"] if node["id"] == number)
        node["inputs"].append({"name": name, "widget": {"name": name}, "link": 20 + number})
    places = {6: (1, 1), 7: (2, 1), 3: (3, 4)}
    inside["links"] += [[20 + to, -10, slot, to, into, "*"] for to, (slot, into) in places.items()]
    return {
        "nodes": [{"id": 1, "type": "one", "mode": 0, "inputs": [], "outputs": []} | instance],
        "links": [],
        "definitions": {"subgraphs": [inside]},
    }


@pytest.mark.parametrize(
    ("instance", "changes"),
    [
        pytest.param({}, {}, id="the values within"),
        pytest.param({"widgets_values": []}, {}, id="an empty list"),
        pytest.param(
            {"widgets_values": ["a mill", "fog", 5], "inputs": [{"name": "seed", "widget": {"name": "seed"}}]},
            {"prompt": "a mill", "negative_prompt": "fog", "seeds": [5]},
            id="in the order of the subgraph's inputs, whatever the node lists",
        ),
        pytest.param(
            {"widgets_values": ["x"] * 9, "widgets_values_named": {"text_1": "fog", "seed": 5}},
            {"negative_prompt": "fog", "seeds": [5]},
            id="named by the page",
        ),
    ],
)
def test_widgets_on_a_subgraphs_outside(instance, changes):
    assert read(json.dumps(subgraph(**instance))).values == VALUES | changes


def test_a_page_that_names_widgets():
    drawn = changed(5, type="SomeLatents", widgets_values=[1, 2, 3], widgets_values_named={"height": 256, "width": 512})
    assert read(json.dumps(drawn)).values == VALUES


def test_a_node_of_an_old_page_that_names_nothing():
    """The order is that of ComfyUI's own INPUT_TYPES."""
    drawn = changed(5, type="EmptyHunyuanLatentVideo", widgets_values=[848, 480, 73, 1])
    assert read(json.dumps(drawn)).values["size"] == [848, 480]
