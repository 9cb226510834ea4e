"""What a worker does with the runs it is given: sample together what can be, then make each run in its folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from denoisecli.diffusion.model_cache import ModelCache
from denoisecli.errors import DenoiseError, RemoteError, is_of_memory, not_enough_memory
from denoisecli.labs.job import Plan
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.report import Report

from .messages import Message, Outcome, Pack, Progress, Run, Told, Warned
from .packing import sample_together
from .place import Place

EVERY_S = 0.2  # between two words on how far a stage is

Tell = Callable[[Message], None]

MODELS = ModelCache()
"""The worker's own: the runs of all its packs share the model that was loaded last."""


def make_pack(pack: Pack, place: Place, worker: int, tell: Tell, stopping: Callable[[], bool]) -> None:
    """Make the runs of a pack and tell what became of each. A run that fails leaves the others alone."""
    with MODELS.lent():
        _make_pack(pack, place, worker, tell, stopping)


def _make_pack(pack: Pack, place: Place, worker: int, tell: Tell, stopping: Callable[[], bool]) -> None:
    told = Teller(worker, tell)
    plans = [(run, plan) for run in pack if (plan := _planned(run, place, told)) is not None]
    began = time.perf_counter()
    together = [plan for _, plan in plans if isinstance(plan.config, SampleConfig)]
    if len(together) > 1 and not stopping():
        told.at([run for run, plan in plans if isinstance(plan.config, SampleConfig)])
        sample_together([plan for plan in together if not _settled(plan, place)], told, stopping)
    share = (time.perf_counter() - began) / max(len(plans), 1)
    for run, plan in plans:
        told.at([run])
        tell(_stopped(run, worker) if stopping() else _made(run, plan, place, told, share))


def _planned(run: Run, place: Place, told: Teller) -> Plan[Any] | None:
    """Return the run's plan; None where there is none any more, such as when a LoRA file is gone."""
    try:
        return place.at(run)
    except DenoiseError as error:
        told.tell(Outcome(run.number, run.label, run.path, "failed", error.message, error.hint, worker=told.worker))
    return None


def _settled(plan: Plan[Any], place: Place) -> bool:
    """Return whether the run is there already, or its folder's name is taken, which making it will tell."""
    try:
        return plan.folder.done or place.done(plan)
    except DenoiseError:
        return True


def _stopped(run: Run, worker: int) -> Outcome:
    return Outcome(run.number, run.label, run.path, "stopped", worker=worker)


def _made(run: Run, plan: Plan[Any], place: Place, told: Teller, share_s: float) -> Outcome:
    """Make one run; what went wrong is in the outcome and in the folder's error.json."""
    began = time.perf_counter()

    def outcome(state: Any, error: str = "", hint: str = "", *, fatal: bool = False) -> Outcome:
        seconds = round(time.perf_counter() - began + share_s, 3)
        return Outcome(run.number, run.label, run.path, state, error, hint, seconds, told.worker, fatal)

    try:
        place.make(plan, told)
        return outcome("made" if told.fresh else "done")
    except Exception as error:  # noqa: BLE001 - one run's fault must not end the others, whatever it is
        problem = _problem(error)
    gone = place.gone(problem)
    if not (gone and isinstance(problem, RemoteError)):  # what does not answer takes no note either
        place.fail(plan, problem.message, problem.hint)
    return outcome("failed", problem.message, problem.hint, fatal=gone)


def _problem(error: Exception) -> DenoiseError:
    """Return an error as the one that is told."""
    if is_of_memory(error):
        return not_enough_memory("Try a smaller size, or fewer --jobs.")
    if isinstance(error, DenoiseError):
        return error
    what = " ".join(str(error).split())[:300]
    return DenoiseError(f"{type(error).__name__}: {what}", "This is a fault in denoisecli: please report it.")


class Teller(Report):
    """Hands on how far a run is, a few times a second, and its warnings."""

    def __init__(self, worker: int, tell: Tell) -> None:
        self.worker, self.tell = worker, tell
        self.label, self.name, self.total, self.fresh = "", "", 0, True
        self.said = 0.0
        self.runs: list[Run] = []

    def at(self, runs: list[Run]) -> None:
        """Tell of these runs from now on: of one, or of several that are sampled at once."""
        self.runs = runs
        self.label = runs[0].label if len(runs) == 1 else f"{len(runs)} runs at once"

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
