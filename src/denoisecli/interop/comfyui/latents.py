"""From a sampler's latents up to their size, and what is told on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..imported import Imported, whole
from .conditions import PICTURE, shown
from .graph import Graph
from .values import Finder, chosen_input

MOST_CHAIN = 100
BATCH = "It is one of a batch, whose noises ComfyUI draws in a row; only the first has this seed."
PASSED = {
    "RepeatLatentBatch": "samples",
    "LatentFromBatch": "samples",
    "SetLatentNoiseMask": "samples",
    "LatentBatch": "samples1",
}
SIZES = ("dimensions", "resolution", "aspect_ratio", "size")


class Latents:
    """Follows the latents of one graph, and tells the import what they pass."""

    def __init__(self, graph: Graph, finder: Finder, imported: Imported) -> None:
        self.graph, self.finder, self.imported = graph, finder, imported

    def read(self, sampler: Mapping[str, Any]) -> None:
        """Take the size of what a sampler starts from."""
        value = sampler.get("latent_image", sampler.get("latent"))
        size = self._size(value)
        if size is None:
            size = self._sides(sampler, "empty_latent_width", "empty_latent_height")
        if size is not None and None not in size:
            self.imported.values["size"] = size
        else:
            self.imported.note(
                f"The size could not be found in the graph{self._maker(value)}; the model's own is taken."
            )

    def _size(self, value: Any) -> list[int | None] | None:
        seen: set[str] = set()
        while (source := self.graph.source(value)) and source[0] not in seen and len(seen) < MOST_CHAIN:
            name = source[0]
            seen.add(name)
            kind, inputs = self.graph.kind(name), self.graph.inputs(name)
            self._tell(kind, inputs)
            found = self._here(inputs)
            if found is not None:
                self._tell_batch(inputs)
                return found
            taken = chosen_input(self.finder, name)
            links = list(self.graph.links(name).values())
            keys = (taken, PASSED.get(kind), "samples", "latent", "latent_image")
            value = next((inputs[key] for key in keys if key and key in inputs), links[0] if len(links) == 1 else None)
        return None

    def _here(self, inputs: Mapping[str, Any]) -> list[int | None] | None:
        """Return the size that a node makes latents of; None where it makes none of its own."""
        if "samples" in inputs or "pixels" in inputs or "image" in inputs:
            return None
        for width, height in (("width", "height"), ("empty_latent_width", "empty_latent_height")):
            if {width, height} <= inputs.keys():
                return self._sides(inputs, width, height)
        for key in SIZES:
            match = re.search(r"(\d{2,5})\s*[x×]\s*(\d{2,5})", str(self.finder.plain(inputs.get(key))))
            if match:
                return [int(match[1]), int(match[2])]
        return None

    def _sides(self, inputs: Mapping[str, Any], *names: str) -> list[int | None] | None:
        if not set(names) <= inputs.keys():
            return None
        return [whole(self.finder.plain(inputs[name], name.rpartition("_")[2])) for name in names]

    def _tell(self, kind: str, inputs: Mapping[str, Any]) -> None:
        if any(key in inputs for key in ("pixels", "image", "start_image", "reference_latents")):
            self.imported.note(PICTURE)
        if kind == "RepeatLatentBatch" and (whole(self.finder.plain(inputs.get("amount"))) or 1) > 1:
            self.imported.note(BATCH)
        elif kind == "LatentFromBatch" and whole(self.finder.plain(inputs.get("batch_index"))):
            self.imported.note(
                "It is a later one of a batch, whose noises ComfyUI draws in a row; here the seed's own."
            )
        elif kind == "SetLatentNoiseMask":
            self.imported.note("Only a part of the picture was painted there (SetLatentNoiseMask); here all of it is.")
        elif "upscale" in kind.lower() or kind in ("LatentCrop", "LatentFlip", "LatentRotate", "LatentComposite"):
            self.imported.note(f"The latents were changed before the sampler there ({shown(kind)}).")

    def _tell_batch(self, inputs: Mapping[str, Any]) -> None:
        if (whole(self.finder.plain(inputs.get("batch_size"))) or 1) > 1:
            self.imported.note(BATCH)
        if (whole(self.finder.plain(inputs.get("length"))) or 1) > 1:
            self.imported.note(f"It is a video of {whole(self.finder.plain(inputs['length']))} frames.")

    def _maker(self, value: Any) -> str:
        """Return which node computed the size, in brackets."""
        source = self.graph.source(value)
        if source is None:
            return ""
        for key in ("width", "height"):
            maker = self.finder.find(self.graph.inputs(source[0]).get(key), key).maker
            if maker:
                return f" (it was computed by {shown(maker)})"
        return ""
