"""An image, graph or text of any of the tools we know into settings, and settings into a commented config."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from denoisecli.config.base import LabConfig
from denoisecli.config.write import yaml_of
from denoisecli.errors import NotRecorded
from denoisecli.registry import part

from . import flat_json
from . import own_chunk as own
from .a1111 import read as a1111_reader
from .comfyui import read as comfyui_reader
from .comfyui.graph import graph_of
from .imported import Imported
from .invokeai import read as invokeai_reader
from .metadata import TEXT, texts_of

READERS: tuple[tuple[str, Callable[[str], Imported | None]], ...] = (
    (own.KEY, own.read),
    ("prompt", comfyui_reader.read),
    ("workflow", comfyui_reader.read),
    ("parameters", flat_json.read),
    ("Comment", flat_json.read),
    ("parameters", a1111_reader.read),
    *((key, invokeai_reader.read) for key in invokeai_reader.KEYS),
    ("parameters", comfyui_reader.read),
    ("parameters", invokeai_reader.read),
    ("Comment", comfyui_reader.read),
    ("Comment", a1111_reader.read),
    (TEXT, comfyui_reader.read),
    (TEXT, flat_json.read),
    (TEXT, invokeai_reader.read),
    (TEXT, a1111_reader.read),
)
"""Keys in the order of how much they tell."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def import_image(path: Path, lab: type[LabConfig]) -> Imported:
    """Return the settings in an image or text file for a lab. Raises NotRecorded where it holds none we can read."""
    texts = texts_of(path)
    imported = read_texts(texts)
    if imported is None:
        raise NotRecorded(f"{path} holds no settings that we can read{_held(texts)}.", _way_out(texts))
    part(str(lab.model_fields["lab"].default), "imported")(imported)
    imported.keep_valid(lab)
    return imported


def read_texts(texts: Mapping[str, str]) -> Imported | None:
    """Return the settings of the first text that holds some."""
    for key, read in READERS:
        imported = read(texts[key]) if key in texts else None
        if imported is not None:
            return imported
    return None


def _held(texts: Mapping[str, str]) -> str:
    names = [CONTROL.sub(" ", name)[:40] for name in texts if name != TEXT]
    return f" (only: {', '.join(names[:6])})" if names else ""


def _way_out(texts: Mapping[str, str]) -> str:
    drawn = graph_of(texts[TEXT]) is not None if TEXT in texts else False
    if "workflow" in texts or "prompt" in texts or drawn:
        return "We found no sampler in ComfyUI's graph."
    return "Tools and sites often take metadata off; use the file as A1111, ComfyUI, InvokeAI or denoisecli wrote it."


def config_text(imported: Imported, name: str, lab: type[LabConfig]) -> str:
    """Return a config as YAML: comments on what is not the same, then the settings; files not here as comments."""
    head = [f"Imported from {name} ({imported.source})", *imported.notes]
    comments = "".join(f"# {CONTROL.sub(' ', line)}\n" for line in head)
    absent = "".join(f"# {line}\n" for line in yaml_of(imported.elsewhere).splitlines()) if imported.elsewhere else ""
    values = {"lab": lab.model_fields["lab"].default}
    values |= {key: imported.values[key] for key in lab.model_fields if key in imported.values}
    return comments + "\n" + yaml_of(values) + absent
