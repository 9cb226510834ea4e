"""Samplers of ComfyUI in a row, each of which goes on with the run of the one before: one run, in phases."""

from __future__ import annotations

from collections.abc import Container

from denoisecli.config.base import MOST_SCALE

from ..files import found_here
from ..imported import number
from .graph import Graph
from .model import Models
from .values import Finder

MOST_SAMPLERS = 64


def file_of(graph: Graph, name: str) -> str | None:
    """Return the model's file of a sampler."""
    inputs = graph.inputs(name)
    guider = graph.source(inputs.get("guider"))
    value = graph.inputs(guider[0]).get("model") if guider else inputs.get("model")
    return Models(graph, Finder(graph)).model(value).file


def stages_of(graph: Graph, name: str, samplers: Container[str]) -> list[str]:
    """Return a sampler and those that go on with its run, step for step: one run, in phases where settings change."""
    stages, last = [name], name
    while graph.kind(last) == "KSamplerAdvanced" and len(stages) < MOST_SAMPLERS:
        following = next((each for each in graph.nodes if each not in stages and _goes_on(graph, last, each)), None)
        if following is None or following not in samplers:
            break
        stages.append(following)
        last = following
    return stages


def _goes_on(graph: Graph, name: str, following: str) -> bool:
    """Return whether the second sampler takes up the first one's run where it stopped, on the same levels.

    It takes the latents with the noise that is left, or, between a node that enlarges them, without, and noises them.
    Another model goes on where its file is here.
    """
    one, two = graph.inputs(name), graph.inputs(following)
    source = graph.source(two.get("latent_image"))
    larger = enlarged(graph, source[0]) if source else None
    if source and larger:
        source = graph.source(graph.inputs(source[0]).get("samples"))
    noise = ("disable", "enable") if larger else ("enable", "disable")
    file = file_of(graph, following)
    return bool(
        graph.kind(following) == "KSamplerAdvanced" and source and source[0] == name
        and all(one.get(key) == two.get(key) for key in ("steps", "scheduler"))
        and (file_of(graph, name) == file or (file and found_here(file)))
        and one.get("end_at_step") == two.get("start_at_step")
        and (one.get("return_with_leftover_noise"), two.get("add_noise")) == noise
    )  # fmt: skip


def enlarged(graph: Graph, name: str) -> float | None:
    """Return how many times as long the sides are behind a node that enlarges latents; None for another node."""
    inputs = graph.inputs(name)
    scale = number(inputs.get("scale_by")) if graph.kind(name) == "LatentUpscaleBy" else None
    return scale if scale is not None and 1 < scale <= MOST_SCALE else None
