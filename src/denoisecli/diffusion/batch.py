"""One batch through the pipeline, under the recorder."""

from __future__ import annotations

import inspect
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from denoisecli.errors import SamplingError, UsageError, is_of_memory

from . import call
from .blame import blamed
from .canvas import clip_length, from_given
from .clock import Clock
from .guidance import guidance_of, guides, scale_at
from .noise import generators_after_start
from .quiet import quiet
from .recorder import record
from .scheduler import use_sampler
from .taps import tapped
from .word_maps import MAX_MAP_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from denoisecli.trace import Trace

    from .guidance import StepScales
    from .models import Model
    from .take_up import TakeUp
    from .word_maps import Words


class OutOfMemory(SamplingError):
    """The batch does not fit into memory; a smaller one may."""


@dataclass(frozen=True)
class Batch:
    """What is sampled at once: sample i starts at noise[i], under scales[i], and draws from seeds[i].

    noise: (n, C, h, w), or (n, C, f, h, w) of clips, unit normal; the pipeline multiplies it by its first σ. scales:
    numbers, or StepScales, one a step. embeds: what the prompts became, (n, ...) each, instead of them (see
    `embeddings`). height, width: pixels, by default those of the noise. spacing: of the timesteps; schedule: ComfyUI's
    levels instead (see `use_sampler`).
    """

    noise: torch.Tensor | NDArray[np.float32]
    scales: Sequence[float | StepScales]
    seeds: Sequence[int]
    prompt: str
    steps: int
    sampler: str
    negative_prompt: str = ""
    embeds: Mapping[str, torch.Tensor] | None = None
    spacing: str | None = None
    schedule: str | None = None
    eta: float = 0.0
    guidance_rescale: float = 0.0
    height: int | None = None
    width: int | None = None
    generators: Sequence[torch.Generator] | None = None
    """what a stochastic sampler draws from; by default the seeds', which have drawn the starting noise already"""


def sample_batch(
    model: Model,
    batch: Batch,
    *,
    on_step: Callable[[int, int, NDArray[np.float32]], None] | None = None,
    on_state: Callable[[NDArray[np.float32], NDArray[np.float32]], None] | None = None,
    on_halves: Callable[[NDArray[np.float32], NDArray[np.float32]], None] | None = None,
    outputs: bool = False,
    take_up: TakeUp | None = None,
    words: Words = None,
    concepts: Sequence[str] = (),
    pool: str | Sequence[str] = "mean",
    max_map_bytes: int = MAX_MAP_BYTES,
) -> Trace:
    """Return the trace of one batch; the other arguments: see `record`.

    Samples of a stochastic sampler draw from a generator each, so a batch does not couple them. A pipeline that mixes
    by itself, or is told the scale, is called once for each run of equal scales.
    Raises OutOfMemory, SamplingError (latents that are no numbers), UsageError.
    """
    pipe = model.pipe
    with blamed(model.info.ref):
        use_sampler(pipe, batch.sampler, batch.spacing, batch.schedule)
    _check_eta(pipe, batch.eta, batch.sampler)
    mixed = guidance_of(pipe) == "formula" and any(guides(scale) for scale in batch.scales)
    tap = record(
        pipe,
        on_step=on_step,
        on_state=on_state,
        on_halves=on_halves,
        scales=list(batch.scales) if mixed else None,
        guidance_rescale=batch.guidance_rescale,
        seeds=batch.seeds,
        stop_on_nan=True,
        outputs=outputs,
        take_up=take_up,
        words=words,
        concepts=concepts,
        pool=pool,
        max_map_bytes=max_map_bytes,
    )
    with quiet(), blamed(model.info.ref), _limits_told(pipe.scheduler, batch.sampler, batch.steps), tap as trace:
        for rows, arguments in _calls(model, batch, mixed=mixed):
            if take_up is not None:
                take_up.rows = rows
            _call(pipe, arguments)
    trace.record["model"] |= {
        "ref": model.info.ref,
        "family": model.info.family,
        "sha256": model.info.sha256,
        "timestep_spacing": Clock(pipe.scheduler).spacing,
    }
    trace.record["environment"] |= model.placement
    return trace


def painted(model: Model, batch: Batch) -> torch.Tensor:
    """Return the last latents (n, C, h, w) of a batch, by the scheduler that the pipeline has. Nothing is recorded."""
    found = []
    with quiet(), blamed(model.info.ref):
        for _, arguments in _calls(model, batch, mixed=False):
            latents = _call(model.pipe, arguments | call.known(model.pipe, {"return_dict": False}))[0]
            found.append(from_given(model.pipe, latents, (batch.noise.shape[-2], batch.noise.shape[-1])))
    return torch.cat(found)


def _calls(model: Model, batch: Batch, *, mixed: bool) -> Iterator[tuple[slice, dict[str, Any]]]:
    """Yield the samples that can share a call of the pipeline, and what it is called with.

    mixed: whether the recorder mixes the halves, so that all samples can.
    """
    pipe, start, factor = model.pipe, torch.as_tensor(batch.noise), model.info.scale_factor
    guided = mixed or guidance_of(pipe) == "own"
    shared = (
        {
            "height": batch.height or start.shape[-2] * factor,
            "width": batch.width or start.shape[-1] * factor,
            "num_inference_steps": batch.steps,
            "eta": batch.eta,
            "output_type": "latent",
        }
        | call.steps(pipe, batch.steps)
        | {"num_frames": clip_length(pipe, start)}
    )
    for rows in [slice(0, len(batch.scales))] if mixed else call.of_one_scale(batch.scales):
        scales = batch.scales[rows]
        told = call.prompts(pipe, batch.prompt, batch.negative_prompt, len(scales), guided=guided)
        told |= call.embedded(batch.embeds, rows) if batch.embeds else {}
        told |= call.scale(pipe, call.ANY_GUIDANCE if mixed else scale_at(scales[0], 0))
        told["latents"] = call.latents(pipe, start[rows], model.device, model.dtype)
        told |= call.taken_up(pipe, told["latents"])
        drawn = batch.generators or generators_after_start(batch.seeds, start.shape[1:])
        told["generator"] = list(drawn[rows])
        yield rows, call.known(pipe, shared | told)


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
        except IndexError as error:
            if not _of_a_level(error, steps):
                raise
            raise refusal from None


def _of_a_level(error: IndexError, steps: int) -> bool:
    """Return whether it was raised where levels are looked up: of a level that the model has not.

    PixArt takes the scheduler's own x0 of a single step, which only some give.
    """
    place = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return place.name == "clock.py" or "schedulers" in place.parts or (steps == 1 and "pipelines" in place.parts)


def _call(pipe: Any, arguments: dict[str, Any]) -> Any:
    """Return what the pipeline gives, and raise OutOfMemory after the failed call's tensors are let go.

    The exception's traceback holds them, so nothing may be raised from inside the except block.
    """
    problem = ""
    try:
        return pipe(**arguments)
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not is_of_memory(error):
            raise
        problem = str(error).strip().partition("\n")[0] or type(error).__name__
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    raise OutOfMemory(
        f"A batch of {len(arguments['latents'])} does not fit into memory: {problem}",
        "Take fewer seeds at once (batch: 1), a smaller size, or dtype float16.",
    )


def _check_eta(pipe: Any, eta: float, sampler: str) -> None:
    if eta and "eta" not in inspect.signature(pipe.scheduler.step).parameters:
        raise UsageError(f"The sampler {sampler!r} knows no eta.", "Choose ddim for it, or eta 0.")
