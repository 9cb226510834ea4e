"""ComfyUI's graph in API form: nodes by number, each with a class and inputs that are values or [node, slot] links."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from functools import cached_property
from typing import Any

from denoisecli.safe_text import json_values

from .drawing import api_form
from .nodes import Node

MOST_NODES = 10_000
MOST_VISITS = 300_000  # of nodes, in all ways up together: a graph of a hundred nodes needs a thousand
SMALL = 8  # inputs looked at, or so many hundreds of letters made, cost as much as a visit
ENVELOPES = ("prompt", "output", "workflow")  # under which a graph stands one level down, in a request or a history
Source = tuple[str, int]
"""A node's number, and which of its outputs is meant."""


class Graph:
    """Nodes by number; the ways up from their inputs, and down from their outputs."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        self.nodes = nodes
        self.visits = 0

    def source(self, value: Any) -> Source | None:
        """Return the node and the output that an input is linked to; None for a plain value.

        Also None once a graph has used up its visits, so that every way ends.
        """
        name = self._linked(value)
        if name is None or self.visits >= MOST_VISITS:
            return None
        self.visits += 1
        return name, value[1] if isinstance(value[1], int) else 0

    def spend(self, count: int) -> bool:
        """Charge for small things that were looked at, and return whether the graph has visits left."""
        self.visits += count // SMALL
        return self.visits < MOST_VISITS

    def _linked(self, value: Any) -> str | None:
        if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], (str, int))):
            return None
        name = str(value[0])
        return name if name in self.nodes else None

    def kind(self, name: str) -> str:
        """Return a node's class."""
        return str(self.nodes[name].get("class_type", ""))

    def inputs(self, name: str) -> dict[str, Any]:
        """Return a node's inputs."""
        found = self.nodes[name].get("inputs")
        if not isinstance(found, dict):
            return {}
        self.spend(len(found))
        return found

    def links(self, name: str) -> dict[str, Any]:
        """Return those of a node's inputs that are linked."""
        return {key: value for key, value in self.inputs(name).items() if self.source(value)}

    def output_name(self, name: str, slot: int) -> str:
        """Return what a drawing calls an output, in small letters; "" in API form, which does not say."""
        names = self.nodes[name].get("_outputs")
        return str(names[slot]).lower() if isinstance(names, list) and 0 <= slot < len(names) else ""

    def up(self, value: Any, ends: Container[str] = (), but: Container[str] = ()) -> Iterator[str]:
        """Yield every node above an input, the nearest first.

        ends: classes beyond which nothing is looked for. but: inputs that are not followed.
        """
        waiting: deque[Source | None] = deque([self.source(value)])
        seen: set[str] = set()
        while waiting:
            found = waiting.popleft()
            if found is None or found[0] in seen:
                continue
            seen.add(found[0])
            yield found[0]
            if self.kind(found[0]) not in ends:
                inputs = self.inputs(found[0])
                waiting.extend(self.source(each) for key, each in inputs.items() if key not in but)

    def down(self, name: str) -> Iterator[str]:
        """Yield every node below a node, the nearest first."""
        waiting, seen = deque(self.readers.get(name, [])), {name}
        while waiting and self.visits < MOST_VISITS:
            self.visits += 1
            other = waiting.popleft()
            if other not in seen:
                seen.add(other)
                yield other
                waiting.extend(self.readers.get(other, []))

    @cached_property
    def readers(self) -> dict[str, list[str]]:
        """By node, those that are linked to it; a node that nobody reads is not among them."""
        found: dict[str, list[str]] = {}
        for other in self.nodes:
            for value in self.inputs(other).values():
                name = self._linked(value)
                if name is not None:
                    found.setdefault(name, []).append(other)
        return found


def graph_of(text: str) -> Graph | None:
    """Return the graph in a text of either form, also one level down; None where there is none."""
    found = json_values(text)
    nodes = next((each for each in map(_nodes, _candidates(found)) if each), None)
    return Graph(nodes) if nodes else None


def _candidates(found: Any) -> Iterator[Any]:
    """Yield what may be a graph: the text's own JSON, a request's or an export's part, a history's first entry."""
    yield found
    if not isinstance(found, dict):
        return
    for key in ENVELOPES:
        inner = found.get(key)
        if isinstance(inner, str) and len(inner) > 1:  # a chunk kept as text
            inner = json_values(inner)
        yield from _history(inner)
    for entry in list(found.values())[:8]:
        if isinstance(entry, dict) and "class_type" not in entry:
            for key in ENVELOPES:
                yield from _history(entry.get(key))


def _history(inner: Any) -> Iterator[Any]:
    """Yield a part, or of a history's entry, [number, id, graph, extra, outputs], the graph."""
    if isinstance(inner, list) and len(inner) > 2:
        yield inner[2]
    else:
        yield inner


def _nodes(found: Any) -> dict[str, Node] | None:
    if isinstance(found, dict) and isinstance(found.get("nodes"), list):
        found = api_form(found)
    if not isinstance(found, dict) or len(found) > MOST_NODES:
        return None
    nodes = {str(name): node for name, node in found.items() if isinstance(node, dict) and "class_type" in node}
    return nodes or None
