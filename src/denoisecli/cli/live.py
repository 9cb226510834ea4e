"""Progress on a terminal: the stage with its speed, the run with its ETA, and a small live picture of the guess."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.live import Live as RichLive
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from denoisecli.report import STAGES, WORDS, Report

from .terminal import plain
from .wording import expected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_COLUMNS = 128


class Live(Report):
    """A block at the foot of the terminal that is redrawn in place and gone at the end."""

    def __init__(self) -> None:
        self.console = RichConsole(stderr=True, highlight=False)
        self.progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=32), _Rate(), console=self.console
        )
        self.whole = self.progress.add_task("whole run", total=1.0)
        self.part = self.progress.add_task("starting", total=None)
        self.name, self.total, self.before = "", 1, 0.0
        self.picture: RenderableType = Text()
        self.live: RichLive | None = None
        self.wants_guess = self.console.color_system in ("truecolor", "256") and not os.environ.get("NO_COLOR")

    def start(self, run: Path, lab: str, title: str, **details: Any) -> None:
        """Print what begins and open the block."""
        self.console.print(Text(f"{lab}  ", style="bold").append(plain(title), style="not bold"))
        if text := expected(details):
            self.console.print(Text(text, style="dim"))
        self.live = RichLive(console=self.console, get_renderable=self._block, transient=True, refresh_per_second=12)
        self.progress.reset(self.whole, passed=0.0)
        self.name, self.before = "", 0.0
        self.live.start()

    def stage(self, name: str, total: int) -> None:
        """Begin the next stage's bar."""
        self.before += STAGES.get(self.name, 0.0)
        self.name, self.total = name, max(total, 1)
        self.progress.reset(
            self.part, total=total if total > 1 else None, description=WORDS.get(name, name), passed=0.0
        )
        self.progress.update(self.whole, completed=self.before)

    def step(self, done: int, **details: Any) -> None:
        """Move both bars."""
        self.progress.update(self.part, completed=done)
        self.progress.update(self.whole, completed=self.before + STAGES.get(self.name, 0.0) * done / self.total)

    def passed(self, done: int) -> None:
        """Move both bars over what need not be made."""
        before = [(task.id, task.completed, task.fields.get("passed", 0.0)) for task in self.progress.tasks]
        self.step(done)
        for bar, completed, passed in before:
            self.progress.update(bar, passed=passed + max(self.progress.tasks[bar].completed - completed, 0.0))

    def guess(self, picture: NDArray[np.uint8]) -> None:
        """Show the picture above the bars."""
        width, height = self.console.size
        self.picture = half_blocks(picture, min(width, MOST_COLUMNS), height // 2)

    def warn(self, text: str) -> None:
        """Print it above the block."""
        self.console.print(Text("warning: ", style="yellow").append(plain(text), style="not yellow"))

    def note(self, text: str) -> None:
        """Print it above the block."""
        self.console.print(Text(plain(text)))

    def done(self, run: Path, *, fresh: bool) -> None:
        """Close the block and print where the run is."""
        self.close()
        text = "done " if fresh else "done already (--force makes it again) "
        self.console.print(Text(text, style="green").append(plain(str(run)), style="not green"), soft_wrap=True)

    def close(self) -> None:
        """Take the block away."""
        if self.live:
            self.live.stop()
            self.live = None

    def _block(self) -> RenderableType:
        return Group(self.picture, self.progress.get_renderable())


class _Rate(ProgressColumn):
    """`12/20  3.1 it/s` for a stage, the time left for the whole run."""

    def render(self, task: Task) -> Text:
        if task.total == 1.0:
            return Text(_left(task), style="dim")
        if task.total is None or not task.completed:
            return Text()
        made = _made(task)
        rate = f"  {made / max(task.elapsed or 0.0, 1e-6):.1f} it/s" if made else ""
        return Text(f"{task.completed:.0f}/{task.total:.0f}{rate}", style="dim")


def _made(task: Task) -> float:
    """Return how much was made now, without what was passed over."""
    return max(task.completed - float(task.fields.get("passed", 0.0)), 0.0)


def _left(task: Task) -> str:
    elapsed, made = task.elapsed or 0.0, _made(task)
    if made < 0.02:
        return f"{elapsed:.0f} s"
    left = elapsed * (1 - task.completed) / made
    return f"about {time.strftime('%M:%S' if left < 3600 else '%H:%M:%S', time.gmtime(left))} left"


def half_blocks(picture: NDArray[np.uint8], columns: int, lines: int) -> Text:
    """Draw a picture (H, W, 3) with one ▀ for two pixels, upper in the foreground, lower in the background.

    It is thinned to at most `columns` characters in at most `lines` lines.
    """
    h, w = picture.shape[:2]
    step = max(1, -(-w // columns), -(-h // (2 * lines)))
    small = picture[: h - h % (2 * step) : step, ::step]
    text = Text(no_wrap=True)
    for upper, lower in zip(small[::2], small[1::2], strict=False):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            text.append("▀", style=f"rgb({above[0]},{above[1]},{above[2]}) on rgb({below[0]},{below[1]},{below[2]})")
        text.append("\n")
    return text
