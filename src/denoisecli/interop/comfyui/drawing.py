"""ComfyUI's drawing (the `workflow` chunk, and what its page saves) into the API form.

A drawing keeps widgets as a list without names. Newer pages name every widget among the node's inputs; for older ones
the order of the nodes that we know is in `comfyui_nodes`. Source: docs.comfy.org/specs/workflow_json_0.4 and _1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .nodes import AFTER_SEED, KINDS, SEEDS, Node

MUTED, BYPASSED = 2, 4  # a node's `mode`; 0 is "always"


def api_form(drawing: dict[str, Any]) -> dict[str, Node]:
    """Return the nodes of a drawing by number; what is muted left out, what is bypassed as a plain way through."""
    sources = dict(_sources(drawing.get("links")))
    nodes: dict[str, Node] = {}
    for drawn in drawing["nodes"]:
        if not isinstance(drawn, dict) or drawn.get("mode") == MUTED or not isinstance(drawn.get("id"), (int, str)):
            continue
        links = dict(_linked(drawn, sources))
        if drawn.get("mode") == BYPASSED:
            nodes[str(drawn["id"])] = {"class_type": "Reroute", "inputs": links}
        else:
            nodes[str(drawn["id"])] = {"class_type": str(drawn.get("type", "")), "inputs": _widgets(drawn) | links}
    return nodes


def _sources(links: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield (link, [node, slot]) from lists [link, node, slot, to, slot, type] or, since version 1, from tables."""
    for link in links if isinstance(links, list) else []:
        if isinstance(link, list) and len(link) >= 3 and isinstance(link[0], (int, str)):
            yield link[0], [str(link[1]), link[2]]
        elif isinstance(link, dict) and isinstance(link.get("id"), (int, str)):
            yield link["id"], [str(link.get("origin_id")), link.get("origin_slot")]


def _inputs(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    found = drawn.get("inputs")
    return [slot for slot in found if isinstance(slot, dict)] if isinstance(found, list) else []


def _linked(drawn: dict[str, Any], sources: dict[Any, list[Any]]) -> Iterator[tuple[str, list[Any]]]:
    for slot in _inputs(drawn):
        link = slot.get("link")
        if isinstance(link, (int, str)) and link in sources:
            yield str(slot.get("name", "")), sources[link]


def _widgets(drawn: dict[str, Any]) -> dict[str, Any]:
    """Return a node's widgets by name; those without a known name are left out."""
    values = drawn.get("widgets_values")
    if isinstance(values, dict):
        return {str(name): value for name, value in values.items()}
    if not isinstance(values, list):
        return {}
    known = KINDS.get(str(drawn.get("type")))
    names = known.widgets if known else tuple(str(slot.get("name")) for slot in _inputs(drawn) if slot.get("widget"))
    found: dict[str, Any] = {}
    rest = list(values)
    for name in names:
        if not rest:
            break
        found[name] = rest.pop(0)
        if name in SEEDS and rest and (isinstance(rest[0], bool) or rest[0] in AFTER_SEED):
            rest.pop(0)
    return found
