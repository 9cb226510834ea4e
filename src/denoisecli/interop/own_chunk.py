"""Our own chunk: the settings of one picture as JSON, so that `import` gives them back without a loss.

Infotext alone cannot: it has no place for a second line that begins "Negative prompt:", nor for our own settings.
Paths are cut to their file names, since pictures are passed on.
"""

from __future__ import annotations

import json
import re
from typing import Any

from denoisecli.config.base import LOOK, MACHINE, Lora, SamplingConfig, keys
from denoisecli.registry import CONFIGS
from denoisecli.safe_text import json_values

from .files import base_name, in_hub_cache
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
    return json.dumps({key: values[key] for key in SamplingConfig.model_fields if key in values})


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
    return imported
