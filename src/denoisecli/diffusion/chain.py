"""A run in phases: calls of the pipeline in a chain, each of which samples some of the steps and hands on the rest.

Where the sampler stays, the next call replays what the scheduler was given so far (`take_up`), so that its history
and the noise that it draws go on as if nothing had happened. Another sampler, or another model, takes the latents over
at their level, and begins without a history. So does a phase of a larger picture, with the last guess enlarged and
noised anew to the level at which the run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.process.x0 import Levels
from denoisecli.scale import repeated
from denoisecli.trace import Trace

from .adapters import wear
from .batch import sample_batch
from .noise import generators_after_start
from .noised import enlarged
from .sampler_rules import name_of
from .take_up import Handed, TakeUp, on_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from numpy.typing import NDArray

    from .adapters import Strengths
    from .batch import Batch
    from .models import Model
    from .take_up import Entrance, Kept

    OnStep = Callable[[int, int, NDArray[np.float32]], None]


@dataclass(frozen=True)
class Link:
    """A phase: it ends at the state `until`. batch: made once its LoRAs are on: (file, strengths); None: all stay.

    model: another one than the run's.
    """

    until: int
    batch: Callable[[], Batch]
    loras: Sequence[tuple[str, Strengths]] | None = None
    model: Model | None = None


@dataclass(frozen=True)
class Opening:
    """Where a chain begins: at a state, with latents. generators: the seeds', which have drawn what made them."""

    state: int = 0
    enters: Entrance | None = None
    repainting: Kept | None = None
    generators: Sequence[torch.Generator] | None = None


@dataclass(frozen=True)
class Leaving:
    """A run that is there, which rows leave, each at its own state. outputs: `Chained.outputs` of that run's rows."""

    at: Sequence[int]
    outputs: Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class _Taken:
    """What a link is sampled with."""

    model: Model
    batch: Batch

    @property
    def size(self) -> tuple[int, int]:
        """The picture's (width, height) in pixels."""
        factor = self.model.info.scale_factor
        height, width = self.batch.noise.shape[-2:]
        return self.batch.width or width * factor, self.batch.height or height * factor

    @property
    def solver(self) -> tuple[Any, ...]:
        """What a solver lasts as long as."""
        batch = self.batch
        return id(self.model), self.size, batch.sampler, batch.spacing, batch.schedule


@dataclass
class _Solver:
    """The solver of some links: since when it steps, with what, and what it was given so far."""

    begin: int
    enters: Entrance | None
    generators: list[torch.Generator]
    outputs: NDArray[np.float32] | None
    states: list[torch.Tensor] = field(default_factory=list)

    def rewound(self) -> list[torch.Generator]:
        """Return its generators as they were when it began."""
        if not self.states:
            self.states = [one.get_state() for one in self.generators]
        for one, state in zip(self.generators, self.states, strict=True):
            one.set_state(state)
        return self.generators


def sample_chain(
    model: Model,
    links: Sequence[Link],
    opening: Opening | None = None,
    *,
    on_step: OnStep | None = None,
    outputs: bool = False,
    leaving: Leaving | None = None,
    **listened: Any,
) -> tuple[Trace, Levels | None]:
    """Return the trace of one batch in phases, from where it begins on, and the levels of the states before that.

    outputs: keep what each solver got, as the arrays `outputs`, `outputs_1`, ... leaving: of a run that is there.
    listened: what else `sample_batch` is told. Raises as that does, and UsageError where two samplers do not meet.
    """
    opening = opening or Opening()
    chain = _Chain(model, links, opening, leaving, on_step, listened)
    parts = chain.run()
    trace = joined(parts)
    if outputs:
        trace.arrays |= {outputs_name(index): held for index, held in enumerate(chain.outputs)}
    return trace, chain.before


def outputs_name(solver: int) -> str:
    """Return the name of the array of what a run's first, second, ... solver was given."""
    return "outputs" if solver == 0 else f"outputs_{solver}"


class _Chain:
    """The links of one batch, one after the other."""

    def __init__(
        self,
        model: Model,
        links: Sequence[Link],
        opening: Opening,
        leaving: Leaving | None,
        on_step: OnStep | None,
        listened: dict[str, Any],
    ) -> None:
        self.model, self.opening, self.leaving = model, opening, leaving
        self.links = [link for link in links if link.until > opening.state]
        self.told = {"on_step": on_step, **listened}
        self.outputs: list[NDArray[np.float32]] = []
        self.before: Levels | None = None
        self.stand_in: dict[tuple[int, int], dict[int, Any]] = {}
        """an output of one row, by the picture's size and the denoiser"""

    def run(self) -> list[Trace]:
        """Return the traces of the links."""
        parts: list[Trace] = []
        first, solver, before = self.opening.state, None, None
        for link in self.links:
            model = link.model or self.model
            if link.loras is not None:
                wear(model, link.loras)
            taken = _Taken(model, link.batch())
            if solver is None or before is None:
                solver = self._first(taken.batch)
            elif taken.solver != before.solver:
                self._keep(solver)
                solver = self._next(solver, first, parts[-1], before, taken)
            part = self._sampled(link, taken, first, solver)
            parts.append(part)
            first, before = link.until, taken
        assert solver is not None
        self._keep(solver)
        return parts

    def _first(self, batch: Batch) -> _Solver:
        drawn = self.opening.generators or generators_after_start(batch.seeds, batch.noise.shape[1:])
        return _Solver(self.opening.state, self.opening.enters, list(drawn), self._left(0))

    def _next(self, solver: _Solver, first: int, part: Trace, before: _Taken, taken: _Taken) -> _Solver:
        """Return the solver that takes over what another one reached: the latents, or the guess at a larger size."""
        enters: Entrance
        if taken.size != before.size:
            enters = enlarged(taken.model, part.x0[:, -1], taken.size, taken.batch.seeds, solver.generators)
        else:
            kind = part.record.get("schedule_kind", "vp")
            enters = Handed(part.x_t[:, -1], float(part.sigmas[-1]), kind, _named(before, taken))
        return _Solver(first, enters, solver.generators, self._left(len(self.outputs)))

    def _left(self, solver: int) -> NDArray[np.float32] | None:
        """Return what a solver got in the run that is left."""
        return self.leaving.outputs[solver] if self.leaving and solver < len(self.leaving.outputs) else None

    def _keep(self, solver: _Solver) -> None:
        assert solver.outputs is not None
        self.outputs.append(solver.outputs)

    def _sampled(self, link: Link, taken: _Taken, first: int, solver: _Solver) -> Trace:
        """Return the trace of one link, its steps alone, and keep what the solver got in it."""
        batch = taken.batch
        at = self.leaving.at if self.leaving else [first] * len(batch.seeds)
        stretch = TakeUp(
            at=[max(state, first) for state in at],
            outputs=solver.outputs,
            begin=solver.begin,
            enters=solver.enters,
            until=None if link is self.links[-1] else link.until,
            noted=first,
            repainting=self.opening.repainting,
            stand_in=self.stand_in.setdefault(taken.size, {}),
        )
        batch = replace(batch, generators=solver.rewound())
        part = sample_batch(taken.model, batch, outputs=True, take_up=stretch, **self.told)
        solver.outputs = part.arrays.pop("outputs")
        if self.before is None:
            self.before = stretch.before
        return part


def _named(gives: _Taken, takes: _Taken) -> tuple[str, str]:
    """Return what two solvers are called: by their samplers, and by their models where these differ."""
    labels = [one.batch.sampler for one in (gives, takes)]
    if gives.model is not takes.model:
        labels = [f"{name_of(one.batch.sampler)} of {one.model.info.ref}" for one in (gives, takes)]
    return labels[0], labels[1]


LEVELS = ("sigmas", "timesteps", "alpha_bars")


def joined(parts: Sequence[Trace]) -> Trace:
    """Return the stretches of a run, one behind the other, as one trace: on the first one's scale, at the last's size.

    Smaller states have their cells repeated; the state at which a picture is enlarged is the larger one.
    """
    from .transcript import schedule_rows

    first, last = parts[0], parts[-1]
    if first is last:
        return first
    _fill_silence(parts)
    arrays = {name: np.concatenate([*(part[name][:-1] for part in parts[:-1]), last[name]]) for name in LEVELS}
    size = last.x_t.shape[-2], last.x_t.shape[-1]
    rows = [repeated(_on_scale_of(first, part), size) for part in parts]
    arrays["x_t"] = np.concatenate(_states(rows, parts), axis=1)
    for name in first.arrays.keys() | last.arrays.keys() - arrays.keys():
        held = [_track(part, name) for part in parts]
        known = [array for array in held if array is not None]
        if name not in arrays and (len(known) == len(parts) or name == "extra_x_t"):
            arrays[name] = np.concatenate([repeated(array, size) for array in known], axis=1)
    record = dict(first.record)
    record["model"] = first.record["model"] | {"latent_shape": list(last.x_t.shape[2:])}
    record["schedule"] = schedule_rows(Levels(arrays["timesteps"], arrays["sigmas"], arrays["alpha_bars"]))
    record["guidance_measured"] = [row for part in parts for row in part.record.get("guidance_measured", [])]
    record["guidance"] = next(
        (part.record["guidance"] for part in parts if part.record["guidance"]["kind"] == "two halves"),
        record["guidance"],
    )
    if "words_rest" in record:
        record |= _told_of_words(parts)
    if extra := [*_extra(parts)]:
        record["extra_evaluations"] = extra
    return Trace(first.lab, arrays, record)


def _fill_silence(parts: Sequence[Trace]) -> None:
    """Give the stretches in which no half read the words of a prompt maps of zeros."""
    for name in ("words", "negative_words"):
        like = next((part.arrays[name] for part in parts if name in part), None)
        for part in parts if like is not None else ():
            if like is not None and name not in part:
                shape = len(like), part.steps, like.shape[2], *part.x_t.shape[3:]
                part.arrays[name] = np.zeros(shape, like.dtype)


def _told_of_words(parts: Sequence[Trace]) -> dict[str, Any]:
    """Return what a run's record says of its words, stretch by stretch; what is measured of their maps is not in it."""
    records = [part.record for part in parts]
    rest = {name: [share for one in records for share in one["words_rest"][name]] for name in records[0]["words_rest"]}
    pool = dict.fromkeys(layer for one in records for layer in one["words_pool"])
    return {"words": max((one["words"] for one in records), key=len), "words_rest": rest, "words_pool": [*pool]}


def _states(rows: Sequence[NDArray[np.float32]], parts: Sequence[Trace]) -> list[NDArray[np.float32]]:
    """Return the states of each stretch without the one that it shares with the next, or has from the one before."""
    found = [*rows]
    for index, (part, then) in enumerate(pairwise(parts)):
        if part.x_t.shape[2:] == then.x_t.shape[2:]:
            found[index + 1] = found[index + 1][:, 1:]
        else:
            found[index] = found[index][:, :-1]
    return found


def _track(part: Trace, name: str) -> NDArray[Any] | None:
    """Return an array of a stretch; where no half without the prompt was asked for, the one with it was used."""
    if name == "eps_uncond" and name not in part and "eps_cond" in part:
        name = "eps_cond"
    return part.arrays.get(name)


def _on_scale_of(first: Trace, part: Trace) -> NDArray[np.float32]:
    kinds = (str(one.record.get("schedule_kind", "vp")) for one in (part, first))
    return on_scale(part.x_t, part.sigmas[:, None, None, None], *kinds)


def _extra(parts: Sequence[Trace]) -> list[dict[str, Any]]:
    """Return the rows of the evaluations beside the steps, counted through."""
    rows, before = [], 0
    for part in parts:
        rows += [row | {"step": row["step"] + before} for row in part.record.get("extra_evaluations", [])]
        before += part.steps
    return rows
