"""ComfyUI's drawing (the `workflow` chunk, and what its page saves) into the API form, as its page does it.

A drawing keeps widgets as a list without names. Newer pages name them among the node's inputs, the newest in a table of
their own; for the others the order is that of `nodes.widgets`. Subgraphs are laid flat at any depth: their nodes are
called "outer:inner". Source: docs.comfy.org/specs/workflow_json_0.4 and _1.0; ComfyUI_frontend's graphToPrompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .nodes import AFTER_SEED, SEEDS, Node, widgets

MUTED, BYPASSED = 2, 4  # a node's `mode`; 0 is "always"
IN, OUT = "-10", "-20"  # the numbers that a subgraph's own inputs and outputs go by
MOST_DEPTH = 20
MOST_NODES = 10_000
MOST_STEPS = 150  # from node to node that is only passed through: a ring of them has no end
EVERYWHERE = ("Anything Everywhere", "Prompts Everywhere")


def api_form(drawing: dict[str, Any]) -> dict[str, Node]:
    """Return the nodes of a drawing by number; what is muted is left out, what is bypassed is passed through."""
    definitions = drawing.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    known = {str(one.get("id")): one for one in subgraphs or [] if isinstance(one, dict)} if subgraphs else {}
    page = _Level(drawing, "", known, None)
    return dict(page.nodes([MOST_NODES]))


class _Level:
    """The page, or the inside of one subgraph that stands on it."""

    def __init__(self, drawing: dict[str, Any], prefix: str, known: dict[str, Any], outside: _Outside | None) -> None:
        self.prefix, self.known, self.outside = prefix, known, outside
        drawn = (node for node in _dicts(drawing.get("nodes")) if isinstance(node.get("id"), (int, str)))
        self.drawn = {str(node["id"]): node for node in drawn}
        self.sources: dict[Any, tuple[str, int]] = {}
        self.kinds: dict[Any, str] = {}
        self.exits: dict[int, Any] = {}
        for link, source, slot, target, into, kind in _links(drawing.get("links")):
            self.sources[link], self.kinds[link] = (source, slot), kind
            if target == OUT:
                self.exits[into] = link
        self.inner: dict[str, _Level] = {}
        self.broadcast = list(self._broadcasts())

    def nodes(self, room: list[int]) -> Iterator[tuple[str, Node]]:
        """Yield the nodes of this level and of the subgraphs in it. room: how many more there may be, in a list."""
        for name, drawn in self.drawn.items():
            if drawn.get("mode") in (MUTED, BYPASSED) or room[0] <= 0:
                continue
            level = self.level(name)
            if level is not None:
                yield from level.nodes(room)
                continue
            room[0] -= 1
            found = ((key, self.input(link, key, kind)) for key, link, kind in _linked(drawn))
            links = {key: value for key, value in found if value is not None}
            node = {"class_type": str(drawn.get("type", "")), "inputs": _widgets(drawn) | links}
            outputs = [str(one.get("name", "")) for one in _dicts(drawn.get("outputs"))]
            yield self.prefix + name, node | ({"_outputs": outputs} if outputs else {})

    def level(self, name: str) -> _Level | None:
        """Return the inside of a node that is a subgraph; None for any other node."""
        drawn = self.drawn[name]
        inside = self.known.get(str(drawn.get("type")))
        if inside is None or self.prefix.count(":") >= MOST_DEPTH:
            return None
        if name not in self.inner:
            self.inner[name] = _Level(inside, f"{self.prefix}{name}:", self.known, _Outside(self, drawn, inside))
        return self.inner[name]

    def input(self, link: Any, key: str, kind: str) -> Any:
        """Return what an input gets: [node, slot], a value, or None."""
        if link is not None:
            return self.trace(link)
        source = next((one for of, name, one in self.broadcast if of == kind and name in ("", key)), None)
        return self.trace(source) if source is not None else None

    def trace(self, link: Any, steps: int = MOST_STEPS) -> Any:
        """Return what a link brings: [node, slot] of a node that does something, a value, or None."""
        name, slot = self.sources.get(link, ("", 0))
        if name == IN and self.outside:
            return self.outside.input(slot, steps - 1) if steps > 0 else None
        drawn = self.drawn.get(name)
        if drawn is None or steps <= 0 or drawn.get("mode") == MUTED:
            return None
        if drawn.get("mode") == BYPASSED:
            way = self._way_through(drawn, slot, self.kinds.get(link, ""))
            return self.trace(way, steps - 1) if way is not None else None
        if drawn.get("type") == "GetNode":
            way = self._set_by(_name_of(drawn))
            return self.trace(way, steps - 1) if way is not None else None
        if drawn.get("type") in ("SetNode", "Reroute"):
            way = next((each for _, each, _ in _linked(drawn) if each is not None), None)
            return self.trace(way, steps - 1) if way is not None else None
        level = self.level(name)
        if level is not None:
            return level.trace(level.exits.get(slot), steps - 1) if slot in level.exits else None
        return [self.prefix + name, slot]

    def _way_through(self, drawn: dict[str, Any], slot: int, kind: str) -> Any:
        """Return the link that a bypassed node passes on to an output: of its type, the one in its own place first."""
        inputs = [(link, self.kinds.get(link) if of in ("", "*") else of) for _, link, of in _linked(drawn)]
        fits = [link for link, of in inputs if link is not None and of == kind]
        own = inputs[slot] if 0 <= slot < len(inputs) else (None, "")
        links = [link for link, _ in inputs if link is not None]
        if own[0] is not None and own[1] == kind:
            return own[0]
        return fits[0] if fits else links[0] if len(links) == 1 else None

    def _set_by(self, wanted: str) -> Any:
        for drawn in self.drawn.values():
            if drawn.get("type") == "SetNode" and _name_of(drawn) == wanted:
                return next((link for _, link, _ in _linked(drawn) if link is not None), None)
        return None

    def _broadcasts(self) -> Iterator[tuple[str, str, Any]]:
        """Yield (type, name, link) of what "Anything Everywhere" gives to every input that has no link."""
        for drawn in self.drawn.values():
            kind = str(drawn.get("type"))
            if kind.startswith(EVERYWHERE) and drawn.get("mode") not in (MUTED, BYPASSED):
                names = ("positive", "negative") if kind == "Prompts Everywhere" else ("",) * 3
                links = [link for _, link, _ in _linked(drawn) if link is not None]
                for link, name in zip(links, names, strict=False):
                    yield self.kinds.get(link, ""), name, link


class _Outside:
    """What a subgraph's inputs get where it stands: links of the level around it, or its own widgets."""

    def __init__(self, around: _Level, drawn: dict[str, Any], inside: dict[str, Any]) -> None:
        self.around, self.drawn = around, drawn
        self.names = [str(one.get("name", "")) for one in _dicts(inside.get("inputs"))]
        self.widgets = _promoted(drawn, inside, self.names)

    def input(self, slot: int, steps: int) -> Any:
        """Return what the level around gives to an input: [node, slot], a value, or None."""
        name = self.names[slot] if 0 <= slot < len(self.names) else ""
        link = next((link for key, link, _ in _linked(self.drawn) if key == name), None)
        if link is not None:
            return self.around.trace(link, steps)
        return self.widgets.get(name)


def _promoted(drawn: dict[str, Any], inside: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the values that a subgraph shows on its outside, by the names of its inputs.

    They stand in the order of the inputs that lead to widgets within; the page may list only some of them on the node.
    """
    if isinstance(drawn.get("widgets_values_named"), dict):
        return _widgets(drawn)
    values, nodes = drawn.get("widgets_values"), {str(node.get("id")): node for node in _dicts(inside.get("nodes"))}
    leading = set()
    for _, source, slot, target, into, _ in _links(inside.get("links")):
        slots = _dicts(nodes[target].get("inputs")) if source == IN and target in nodes else []
        if into < len(slots) and slots[into].get("widget"):
            leading.add(slot)
    named = [name for slot, name in enumerate(names) if slot in leading]
    if isinstance(values, list) and len(values) == len(named):
        return dict(zip(named, values, strict=True))
    return _widgets(drawn)


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _links(links: Any) -> Iterator[tuple[Any, str, int, str, int, str]]:
    """Yield links from lists [link, node, slot, to, slot, type] or, in subgraphs and since version 1, from tables."""
    for link in links if isinstance(links, list) else []:
        row = link
        if isinstance(link, dict):
            row = [link.get(key) for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")]
        if isinstance(row, list) and len(row) >= 3 and isinstance(row[0], (int, str)):
            _, source, slot, target, into, kind = [*row, None, None, None][:6]
            yield row[0], str(source), _whole(slot), str(target), _whole(into), str(kind)


def _whole(slot: Any) -> int:
    return slot if isinstance(slot, int) else 0


def _linked(drawn: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield (name, link or None, type) of a node's inputs."""
    for slot in _dicts(drawn.get("inputs")):
        link = slot.get("link")
        yield str(slot.get("name", "")), link if isinstance(link, (int, str)) else None, str(slot.get("type", ""))


def _name_of(drawn: dict[str, Any]) -> str:
    """Return the name under which a Set node keeps something, and a Get node asks for it."""
    values = drawn.get("widgets_values")
    return str(values[0]) if isinstance(values, list) and values else str(drawn.get("title", ""))


def _widgets(drawn: dict[str, Any]) -> dict[str, Any]:
    """Return a node's widgets by name; those without a known name are left out."""
    for values in (drawn.get("widgets_values_named"), drawn.get("widgets_values")):
        if isinstance(values, dict):
            return {str(name): value for name, value in values.items()}
    if not isinstance(values, list):
        return {}
    kind = str(drawn.get("type"))
    named = tuple(str(slot.get("name")) for slot in _dicts(drawn.get("inputs")) if slot.get("widget"))
    known = widgets(kind)
    names = known if len(known) >= len(named) else named
    found: dict[str, Any] = {}
    rest = list(values)
    for name in names:
        if not rest:
            break
        found[name] = rest.pop(0)
        if name in SEEDS and rest and (isinstance(rest[0], bool) or rest[0] in AFTER_SEED):
            rest.pop(0)
    return found
