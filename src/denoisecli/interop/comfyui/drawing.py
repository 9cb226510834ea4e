"""ComfyUI's drawing (the `workflow` chunk, and what its page saves) into the API form, as its page does it.

A drawing keeps widgets as a list without names. Newer pages name them among the node's inputs, the newest in a table of
their own; for the others the order is that of `nodes.widgets`. Subgraphs are laid flat at any depth: their nodes are
called "outer:inner". Source: docs.comfy.org/specs/workflow_json_0.4 and _1.0; ComfyUI_frontend's graphToPrompt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from typing import Any

from .nodes import AFTER_SEED, SEEDS, Node, widgets

MUTED, BYPASSED = 2, 4  # a node's `mode`; 0 is "always"
IN, OUT = "-10", "-20"  # the numbers that a subgraph's own inputs and outputs go by
MOST_DEPTH = 20
MOST_NODES = 10_000
MOST_LOOKS = 1_000_000  # at nodes, inputs and links, on all levels together: a page of 100 nodes needs some thousand
LEVEL = 20  # looks that the inside of a subgraph costs, however empty
MOST_STEPS = 150  # from node to node that is only passed through: a ring of them has no end
Link = tuple[Any, str, int, str, int, str]
"""Its number, the node and the output that it comes from, the node and the input that it leads to, its type."""
EVERYWHERE = ("Anything Everywhere", "Prompts Everywhere")


def api_form(drawing: dict[str, Any]) -> dict[str, Node]:
    """Return the nodes of a drawing by number; what is muted is left out, what is bypassed is passed through."""
    definitions = drawing.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    known = {str(one.get("id")): one for one in subgraphs or [] if isinstance(one, dict)} if subgraphs else {}
    page = _Level(drawing, "", known, None, _Looks())
    return dict(islice(page.nodes(), MOST_NODES))


class _Looks:
    """What a drawing may still cost, and what was parsed of it: a subgraph is parsed once, however often it stands."""

    def __init__(self) -> None:
        self.left = MOST_LOOKS
        self._parsed: dict[tuple[int, str], list[Any]] = {}

    def take(self, count: int = 1) -> bool:
        """Return whether so many more looks may be had."""
        self.left -= count
        return self.left > 0

    def links(self, drawing: dict[str, Any]) -> list[Link]:
        """Return the links of a page or a subgraph; none where they cost too much."""
        return self._once(drawing, "links", lambda: list(_links(drawing.get("links"))))

    def inputs(self, drawn: dict[str, Any]) -> list[tuple[str, Any, str]]:
        """Return (name, link or None, type) of a node's inputs; none where they cost too much."""
        return self._once(drawn, "inputs", lambda: list(_linked(drawn)))

    def _once(self, of: dict[str, Any], part: str, parse: Callable[[], list[Any]]) -> list[Any]:
        """Return what was parsed. Its owner is part of the drawing, which stays, so its address names it."""
        key = (id(of), part)
        if key not in self._parsed:
            self._parsed[key] = parse()
        return self._parsed[key] if self.take(1 + len(self._parsed[key])) else []


class _Level:
    """The page, or the inside of one subgraph that stands on it."""

    def __init__(self, drawing: dict[str, Any], prefix: str, known: dict[str, Any], outside: _Outside | None,
                 looks: _Looks) -> None:  # fmt: skip
        self.prefix, self.known, self.outside, self.looks = prefix, known, outside, looks
        drawn = (node for node in _dicts(drawing.get("nodes")) if isinstance(node.get("id"), (int, str)))
        self.drawn = {str(node["id"]): node for node in drawn}
        looks.take(LEVEL + len(self.drawn) + _size(drawing.get("inputs")))
        self.sources: dict[Any, tuple[str, int]] = {}
        self.kinds: dict[Any, str] = {}
        self.exits: dict[int, Any] = {}
        for link, source, slot, target, into, kind in looks.links(drawing):
            self.sources[link], self.kinds[link] = (source, slot), kind
            if target == OUT:
                self.exits[into] = link
        self.inner: dict[str, _Level] = {}
        self.broadcast = list(self._broadcasts())

    def nodes(self) -> Iterator[tuple[str, Node]]:
        """Yield the nodes of this level and of the subgraphs in it, as far as looks are left."""
        for name, drawn in self.drawn.items():
            if not self.looks.take():
                return
            if drawn.get("mode") in (MUTED, BYPASSED):
                continue
            level = self.level(name)
            if level is not None:
                yield from level.nodes()
                continue
            if not self.looks.take(_size(drawn.get("widgets_values")) + _size(drawn.get("outputs"))):
                return
            found = ((key, self.input(link, key, kind)) for key, link, kind in self.looks.inputs(drawn))
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
            self.looks.take(_size(drawn.get("widgets_values")) + _size(drawn.get("widgets_values_named")))
            outside = _Outside(self, drawn, inside)
            self.inner[name] = _Level(inside, f"{self.prefix}{name}:", self.known, outside, self.looks)
        return self.inner[name]

    def input(self, link: Any, key: str, kind: str) -> Any:
        """Return what an input gets: [node, slot], a value, or None."""
        if link is not None:
            return self.trace(link)
        if self.broadcast and not self.looks.take(len(self.broadcast)):
            return None
        source = next((one for of, name, one in self.broadcast if of == kind and name in ("", key)), None)
        return self.trace(source) if source is not None else None

    def trace(self, link: Any, steps: int = MOST_STEPS) -> Any:
        """Return what a link brings: [node, slot] of a node that does something, a value, or None."""
        name, slot = self.sources.get(link, ("", 0))
        if name == IN and self.outside:
            return self.outside.input(slot, steps - 1) if steps > 0 else None
        drawn = self.drawn.get(name)
        if drawn is None or steps <= 0 or drawn.get("mode") == MUTED or not self.looks.take():
            return None
        if drawn.get("mode") == BYPASSED:
            way = self._way_through(drawn, slot, self.kinds.get(link, ""))
            return self.trace(way, steps - 1) if way is not None else None
        if drawn.get("type") == "GetNode":
            way = self._set_by(_name_of(drawn))
            return self.trace(way, steps - 1) if way is not None else None
        if drawn.get("type") in ("SetNode", "Reroute"):
            way = next((each for _, each, _ in self.looks.inputs(drawn) if each is not None), None)
            return self.trace(way, steps - 1) if way is not None else None
        level = self.level(name)
        if level is not None:
            return level.trace(level.exits.get(slot), steps - 1) if slot in level.exits else None
        return [self.prefix + name, slot]

    def _way_through(self, drawn: dict[str, Any], slot: int, kind: str) -> Any:
        """Return the link that a bypassed node passes on to an output: of its type, the one in its own place first."""
        inputs = [(link, self.kinds.get(link) if of in ("", "*") else of) for _, link, of in self.looks.inputs(drawn)]
        fits = [link for link, of in inputs if link is not None and of == kind]
        own = inputs[slot] if 0 <= slot < len(inputs) else (None, "")
        links = [link for link, _ in inputs if link is not None]
        if own[0] is not None and own[1] == kind:
            return own[0]
        return fits[0] if fits else links[0] if len(links) == 1 else None

    def _set_by(self, wanted: str) -> Any:
        drawn = self.setters.get(wanted)
        return next((link for _, link, _ in self.looks.inputs(drawn) if link is not None), None) if drawn else None

    @cached_property
    def setters(self) -> dict[str, dict[str, Any]]:
        """The Set nodes by what they keep, of each name the first."""
        found = [drawn for drawn in self.drawn.values() if drawn.get("type") == "SetNode"]
        return {_name_of(drawn): drawn for drawn in reversed(found)}

    def _broadcasts(self) -> Iterator[tuple[str, str, Any]]:
        """Yield (type, name, link) of what "Anything Everywhere" gives to every input that has no link."""
        for drawn in self.drawn.values():
            kind = str(drawn.get("type"))
            if kind.startswith(EVERYWHERE) and drawn.get("mode") not in (MUTED, BYPASSED):
                names = ("positive", "negative") if kind == "Prompts Everywhere" else ("",) * 3
                links = [link for _, link, _ in self.looks.inputs(drawn) if link is not None]
                for link, name in zip(links, names, strict=False):
                    yield self.kinds.get(link, ""), name, link


class _Outside:
    """What a subgraph's inputs get where it stands: links of the level around it, or its own widgets."""

    def __init__(self, around: _Level, drawn: dict[str, Any], inside: dict[str, Any]) -> None:
        self.around, self.drawn = around, drawn
        self.names = [str(one.get("name", "")) for one in _dicts(inside.get("inputs"))]
        self.widgets = _promoted(drawn, inside, self.names, around.looks)

    def input(self, slot: int, steps: int) -> Any:
        """Return what the level around gives to an input: [node, slot], a value, or None."""
        name = self.names[slot] if 0 <= slot < len(self.names) else ""
        link = next((link for key, link, _ in self.around.looks.inputs(self.drawn) if key == name), None)
        if link is not None:
            return self.around.trace(link, steps)
        return self.widgets.get(name)


def _promoted(drawn: dict[str, Any], inside: dict[str, Any], names: list[str], looks: _Looks) -> dict[str, Any]:
    """Return the values that a subgraph shows on its outside, by the names of its inputs.

    They stand in the order of the inputs that lead to widgets within; the page may list only some of them on the node.
    """
    if isinstance(drawn.get("widgets_values_named"), dict):
        return _widgets(drawn)
    values, nodes = drawn.get("widgets_values"), {str(node.get("id")): node for node in _dicts(inside.get("nodes"))}
    leading = set()
    for _, source, slot, target, into, _ in looks.links(inside):
        slots = _dicts(nodes[target].get("inputs")) if source == IN and target in nodes else []
        if not looks.take(len(slots)):
            break
        if into < len(slots) and slots[into].get("widget"):
            leading.add(slot)
    named = [name for slot, name in enumerate(names) if slot in leading]
    if isinstance(values, list) and len(values) == len(named):
        return dict(zip(named, values, strict=True))
    return _widgets(drawn)


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _size(found: Any) -> int:
    return len(found) if isinstance(found, (list, dict)) else 0


def _links(links: Any) -> Iterator[Link]:
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
    rest = deque(values)
    for name in names:
        if not rest:
            break
        found[name] = rest.popleft()
        if name in SEEDS and rest and (isinstance(rest[0], bool) or rest[0] in AFTER_SEED):
            rest.popleft()
    return found
