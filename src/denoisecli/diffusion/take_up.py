"""A stretch of a run: taken up on the way, and left on the way. Taps only; the pipeline's loop goes on.

Steps outside the stretch are passed over. Inside it, each row has its own state `at`: until then the scheduler steps
with what the model said in a run that is there, so the solver's history, the noise that it draws and every x_t are
that run's, bit for bit, and the model is asked for those rows alone that have left it. A stretch that begins on the
way, with latents that are given (`Entrance`), begins there without a history, as diffusers' image-to-image does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from .guidance import guided, rescaled
from .sampler_rules import check_begins, check_meet
from .shared_rows import Sources, evaluate, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from denoisecli.process.x0 import Levels
    from denoisecli.scale import ScheduleKind
    from denoisecli.trace import Trace

    from .clock import Clock
    from .latent_layout import Layout

_ROWS = ("hidden_states", "sample", "x")


class Entrance(Protocol):
    """Latents that a solver begins with."""

    def latents(self, clock: Clock, state: int) -> torch.Tensor:
        """Return x_t (n, C, h, w) of a state, on the scheduler's own scale."""
        ...


class Kept(Protocol):
    """A part of a picture that is kept while the rest is painted anew."""

    def put_back(self, result: Any, scheduler: Any, call: int, layout: Layout, rows: slice) -> Any:
        """Return what a scheduler's step returned at a call for these rows, with what is kept put back."""
        ...


@dataclass(frozen=True)
class Given:
    """Latents as they are, (n, C, h, w)."""

    x_t: NDArray[np.float32]

    def latents(self, clock: Clock, state: int) -> torch.Tensor:
        """Return them."""
        return torch.from_numpy(np.ascontiguousarray(self.x_t))


@dataclass(frozen=True)
class Handed:
    """Latents x_t (n, C, h, w) that one sampler hands to another, at its level sigma, on its scale `kind`."""

    x_t: NDArray[np.float32]
    sigma: float
    kind: ScheduleKind
    samplers: tuple[str, str]
    """names of the one that gives and the one that takes"""

    def latents(self, clock: Clock, state: int) -> torch.Tensor:
        """Return them on the other's scale. Raises UsageError where the two are not at the same level."""
        gives, takes = self.samplers
        check_meet((gives, self.sigma), (takes, float(clock.levels.sigmas[state])), state)
        return torch.from_numpy(np.ascontiguousarray(on_scale(self.x_t, self.sigma, self.kind, clock.kind)))


def on_scale(x_t: NDArray[Any], sigma: Any, kind: str, other: str) -> NDArray[np.float32]:
    """Return latents kept on the scale `kind` (vp, ve, flow) at the levels σ, which broadcasts, on another scale."""
    size = np.sqrt(1 + np.square(np.asarray(sigma, np.float64)))
    factor = {("ve", "vp"): 1 / size, ("vp", "ve"): size}.get((kind, other))
    return x_t if factor is None else (x_t * factor.astype(np.float32)).astype(np.float32)


@dataclass
class TakeUp:
    """A stretch of a run.

    at: the state of each row, counted from 0; the step that begins there is the first that the model is asked for.
    outputs: what the scheduler got before that, at each of its calls, (n, call, C, h, w), mixed by guidance.
    begin: the state at which the solver begins; enters: with which latents, None for the pipeline's own at state 0.
    until: the state at which the stretch ends; None: the last. noted: the first state that the trace has.
    repainting: what is put back into the latents after every step, where a part of a picture is painted anew.
    """

    at: Sequence[int]
    outputs: NDArray[np.float32] | None = None
    begin: int = 0
    enters: Entrance | None = None
    until: int | None = None
    noted: int = 0
    repainting: Kept | None = None
    stand_in: dict[int, Any] = field(default_factory=dict)
    """an output of one row, by denoiser"""
    rows: slice = field(default_factory=lambda: slice(None))
    """those of the call that runs, where a batch takes several"""
    before: Levels | None = None
    """the levels of the states that were passed over, once they were"""

    def left(self, step: int) -> list[bool]:
        """Return which rows the model is asked for in `step`, counted from 0."""
        over = self.until is not None and step >= self.until
        return [step >= max(at, self.begin) and not over for at in self.at[self.rows]]

    def span(self, clock: Clock) -> tuple[int, int]:
        """Return the first of the scheduler's calls that belong to the stretch, and the one behind the last."""
        openings = clock.openings
        whole = self.until is None or self.until >= len(openings)
        return openings[self.begin], len(clock.scheduler.timesteps) if whole else openings[self.until or 0]

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

    def output(self, call: int, step: int, own: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return what the scheduler is to get: `own`, the rows that have not left yet as they were in the run."""
        left = self.left(step)
        if all(left):
            return own
        told = self.told(call, own, layout)
        mask = torch.tensor(left, device=own.device).reshape(-1, *[1] * (own.ndim - 1))
        return torch.where(mask, own, told)

    def told(self, call: int, like: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return what the scheduler got at a call of the run that is there; zeros where there is none."""
        if self.outputs is None:
            return torch.zeros_like(like)
        return layout.pack(torch.from_numpy(self.outputs[self.rows, call])).to(like.device, like.dtype)

    def entered(self, clock: Clock, like: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Return the latents to begin with, and tell a scheduler whose earlier steps were passed over where it is."""
        scheduler = clock.scheduler
        if hasattr(scheduler, "ets"):
            check_begins("pndm", self.begin)
        if self.begin and hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(clock.openings[self.begin])
        if hasattr(scheduler, "_step_index"):
            scheduler._step_index = None  # noqa: SLF001 - read anew from begin_index at its next call
        assert self.enters is not None
        self.before = clock.levels[: self.begin]
        x_t = self.enters.latents(clock, self.begin)[self.rows]
        return layout.pack(x_t).to(like.device, like.dtype)


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
