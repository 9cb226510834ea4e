"""Configs as YAML: commented (for people to edit) and plain (for a run folder)."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from .base import LabConfig

ODD = re.compile(r"^[?=]|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029\ufeff]")


def plain_yaml(config: LabConfig) -> str:
    """Return the config as YAML, every key in it. Reading it back gives an equal config."""
    return _dump(_flow_lists(json.loads(config.model_dump_json())))


def yaml_of(values: dict[str, Any]) -> str:
    """Return plain values as YAML, lists in one line."""
    return _dump(_flow_lists(values))


def commented_yaml(lab: type[LabConfig]) -> str:
    """Return the lab's default config, each key under a comment that says what it does."""
    summary = (lab.__doc__ or "").strip().splitlines()[0]
    name = lab.model_fields["lab"].default
    head = f"# {summary}\n# Run it: denoisecli {name} {name}.yaml\n\n"
    body = _commented(lab.model_validate({}), indent=0)
    return head + _dump(body)


def _commented(part: BaseModel, indent: int) -> CommentedMap:
    block = CommentedMap()
    fields = type(part).model_fields
    for name in sorted(fields, key=lambda name: name == "film"):  # what is made first, how it looks last
        field = fields[name]
        value = getattr(part, name)
        nested = isinstance(value, BaseModel)
        block[name] = _commented(value, indent + 2) if nested else _flow_lists(_plain(part, name))
        if field.description:
            block.yaml_set_comment_before_after_key(name, before=field.description, indent=indent)
    return block


def _plain(part: BaseModel, name: str) -> Any:
    dumped = json.loads(part.model_dump_json(include={name}))
    return dumped.get(name, getattr(part, name))  # a switch that is left out where it is as usual


def _flow_lists(value: Any) -> Any:
    """Write lists in one line: seeds: [7, 21]."""
    if isinstance(value, dict):
        return CommentedMap((key, _flow_lists(item)) for key, item in value.items())
    if isinstance(value, list):
        sequence = CommentedSeq([_flow_lists(item) for item in value])
        sequence.fa.set_flow_style()
        return sequence
    return value


def _represent_text(representer: Any, text: str) -> Any:
    """Put text into double quotes where other quotes would lose what ends a line but is none: NEL, U+2028, U+2029."""
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style='"' if ODD.search(text) else None)


def _dump(value: Any) -> str:
    yaml = YAML()
    yaml.width = sys.maxsize  # never fold a prompt: a folded line is hard to edit
    yaml.allow_unicode = True
    yaml.representer.add_representer(
        type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    yaml.representer.add_representer(str, _represent_text)
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()
