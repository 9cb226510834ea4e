"""What a worker does with the runs it is given: sample together what can be, then make each run in its folder.

The model is for one run at a time. What comes behind it, the drawing and encoding for the most part, goes on beside the
next one, and beside the sampling of the next pack.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisecli.diffusion.model_cache import ModelCache
from denoisecli.errors import DenoiseError, RemoteError, is_of_memory, not_enough_memory
from denoisecli.labs.job import Begun, Plan
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.report import Report

from .beside import Beside
from .messages import Message, Outcome, Pack, Progress, Run, State, Told, Warned
from .packing import sample_together
from .place import Place

EVERY_S = 0.2  # between two words on how far a stage is

Tell = Callable[[Message], None]

MODELS = ModelCache()
"""The worker's own: the runs of all its packs share the model that was loaded last."""

BESIDE = Beside()
"""The worker's own: its runs that need the model no longer."""


def make_pack(pack: Pack, place: Place, worker: int, tell: Tell, stopping: Callable[[], bool]) -> None:
    """Make the runs of a pack and tell what became of each. A run that fails leaves the others alone."""
    begin_pack(pack, place, worker, tell, stopping)
    BESIDE.wait()


def begin_pack(pack: Pack, place: Place, worker: int, tell: Tell, stopping: Callable[[], bool]) -> None:
    """Make the runs of a pack as `make_pack` does, and come back when none of them needs the model any longer.

    What became of those that are still drawn is told in time, by other threads.
    """
    with MODELS.lent():
        _begin_pack(pack, place, worker, tell, stopping)


def _begin_pack(pack: Pack, place: Place, worker: int, tell: Tell, stopping: Callable[[], bool]) -> None:
    def ends() -> bool:
        return stopping() or BESIDE.given_up

    making = [_Making(run, plan, place, Teller(worker, tell, [run])) for run in pack
              if (plan := _planned(run, place, worker, tell)) is not None]  # fmt: skip
    began = time.perf_counter()
    together = [one for one in making if isinstance(one.plan.config, SampleConfig)]
    if len(together) > 1 and not ends():
        told = Teller(worker, tell, [one.run for one in together])
        sample_together([one.plan for one in together if not _settled(one.plan, place)], told, ends)
    share = (time.perf_counter() - began) / max(len(making), 1)
    for one in making:
        BESIDE.room()
        if ends():
            one.end("stopped")
        else:
            one.make(share)


def _planned(run: Run, place: Place, worker: int, tell: Tell) -> Plan[Any] | None:
    """Return the run's plan; None where there is none any more, such as when a LoRA file is gone."""
    try:
        return place.at(run)
    except DenoiseError as error:
        tell(Outcome(run.number, run.label, run.path, "failed", error.message, error.hint, worker=worker))
    return None


def _settled(plan: Plan[Any], place: Place) -> bool:
    """Return whether the run is there already, or its folder's name is taken, which making it will tell."""
    try:
        return plan.folder.done or place.done(plan)
    except DenoiseError:
        return True


@dataclass
class _Making:
    """A run in the making; what became of it is told once."""

    run: Run
    plan: Plan[Any]
    place: Place
    told: Teller
    began: float = 0.0

    def make(self, share_s: float) -> None:
        """Do what needs the model, and leave the rest to go on beside; what goes wrong is told and noted."""
        self.began = time.perf_counter() - share_s
        try:
            begun = self.place.begin(self.plan, self.told)
        except Exception as error:  # noqa: BLE001 - one run's fault must not end the others, whatever it is
            self.fail(error)
            return
        BESIDE.go_on(lambda: self.finish(begun), begun.ended)

    def finish(self, begun: Begun) -> None:
        """Make the rest of the run."""
        try:
            begun.finish()
        except Exception as error:  # noqa: BLE001 - as above
            if not BESIDE.ending:  # else it is left so that it goes on next time
                self.fail(error)
        else:
            self.end("made" if self.told.fresh else "done")

    def fail(self, error: Exception) -> None:
        """Tell what went wrong, and leave it in the folder's error.json."""
        problem = _problem(error)
        gone = self.place.gone(problem)
        if gone and BESIDE.give_up():  # all that goes on fails for the same reason, which is told once
            self.end("stopped")
            return
        if not (gone and isinstance(problem, RemoteError)):  # what does not answer takes no note either
            self.place.fail(self.plan, problem.message, problem.hint)
        self.end("failed", problem.message, problem.hint, fatal=gone)

    def end(self, state: State, error: str = "", hint: str = "", *, fatal: bool = False) -> None:
        """Tell what became of the run."""
        run, seconds = self.run, round(time.perf_counter() - self.began, 3) if self.began else 0.0
        self.told.tell(Outcome(run.number, run.label, run.path, state, error, hint, seconds, self.told.worker, fatal))


def _problem(error: Exception) -> DenoiseError:
    """Return an error as the one that is told."""
    if is_of_memory(error):
        return not_enough_memory("Try a smaller size, or fewer --jobs.")
    if isinstance(error, DenoiseError):
        return error
    what = " ".join(str(error).split())[:300]
    return DenoiseError(f"{type(error).__name__}: {what}", "This is a fault in denoisecli: please report it.")


class Teller(Report):
    """Hands on how far a run is, or several that are sampled at once, a few times a second, and its warnings."""

    def __init__(self, worker: int, tell: Tell, runs: list[Run]) -> None:
        self.worker, self.tell, self.runs = worker, tell, runs
        self.label = runs[0].label if len(runs) == 1 else f"{len(runs)} runs at once"
        self.name, self.total, self.fresh = "", 0, True
        self.said = 0.0

    def start(self, run: Path, lab: str, title: str, **details: Any) -> None:
        """Tell that a run begins."""
        one = self.runs[0]
        self.tell(
            Told(self.worker, "start", one.number, one.path, {"vary": one.label, "lab": lab, "prompt": title} | details)
        )

    def stage(self, name: str, total: int) -> None:
        """Tell that a stage begins."""
        self.name, self.total = name, total
        self._say(0)

    def step(self, done: int, **details: Any) -> None:
        """Tell how far it is, now and then."""
        if time.monotonic() - self.said >= EVERY_S:
            self._say(done)

    def warn(self, text: str) -> None:
        """Hand it on."""
        self.tell(Warned(self.worker, text, self._numbers, self._path))

    def artifact(self, run: Path, row: dict[str, Any]) -> None:
        """Hand it on."""
        one = self.runs[0]
        self.tell(Told(self.worker, "artifact", one.number, one.path, row))

    def done(self, run: Path, *, fresh: bool) -> None:
        """Remember whether the run was made just now."""
        self.fresh = fresh

    def _say(self, done: int) -> None:
        self.said = time.monotonic()
        self.tell(Progress(self.worker, self.label, self.name, done, self.total, self._numbers, self._path))

    @property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(run.number for run in self.runs)

    @property
    def _path(self) -> str | None:
        return self.runs[0].path if len(self.runs) == 1 else None
