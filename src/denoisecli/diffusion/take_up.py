"""A run taken up on the way: the steps before a state are not sampled again. Taps only; the pipeline's loop goes on.

Two ways, which differ in what the solver remembers:

Replay   each row has its own state `at`. Until then the scheduler steps with what the model said in the run that is
         there, so the solver's history, the noise that it draws and every x_t are that run's, bit for bit. The model
         is asked for rows alone that have left it.
Entry    all rows begin at one state, with latents that are given (noised anew, or a sampler of another kind). Steps
         before it are passed over, and the solver begins there without a history, as diffusers' image-to-image does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from denoisecli.errors import UsageError

from .guidance import guided, rescaled
from .shared_rows import Sources, evaluate, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from denoisecli.trace import Trace

    from .clock import Clock
    from .latent_layout import Layout

_ROWS = ("hidden_states", "sample", "x")


class TakeUp(ABC):
    """What both ways share: which rows the model is asked for. stand_in: an output of one row, by denoiser."""

    stand_in: dict[int, Any]

    @abstractmethod
    def left(self, step: int) -> list[bool]:
        """Return which rows the model is asked for in `step`, counted from 0."""

    def evaluate(self, denoiser: int, original: Callable[..., Any], step: int, args: Any, kwargs: Any) -> Any:
        """Run the denoiser for the rows that have left; the others get another row's output, which nobody reads."""
        left = self.left(step)
        sources = _sources(left, args, kwargs)
        if sources is None:
            return original(*args, **kwargs)
        if any(left):
            return evaluate(original, sources, args, kwargs)
        nobody = [0] * len(sources)
        if denoiser not in self.stand_in:  # one row, once: what an output looks like is the denoiser's own to say
            self.stand_in[denoiser] = rows_of(evaluate(original, nobody, args, kwargs), [0], len(sources))
        return rows_of(self.stand_in[denoiser], nobody, 1)


@dataclass
class Replay(TakeUp):
    """Rows that leave a run that is there, each at its own state.

    at: the state of each row, counted from 0; the step that begins there is the first that the model is asked for.
    outputs: what the scheduler got at each of its calls in that run, (n, call, C, h, w), mixed by guidance.
    """

    at: Sequence[int]
    outputs: NDArray[np.float32]
    stand_in: dict[int, Any] = field(default_factory=dict)

    def left(self, step: int) -> list[bool]:
        """Return which rows have left the run when `step` begins."""
        return [step >= at for at in self.at]

    def output(self, call: int, step: int, own: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return what the scheduler is to get: `own`, the rows that have not left yet as they were in the run."""
        left = self.left(step)
        if all(left):
            return own
        told = layout.pack(torch.from_numpy(self.outputs[:, call])).to(own.device, own.dtype)
        mask = torch.tensor(left, device=own.device).reshape(-1, *[1] * (own.ndim - 1))
        return torch.where(mask, own, told)


@dataclass
class Entry(TakeUp):
    """All rows begin at state `at` with latents x_t (n, C, h, w), on the scheduler's own scale."""

    at: int
    x_t: NDArray[np.float32]
    stand_in: dict[int, Any] = field(default_factory=dict)

    def left(self, step: int) -> list[bool]:
        """Return whether the run has begun: for all rows alike."""
        return [step >= self.at] * len(self.x_t)

    def begin(self, clock: Clock) -> None:
        """Tell a scheduler whose earlier steps were passed over where it begins, and that it has no history."""
        scheduler = clock.scheduler
        if hasattr(scheduler, "ets"):
            raise UsageError("The sampler pndm cannot begin on the way.", "Choose ddim or dpmpp_2m for it.")
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(clock.openings[self.at])
        if hasattr(scheduler, "_step_index"):
            scheduler._step_index = None  # noqa: SLF001 - read anew from begin_index at its next call

    def latents(self, like: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return the latents as the pipeline has them."""
        return layout.pack(torch.from_numpy(self.x_t)).to(like.device, like.dtype)


def outputs_of(trace: Trace, scale: float, guidance_rescale: float, dtype: torch.dtype) -> NDArray[np.float32]:
    """Return what the scheduler got in a run that kept its halves, (n, step, C, h, w): mixed as the recorder did.

    dtype: of the model, in whose arithmetic the halves were mixed.
    """
    if "eps_uncond" not in trace or scale == 1:
        return np.ascontiguousarray(trace.eps_cond, np.float32)
    halves = (torch.from_numpy(array).to(dtype).flatten(0, 1) for array in (trace.eps_uncond, trace.eps_cond))
    mixed = [rescaled(guided(u, c, scale), c, guidance_rescale) for u, c in zip(*halves, strict=True)]
    return torch.stack(mixed).float().numpy().reshape(trace.eps_cond.shape)


def _sources(left: Sequence[bool], args: Any, kwargs: Mapping[str, Any]) -> Sources | None:
    """Return for each row of the denoiser's batch the row whose output it takes; None where its rows are not told.

    A batch has the samples once, or once for each half of guidance.
    """
    rows = args[0] if args else next((kwargs[name] for name in _ROWS if kwargs.get(name) is not None), None)
    n = len(left)
    if not isinstance(rows, torch.Tensor) or len(rows) % n:
        return None
    some = next((row for row, gone in enumerate(left) if gone), 0)
    return [row if left[row % n] else row - row % n + some for row in range(len(rows))]
