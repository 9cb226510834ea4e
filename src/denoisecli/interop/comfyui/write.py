"""A run's pictures as ComfyUI's graph: the API form that its server takes, and the drawing that its page loads.

Sources: ComfyUI's script_examples/basic_api_example.py; docs.comfy.org/specs/workflow_json_0.4.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from denoisecli.config.samplers import SAMPLERS

from ..files import base_name
from ..recipe import Recipe, Shot
from .levels import told
from .nodes import KINDS, SEEDS, Kind, Node
from .stages import WHOLE, Stage, shares, stages, way

FILTER = "bilinear"  # of a phase that enlarges
GAP = (60, 50)
NOTE_SIZE = (480, 240)


class Graph:
    """Nodes in the order of their making; one that is there already is not made twice."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._known: dict[str, str] = {}

    def add(self, kind: str, title: str = "", **inputs: Any) -> str:
        """Return the number of a node of this class with these inputs: values, or [node, slot]."""
        key = json.dumps([kind, inputs], sort_keys=True)
        if key not in self._known:
            name = self._known[key] = str(len(self.nodes) + 1)
            self.nodes[name] = {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}
        return self._known[key]


def api_graph(recipe: Recipe) -> dict[str, Node]:
    """Return the graph in API form: what POST /prompt takes as `prompt`, and what pictures carry under that name."""
    graph = Graph()
    for shot in recipe.shots:
        _add_shot(graph, recipe, shot)
    return graph.nodes


def _add_shot(graph: Graph, recipe: Recipe, shot: Shot) -> None:
    """Add the way to one picture: checkpoint, LoRAs, prompts, latents, sampler or several, decoder, file."""
    loader = graph.add("CheckpointLoaderSimple", "Load Checkpoint", ckpt_name=weights_name(recipe.model))
    vae, how, found = [loader, 2], way(recipe), stages(recipe, shot)
    if how == "row":
        sampled = _in_a_row(graph, recipe, shot, found, _begun(graph, recipe, vae))
    else:
        stage = Stage(0, recipe.steps, shot.prompt, recipe.negative_prompt, shot.cfg, shot.loras, "", recipe.model)
        model, conditions = _heard(graph, recipe, stage)
        if how == "ranges":
            conditions = _by_range(graph, recipe, found)
        sampled = _sampled(graph, recipe, shot, model, conditions, _empty(graph, recipe))
    decoded = graph.add("VAEDecode", "VAE Decode", samples=sampled, vae=vae)
    graph.add("SaveImage", "Save Image", filename_prefix=f"denoisecli-{shot.seed}", images=[decoded, 0])


def _heard(graph: Graph, recipe: Recipe, stage: Stage) -> tuple[Link, dict[str, Any]]:
    """Return the model of a stage with its LoRAs, and its two conditionings."""
    loader = graph.add("CheckpointLoaderSimple", "Load Checkpoint", ckpt_name=weights_name(stage.model))
    model, clip = [loader, 0], [loader, 1]
    for lora in stage.loras:
        file, (unet, text) = weights_name(lora.file), lora.strengths
        strengths: dict[str, Any] = {"strength_model": unet, "strength_clip": text}
        name = graph.add("LoraLoader", "Load LoRA", lora_name=file, **strengths, model=model, clip=clip)
        model, clip = [name, 0], [name, 1]
    if recipe.clip_skip > 1:
        clip = [graph.add("CLIPSetLastLayer", "Clip skip", stop_at_clip_layer=-recipe.clip_skip, clip=clip), 0]
    if recipe.guidance_rescale:
        model = [graph.add("RescaleCFG", multiplier=recipe.guidance_rescale, model=model), 0]
    texts = (("positive", "Prompt", stage.prompt), ("negative", "Negative prompt", stage.negative_prompt))
    plain = recipe.prompt_syntax != "comfy"
    return model, {
        key: [graph.add("CLIPTextEncode", title, text=escaped(text) if plain else text, clip=clip), 0]
        for key, title, text in texts
    }


def _empty(graph: Graph, recipe: Recipe) -> Link:
    width, height = recipe.size
    empty = "EmptySD3LatentImage" if recipe.sampler.flow else "EmptyLatentImage"
    return [graph.add(empty, "Empty Latent Image", width=width, height=height, batch_size=1), 0]


def _begun(graph: Graph, recipe: Recipe, vae: Link) -> Link:
    """Return the latents that a run begins with: empty ones, or a picture's, cut to the size as it is here."""
    if recipe.start is None:
        return _empty(graph, recipe)
    cut: dict[str, Any] = {"width": recipe.size[0], "height": recipe.size[1], "crop": "center"}
    loaded = [graph.add("LoadImage", "Load Image", image=base_name(recipe.start.image)), 0]
    scaled = [graph.add("ImageScale", "Cut to size", image=loaded, upscale_method="lanczos", **cut), 0]
    latents = [graph.add("VAEEncode", "VAE Encode", pixels=scaled, vae=vae), 0]
    if recipe.start.mask is None:
        return latents
    mask = [graph.add("LoadImageMask", "Load Mask", image=base_name(recipe.start.mask), channel="red"), 0]
    return [graph.add("SetLatentNoiseMask", samples=latents, mask=mask), 0]


def _in_a_row(graph: Graph, recipe: Recipe, shot: Shot, found: Sequence[Stage], latents: Link) -> Link:
    """Add a KSamplerAdvanced for each stage: it goes on with the latents of the one before, or with them enlarged."""
    for number, (before, stage) in enumerate(zip([None, *found], found, strict=False)):
        behind = found[number + 1] if number + 1 < len(found) else None
        fresh = before is None or stage.scale != before.scale
        if before is not None and fresh:
            scaled: dict[str, Any] = {"upscale_method": FILTER, "scale_by": stage.scale / before.scale}
            latents = [graph.add("LatentUpscaleBy", "Upscale Latent By", samples=latents, **scaled), 0]
        model, conditions = _heard(graph, recipe, stage)
        how = told(replace(recipe, sampler=SAMPLERS[stage.sampler]))
        goes_on = behind is not None and behind.scale == stage.scale
        numbers: dict[str, Any] = {
            "add_noise": "enable" if fresh else "disable", "noise_seed": shot.seed, "steps": recipe.steps,
            "cfg": stage.cfg, "sampler_name": how.sampler, "scheduler": how.scheduler, "start_at_step": stage.first,
            "end_at_step": WHOLE if behind is None else stage.until,
            "return_with_leftover_noise": "enable" if goes_on else "disable",
        }  # fmt: skip
        title = f"seed {shot.seed}, states {stage.first} to {stage.until}"
        sampler = graph.add("KSamplerAdvanced", title, **numbers, **conditions, model=model, latent_image=latents)
        latents = [sampler, 0]
    return latents


def _by_range(graph: Graph, recipe: Recipe, found: Sequence[Stage]) -> dict[str, Any]:
    """Return the two conditionings of a run whose words change, each joined of those of its stages."""
    between = shares(recipe, told(recipe)) or []
    joined: dict[str, Any] = {}
    for stage, (start, end) in zip(found, between, strict=True):
        _, conditions = _heard(graph, recipe, stage)
        for key, link in conditions.items():
            own = [graph.add("ConditioningSetTimestepRange", conditioning=link, start=start, end=end), 0]
            if key in joined:
                own = [graph.add("ConditioningCombine", conditioning_1=joined[key], conditioning_2=own), 0]
            joined[key] = own
    return joined


Link = list[Any]


def _sampled(graph: Graph, recipe: Recipe, shot: Shot, model: Link, conditions: dict[str, Any], latents: Link) -> Link:
    """Add one sampler for all steps: KSampler where a scheduler's levels are the run's, else one that is told them."""
    how = told(recipe)
    title = f"seed {shot.seed}, cfg {shot.cfg:g}"
    if how.scheduler is not None:
        names: dict[str, Any] = {"sampler_name": how.sampler, "scheduler": how.scheduler, "denoise": 1.0}
        numbers: dict[str, Any] = {"seed": shot.seed, "steps": recipe.steps, "cfg": shot.cfg}
        return [graph.add("KSampler", title, **numbers, **names, **conditions, model=model, latent_image=latents), 0]
    noise = [graph.add("RandomNoise", noise_seed=shot.seed), 0]
    if how.own_start:
        start = [graph.add("ManualSigmas", "Start", sigmas=f"{how.start:.8f}"), 0]
        latents = [graph.add("AddNoise", model=model, noise=noise, sigmas=start, latent_image=latents), 0]
        noise = [graph.add("DisableNoise"), 0]
    found = graph.add(
        "SamplerCustomAdvanced",
        title,
        noise=noise,
        guider=[graph.add("CFGGuider", cfg=shot.cfg, model=model, **conditions), 0],
        sampler=[graph.add("KSamplerSelect", sampler_name=how.sampler), 0],
        sigmas=[graph.add("ManualSigmas", "Levels", sigmas=how.as_text), 0],
        latent_image=latents,
    )
    if how.end != 1:
        found = graph.add("LatentMultiply", samples=[found, 0], multiplier=how.end)
    return [found, 0]


def weights_name(ref: str) -> str:
    """Return the file name under which ComfyUI may know a model or LoRA."""
    name = base_name(ref)
    return name if name.endswith(".safetensors") else f"{name}.safetensors"


def escaped(prompt: str) -> str:
    """Return a prompt whose brackets are plain text in ComfyUI, as they are here. Source: comfy/sd1_clip.py."""
    return re.sub(r"[()]", r"\\\g<0>", prompt)


def drawing(nodes: dict[str, Node], notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the graph as ComfyUI's page keeps it, to be dropped onto it: nodes with places, links, a note."""
    places, links = _places(nodes), _links(nodes)
    order = {name: at for at, name in enumerate(sorted(nodes, key=lambda name: (places[name][0], int(name))))}
    drawn = [_drawn(name, node, places[name], order[name], links) for name, node in nodes.items()]
    last = len(nodes)
    if notes:
        last += 1
        drawn.append(_note(last, notes, len(drawn)))
    return {
        "last_node_id": last,
        "last_link_id": len(links),
        "nodes": drawn,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def _links(nodes: dict[str, Node]) -> list[list[Any]]:
    """Return [number, from, slot, to, slot, type] for every link."""
    found: list[list[Any]] = []
    for name, node in nodes.items():
        for slot, (key, kind) in enumerate(KINDS[node["class_type"]].links):
            source, output = node["inputs"][key]
            found.append([len(found) + 1, int(source), output, int(name), slot, kind])
    return found


def _drawn(name: str, node: Node, place: tuple[int, int], order: int, links: Sequence[Sequence[Any]]) -> dict[str, Any]:
    kind = KINDS[node["class_type"]]
    into = {link[4]: link[0] for link in links if link[3] == int(name)}
    out = {slot: [link[0] for link in links if link[1:3] == [int(name), slot]] for slot in range(len(kind.outputs))}
    return {
        "id": int(name),
        "type": node["class_type"],
        "title": node["_meta"]["title"],
        "pos": list(place),
        "size": list(kind.size),
        "flags": {},
        "order": order,
        "mode": 0,
        "inputs": [{"name": key, "type": of, "link": into[slot]} for slot, (key, of) in enumerate(kind.links)],
        "outputs": [
            {"name": of, "type": of, "links": out[slot], "slot_index": slot} for slot, of in enumerate(kind.outputs)
        ],
        "properties": {"Node name for S&R": node["class_type"]},
        "widgets_values": _widgets(kind, node["inputs"]),
    }


def _widgets(kind: Kind, inputs: dict[str, Any]) -> list[Any]:
    """Return the values of a node's widgets in their order; the page has one more behind each seed."""
    values: list[Any] = []
    for key in kind.widgets:
        values += [inputs[key], "fixed"] if key in SEEDS else [inputs[key]]
    return values


def _note(number: int, notes: Sequence[str], order: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "Note",
        "title": "From denoisecli",
        "pos": [0, -NOTE_SIZE[1] - 2 * GAP[1]],
        "size": list(NOTE_SIZE),
        "flags": {},
        "order": order,
        "mode": 0,
        "properties": {},
        "widgets_values": ["\n".join(f"- {note}" for note in notes)],
        "color": "#432",
        "bgcolor": "#653",
    }


def _places(nodes: dict[str, Node]) -> dict[str, tuple[int, int]]:
    """Return the upper left corner of each node: one column a generation, nodes below each other in it."""
    generation: dict[str, int] = {}
    for name, node in nodes.items():  # what a node needs was made before it
        above = [generation[value[0]] for value in node["inputs"].values() if isinstance(value, list)]
        generation[name] = max(above, default=-1) + 1
    places, x = {}, 0
    for column in range(max(generation.values()) + 1):
        members = [name for name in nodes if generation[name] == column]
        sizes = [KINDS[nodes[name]["class_type"]].size for name in members]
        y = 0
        for name, size in zip(members, sizes, strict=True):
            places[name] = (x, y)
            y += size[1] + GAP[1]
        x += max(width for width, _ in sizes) + GAP[0]
    return places
