"""What a lab says while it works. Labs call it; `cli/` decides what a person or a script gets to see of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

STAGES = {"load": 0.15, "cut": 0.1, "sample": 0.35, "decode": 0.3, "figures": 0.2}
"""The stages of a run and their usual share of its time, for the estimate of what is left."""

WORDS = {
    "load": "loading the model", "cut": "cutting layers", "sample": "sampling", "decode": "decoding",
    "figures": "drawing and encoding", "encode": "packing the model", "put": "putting it into the store",
}  # fmt: skip
"""The stages for people."""


class Report:
    """Says nothing. Subclasses in `cli/console.py` say it on a terminal, as lines, or as JSON."""

    wants_guess = False
    """Whether somebody looks at the guesses; drawing them costs a little."""

    def start(self, run: Path, lab: str, title: str, **details: Any) -> None:
        """Tell that the run in folder `run` begins.

        details: `makes`, what it will make, in words; `seconds`, how long that takes, None where nobody knows.
        """

    def stage(self, name: str, total: int) -> None:
        """Tell that stage `name` of `total` pieces begins (see STAGES)."""

    def step(self, done: int, **details: Any) -> None:
        """Tell that `done` pieces of this stage are done."""

    def passed(self, done: int) -> None:
        """Tell that the pieces up to `done` need not be made: no rate counts them. By default as `step`."""
        self.step(done)

    def guess(self, picture: NDArray[np.uint8]) -> None:
        """Show a small picture (H, W, 3) of what the model has in mind."""

    def warn(self, text: str) -> None:
        """Tell something that a person should know, though the run goes on."""

    def note(self, text: str) -> None:
        """Tell what was chosen, where the config left it open."""

    def artifact(self, run: Path, row: dict[str, Any]) -> None:
        """Tell that a file of the run is ready."""

    def done(self, run: Path, *, fresh: bool) -> None:
        """Tell that the run is there; `fresh` where it was made just now."""

    def close(self) -> None:
        """Give the terminal back; called at the end of a run, also of one that failed."""


class Kept(Report):
    """Keeps what one of several threads says until it is its turn; where it has got is not kept."""

    def __init__(self) -> None:
        self.said: list[Callable[[Report], None]] = []

    def warn(self, text: str) -> None:
        """Keep it."""
        self.said.append(lambda report: report.warn(text))

    def note(self, text: str) -> None:
        """Keep it."""
        self.said.append(lambda report: report.note(text))

    def artifact(self, run: Path, row: dict[str, Any]) -> None:
        """Keep it."""
        self.said.append(lambda report: report.artifact(run, row))

    def tell(self, report: Report) -> None:
        """Say all of it there."""
        for say in self.said:
            say(report)
