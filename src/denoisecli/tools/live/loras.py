"""LoRAs on the live page: carried beside the weights, so that their strength can be dragged, or added to them.

A carried LoRA is a pack of its own: uint32 length of the header, the header (JSON), then rows of numbers, int8 where
the header has a step, else float16: of the first components of all layers u then v, of the second ones, and so on, so
that ΔW = scale · Σ u·vᵀ. As float16 they are the file's own factors. Rounded ones are ΔW's singular triples, √s·u and
√s·v, to one step: a large triple keeps many levels, a small one few, which is where bits serve the sum of squared
errors best (reverse water-filling: Cover & Thomas, Elements of Information Theory, 10.3.3).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import ModelError
from denoisecli.lora import built_in
from denoisecli.lora.file import LoraFile, open_lora
from denoisecli.lora.fit import misfits, plain_name

from .pack import graphs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.config.base import Lora

    from .pack import Tensors

    Halves = tuple[float, NDArray[np.float64], NDArray[np.float64]]

STEP = 0.006  # of rounded numbers: pictures then differ by little more than by the weights' own rounding
MOST = 127  # of int8


@dataclass(frozen=True)
class Carried:
    """A LoRA with a slider.

    file: as a config names it. scale: its strength on all tabs but its own. words: what it was trained to be called by;
    packed: its pack. from_config: whether the config asked for it.
    """

    file: str
    scale: float
    words: str
    packed: bytes
    from_config: bool = True

    @property
    def name(self) -> str:
        """What the page calls it."""
        return self.words or Path(self.file).stem


def carried(lora: Lora, tensors: Mapping[str, Tensors], *, exact: bool) -> Carried | None:
    """Return a config's LoRA with a slider; None where it changes what the page keeps fixed.

    Raises ModelError as `add_lora` does.
    """
    with open_lora(_file(lora)) as opened:
        places = _places(opened, tensors)
        inputs = graphs().parts["unet"]["inputs"]
        if any(part != "unet" or key not in inputs for part, key in places.values()):
            return None
        layers = {inputs[places[layer.name][1]]: _halves(opened, layer) for layer in opened.layers}
        if not exact and not _fits(layers.values()):
            return None
        words = opened.trigger_words.split(",")[0].strip()
        return Carried(lora.file, lora.scale, words, packed(layers, exact=exact))


def built_ins(tensors: Mapping[str, Tensors], taken: Iterable[str], *, exact: bool) -> list[Carried]:
    """Return the built-in LoRAs that are not among `taken`, at strength 0."""
    from denoisecli.config.base import Lora

    held = {built_in.lora_path(file) for file in taken}
    rest = [name for name in built_in.names() if built_in.lora_path(name) not in held]
    found = [carried(Lora(file=name, scale=0), tensors, exact=exact) for name in rest]
    return [Carried(one.file, 0, one.words, one.packed, from_config=False) for one in found if one]


def add_lora(tensors: Mapping[str, Tensors], lora: Lora) -> None:
    """Add a LoRA's layers to the weights, each part at its strength. Raises ModelError if one does not fit."""
    strengths = dict(zip(("unet", "text_encoder"), lora.strengths, strict=True))
    with open_lora(_file(lora)) as opened:
        places = _places(opened, tensors)
        for layer in opened.layers:
            part, key = places[layer.name]
            before = tensors[part][key].astype(np.float32)
            scale, up, down = _halves(opened, layer)
            change = strengths[part] * scale * (up @ down)
            tensors[part][key] = before + change.reshape(before.shape).astype(np.float32)


def _file(lora: Lora) -> Path:
    path = built_in.lora_path(lora.file)
    if not path.is_file():
        raise ModelError(f"There is no LoRA file at {path}.")
    return path


def _places(lora: LoraFile, tensors: Mapping[str, Tensors]) -> dict[str, tuple[str, str]]:
    """Return the (part, tensor) that each layer changes, by the layer's name. Raises ModelError if one does not fit."""
    known = {
        plain_name(f"{part}.{key.removesuffix('.weight')}"): (part, key)
        for part in ("unet", "text_encoder") for key in tensors[part] if key.endswith(".weight")
    }  # fmt: skip
    shapes = {name: tensors[part][key].shape for name, (part, key) in known.items()}
    wrong = misfits(lora.layers, shapes) | {
        layer.name: "no such layer" for layer in lora.layers if plain_name(layer.name) not in known
    }
    if wrong:
        name, why = next(iter(wrong.items()))
        raise ModelError(
            f"{lora.path} is a LoRA of another model: {name}: {why}.", "Use one that was made for this model."
        )
    return {layer.name: known[plain_name(layer.name)] for layer in lora.layers}


def _halves(lora: LoraFile, layer: Any) -> Halves:
    """Return scale, up (rows, rank) and down (rank, columns) of a layer, whose product is ΔW at strength 1."""
    up, down = lora.factors(layer)
    return float(lora.scale(layer)), up.astype(np.float64), down.astype(np.float64)


def packed(changes: Mapping[str, Halves], *, exact: bool) -> bytes:
    """Return the pack of changes by their weights' names in the graph."""
    factors = {
        name: (scale, up.T, down) if exact else _rounded(scale, up, down) for name, (scale, up, down) in changes.items()
    }
    rows = [
        row
        for number in range(max(len(up) for _, up, _ in factors.values()))
        for _, up, down in factors.values() if number < len(up)
        for row in (up[number], down[number])
    ]  # fmt: skip
    told = {
        "step": 0 if exact else STEP,
        "layers": [[name, len(up), up.shape[1], down.shape[1], scale] for name, (scale, up, down) in factors.items()],
    }
    header = json.dumps(told, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 4)
    return (
        struct.pack("<I", len(header))
        + header
        + np.concatenate(rows or [np.zeros(0)]).astype("<f2" if exact else "i1").tobytes()
    )


def _rounded(scale: float, up: NDArray[np.float64], down: NDArray[np.float64]) -> Halves:
    """Return 1 and whole numbers u (rank, rows) and v (rank, columns) with STEP² · uᵀ · v ≈ scale · up · down."""
    (left, inner), (right, other) = np.linalg.qr(scale * up), np.linalg.qr(down.T)
    u, s, v = np.linalg.svd(inner @ other.T)  # of rank × rank, however large the layer
    rounded = [np.rint((side * np.sqrt(s) / STEP).T) for side in (left @ u, right @ v.T)]
    kept = rounded[0].any(axis=1) & rounded[1].any(axis=1)
    return 1.0, rounded[0][kept], rounded[1][kept]


def _fits(changes: Iterable[Halves]) -> bool:
    """Return whether rounded numbers keep within int8: for a LoRA of unusual size they do not."""
    return all(np.abs(side).max(initial=0) <= MOST for change in changes for side in _rounded(*change)[1:])
