"""One batch through the pipeline, under the recorder."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from denoisecli.errors import SamplingError, UsageError

from .guidance import guides, takes_guidance
from .loading import quiet
from .noise import generators_after_start
from .recorder import record, tapped
from .scheduler import spacing_of, use_sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from denoisecli.trace import Trace

    from .models import Model

ANY_GUIDANCE = 2.0
"""Given to a pipeline whose guidance the recorder mixes: any number above 1 makes it run both halves."""


class OutOfMemory(SamplingError):
    """The batch does not fit into memory; a smaller one may."""


def sample_batch(
    model: Model,
    *,
    prompt: str,
    noise: torch.Tensor | NDArray[np.float32],
    scales: Sequence[float],
    steps: int,
    sampler: str,
    seeds: Sequence[int],
    negative_prompt: str = "",
    spacing: str | None = None,
    eta: float = 0.0,
    guidance_rescale: float = 0.0,
    height: int | None = None,
    width: int | None = None,
    on_step: Callable[[int, int, NDArray[np.float32]], None] | None = None,
    embeds: Mapping[str, torch.Tensor] | None = None,
) -> Trace:
    """Return the trace of one batch: sample i starts at noise[i], under scales[i], and draws from seeds[i].

    noise: (n, C, h, w), unit normal; the pipeline multiplies it by its first σ. height, width: pixels, by default
    those of the noise. embeds: what the prompts became, (n, ...) each, instead of them (see `embeddings`).
    spacing: of the timesteps (see `use_sampler`).
    scales: numbers, or SteppedScales for one a step. Samples of a stochastic sampler draw from a
    generator each, so a batch does not couple them.
    A model that takes no guidance is told the scale, if it listens, and it has to be the same for the whole batch.
    Raises OutOfMemory, SamplingError (latents that are no numbers), UsageError.
    """
    pipe = model.pipe
    use_sampler(pipe, sampler, spacing)
    _check_eta(pipe, eta, sampler)
    guidable = takes_guidance(pipe)
    guided = guidable and any(guides(scale) for scale in scales)
    if not guidable and len(set(scales)) > 1:
        told = ", ".join(f"{scale:g}" for scale in dict.fromkeys(scales))
        raise UsageError(f"The model {model.info.ref} takes one guidance scale a batch, not {told}.", "Set batch: 1.")
    start = torch.as_tensor(noise).to(model.dtype)
    factor = model.info.scale_factor
    call = {
        "prompt": prompt,
        "negative_prompt": (negative_prompt or None) if guided else None,  # SDXL may take zeros for none
        "num_images_per_prompt": len(start),
        "latents": start.to(model.device),
        "height": height or start.shape[-2] * factor,
        "width": width or start.shape[-1] * factor,
        "num_inference_steps": steps,
        "guidance_scale": ANY_GUIDANCE if guided else float(scales[0]),
        "eta": eta,
        "generator": generators_after_start(seeds, start.shape[1:]),
        "output_type": "latent",
    }
    if embeds:
        call |= {"prompt": None, "negative_prompt": None, "num_images_per_prompt": 1, **embeds}
    known = inspect.signature(pipe.__call__).parameters
    tap = record(
        pipe,
        on_step=on_step,
        scales=list(scales) if guided else None,
        guidance_rescale=guidance_rescale,
        seeds=seeds,
        stop_on_nan=True,
    )
    with quiet(), _limits_told(pipe.scheduler, sampler, steps), tap as trace:
        _call(pipe, {name: value for name, value in call.items() if name in known})
    trace.record["model"] |= {
        "ref": model.info.ref,
        "family": model.info.family,
        "sha256": model.info.sha256,
        "timestep_spacing": spacing_of(pipe.scheduler),
    }
    return trace


@contextmanager
def _limits_told(scheduler: Any, sampler: str, steps: int) -> Iterator[None]:
    """Turn what a scheduler raises at numbers of steps that it cannot take into one sentence."""
    refusal = UsageError(
        f"The sampler {sampler!r} cannot take {steps} steps of this model.", "Try fewer, or another one."
    )

    def set_timesteps(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except (IndexError, ValueError):
            raise refusal from None

    with tapped(scheduler, "set_timesteps", set_timesteps):
        try:
            yield
        except IndexError:  # of a level that the model has not
            raise refusal from None


def _call(pipe: Any, arguments: dict[str, Any]) -> None:
    """Call the pipeline, and raise OutOfMemory after the failed call's tensors are let go.

    The exception's traceback holds them, so nothing may be raised from inside the except block.
    """
    problem = ""
    try:
        pipe(**arguments)
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        problem = str(error).strip().partition("\n")[0] or type(error).__name__
    if not problem:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise OutOfMemory(
        f"A batch of {len(arguments['latents'])} does not fit into memory: {problem}",
        "Take fewer seeds at once (batch: 1), a smaller size, or dtype float16.",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error says that memory ran out, on whichever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    marks = ("can't allocate memory", "out of memory", "cannot allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(mark in text for mark in marks)


def _check_eta(pipe: Any, eta: float, sampler: str) -> None:
    if eta and "eta" not in inspect.signature(pipe.scheduler.step).parameters:
        raise UsageError(f"The sampler {sampler!r} knows no eta.", "Choose ddim for it, or eta 0.")
