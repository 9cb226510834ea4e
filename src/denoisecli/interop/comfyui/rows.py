"""Samplers of ComfyUI in a row, each of which goes on with the run of the one before: one run, in phases."""

from __future__ import annotations

from collections.abc import Container
from functools import cached_property

from denoisecli.config.base import MOST_SCALE

from ..files import found_here
from ..imported import number
from .graph import Graph
from .model import Models
from .values import Finder

MOST_SAMPLERS = 64


class Rows:
    """The samplers of one graph: which of them go on with the run of which, and their models' files."""

    def __init__(self, graph: Graph, samplers: Container[str]) -> None:
        self.graph, self.samplers = graph, samplers
        self._files: dict[str, str | None] = {}

    def file_of(self, name: str) -> str | None:
        """Return the model's file of a sampler."""
        if name not in self._files:
            inputs = self.graph.inputs(name)
            guider = self.graph.source(inputs.get("guider"))
            value = self.graph.inputs(guider[0]).get("model") if guider else inputs.get("model")
            self._files[name] = Models(self.graph, Finder(self.graph)).model(value).file
        return self._files[name]

    def stages_of(self, name: str) -> list[str]:
        """Return a sampler and those that go on with its run, step for step: one run, in phases."""
        stages, last = [name], name
        while self.graph.kind(last) == "KSamplerAdvanced" and len(stages) < MOST_SAMPLERS:
            behind = self._behind.get(last, [])
            following = next((each for each in behind if each not in stages and self._goes_on(last, each)), None)
            if following is None or following not in self.samplers:
                break
            stages.append(following)
            last = following
        return stages

    @cached_property
    def _behind(self) -> dict[str, list[str]]:
        """By node, the samplers that take its latents, as they are or enlarged."""
        found: dict[str, list[str]] = {}
        for name in self.graph.nodes:
            if self.graph.kind(name) == "KSamplerAdvanced" and (source := self._latents(name)[0]):
                found.setdefault(source, []).append(name)
        return found

    def _latents(self, name: str) -> tuple[str | None, bool]:
        """Return the node whose latents a sampler takes, and whether they are enlarged between."""
        source = self.graph.source(self.graph.inputs(name).get("latent_image"))
        larger = bool(source and enlarged(self.graph, source[0]))
        if source and larger:
            source = self.graph.source(self.graph.inputs(source[0]).get("samples"))
        return (source[0] if source else None), larger

    def _goes_on(self, name: str, following: str) -> bool:
        """Return whether the second sampler takes up the first one's run where it stopped, on the same levels.

        It takes the latents with the noise that is left, or, between a node that enlarges them, without, and noises
        them. Another model goes on where its file is here.
        """
        one, two = self.graph.inputs(name), self.graph.inputs(following)
        source, larger = self._latents(following)
        noise = ("disable", "enable") if larger else ("enable", "disable")
        return bool(
            source == name
            and all(one.get(key) == two.get(key) for key in ("steps", "scheduler"))
            and one.get("end_at_step") == two.get("start_at_step")
            and (one.get("return_with_leftover_noise"), two.get("add_noise")) == noise
            and self._file_fits(name, following)
        )

    def _file_fits(self, name: str, following: str) -> bool:
        file = self.file_of(following)
        return bool(self.file_of(name) == file or (file and found_here(file)))


def enlarged(graph: Graph, name: str) -> float | None:
    """Return how many times as long the sides are behind a node that enlarges latents; None for another node."""
    inputs = graph.inputs(name)
    scale = number(inputs.get("scale_by")) if graph.kind(name) == "LatentUpscaleBy" else None
    return scale if scale is not None and 1 < scale <= MOST_SCALE else None
