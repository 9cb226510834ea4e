"""What a batch shows: folders or JSON on stdout in the order of the product; lines or a table of workers on stderr."""

from __future__ import annotations

import time

from denoisecli.batch.messages import Message, Outcome, Progress, Settled, Told, Warned
from denoisecli.report import WORDS

from .console import Console
from .streams import print_json, print_path
from .wording import duration, words

__all__ = ["Look", "duration", "event", "passing", "words"]
EVERY_S = 10.0  # between two lines about runs in the making


class Look:
    """Prints what is settled. On a log it says a line for each run; `TableLook` draws a table instead."""

    def __init__(self, console: Console, total: int | None) -> None:
        """total: how many runs there are; None where configs still come."""
        self.console, self.total = console, total
        self.told = self.made = 0
        self.ahead: set[int] = set()  # runs that are settled before others that come first
        self.began = time.monotonic()
        self.warned: set[str] = set()
        self.spoke = time.monotonic()

    def show(self, message: Message) -> None:
        """Show one message."""
        if self.console.json and (found := passing(message)) is not None:
            print_json(found)
        if isinstance(message, Outcome):
            self.outcome(message)
        elif isinstance(message, Settled):
            self.ahead.add(message.number)
            self.made += message.made
        elif isinstance(message, Progress):
            self.working(message)
        elif isinstance(message, Warned) and message.text not in self.warned and len(self.warned) < 1000:
            self.warned.add(message.text)
            self.say(f"warning: {message.text}")

    def outcome(self, outcome: Outcome) -> None:
        """Count the run and print it on both streams."""
        self.ahead.discard(outcome.number)
        if outcome.state in ("stopped", "skipped"):
            if self.total is not None:
                self.total -= outcome.state == "skipped"
            return
        self.told += 1
        if self.console.json:
            print_json(event(outcome))
        elif outcome.state != "failed" and outcome.path is not None:
            print_path(outcome.path)
        if outcome.state == "failed":
            self.say(f"failed: {outcome.label or outcome.path}: {outcome.error} {outcome.hint}".rstrip())
        elif not self.console.quiet:
            self.progress(outcome)

    def working(self, now: Progress) -> None:
        """Say now and then what a worker is at: a long run is not silent."""
        if self.console.quiet or time.monotonic() - self.spoke < EVERY_S:
            return
        self.spoke = time.monotonic()
        far = f" {now.done}/{now.total}" if now.total > 1 else ""
        self.say(f"{self.of(self.settled)}  {now.label}  {WORDS.get(now.stage, now.stage)}{far}")

    def progress(self, outcome: Outcome) -> None:
        """Say a line for the run."""
        what = "was there" if outcome.state == "done" else f"in {outcome.seconds:.1f} s"
        self.say(f"{self.of(self.told)}  {outcome.label or outcome.path}  {what}{self.left()}")

    def of(self, count: int) -> str:
        """Return a count of runs beside how many there are, where that is known."""
        return f"{count}" if self.total is None else f"{count}/{self.total}"

    @property
    def settled(self) -> int:
        """How many runs are done, or failed, for good."""
        return self.told + len(self.ahead)

    def left(self) -> str:
        """Return in words how long the rest will take."""
        rest = (self.total or 0) - self.settled
        if not self.made or rest <= 0:
            return ""
        return f", about {duration((time.monotonic() - self.began) / self.made * rest)} left"

    def say(self, text: str) -> None:
        """Print a line for eyes."""
        self.console.say(text)

    def close(self) -> None:
        """Leave the terminal as it is: nothing was drawn on it."""


def passing(message: Message) -> dict[str, object] | None:
    """Return the JSON object of what is told while runs are made; None for what is told in order, or not at all."""
    if isinstance(message, Told):
        return {"event": message.event, "run": message.path, "number": message.number} | message.fields
    if isinstance(message, Progress):
        said: dict[str, object] = {"stage": message.stage, "done": message.done, "total": message.total}
        return {"event": "step"} | _whose(message) | said
    if isinstance(message, Warned):
        return {"event": "warning"} | _whose(message) | {"message": message.text}
    return None


def _whose(message: Progress | Warned) -> dict[str, object]:
    """Return which run is meant; of several that are sampled at once the first, and all their numbers."""
    whose: dict[str, object] = {"run": message.path, "number": message.numbers[0] if message.numbers else None}
    return whose | ({"numbers": list(message.numbers)} if len(message.numbers) > 1 else {})


def event(outcome: Outcome) -> dict[str, object]:
    """Return the JSON object of a settled run."""
    fields: dict[str, object] = {"run": outcome.path, "number": outcome.number, "vary": outcome.label}
    if outcome.state == "failed":
        return {"event": "error"} | fields | {"message": outcome.error, "hint": outcome.hint}
    fresh = outcome.state == "made"
    return {"event": "done"} | fields | {"fresh": fresh} | ({"seconds": outcome.seconds} if fresh else {})
