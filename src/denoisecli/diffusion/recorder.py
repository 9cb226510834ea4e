"""Recording a diffusers pipeline: taps fill a Trace. The pipeline stays in charge: no loop is copied.

What the pipeline computes is passed through untouched, so its result is the same bit for bit. `tape` hears and keeps
what passes, `transcript` makes the trace of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denoisecli.trace import Trace

from .recording import recording
from .tape import Tape
from .taps import all_on
from .transcript import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .guidance import StepScales
    from .take_up import TakeUp


@recording
def record(
    pipe: Any,
    *,
    on_step: Callable[[int, int, NDArray[np.float32]], None] | None = None,
    scales: Sequence[float | StepScales] | None = None,
    guidance_rescale: float = 0.0,
    seeds: Sequence[int] | None = None,
    stop_on_nan: bool = False,
    outputs: bool = False,
    take_up: TakeUp | None = None,
) -> Iterator[Trace]:
    """Record every call of `pipe` made inside; the trace is filled on leaving.

    pipe: any diffusers pipeline that denoises step by step, on any device.
    on_step: called as on_step(step, steps, x0) after each step, steps counted from 1, x0 (n, C, h, w).
    scales: one guidance scale for each sample of the batch, mixed here by the formula instead of by the pipeline,
        which turns guidance off at scales <= 1. Call the pipe with any guidance_scale > 1, so that it runs both halves.
        A StepScales has its own value in each step, and lets evaluations be left out that cannot matter.
    guidance_rescale: Lin et al.'s phi for these scales.
    seeds: noted in the trace's runs; without them, those of the generators that the pipeline is called with.
    stop_on_nan: raise SamplingError in the step where the latents stop being numbers.
    outputs: keep what the scheduler got at each of its calls, as the array `outputs` (n, call, C, h, w).
    take_up: sample from a state on of a run that is there already (see `take_up`). The trace of an Entry begins there.

    The pipe is left as it was, whatever happens inside. An exception passes through and leaves the trace empty.
    Raises UsageError for a pipeline without a scheduler that steps, or without a denoiser.
    """
    trace = Trace()
    tape = Tape(pipe, on_step, scales, guidance_rescale, seeds, stop_on_nan)
    tape.take_up, tape.keeps_outputs = take_up, outputs
    with all_on(tape.taps()):
        yield trace
    fill(trace, tape)
