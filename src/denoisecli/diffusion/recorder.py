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
from .word_maps import MAX_MAP_BYTES, Asked, listener_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .guidance import StepScales
    from .take_up import TakeUp
    from .word_maps import Words


@recording
def record(
    pipe: Any,
    *,
    on_step: Callable[[int, int, NDArray[np.float32]], None] | None = None,
    on_state: Callable[[NDArray[np.float32], NDArray[np.float32]], None] | None = None,
    on_halves: Callable[[NDArray[np.float32], NDArray[np.float32]], None] | None = None,
    scales: Sequence[float | StepScales] | None = None,
    guidance_rescale: float = 0.0,
    seeds: Sequence[int] | None = None,
    stop_on_nan: bool = False,
    outputs: bool = False,
    take_up: TakeUp | None = None,
    words: Words = None,
    concepts: Sequence[str] = (),
    pool: str | Sequence[str] = "mean",
    max_map_bytes: int = MAX_MAP_BYTES,
) -> Iterator[Trace]:
    """Record every call of `pipe` made inside; the trace is filled on leaving.

    pipe: any diffusers pipeline that denoises step by step, on any device.
    on_step: called as on_step(step, steps, x0) after each step, steps counted from 1, x0 (n, C, h, w).
    on_state: called as on_state(x_t, x0) after each step with the state that it began with, both (n, C, h, w), x_t on
        the scale that a decoder expects.
    on_halves: called as on_halves(without, with_prompt) after each step that ran both halves, or one in place of both,
        with the guess of each alone, both (n, C, h, w).
    scales: one guidance scale for each sample of the batch, mixed here by the formula instead of by the pipeline,
        which turns guidance off at scales <= 1. Call the pipe with any guidance_scale > 1, so that it runs both halves.
        A StepScales has its own value in each step, and lets evaluations be left out that cannot matter.
    guidance_rescale: Lin et al.'s phi for these scales.
    seeds: noted in the trace's runs; without them, those of the generators that the pipeline is called with.
    stop_on_nan: raise SamplingError in the step where the latents stop being numbers.
    outputs: keep what the scheduler got at each of its calls, as the array `outputs` (n, call, C, h, w).
    take_up: sample a stretch of a run alone, on from a state that is there already (see `take_up`).
    words: keep where each word is read, step by step, as `words` (seed, step, word, h, w) float16, and
        `negative_words` of the negative prompt. True takes all words that carry meaning; or a list of words and
        phrases; or {"word": [numbers of its tokens]} for a pipeline that is called with embeddings. A map's value is
        the probability with which a place of the picture attends to the word, summed over the word's tokens, averaged
        over heads and layers, resized to the latents.
    concepts: words that are heard though they are not in the prompt, behind its own; the picture never reads them. A
        word of `words` that is not in the prompt is heard as one, and the record's notes say so. By their own keys in
        U-Nets and cross-attention; in joint attention the share among the concepts of ConceptAttention (Helbling et
        al. 2025). Transformers are evaluated once more for each concept, and the pipeline encodes each once.
    pool: "mean" over all layers whose side is at least a quarter of the latents', or names of layers or blocks.
    max_map_bytes: most that the maps may take.

    The pipe is left as it was, whatever happens inside. An exception passes through and leaves the trace empty.
    Raises UsageError for a pipeline without a scheduler that steps, or without a denoiser, and for words that are not
    there or cannot be heard.
    """
    trace = Trace()
    tape = Tape(pipe, on_step, scales, guidance_rescale, seeds, stop_on_nan)
    tape.take_up, tape.keeps_outputs, tape.on_state, tape.on_halves = take_up, outputs, on_state, on_halves
    if words or concepts:
        tape.listener = listener_of(pipe, Asked(words, concepts, pool, max_map_bytes))
        tape.listener.ear.asleep = tape.passes_over
    with all_on(tape.taps()):
        yield trace
    fill(trace, tape)
