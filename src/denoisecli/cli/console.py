"""What a person and a script get to see: folders or JSON on stdout, everything for eyes on stderr."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from denoisecli.errors import DenoiseError
from denoisecli.report import WORDS, Report
from denoisecli.runs.names import PARTIAL

from .streams import print_json, print_line, print_path
from .terminal import bounded, plain
from .wording import expected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from denoisecli.runs.folder import RunFolder


class Console:
    """The two streams of one command. `current` is there before options are read, for errors in them."""

    current: ClassVar[Console]

    def __init__(self, *, json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.json, self.quiet, self.verbose = json, quiet, verbose
        self.report = self._report()

    @classmethod
    def set_up(cls, *, json: bool, quiet: bool, verbose: bool) -> Console:
        """Make the console that this command's options ask for, and keep it as `current`."""
        cls.current = cls(json=json, quiet=quiet, verbose=verbose)
        return cls.current

    def _report(self) -> Both:
        eyes: Report
        if self.quiet:
            eyes = Warnings(self)
        elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from .live import Live

            eyes = Live()
        else:
            eyes = Lines()
        return Both(eyes, Events() if self.json else Folders())

    def say(self, text: str) -> None:
        """Print one line for eyes."""
        print(plain(text), file=sys.stderr, flush=True)  # noqa: T201

    def planned(
        self,
        folder: RunFolder,
        details: Mapping[str, Any] = MappingProxyType({}),
        needs: Sequence[str] = (),
        **fields: Any,
    ) -> None:
        """Print what a dry run would make.

        details: as of `Report.start`; needs: what its model would need of memory, in lines; fields: more of its event.
        """
        state = "is done already" if folder.done else "would go on" if folder.partial.exists() else "would be made"
        text = "" if folder.done else expected(details)
        self.planned_run(str(folder.path), f"{state}: {text}" if text else state, **fields)
        for line in needs if not self.quiet else ():
            self.say(line)

    def planned_run(self, path: str, state: str, **fields: Any) -> None:
        """Print where a run would be on stdout, and in words whether it is there: the folder stands there once."""
        if sys.stdout.isatty() and not self.json and not self.quiet:  # both streams are on one screen
            print_line(plain(f"{path} {state}"))
            return
        if not self.quiet:
            self.say(state)
        if self.json:
            self.emit("plan", run=path, **fields)
        else:
            print_path(path)

    def tell(self, notes: Iterable[str]) -> None:
        """Print sentences that a person should know, as warnings on stderr alone."""
        for note in notes:
            self.say(f"warning: {bounded(note)}")

    def emit(self, event: str, **fields: Any) -> None:
        """Print one JSON object on stdout."""
        print_json({"event": event} | fields)

    def result(self, record: dict[str, Any], sentence: str) -> None:
        """Print what came out: one sentence for eyes, all of it as JSON."""
        if self.json:
            self.emit("result", **record)
        if not self.quiet:
            self.say(sentence)

    def fail(self, error: DenoiseError) -> None:
        """Print an error: what, where, the way out."""
        self.report.close()
        if self.verbose:
            traceback.print_exc()
        message = bounded(error.message)
        self.say(f"denoisecli: {message}")
        if error.hint:
            self.say(error.hint)
        if self.json:
            self.emit("error", message=message, hint=error.hint)

    @staticmethod
    def emit_usage(error: Any) -> None:
        """Print what was wrong with a command line that was not read to its end, as an event where it says --json."""
        if "--json" in sys.argv[1:]:
            print_json({"event": "error", "message": error.format_message(), "hint": None})

    def crash(self, error: Exception) -> None:
        """Print an error that we did not foresee."""
        what = " ".join(str(error).split())[:300]
        hint = "This is a fault in denoisecli: please report it, with the output of the same command with -v."
        self.fail(DenoiseError(f"{type(error).__name__}: {what}", hint))

    def say_made(self) -> None:
        """Say which run was made, for those who could not read it from stdout."""
        if self.report.finished is not None:
            self.say(f"The run was made, and is in {self.report.finished}")

    def interrupted(self) -> None:
        """Tell what an interruption left behind: a run's partial folder stays where a whole batch is in it."""
        self.report.close()
        run = self.report.run
        if run is None:
            self.say("Interrupted.")
        elif run.with_name(run.name + PARTIAL).exists():
            self.say("Interrupted. The same command goes on after the last batch that was finished.")
        else:
            self.say("Interrupted before anything was finished that could be kept: the same command begins anew.")


class Both(Report):
    """Hands everything on to two reports, the eyes' and the script's, one thread at a time: films have their own."""

    def __init__(self, eyes: Report, script: Report) -> None:
        self.parts = (eyes, script)
        self.lock = threading.RLock()
        self.run: Path | None = None  # that is being made, or was made last
        self.finished: Path | None = None  # that is there, whole
        self.wants_guess = eyes.wants_guess

    def _each(self, tell: Callable[[Report], None]) -> None:
        with self.lock:
            for part in self.parts:
                tell(part)

    def start(self, run: Path, lab: str, title: str, **details: Any) -> None:
        """Hand on."""
        self.run = run
        self._each(lambda part: part.start(run, lab, title, **details))

    def stage(self, name: str, total: int) -> None:
        """Hand on."""
        self._each(lambda part: part.stage(name, total))

    def step(self, done: int, **details: Any) -> None:
        """Hand on."""
        self._each(lambda part: part.step(done, **details))

    def passed(self, done: int) -> None:
        """Hand on."""
        self._each(lambda part: part.passed(done))

    def guess(self, picture: NDArray[np.uint8]) -> None:
        """Hand on."""
        self._each(lambda part: part.guess(picture))

    def warn(self, text: str) -> None:
        """Hand on."""
        self._each(lambda part: part.warn(text))

    def note(self, text: str) -> None:
        """Hand on."""
        self._each(lambda part: part.note(text))

    def artifact(self, run: Path, row: dict[str, Any]) -> None:
        """Hand on."""
        self._each(lambda part: part.artifact(run, row))

    def done(self, run: Path, *, fresh: bool) -> None:
        """Hand on."""
        self.finished = run
        self._each(lambda part: part.done(run, fresh=fresh))

    def close(self) -> None:
        """Hand on."""
        self._each(lambda part: part.close())


class Folders(Report):
    """One run folder a line on stdout."""

    def done(self, run: Path, *, fresh: bool) -> None:
        """Print the folder."""
        print_path(run)


class Events(Report):
    """One JSON object a line on stdout."""

    run: Path
    name: str
    total: int

    def _emit(self, event: str, **fields: Any) -> None:
        print_json({"event": event, "run": str(self.run)} | fields)

    def start(self, run: Path, lab: str, title: str, **details: Any) -> None:
        """Emit `start`."""
        self.run = run
        self._emit("start", lab=lab, prompt=title, **details)

    def stage(self, name: str, total: int) -> None:
        """Remember the stage."""
        self.name, self.total = name, total

    def step(self, done: int, **details: Any) -> None:
        """Emit `step`."""
        self._emit("step", stage=self.name, done=done, total=self.total, **details)

    def warn(self, text: str) -> None:
        """Emit `warning`."""
        self._emit("warning", message=text)

    def note(self, text: str) -> None:
        """Emit `note`."""
        self._emit("note", message=text)

    def artifact(self, run: Path, row: dict[str, Any]) -> None:
        """Emit `artifact`."""
        self._emit("artifact", **row)

    def done(self, run: Path, *, fresh: bool) -> None:
        """Emit `done`."""
        self.run = run
        self._emit("done", fresh=fresh)


class Warnings(Report):
    """Only warnings, for -q."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def warn(self, text: str) -> None:
        """Print the warning."""
        self.console.say(f"warning: {text}")


class Lines(Report):
    """Plain lines on stderr, for logs: one when a stage begins, and one every few seconds within it."""

    EVERY_S = 5.0

    def __init__(self) -> None:
        self.name, self.total, self.done_said, self.began, self.said = "", 0, 0, 0.0, 0.0
        self.at, self.made = 0, 0  # pieces: how far it is, and how many of these were made now

    def _line(self, text: str) -> None:
        print(plain(text), file=sys.stderr, flush=True)  # noqa: T201

    def start(self, run: Path, lab: str, title: str, **details: Any) -> None:
        """Print what begins."""
        self._line(f"{lab}: {title}")
        if text := expected(details):
            self._line(text)

    def stage(self, name: str, total: int) -> None:
        """Print the stage."""
        self.name, self.total, self.done_said = WORDS.get(name, name), total, 0
        self.at = self.made = 0
        self.began = self.said = time.monotonic()
        self._line(f"{self.name} ..." if total <= 1 else f"{self.name} 0/{total}")

    def step(self, done: int, **details: Any) -> None:
        """Print how far it is, now and then."""
        self.made += max(done - self.at, 0)
        self._now_and_then(done)

    def passed(self, done: int) -> None:
        """Print how far it is, now and then; the rate is of what is made now."""
        self._now_and_then(done)

    def _now_and_then(self, done: int) -> None:
        now, self.at = time.monotonic(), done
        if self.total > 1 and done != self.done_said and (done >= self.total or now - self.said >= self.EVERY_S):
            self.said, self.done_said = now, done
            self._line(f"{self.name} {done}/{self.total}{self._rate(now)}")

    def _rate(self, now: float) -> str:
        if not self.made:
            return ""
        rate = self.made / max(now - self.began, 1e-9)
        left = f", {(self.total - self.at) / rate:.0f} s left" if self.at < self.total else ""
        return f" ({rate:.1f} a second{left})"

    def warn(self, text: str) -> None:
        """Print the warning."""
        self._line(f"warning: {text}")

    def note(self, text: str) -> None:
        """Print it."""
        self._line(text)

    def done(self, run: Path, *, fresh: bool) -> None:
        """Print that it is there."""
        self._line(f"done: {run}" if fresh else f"{run} is done already; --force makes it again")


Console.current = Console(quiet=True)
