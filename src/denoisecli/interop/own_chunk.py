"""Our own chunk: the settings of one picture as JSON, so that `import` gives them back without a loss.

Infotext alone cannot: it has no place for a second line that begins "Negative prompt:", nor for our own settings.
Paths are cut to their file names, since pictures are passed on.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any

from denoisecli.config.base import LOOK, MACHINE, Lora, Phase, SamplingConfig, keys
from denoisecli.lora.built_in import name_of
from denoisecli.registry import CONFIGS
from denoisecli.safe_text import json_values, some_shown

from .files import base_name, found_here, in_hub_cache, picture_here
from .imported import Imported, number, rows_of
from .recipe import Shot

KEY = "denoisecli"
LEFT_OUT = {"lab", "quality", *keys(SamplingConfig, LOOK, MACHINE)}
"""Not what the picture is made of: how it was shown, and on which machine."""
HUB_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")


def text(config: SamplingConfig, shot: Shot, size: tuple[int, int]) -> str:
    """Return the chunk for one picture of a run, ASCII."""
    kept = SamplingConfig.model_fields.keys() & type(config).model_fields.keys() - LEFT_OUT
    values = json.loads(config.model_dump_json(include=kept))
    values |= {"prompt": shot.prompt, "seeds": [shot.seed], "cfg": shot.cfg, "size": list(size)}
    values["model"] = _shared(config.model)
    values["loras"] = [_lora(lora) for lora in shot.loras]
    if config.start is not None:
        named = {"image": config.start.image, "mask": config.start.mask}
        values["start"] |= {key: name and base_name(name) for key, name in named.items()}
    rows = values.get("phases") or []
    if rows:
        values["phases"] = [row | _shared_phase(phase) for phase, row in zip(config.phases, rows, strict=True)]
    return json.dumps({key: values[key] for key in SamplingConfig.model_fields if key in values})


def _shared_phase(phase: Phase) -> dict[str, Any]:
    """Return what a phase names, without the folders of this machine."""
    loras = {} if phase.loras is None else {"loras": [_lora(lora) for lora in phase.loras]}
    return loras | ({} if phase.model is None else {"model": _shared(phase.model)})


def _lora(lora: Lora) -> dict[str, Any]:
    """Return a LoRA without the folders of this machine."""
    own = {} if lora.text_scale is None else {"text_scale": lora.text_scale}
    return {"file": base_name(lora.file), "scale": lora.scale} | own


def _shared(model: str) -> str:
    """Return a model's name without the folders of this machine."""
    return model if HUB_ID.fullmatch(model) and not model.endswith(".safetensors") else base_name(model)


def read(text: str) -> Imported | None:
    """Return the settings in our chunk; None where the text is none of ours."""
    values: Any = json_values(text)
    if not isinstance(values, dict):
        return None
    imported = Imported("denoisecli")
    known = SamplingConfig.model_fields.keys() - LEFT_OUT - {"model", "loras"}
    imported.values = {key: value for key, value in values.items() if key in known}
    imported.keep_valid(CONFIGS["sample"])
    model = str(values.get("model", "pocket"))
    if HUB_ID.fullmatch(model) and in_hub_cache(model):
        imported.values["model"] = model
    else:
        imported.set_model(model)
        imported.elsewhere |= {"model": model} if HUB_ID.fullmatch(model) else {}
    for row in rows_of(values.get("loras")):
        scale = number(row.get("scale", 1.0))
        imported.add_lora(str(row.get("file")), 1.0 if scale is None else scale, number(row.get("text_scale")))
    _take_start(imported)
    _take_phases(imported)
    return imported


def _take_start(imported: Imported) -> None:
    """Look for the picture that a run started from, and its mask, in this folder; else keep them as a comment."""
    start = imported.values.pop("start", None)
    if not isinstance(start, dict):
        return
    names = {key: base_name(str(start[key])) for key in ("image", "mask") if start.get(key)}
    here = all(picture_here(name) for name in names.values())
    place = imported.values if here else imported.elsewhere
    place["start"] = {"strength": start.get("strength")} | names
    if not here:
        imported.note(f"It started from {' and '.join(names.values())}, not in this folder; put the path into `start`.")


def _take_phases(imported: Imported) -> None:
    """Look for what phases name in this folder alone; what is not there is left out of them, and said."""
    phases = imported.values.pop("phases", None)
    listed = rows_of([phases] if isinstance(phases, dict) else phases)
    imported.values |= {"phases": listed} if listed else {}
    found_file = functools.cache(lambda file: found_here(file) or name_of(base_name(file)))
    for phase in listed:
        loras = [(lora, found_file(str(lora.get("file")))) for lora in rows_of(phase.get("loras"))]
        lost = [str(lora.get("file")) for lora, found in loras if not found]
        if "loras" in phase:
            phase["loras"] = [lora | {"file": found} for lora, found in loras if found]
        model = str(phase.pop("model", ""))
        if HUB_ID.fullmatch(model) and in_hub_cache(model):
            phase["model"] = model
        elif found := found_here(model) if model else None:
            phase["model"] = found
        elif model:
            lost.append(model)
        if lost:
            names = some_shown([base_name(name) for name in lost], quoted=False)
            imported.note(f"Of a phase are not in this folder: {names}; put their paths into `phases`.")
