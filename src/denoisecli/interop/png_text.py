"""The settings inside a finished picture, once for each tool that may be asked what made it."""

from __future__ import annotations

import json

from denoisecli.config.base import SamplingConfig

from . import own_chunk as own
from .a1111.write import infotext
from .comfyui.write import api_graph, drawing
from .gaps import comfyui_losses
from .recipe import Shot, recipe


def picture_texts(
    config: SamplingConfig, shot: Shot, size: tuple[int, int], model_sha256: str, spacing: str | None
) -> dict[str, str]:
    """Return the PNG's text chunks: A1111's, ComfyUI's two, and our own, which loses nothing."""
    made = recipe(config, [shot], size, model_sha256, spacing)
    nodes = api_graph(made)
    return {
        "parameters": infotext(made, shot),
        "prompt": json.dumps(nodes),
        "workflow": json.dumps(drawing(nodes, comfyui_losses(made))),
        own.KEY: own.text(config, shot, size),
    }
