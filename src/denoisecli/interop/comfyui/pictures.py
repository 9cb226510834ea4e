"""The picture that a sampler of ComfyUI starts from, and the mask over it, where both are in this folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..files import picture_here
from ..imported import Imported, whole
from .graph import Graph
from .values import Finder

ENCODERS = ("VAEEncode", "VAEEncodeTiled", "VAEEncodeForInpaint")
GREYED = "What is painted anew was made grey before it was encoded there (VAEEncodeForInpaint); here it is not."
SOFT = (
    "There the mask acts in each guess and has a soft edge; here outside it the latents are put back after each step."
)


@dataclass(frozen=True)
class Begun:
    """File names of the picture and its mask, and the size [width, height] that it is cut to."""

    image: str
    mask: str | None = None
    size: list[int] | None = None


def begun(graph: Graph, finder: Finder, imported: Imported, latents: Any) -> Begun | None:
    """Return what a sampler's latents were encoded from; None where it is not in this folder, or not told so."""
    source, mask, masked = graph.source(latents), None, False
    if source is not None and graph.kind(source[0]) == "SetLatentNoiseMask":
        masked, inputs = True, graph.inputs(source[0])
        mask, source = _mask(graph, finder, inputs.get("mask")), graph.source(inputs.get("samples"))
    if source is None or graph.kind(source[0]) not in ENCODERS:
        return None
    inputs = graph.inputs(source[0])
    if graph.kind(source[0]) == "VAEEncodeForInpaint":
        masked, mask = True, _mask(graph, finder, inputs.get("mask"))
    image, size = _image(graph, finder, inputs.get("pixels"))
    if image is None or (masked and mask is None):
        return None
    if masked:
        imported.note(SOFT)
    if graph.kind(source[0]) == "VAEEncodeForInpaint":
        imported.note(GREYED)
    return Begun(image, mask, size)


def _image(graph: Graph, finder: Finder, pixels: Any) -> tuple[str | None, list[int] | None]:
    """Return the file of a loaded picture, and the size that it is cut to on the way."""
    source, size = graph.source(pixels), None
    if source is not None and graph.kind(source[0]) == "ImageScale":
        inputs = graph.inputs(source[0])
        sides = [whole(finder.plain(inputs.get(key))) for key in ("width", "height")]
        size = [side for side in sides if side]
        source = graph.source(inputs.get("image"))
    if source is None or graph.kind(source[0]) != "LoadImage":
        return None, None
    return picture_here(str(finder.plain(graph.inputs(source[0]).get("image")))), size if size and len(
        size
    ) == 2 else None


def _mask(graph: Graph, finder: Finder, value: Any) -> str | None:
    """Return the file of a mask that is a picture, white where is painted: of a colour, for our masks have no alpha."""
    source = graph.source(value)
    if source is None:
        return None
    inputs = graph.inputs(source[0])
    if graph.kind(source[0]) not in ("LoadImageMask", "ImageToMask") or finder.plain(inputs.get("channel")) == "alpha":
        return None
    if graph.kind(source[0]) == "ImageToMask":
        return _image(graph, finder, inputs.get("image"))[0]
    return picture_here(str(finder.plain(inputs.get("image"))))
