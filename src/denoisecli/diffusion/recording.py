"""The block in which a pipeline is recorded: what may be recorded is checked at once, and misuse is told in words."""

from __future__ import annotations

import functools
import inspect
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

from denoisecli.errors import UsageError
from denoisecli.trace import Trace

from .denoiser import denoisers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

Options = ParamSpec("Options")
UNRECORDED = {
    "DDIMInverseScheduler": "goes from a picture to noise: its states are no denoising",
    "DPMSolverMultistepInverseScheduler": "goes from a picture to noise: its states are no denoising",
    "PiflowScheduler": "takes several predictions at each step: none of them is the step's guess",
}
"""Schedulers that step, but not as a record tells it."""
MOST_SEED = 2**64 - 1


class Recording(AbstractContextManager[Trace]):
    """What `record(pipe)` returns: `with` begins the recording and gives the trace."""

    def __init__(self, block: AbstractContextManager[Trace], kind: str) -> None:
        self._block, self._kind = block, kind

    def __enter__(self) -> Trace:
        return self._block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._block.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        """Say how it is used."""
        return f"record({self._kind}), not begun: with denoisecli.record(pipe) as trace: pipe(...)"

    def __getattr__(self, name: str) -> Any:
        """Tell those who took it for the trace."""
        raise AttributeError(
            f"record() has no {name!r}: nothing is recorded before the block begins. "
            "Write `with denoisecli.record(pipe) as trace:` and call the pipeline inside."
        )


def recording(
    block: Callable[Concatenate[Any, Options], Iterator[Trace]],
) -> Callable[Concatenate[Any, Options], Recording]:
    """Make a context manager of a generator whose first argument is the pipeline, which is checked at the call."""
    made = contextmanager(block)

    def record(pipe: Any, *args: Options.args, **kwargs: Options.kwargs) -> Recording:
        check_pipeline(pipe)
        check_seeds(kwargs.get("seeds"))
        return Recording(made(pipe, *args, **kwargs), type(pipe).__name__)

    functools.update_wrapper(record, block)
    told = inspect.signature(block).replace(return_annotation="Recording")
    record.__signature__ = told  # type: ignore[attr-defined]
    return cast("Callable[Concatenate[Any, Options], Recording]", record)


def check_pipeline(pipe: Any) -> None:
    """Raise UsageError for what cannot be recorded, in words that fit what it is."""
    if isinstance(pipe, (str, Path)):
        hint = f"Load it first: pipe = DiffusionPipeline.from_pretrained({str(pipe)!r})."
        raise UsageError(f"record() takes a loaded pipeline, not the name of one, {str(pipe)!r}.", hint)
    if isinstance(pipe, type):
        hint = f"Make one first: pipe = {pipe.__name__}.from_pretrained(...)."
        raise UsageError(f"record() takes a pipeline, and {pipe.__name__} is the class of one.", hint)
    kind = type(scheduler_of(pipe)).__name__
    if kind in UNRECORDED:
        raise UsageError(f"{kind} {UNRECORDED[kind]}.", "Record with a scheduler that denoises step by step.")
    denoisers_of(pipe)


def scheduler_of(pipe: Any) -> Any:
    """Return the pipeline's scheduler. Raises UsageError where it has none that steps."""
    scheduler = getattr(pipe, "scheduler", None)
    if not callable(getattr(scheduler, "step", None)) or not callable(getattr(scheduler, "set_timesteps", None)):
        kind = type(pipe).__name__
        what = kind if kind.endswith("Pipeline") else f"This is an object of type {kind}: it"
        raise UsageError(
            f"{what} has no scheduler that steps, so there are no states to record.",
            "record() takes diffusers pipelines that denoise step by step, such as StableDiffusionPipeline.",
        )
    return scheduler


def check_seeds(seeds: Any) -> None:
    """Raise UsageError where `seeds` are not whole numbers as a generator takes them, before anything is sampled."""
    for seed in seeds if seeds is not None else ():
        if not hasattr(seed, "__index__") or not 0 <= seed.__index__() <= MOST_SEED:
            raise UsageError(f"seeds: {seed!r} is not a seed (want whole numbers from 0 to 2^64 - 1).")
