"""The parts of a diffusers folder that a run needs: which are there whole, and how their weights are marked. No torch.

Weights may carry a mark, as in `model.fp16.safetensors`, which diffusers calls a variant.
"""

from __future__ import annotations

import re
from pathlib import Path

from denoisecli.errors import ModelError

from .model_configs import files_of, parts_of, read_table
from .weights import PICKLES

UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that no lab uses: they are not loaded, so that whatever is wrong with them is no harm."""
NETWORKS = re.compile(r"(unet|transformer|vae|text_encoder|prior|decoder)(_\d)?")
WEIGHTS = re.compile(
    r"(?:model|diffusion_pytorch_model)(?:\.([A-Za-z_]\w*))?(?:-\d{5}-of-\d{5})?(?:\.([A-Za-z_]\w*))?\.safetensors"
)


def used_parts(path: Path) -> list[Path]:
    """Return the folders that model_index.json names, those that no lab uses left out."""
    return [part for part in parts_of(path) if part.name not in UNUSED]


def marks(path: Path) -> dict[str, str]:
    """Return the mark of each part that has marked weights alone; fp16 where there are several."""
    found = {}
    for part in used_parts(path):
        matches = [match for file in files_of(part) if (match := WEIGHTS.fullmatch(file.name))]
        named = {match[1] or match[2] or "" for match in matches}
        if named and "" not in named:
            found[part.name] = "fp16" if "fp16" in named else min(named)
    return found


def missing(path: Path, elsewhere: tuple[str, ...] = ()) -> str | None:
    """Return what a model folder lacks, in words; None where it is whole.

    A part's folder, a network's weights, or one of the files that an index of weights names. elsewhere: the parts
    whose weights are not wanted here.
    """
    for part in used_parts(path):
        if not part.is_dir():
            return f"its {part.name} folder"
        if part.name in elsewhere:
            continue
        names = {file.relative_to(part).as_posix() for file in files_of(part)}
        held = any(name.endswith((".safetensors", *PICKLES)) for name in names)
        if NETWORKS.fullmatch(part.name) and not held and "config.json" in names:
            return f"the weights of its {part.name}"
        for index in sorted(name for name in names if name.endswith(".safetensors.index.json")):
            if lost := next((name for name in _shards(part / index) if name not in names), None):
                return f"{part.name}/{lost}"
    return None


def _shards(index: Path) -> list[str]:
    try:
        table = read_table(index).get("weight_map")
    except ModelError:
        return []
    return sorted({str(name) for name in table.values()}) if isinstance(table, dict) else []
