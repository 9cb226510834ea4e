"""The batch on a terminal: a row for each thing a worker has in hand, and under them how far the whole is."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from denoisecli.batch.messages import Message, Outcome, Progress, Settled
from denoisecli.report import WORDS

from .batch_report import Look
from .console import Console
from .terminal import plain

MOST_ROWS = 24


class TableLook(Look):
    """A table that is redrawn in place and gone at the end; failures and warnings scroll by above it."""

    def __init__(self, console: Console, total: int | None) -> None:
        super().__init__(console, total)
        self.failed = 0
        self.at: dict[tuple[int, ...], Progress] = {}  # by the numbers of its runs
        self.rich = RichConsole(stderr=True, highlight=False)
        self.live = RichLive(
            console=self.rich,
            get_renderable=self.block,
            transient=True,
            refresh_per_second=8,
            redirect_stdout=sys.stdout.isatty(),  # above the table; a pipe gets its lines untouched
        )
        self.live.start()

    def show(self, message: Message) -> None:
        """Move the row of a run, or of those that are sampled at once; settle a run."""
        if isinstance(message, Progress):
            self.leave(*message.numbers)
            self.at[message.numbers] = message
        elif isinstance(message, Settled):
            self.leave(message.number)
        super().show(message)

    def leave(self, *numbers: int) -> None:
        """Take away the rows in which any of these runs is."""
        self.at = {mine: row for mine, row in self.at.items() if not set(mine) & set(numbers)}

    def outcome(self, outcome: Outcome) -> None:
        """Count failures too."""
        self.failed += outcome.state == "failed"
        super().outcome(outcome)

    def working(self, now: Progress) -> None:
        """Say nothing: the table shows it."""

    def progress(self, outcome: Outcome) -> None:
        """Say nothing: the table shows it."""

    def say(self, text: str) -> None:
        """Print above the table."""
        self.rich.print(Text(plain(text)), soft_wrap=True)

    def block(self) -> RenderableType:
        """Return the table and the line under it."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(justify="right", style="dim", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=self.rich.width // 2)
        table.add_column(no_wrap=True, style="dim")
        table.add_column()
        for now in sorted(self.at.values(), key=lambda now: (now.worker, now.numbers))[:MOST_ROWS]:
            bar = ProgressBar(total=max(now.total, 1), completed=now.done, width=20)
            table.add_row(str(now.worker), plain(now.label), WORDS.get(now.stage, now.stage), bar)
        return Group(table, self.line())

    def line(self) -> Text:
        """Return how many runs are settled, how many failed, and what is left."""
        text = Text(f"{self.of(self.settled)} runs", style="bold")
        if self.failed:
            text.append(f", {self.failed} failed", style="red")
        return text.append(self.left(), style="not bold dim")

    def close(self) -> None:
        """Take the table away and say how it went."""
        self.live.stop()
        self.rich.print(self.line())


@contextlib.contextmanager
def look(console: Console, total: int | None) -> Iterator[Look]:
    """Give the look that fits stderr, and put it away at the end."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not console.quiet:
        eyes: Look = TableLook(console, total)
    else:
        eyes = Look(console, total)
    try:
        yield eyes
    finally:
        eyes.close()
