"""From a config to a finished run folder: what every lab does around its own recipe."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import platform
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from denoisecli import __version__
from denoisecli.config.base import DRAFT_FILM, LabConfig
from denoisecli.config.write import plain_yaml
from denoisecli.cores import in_order
from denoisecli.report import Kept, Report
from denoisecli.runs import rates
from denoisecli.runs.files import CONFIG_FILE, missing_files, some_of
from denoisecli.runs.folder import RunFolder, name_folder, run_hash
from denoisecli.safe_files import write_file
from denoisecli.safe_text import safe, utf8
from denoisecli.trace import Trace
from denoisecli.trace_files import STATES_FILE, TRACE_FILE

if TYPE_CHECKING:
    from .ahead import Ahead

Config = TypeVar("Config", bound=LabConfig)
MOST_SHOWN = 12  # characters that have no font
STAGES = ("load", "sample", "decode", "figures", "encode")


@dataclass
class Job(Generic[Config]):
    """One run in the making: what a recipe gets to work with."""

    config: Config
    folder: RunFolder
    report: Report
    timings: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    ended: threading.Event = field(default_factory=threading.Event)
    """set where the run fails, for threads that are still at work on it"""
    ahead: Ahead | None = None
    """decodes states while others are sampled"""
    left: list[Callable[[], object]] = field(default_factory=list)
    """what comes behind the recipe, see `leave`"""

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent in this block to `timings[stage]`, in seconds."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timings[stage] += time.perf_counter() - began

    def draw(self, *drawings: Callable[[Job[Config]], object]) -> None:
        """Make drawings that do not hang on each other side by side; what they tell is told in their order.

        Each takes a job: this one, but for who listens. Where the run fails the films end with their next frame.
        """
        self.report.stage("figures", len(drawings))

        def draw(drawing: Callable[[Job[Config]], object]) -> Kept:
            kept = Kept()
            drawing(replace(self, report=kept))
            return kept

        with self.timed("figures"), contextlib.closing(in_order(draw, drawings, ended=self.ended)) as drawn:
            for done, kept in enumerate(drawn, 1):
                kept.tell(self.report)
                self.report.step(done)

    def leave(self, work: Callable[..., object], *given: object) -> None:
        """Leave for last what needs the model no longer: in a batch another run takes it meanwhile, see `Plan.begin`.

        work: is called with this job and what is given; a file that is open among that is closed behind it.
        """

        def done() -> None:
            with contextlib.ExitStack() as opened:
                for file in given:
                    if isinstance(file, contextlib.AbstractContextManager):
                        opened.enter_context(file)
                work(self, *given)

        self.left.append(done)

    def artifact(self, path: Path, kind: str) -> None:
        """Note a finished file of the run, and tell of it."""
        self.report.artifact(self.folder.path, self.folder.add(path, kind))


Recipe = Callable[[Job[Config]], Trace]


@dataclass(frozen=True)
class Begun:
    """A run that needs its model no longer. `finish` makes the rest, if any is left, once, in whichever thread.

    ended: set where nobody waits for it any more; films then end with their next frame, and `finish` raises.
    """

    finish: Callable[[], object] = lambda: None
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass
class Plan(Generic[Config]):
    """A run that can be made: its resolved config, its folder, the lab's recipe, and what else the hash is of.

    drawn: whether the recipe only draws what a stored run holds.
    """

    config: Config
    folder: RunFolder
    recipe: Recipe[Config]
    identity: str = ""
    drawn: bool = False

    def make(self, report: Report) -> Path:
        """Make the run unless it is done, and return its folder. Interrupted, it goes on at the last whole batch."""
        self.begin(report).finish()
        return self.folder.path

    def begin(self, report: Report) -> Begun:
        """Do what needs the model, and return the rest; where the run is there already, nothing is left to be done."""
        if self.folder.done:
            if missing := missing_files(self.folder.path):
                report.warn(
                    f"{self.folder.path} lacks {some_of(missing)}; `denoisecli render` draws films and sheets again"
                )
            report.done(self.folder.path, fresh=False)
            return Begun()
        with contextlib.ExitStack() as held:
            held.callback(report.close)
            held.push(self._failed)
            held.enter_context(self.folder.open())
            write_file(self.folder.partial / CONFIG_FILE, utf8(plain_yaml(self.config)))
            resumed = any(self.folder.work.glob("*.safetensors"))
            told = json.loads(self.config.model_dump_json())
            report.start(
                self.folder.path,
                self.config.lab,
                self.config.title,
                **rates.details(told, drawn=self.drawn),
                **draft_note(self.config),
            )
            _warn_of_undrawable(report, self.config.title)
            job = Job(self.config, self.folder, report)
            trace = self.recipe(job)
            rest = held.pop_all()
        learns = not (resumed or self.drawn) and self.config.by_command
        return Begun(lambda: self._finish(trace, job, rest, told if learns else None), job.ended)

    def _failed(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.folder.discard_if_empty()

    def _finish(
        self, trace: Trace, job: Job[Config], held: contextlib.ExitStack, learns: dict[str, Any] | None
    ) -> None:
        """Draw what was left, write the trace and give the folder its name. held: what ends with the run."""
        with held:
            for work in job.left:
                work()
            self._write(trace, job)
            self.folder.finish()
            if learns is not None:
                rates.learn(learns, job.timings, sum(int(row["bytes"]) for row in self.folder.artifacts))
        job.report.done(self.folder.path, fresh=True)

    def _write(self, trace: Trace, job: Job[Config]) -> None:
        """Write states.safetensors and trace.json; the trace comes last and lists the others."""
        partial = self.folder.partial
        trace.record = self._record() | trace.record
        trace.write(partial)
        job.artifact(partial / CONFIG_FILE, "config")
        job.artifact(partial / STATES_FILE, "states")
        trace.record["artifacts"] = sorted(self.folder.artifacts, key=lambda row: str(row["path"]))
        trace.record["timings"] = {stage: round(seconds, 4) for stage, seconds in job.timings.items()}
        trace.write_record(partial / TRACE_FILE)

    def _record(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "hash": self.folder.hash,
            "identity": self.identity,
            "created": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
            "command": safe(shlex.join(["denoisecli", *sys.argv[1:]])),
            "config": json.loads(self.config.model_dump_json()),
            "environment": dict.fromkeys(("torch", "diffusers", "device", "dtype"))
            | {"python": platform.python_version()},
        }


def draft_note(config: LabConfig) -> dict[str, str]:
    """Return what a report is told of a draft: what it leaves out."""
    return {"draft": draft_words(config)} if config.quality == "draft" else {}


def draft_words(config: LabConfig) -> str:
    """Return what is smaller in a draft; what was set is as large as it was set."""
    kind = type(config)
    usual = {key: kind.model_fields[key].default for key in config.draft_keys}
    words = [_smaller(key, kind.draft[key], usual[key]) for key in usual if getattr(config, key) == kind.draft[key]]
    size = DRAFT_FILM["size"].replace("x", "×")
    film = f"a film of {size}" if config.film.formats and "×".join(map(str, config.film.size)) == size else ""
    return ", ".join(filter(None, [*words, film, kind.draft_too]))


def _smaller(key: str, mine: Any, usual: Any) -> str:
    few, many = (len(value) if isinstance(value, tuple) else value for value in (mine, usual))
    return f"{few} {key.removesuffix('s') if few == 1 else key} instead of {many}"


def _warn_of_undrawable(report: Report, title: str) -> None:
    """Tell which characters of the title neither we nor this machine can draw."""
    if title.isascii():
        return
    from denoisecli.figures.text import undrawable

    if missing := undrawable(title):
        shown = missing if len(missing) <= MOST_SHOWN else missing[:MOST_SHOWN] + "..."
        report.warn(f"no font on this machine draws {shown}: films and sheets show boxes (Noto fonts have nearly all)")


def plan(
    config: Config, identity: str, recipe: Recipe[Config], out: Path | None, runs_dir: Path | None, *, force: bool
) -> Plan[Config]:
    """Return the plan of a run. `config` is resolved; `identity` names what else the result depends on."""
    digest = run_hash(json.loads(config.model_dump_json()), identity)
    folder = name_folder(config.lab, config.title, digest, out, runs_dir, force=force)
    return Plan(config, folder, recipe, identity)
