"""The networks of a pipeline that predict noise, and what one evaluation of them returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("unet", "transformer", "transformer_2", "unconditional_transformer")
OTHER_NAMES = ("prior", "decoder", "denoiser")  # of pipelines that have none of the above, such as Stable Cascade
WITHOUT_PROMPT = ("unconditional_transformer",)


def denoiser_of(pipe: Any) -> Any:
    """Return the pipeline's (first) denoiser, a torch module. Raises UsageError where it has none."""
    return next(iter(denoisers_of(pipe).values()))


def has_denoiser(pipe: Any) -> bool:
    """Return whether there is anything in a denoiser's seat."""
    return any(getattr(pipe, name, None) is not None for name in NAMES + OTHER_NAMES)


def denoisers_of(pipe: Any) -> dict[str, torch.nn.Module]:
    """Return the denoisers by their names in the pipeline. Raises UsageError where it has none, or one that is not."""
    for names in (NAMES, OTHER_NAMES):
        parts = ((name, getattr(pipe, name, None)) for name in names)
        found: dict[str, Any] = {name: part for name, part in parts if part is not None}
        if found:
            break
    else:
        raise UsageError(
            f"{type(pipe).__name__} has neither a unet nor a transformer to record.", "Load the whole pipeline."
        )
    for name, part in found.items():
        if not isinstance(part, torch.nn.Module):
            raise UsageError(
                f"The {name} of this {type(pipe).__name__} is not a torch module but a {type(part).__name__}.",
                "record() listens to torch modules; compiled or exported engines cannot be recorded.",
            )
    return found


def predictions(output: Any, like: torch.Tensor) -> torch.Tensor | None:
    """Return the prediction in what a denoiser returned, (k·n, ...), for latents `like` (n, ...); None if none fits.

    It may be a tensor, a tuple, a list of one tensor a sample, or an output object. Axes of length 1 that `like` has
    not are dropped. The token axis may be longer than that of `like` (reference pictures, text), and the channel axis
    too (a learned variance).
    """
    fitting = (_fit(tensor, like) for tensor in _tensors(output))
    return next((tensor for tensor in fitting if tensor is not None), None)


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
        return
    parts = list(output.values()) if isinstance(output, dict) else output
    if not isinstance(parts, (list, tuple)):
        return
    if isinstance(parts, list) and parts and _alike(parts):
        yield torch.stack(parts)
    for part in parts:
        yield from _tensors(part)


def _alike(parts: list[Any]) -> bool:
    return all(isinstance(part, torch.Tensor) and part.shape == parts[0].shape for part in parts)


def _fit(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor | None:
    while tensor.ndim > like.ndim:
        single = [axis for axis in range(1, tensor.ndim) if tensor.shape[axis] == 1]
        if not single:
            return None
        # the frame axis behind the channels goes first: it is what Z-Image adds
        tensor = tensor.squeeze(2 if 2 in single else single[0])
    if tensor.ndim != like.ndim or not tensor.is_floating_point() or not len(tensor) or len(tensor) % len(like):
        return None
    longer = [axis for axis in range(1, like.ndim) if tensor.shape[axis] > like.shape[axis]]
    shorter = any(tensor.shape[axis] < like.shape[axis] for axis in range(1, like.ndim))
    return None if shorter or len(longer) > 1 else tensor


def cuts(tensor: torch.Tensor, like: torch.Tensor) -> list[torch.Tensor]:
    """Return a prediction cut to the shape of `like` behind its first axis: from the front, and from the back.

    One cut alone where the lengths are equal, or where it is the channels that are longer: a learned variance
    stands behind the prediction.
    """
    axis = next((a for a in range(1, like.ndim) if tensor.shape[a] > like.shape[a]), None)
    if axis is None:
        return [tensor]
    length = like.shape[axis]
    front = tensor.narrow(axis, 0, length)
    if like.ndim != 3 or axis != 1:
        return [front]
    return [front, tensor.narrow(axis, tensor.shape[axis] - length, length)]
