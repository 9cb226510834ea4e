"""What a batch shows: folders or JSON on stdout in the order of the product; lines or a table of workers on stderr."""

from __future__ import annotations

import time

from denoisecli.batch.estimate import Estimate
from denoisecli.batch.messages import Message, Outcome, Settled, Warned

from .console import Console
from .streams import print_json, print_path


class Look:
    """Prints what is settled. On a log it says a line for each run; `TableLook` draws a table instead."""

    def __init__(self, console: Console, total: int) -> None:
        self.console, self.total = console, total
        self.told = self.made = 0
        self.ahead: set[int] = set()  # runs that are settled before others that come first
        self.began = time.monotonic()
        self.warned: set[str] = set()

    def show(self, message: Message) -> None:
        """Show one message."""
        if isinstance(message, Outcome):
            self.outcome(message)
        elif isinstance(message, Settled):
            self.ahead.add(message.number)
            self.made += message.made
        elif isinstance(message, Warned) and message.text not in self.warned and len(self.warned) < 1000:
            self.warned.add(message.text)
            self.say(f"warning: {message.text}")

    def outcome(self, outcome: Outcome) -> None:
        """Count the run and print it on both streams."""
        self.ahead.discard(outcome.number)
        if outcome.state in ("stopped", "skipped"):
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

    def progress(self, outcome: Outcome) -> None:
        """Say a line for the run."""
        what = "was there" if outcome.state == "done" else f"in {outcome.seconds:.1f} s"
        self.say(f"{self.told}/{self.total}  {outcome.label or outcome.path}  {what}{self.left()}")

    @property
    def settled(self) -> int:
        """How many runs are done, or failed, for good."""
        return self.told + len(self.ahead)

    def left(self) -> str:
        """Return in words how long the rest will take."""
        rest = self.total - self.settled
        if not self.made or rest <= 0:
            return ""
        return f", about {duration((time.monotonic() - self.began) / self.made * rest)} left"

    def say(self, text: str) -> None:
        """Print a line for eyes."""
        self.console.say(text)

    def close(self) -> None:
        """Nothing to put away."""


def event(outcome: Outcome) -> dict[str, object]:
    """Return the JSON object of a settled run."""
    fields: dict[str, object] = {"run": outcome.path, "number": outcome.number, "vary": outcome.label}
    if outcome.state == "failed":
        return {"event": "error"} | fields | {"message": outcome.error, "hint": outcome.hint}
    fresh = outcome.state == "made"
    return {"event": "done"} | fields | {"fresh": fresh} | ({"seconds": outcome.seconds} if fresh else {})


def words(guess: Estimate) -> str:
    """Return an estimate in words."""
    count = f"{guess.runs:,} run{'s' if guess.runs != 1 else ''}"
    if guess.seconds is None or guess.bytes is None:
        return f"{count}; how long that takes will be known when one like them has been made"
    return f"{count}: about {duration(guess.seconds)} of one worker and {room(guess.bytes)} of disk"


def room(size: float) -> str:
    """Return bytes in words: 12 MB, 3.4 GB, 1.2 TB."""
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 else f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def duration(seconds: float) -> str:
    """Return seconds in words: 40 s, 12 min, 3 h 05 min, 2 d 4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
