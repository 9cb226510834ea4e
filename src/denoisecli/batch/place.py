"""Where the runs of a batch go, and what is there already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from denoisecli.config.base import LabConfig
from denoisecli.errors import DenoiseError
from denoisecli.labs.job import Plan
from denoisecli.registry import part
from denoisecli.report import Report
from denoisecli.runs.folder import RUNS_DIR

from .messages import Run


@dataclass(frozen=True)
class Place:
    """The root folder of the runs; `force` makes them again. What another kind of place does otherwise overrides it."""

    root: Path | None = None
    force: bool = False

    @property
    def title(self) -> str:
        """The words for all of it."""
        return str(self.folder)

    @property
    def folder(self) -> Path:
        """The folder of this machine in which runs are made."""
        return self.root or RUNS_DIR

    def check(self) -> None:
        """Raise DenoiseError where no run can ever be put; a folder's lock tells that already."""

    def plan(self, config: LabConfig) -> Plan[Any]:
        """Return the plan of a run. Nothing is loaded; raises DenoiseError where it cannot be one."""
        plan: Plan[Any] = part(config.lab, "plan")(config, None, self.folder, force=self.force)
        return plan

    def everywhere(self) -> Place:
        """Return the place by a name that holds in any working directory."""
        return replace(self, root=self.folder.resolve())

    def surveyed(self, labs: Iterable[str]) -> Place:
        """Return the place, ready to be asked about many runs of these labs; a disk always is."""
        return self

    def name(self, plan: Plan[Any]) -> str:
        """Return the words for where the run will be."""
        return str(plan.folder.path)

    def done(self, plan: Plan[Any]) -> bool:
        """Return whether the run is there, whole."""
        return plan.folder.done

    def failed(self, plan: Plan[Any]) -> bool:
        """Return whether the run was tried and failed."""
        return plan.folder.error is not None

    def make(self, plan: Plan[Any], report: Report) -> None:
        """Make the run, unless it is there."""
        plan.make(report)

    def fail(self, plan: Plan[Any], error: str, hint: str) -> None:
        """Leave `error.json` where the run would have been."""
        plan.folder.fail(error, hint)

    def note_failure(self, run: Run, error: str, hint: str) -> None:
        """Leave `error.json` for a run whose worker can no longer do it."""
        with contextlib.suppress(DenoiseError):
            self.fail(self.plan(run.config), error, hint)
