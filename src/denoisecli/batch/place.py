"""Where the runs of a batch go, and what is there already."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ..config.schema import LabConfig
from ..errors import DenoiseError
from ..labs.plan import Plan
from ..run import RUNS_DIR
from .runs import Run


@dataclass(frozen=True)
class Place:
    """The root folder of the runs; `force` makes them again."""

    root: Path | None = None
    force: bool = False

    def plan(self, config: LabConfig) -> Plan[Any]:
        """Return the plan of a run. Nothing is loaded; raises DenoiseError where it cannot be one."""
        instrument = import_module(f"..labs.{config.lab.replace('-', '_')}", __package__)
        plan: Plan[Any] = instrument.plan(config, None, self.root, force=self.force)
        return plan

    def everywhere(self) -> Place:
        """Return the place by a name that holds in any working directory."""
        return replace(self, root=(self.root or RUNS_DIR).resolve())

    def name(self, plan: Plan[Any]) -> str:
        """Return the words for where the run will be."""
        return str(plan.folder.path)

    def done(self, plan: Plan[Any]) -> bool:
        """Return whether the run is there, whole."""
        return plan.folder.done

    def failed(self, plan: Plan[Any]) -> bool:
        """Return whether the run was tried and failed."""
        return plan.folder.error is not None

    def note_failure(self, run: Run, error: str, hint: str) -> None:
        """Leave `error.json` for a run whose worker can no longer do it."""
        with contextlib.suppress(DenoiseError):
            self.plan(run.config).folder.fail(error, hint)
