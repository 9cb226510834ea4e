"""What a pipeline makes of the latents behind a step: a mask that puts a picture back, the user's own callback.

The next step's x_t tells it. Behind the last step nothing does but the callback that pipelines offer, so it is asked.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

CALLBACK, INPUTS = "callback_on_step_end", "callback_on_step_end_tensor_inputs"


def heard_behind_steps(
    pipe: Any, call: Callable[..., Any], told: Mapping[str, Any], hear: Callable[[torch.Tensor], None]
) -> dict[str, Any]:
    """Return what a call is told by name, and `hear(latents)` behind each step. The user's callback goes first.

    As it was told where the pipeline offers no such callback, or not the latents.
    """
    offered, tensors = inspect.signature(call).parameters, getattr(pipe, "_callback_tensor_inputs", None) or ()
    if not {CALLBACK, INPUTS} <= offered.keys() or "latents" not in tensors:
        return dict(told)
    theirs = told.get(CALLBACK)
    asked = getattr(theirs, "tensor_inputs", told.get(INPUTS, offered[INPUTS].default))

    def behind(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> Any:
        made = {} if theirs is None else theirs(pipe, step, timestep, {name: tensors[name] for name in asked})
        hear((made or {}).get("latents", tensors["latents"]))
        return made

    return {**told, CALLBACK: behind, INPUTS: list(dict.fromkeys([*asked, "latents"]))}
