"""Where the runs of a batch go, and what is there already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from denoisecli.config.base import LabConfig
from denoisecli.errors import DenoiseError, DiskFull
from denoisecli.labs.job import Begun, Plan
from denoisecli.registry import part
from denoisecli.report import Report
from denoisecli.runs.folder import RUNS_DIR
from denoisecli.runs.names import name_with, names_by_hash

from .messages import Run


@dataclass(frozen=True)
class Place:
    """The root folder of the runs; `force` makes them again. What another kind of place does otherwise overrides it."""

    root: Path | None = None
    force: bool = False
    held: Mapping[str, str] = field(default_factory=dict, compare=False, kw_only=True)
    """Names of runs that are there, by lab and hash: known to a place that was surveyed."""

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

    def gone(self, error: DenoiseError) -> bool:
        """Return whether an error that a run met will meet every other: the place takes nothing any more."""
        return isinstance(error, DiskFull)

    def plan(self, config: LabConfig, label: str = "") -> Plan[Any]:
        """Return the plan of a run. Nothing is loaded; raises DenoiseError where it cannot be one.

        label: what varies in the run, which its folder's name tells; one that is there already keeps its name.
        """
        plan: Plan[Any] = part(config.lab, "plan")(config, None, self.folder, force=self.force)
        known = self.held.get(f"{config.lab} {plan.folder.hash}")
        if known is not None:
            plan.folder.path = plan.folder.path.with_name(known)
        elif label:
            varied = label.replace(f"{config.title_key}={config.title}", "")  # the name begins with it
            plan.folder.path = name_with(plan.folder.path, varied)
        return plan

    def at(self, run: Run) -> Plan[Any]:
        """Return the plan of a run under the very name that was found for it."""
        plan = self.plan(run.config)
        plan.folder.path = plan.folder.path.with_name(PurePosixPath(run.path).name)
        return plan

    def everywhere(self) -> Place:
        """Return the place by a name that holds in any working directory."""
        return replace(self, root=self.folder.resolve())

    def surveyed(self, labs: Iterable[str]) -> Place:
        """Return the place, ready to be asked about many runs of these labs: with the names of those on this disk."""
        names = {lab: names_by_hash(self.folder / lab) for lab in labs}
        held = {f"{lab} {digest}": name for lab, found in names.items() for digest, name in found.items()}
        return replace(self, held=held)

    def name(self, plan: Plan[Any]) -> str:
        """Return the words for where the run will be."""
        return str(plan.folder.path)

    def done(self, plan: Plan[Any]) -> bool:
        """Return whether the run is there, whole."""
        return plan.folder.done

    def failed(self, plan: Plan[Any]) -> bool:
        """Return whether the run was tried and failed."""
        return plan.folder.error is not None

    def begin(self, plan: Plan[Any], report: Report) -> Begun:
        """Do what needs the model, unless the run is there, and return the rest."""
        return plan.begin(report)

    def fail(self, plan: Plan[Any], error: str, hint: str) -> None:
        """Leave `error.json` where the run would have been."""
        plan.folder.fail(error, hint)

    def note_failure(self, run: Run, error: str, hint: str) -> None:
        """Leave `error.json` for a run whose worker can no longer do it."""
        with contextlib.suppress(DenoiseError):
            self.fail(self.at(run), error, hint)
