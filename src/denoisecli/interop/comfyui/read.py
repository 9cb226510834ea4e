"""ComfyUI's graph: nodes by number, each with a class and inputs that are values or links (the API form).

We start at the sampler and follow the links up to prompts, model, LoRAs and size. Custom nodes are passed through
where the way on is clear, and named where not. Source of the names: ComfyUI's nodes.py and comfy_extras.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Container, Iterator
from typing import Any

from ..imported import Imported, number, whole
from ..samplers import from_comfyui
from .drawing import api_form

MOST_NODES = 10_000
MOST_VISITS = 300_000  # of nodes, in all ways up together: a graph of a hundred nodes needs a thousand
MOST_TEXTS = 20
MOST_SAMPLERS = 64
SAMPLER_INPUTS = {"latent_image", "latent"}
LITERALS = ("value", "text", "string", "seed", "noise_seed", "int", "float", "number", "Value", "String")
LORAS = {"LoraLoader", "LoraLoaderModelOnly"}
MODEL_NAMES = ("ckpt_name", "unet_name", "model_name", "diffusion_model")
CLIPS = {"CLIPSetLastLayer"}
PASSED = {"Reroute", "PrimitiveNode"}

Node = dict[str, Any]


class Graph:
    """Nodes by number; the ways up from their inputs."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        self.nodes = nodes
        self.visits = 0

    def linked(self, value: Any) -> str | None:
        """Return the number of the node that an input is linked to, or None for a plain value."""
        if isinstance(value, list) and len(value) == 2 and str(value[0]) in self.nodes:
            return str(value[0])
        return None

    def value(self, value: Any) -> Any:
        """Return an input's plain value, looked up through reroutes and primitive nodes; None where there is none."""
        seen: set[str] = set()
        while (name := self.linked(value)) is not None and name not in seen and self.visits < MOST_VISITS:
            seen.add(name)
            self.visits += 1
            inputs = self.inputs(name)
            found = [inputs[key] for key in LITERALS if key in inputs]
            links = [each for each in inputs.values() if self.linked(each)]
            value = found[0] if found else links[0] if len(links) == 1 else None
        return None if isinstance(value, (list, dict)) else value

    def kind(self, name: str) -> str:
        """Return a node's class."""
        return str(self.nodes[name].get("class_type", ""))

    def inputs(self, name: str) -> dict[str, Any]:
        """Return a node's inputs."""
        found = self.nodes[name].get("inputs")
        return found if isinstance(found, dict) else {}

    def up(self, value: Any) -> Iterator[str]:
        """Yield every node above an input, the nearest first."""
        waiting: deque[str | None] = deque([self.linked(value)])
        seen: set[str] = set()
        while waiting and self.visits < MOST_VISITS:
            name = waiting.popleft()
            if name is None or name in seen:
                continue
            seen.add(name)
            self.visits += 1
            yield name
            waiting.extend(self.linked(each) for each in self.inputs(name).values())

    def chain(self, value: Any, key: str) -> Iterator[str]:
        """Yield the nodes above an input, each by its input `key` or, in reroutes, its only link."""
        seen: set[str] = set()
        while (name := self.linked(value)) is not None and name not in seen and self.visits < MOST_VISITS:
            seen.add(name)
            self.visits += 1
            yield name
            inputs = self.inputs(name)
            links = [each for each in inputs.values() if self.linked(each)]
            value = inputs.get(key, links[0] if len(links) == 1 else None)


def read(text: str) -> Imported | None:
    """Return the settings in a graph, of either form; None where the text is no graph with a sampler."""
    graph = _graph(text)
    if graph is None:
        return None
    samplers = {name: None for name in graph.nodes if _is_sampler(graph, name)}  # a set in order
    if not samplers:
        return None
    some = list(samplers)[:MOST_SAMPLERS]
    firsts = [name for name in some if not _feeders(graph, name, samplers)] or some[:1]
    found = [_read_one(graph, name) for name in firsts]
    return _together(found, firsts, len(samplers))


def _together(found: list[Imported], names: list[str], samplers: int) -> Imported:
    """Return one import for all first passes where they differ in seed and cfg alone; else the first, and say so."""
    imported = found[0]
    alike = [one for one in found if _but(one.values) == _but(imported.values) and one.elsewhere == imported.elsewhere]
    seeds = list(dict.fromkeys(seed for one in alike for seed in one.values.get("seeds", [])))
    scales = list(dict.fromkeys(one.values["cfg"] for one in alike if "cfg" in one.values))
    if len(alike) < samplers or len(alike) != max(len(seeds), 1) * max(len(scales), 1):
        if samplers > 1:
            imported.note(f"The graph has {samplers} samplers; the first pass is taken (node {names[0][:20]}).")
        return imported
    if seeds:
        imported.values["seeds"] = seeds
    if len(scales) > 1:
        imported.values["scales"] = scales
    return imported


def _but(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in ("seeds", "cfg")}


def _read_one(graph: Graph, name: str) -> Imported:
    """Return what leads to one sampler."""
    imported = Imported("ComfyUI")
    inputs = _gathered(graph, name)
    _read_sampling(imported, graph, inputs)
    imported.set_prompts(
        _prompt(imported, graph, inputs.get("positive")), _prompt(imported, graph, inputs.get("negative"))
    )
    _read_latent(imported, graph, inputs)
    _read_model(imported, graph, inputs.get("model"))
    return imported


def _graph(text: str) -> Graph | None:
    try:
        nodes = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(nodes, dict) and isinstance(nodes.get("nodes"), list):
        nodes = api_form(nodes)
    if not isinstance(nodes, dict) or len(nodes) > MOST_NODES:
        return None
    return Graph({str(name): node for name, node in nodes.items() if isinstance(node, dict) and "class_type" in node})


def _is_sampler(graph: Graph, name: str) -> bool:
    inputs = graph.inputs(name)
    told = {"positive", "steps"} <= inputs.keys() or {"sampler", "sigmas"} <= inputs.keys()
    return bool(told and SAMPLER_INPUTS & inputs.keys())


def _feeders(graph: Graph, name: str, samplers: Container[str]) -> list[str]:
    """Return the samplers whose latents this one goes on with."""
    inputs = graph.inputs(name)
    above = [up for key in SAMPLER_INPUTS if key in inputs for up in graph.up(inputs[key])]
    return [up for up in above if up in samplers]


def _gathered(graph: Graph, name: str) -> dict[str, Any]:
    """Return a sampler's inputs together with those of the nodes that a SamplerCustom takes them from."""
    inputs = dict(graph.inputs(name))
    for key in ("sampler", "sigmas", "guider", "noise"):
        for above in graph.up(inputs.get(key)):
            if key == "noise" and "noise_seed" not in graph.inputs(above):
                continue
            found = graph.inputs(above)
            inputs = {each: value for each, value in found.items() if each not in inputs} | inputs
            break
    if "conditioning" in inputs and "positive" not in inputs:
        inputs["positive"] = inputs["conditioning"]
    return inputs


def _read_sampling(imported: Imported, graph: Graph, inputs: dict[str, Any]) -> None:
    seed = whole(graph.value(inputs.get("seed", inputs.get("noise_seed"))))
    steps, cfg = whole(graph.value(inputs.get("steps"))), number(graph.value(inputs.get("cfg")))
    found = {"seeds": None if seed is None else [seed], "steps": steps, "cfg": cfg}
    imported.values |= {key: value for key, value in found.items() if value is not None}
    if seed is None:
        imported.note("The seed could not be found in the graph.")
    sampler = graph.value(inputs.get("sampler_name"))
    if isinstance(sampler, str):
        from_comfyui(imported, sampler, str(graph.value(inputs.get("scheduler")) or "normal"))
    denoise = number(graph.value(inputs.get("denoise")))
    if denoise is not None and denoise < 1:
        imported.note(f"denoise {denoise:g} has no equal here; the picture starts from pure noise.")
    if (
        whole(graph.value(inputs.get("start_at_step")))
        or graph.value(inputs.get("return_with_leftover_noise")) == "enable"
    ):
        imported.note("Only a part of the steps was run there (KSamplerAdvanced); here all are.")


def _prompt(imported: Imported, graph: Graph, value: Any) -> str:
    """Return the texts above a conditioning, nearest first, each once."""
    texts: list[str] = []
    for name in graph.up(value):
        inputs = graph.inputs(name)
        for key in ("text", "text_g", "text_l", "clip_l", "t5xxl", "prompt"):
            found = graph.value(inputs.get(key))
            if isinstance(found, str) and found.strip() and found not in texts and _encodes(graph, name):
                texts.append(found)
        if "control_net" in inputs:
            imported.note("A ControlNet guided this picture; it has no equal here.")
    if len(texts) > 1:
        imported.note("Several texts were combined there; here they are joined by commas.")
    return ", ".join(texts[:MOST_TEXTS])


def _encodes(graph: Graph, name: str) -> bool:
    """Tell whether a node turns text into a conditioning: it needs a CLIP, or is one that carries its own text."""
    return "clip" in graph.inputs(name) or "Encode" in graph.kind(name) or "Prompt" in graph.kind(name)


def _read_latent(imported: Imported, graph: Graph, inputs: dict[str, Any]) -> None:
    latent = inputs.get("latent_image", inputs.get("latent"))
    for name in graph.up(latent):
        found = graph.inputs(name)
        if "Empty" in graph.kind(name) and {"width", "height"} <= found.keys():
            size = [whole(graph.value(found[side])) for side in ("width", "height")]
            if None not in size:
                imported.values["size"] = size
            if (whole(graph.value(found.get("batch_size"))) or 1) > 1:
                imported.note(
                    "It is one of a batch, whose noises ComfyUI draws in a row; only the first has this seed."
                )
            return
        if "pixels" in found or "image" in found:
            imported.note("It was made from another picture, which is not in the file; here it starts from noise.")
    size = [whole(graph.value(inputs.get(f"empty_latent_{side}"))) for side in ("width", "height")]
    if None not in size:
        imported.values["size"] = size


def _read_model(imported: Imported, graph: Graph, value: Any) -> None:
    """Follow the model's way up: LoRAs, those applied first last; the checkpoint; what has no equal."""
    loras, others = [], []
    for name in graph.chain(value, "model"):
        kind, inputs = graph.kind(name), graph.inputs(name)
        model = next((graph.value(inputs[key]) for key in MODEL_NAMES if key in inputs), None)
        lora = graph.value(inputs.get("lora_name"))
        if isinstance(lora, str) and (kind in LORAS or "strength_model" in inputs):
            loras.append((lora, number(graph.value(inputs.get("strength_model"))) or 0.0))
        elif isinstance(model, str) and "control" not in kind.lower():
            imported.set_model(model)
            break
        elif kind not in PASSED and "model" in inputs:
            others.append(re.sub(r"[^\w .+-]", "", kind)[:40])
    for lora, strength in reversed(loras):
        imported.add_lora(lora, strength)
    if others:
        imported.note(f"Changes of the model without an equal here: {', '.join(dict.fromkeys(others))[:200]}.")
    if any(graph.kind(name) in CLIPS for name in graph.nodes):
        imported.note("Clip skip (CLIPSetLastLayer) has no equal here.")
