"""Smaller LoRA files from a larger one: the layout, dtypes, metadata and strength that came in."""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.errors import ModelError

from .adapter import KEY
from .file import LoraFile
from .keys import Layer
from .safetensors import DTYPES, Planned, copy_plan, decode, encode, file_size, writing
from .spectrum import Decomposition, decompose, singular_values
from .threads import in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .spectrum import Matrix

STALE = ("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")
LARGEST = {"F64": float(np.finfo(np.float64).max), "F32": float(np.finfo(np.float32).max), "F16": 65504.0,
           "BF16": 255 * 2.0**120}  # fmt: skip
NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
Ranks = Mapping[str, int]
"""Layer names to the rank each is cut to."""
Progress = Callable[[int], None]


def spectra(lora: LoraFile, progress: Progress = lambda _: None) -> dict[str, NDArray[np.floating[Any]]]:
    """Return the singular values of every layer's ΔW at strength 1, largest first."""

    def measured(layer: Layer) -> NDArray[np.floating[Any]]:
        return abs(lora.scale(layer)) * singular_values(*lora.factors(layer))

    found = {}
    for done, (layer, values) in enumerate(zip(lora.layers, in_order(measured, lora.layers), strict=True), start=1):
        found[layer.name] = values
        progress(done)
    return found


def truncate(
    lora: LoraFile, targets: Mapping[Path, Ranks], progress: Progress = lambda _: None
) -> dict[str, NDArray[np.floating[Any]]]:
    """Write one truncated copy for each of `targets`, all from one pass, and return the spectra met on the way.

    A layer keeps its rank where `Ranks` asks for more.
    """
    alphas = {path: new_alphas(lora, ranks) for path, ranks in targets.items()}

    def cut(layer: Layer) -> tuple[NDArray[np.floating[Any]], dict[Path, dict[str, bytes]]]:
        parts = decompose(*lora.factors(layer))
        return abs(lora.scale(layer)) * parts.values, {
            path: _stored(lora, layer, parts, rank_of(layer, ranks), alphas[path].get(layer.name))
            for path, ranks in targets.items()
        }

    found = {}
    with contextlib.ExitStack() as stack:
        puts = {
            path: stack.enter_context(writing(path, plan(lora, ranks), metadata(lora, ranks)))
            for path, ranks in targets.items()
        }
        for name in lora.extras:
            for put in puts.values():
                put(name, lora.file.raw(name))
        cuts = stack.enter_context(contextlib.closing(in_order(cut, lora.layers)))
        for done, (layer, (values, stored)) in enumerate(zip(lora.layers, cuts, strict=True), start=1):
            found[layer.name] = values
            for path, tensors in stored.items():
                for name, raw in tensors.items():
                    puts[path](name, raw)
            progress(done)
    return found


def rank_of(layer: Layer, ranks: Ranks) -> int:
    """Return the rank that `ranks` leaves to a layer: at least 1, at most what it can have."""
    return max(1, min(ranks.get(layer.name, layer.highest), layer.highest))


def plan(lora: LoraFile, ranks: Ranks) -> Planned:
    """Return what a truncated copy holds: names to dtypes and shapes."""
    planned = copy_plan(lora.file, lora.extras)
    for layer in lora.layers:
        rank = rank_of(layer, ranks)
        up, down = lora.file.tensors[layer.up], lora.file.tensors[layer.down]
        planned[layer.down] = (down.dtype, (rank, down.shape[1], *layer.kernel))
        planned[layer.up] = (up.dtype, (up.shape[0], rank, *up.shape[2:]))
        if layer.alpha:
            planned[layer.alpha] = (_alpha_dtype(lora, layer), lora.file.tensors[layer.alpha].shape)
    return planned


def truncated_size(lora: LoraFile, ranks: Ranks) -> int:
    """Return how many bytes a truncated copy would have, without making it."""
    return file_size(plan(lora, ranks), metadata(lora, ranks))


def new_alphas(lora: LoraFile, ranks: Ranks) -> dict[str, float]:
    """Return alpha' = alpha · rank' / rank of every layer that stores one, so that alpha' / rank' stays what it was.

    Where that gives differing numbers, the commonest goes to all, and the factors make up for the rest: diffusers
    (0.42) reads alphas that differ between layers, but does not apply them to attention layers.
    """
    found = {
        layer.name: lora.alpha(layer.alpha) * rank_of(layer, ranks) / layer.rank for layer in lora.layers if layer.alpha
    }
    usable = [alpha for alpha in found.values() if alpha]
    if len(set(found.values())) <= 1 or not usable:
        return found
    return dict.fromkeys(found, Counter(usable).most_common(1)[0][0])


def metadata(lora: LoraFile, ranks: Ranks) -> dict[str, str]:
    """Return the file's metadata with what the cut changes: network dim and alpha, PEFT's config, a note of ours."""
    kept = {key: value for key, value in lora.file.metadata.items() if key not in STALE}
    new = {layer.name: rank_of(layer, ranks) for layer in lora.layers}
    if "ss_network_dim" in kept:
        kept["ss_network_dim"] = _one(set(new.values()))
    if "ss_network_alpha" in kept:
        alphas = new_alphas(lora, ranks) or {layer.name: lora.scale(layer) * new[layer.name] for layer in lora.layers}
        kept["ss_network_alpha"] = _one({f"{alpha:g}" for alpha in alphas.values()})
    if KEY in kept:
        scales = {layer.name: lora.scale(layer) for layer in lora.layers}
        kept[KEY] = json.dumps(lora.adapter.truncated(new, scales), sort_keys=True)
    kept["denoisecli.truncated"] = f"rank {_one(set(new.values()))} of {lora.rank}"
    return kept


def _one(values: set[int] | set[str]) -> str:
    """Return the one value there is, or "Dynamic", as trainers call ranks that differ between layers."""
    return str(next(iter(values))) if len(values) == 1 else "Dynamic"


def _alpha_dtype(lora: LoraFile, layer: Layer) -> str:
    """Return the dtype of the new alpha: as it was, or F32 where whole numbers were stored."""
    dtype = lora.file.tensors[str(layer.alpha)].dtype
    return dtype if dtype in DTYPES else "F32"


def _stored(lora: LoraFile, layer: Layer, parts: Decomposition, rank: int, alpha: float | None) -> dict[str, bytes]:
    """Return a layer's tensors at `rank`. What the new alpha does not say of the strength, rounded, the factors say."""
    up, down = parts.truncated(rank)
    found, strength = {}, 1.0
    if layer.alpha and alpha is not None:
        found[layer.alpha], stored = _stored_alpha(lora, layer, alpha)
        strength = lora.scale(layer) * rank / stored if stored else 1.0
    if strength != 1.0:  # each takes half of it, so that both go on carrying √σ
        root = math.sqrt(abs(strength))
        up, down = up * math.copysign(root, strength), down * root
    kinds = {name: lora.file.tensors[name].dtype for name in (layer.up, layer.down)}
    up, down = _fitting(lora, layer, up, down, [LARGEST[kind] for kind in kinds.values()])
    return found | {name: encode(values, kinds[name]) for name, values in ((layer.up, up), (layer.down, down))}


def _stored_alpha(lora: LoraFile, layer: Layer, alpha: float) -> tuple[bytes, float]:
    """Return the bytes of a layer's new alpha and what they say: the old one, where the new vanishes or overflows."""
    dtype, name = _alpha_dtype(lora, layer), str(layer.alpha)
    for value in (alpha, lora.alpha(name)):
        raw = encode(np.array([value]), dtype)
        stored = float(decode(raw, dtype)[0])
        if math.isfinite(stored) and (stored or not alpha):
            break
    return raw, stored


def _fitting(lora: LoraFile, layer: Layer, up: Matrix, down: Matrix, largest: list[float]) -> tuple[Matrix, Matrix]:
    """Return the factors; where one does not fit its dtype, the other takes over as much of it.

    Raises ModelError where it cannot.
    """
    up_over, down_over = (float(np.abs(side).max()) / most for side, most in zip((up, down), largest, strict=True))
    if max(up_over, down_over) <= 1:
        return up, down
    if not up_over * down_over <= 1:
        dtype = NAMES[lora.file.tensors[layer.up].dtype]
        raise ModelError(f"{lora.path}: {layer.name} is too large for {dtype}.", "Save the LoRA as F32.")
    over = up_over if up_over > 1 else 1 / down_over
    return up / over, down * over
