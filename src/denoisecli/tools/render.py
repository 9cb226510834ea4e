"""New films, sheet and page from a stored run: no model, no sampling. Only how a run is drawn may change."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisecli.config.base import LOOK, LabConfig, keys
from denoisecli.config.load import Layer, build, settings
from denoisecli.errors import NotRecorded, UsageError
from denoisecli.labs import job as plans
from denoisecli.labs.job import STAGES, Job, Plan
from denoisecli.labs.stored import as_written, check_drawable
from denoisecli.media.picture_file import PICTURES_FILE, PictureFile
from denoisecli.registry import CONFIGS, config_of, part
from denoisecli.runs.rates import work
from denoisecli.safe_files import BadName, check_file, inside, why
from denoisecli.trace import Trace, load
from denoisecli.trace_files import TRACE_FILE

MADE_ANEW = ("hash", "identity", "created", "command", "config", "version", "artifacts", "timings")
KEPT_KINDS = {"image", "lora"}
KEPT_PLACES = ("images/", "loras/")


@dataclass(frozen=True)
class Redraw:
    """The recipe of a drawing: takes over what a stored run computed, and draws the rest."""

    run: Path
    trace: Trace

    def __call__(self, job: Job[Any]) -> Trace:
        """Copy what stays, draw what does not."""
        record = self.trace.record
        timings = record.get("timings") or {}
        job.timings |= {stage: float(timings.get(stage, 0)) for stage in STAGES if stage not in ("figures", "encode")}
        trace = Trace(self.trace.lab, self.trace.arrays, {k: v for k, v in record.items() if k not in MADE_ANEW})
        trace.record["config"] = job.config.model_dump(mode="json")
        for path, kind in kept_files(self.run, record):
            target = inside(job.folder.partial, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(self.run / path, target)
            job.artifact(target, kind)
        draw = part(job.config.lab, "draw")
        with _pictures(job.folder.partial / PICTURES_FILE) as pictures:
            check_drawable(self.run, trace, {} if pictures is None else pictures.shapes)
            with as_written(self.run):
                draw(job, trace, pictures)
        return trace


def _pictures(path: Path) -> contextlib.AbstractContextManager[PictureFile | None]:
    return PictureFile.open(path) if path.exists() else contextlib.nullcontext()


def plan(
    run: Path, pairs: Sequence[str] = (), out: Path | None = None, runs_dir: Path | None = None, *, force: bool = False
) -> Plan[LabConfig]:
    """Return the plan of drawing `run` again with other settings, `pairs` of KEY=VALUE.

    Its folder is the one that the lab itself would give a run of these settings; with nothing changed, the run's own.
    Raises NotRecorded for what is no run or cannot be drawn, UsageError for keys that would need sampling.
    """
    trace = load(run)
    lab = config_of(trace.record | {"lab": trace.lab})
    if lab is None:
        raise NotRecorded(f"{run} is a run of {trace.lab!r}, which is not a lab here.", f"Labs: {', '.join(CONFIGS)}.")
    _check_complete(run, trace)
    stored = build(lab, [Layer(dict(trace.record["config"]), source=str(run))])
    config = build(lab, [Layer(stored.model_dump(mode="json"), source=str(run)), settings(lab, _spelt_out(lab, pairs))])
    _check_keys(run, stored, config)
    kept_files(run, trace.record)  # a run that names what it may not is refused before anything is made
    made = plans.plan(config, trace.record["identity"], Redraw(run, trace), out, runs_dir, force=force)
    made.drawn = True
    if out is None and made.folder.hash == trace.record["hash"]:
        made.folder.path, made.folder.force = run, True  # the same run drawn anew, wherever it lies
    elif out is None and runs_dir is None:
        made.folder.path = run.resolve().parent / made.folder.path.name
    return made


def kept_files(run: Path, record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (path, kind) of the run's files that no drawing changes.

    Raises NotRecorded where one is missing, is no plain file, or has a name that no run gives: before anything is made.
    """
    rows = [row for row in record.get("artifacts") or [] if row.get("kind") in KEPT_KINDS]
    if os.path.lexists(run / PICTURES_FILE):
        rows.append({"path": PICTURES_FILE, "kind": "pictures"})
    return [(_checked(run, row["path"]), str(row["kind"])) for row in rows]


def _checked(run: Path, name: str) -> str:
    """Return the name of a file to keep: a plain one, and in one of the folders that no drawing writes into."""
    hint = "Make the run again with --force."
    try:
        path = inside(run, name)
        if name != PICTURES_FILE and not name.startswith(KEPT_PLACES):
            raise BadName("is not where a run keeps pictures and LoRAs")
        check_file(path, links=False)
    except (BadName, OSError) as error:
        what = why(error) if isinstance(error, OSError) else error
        shown = ascii(name)[1:-1][:80]
        raise NotRecorded(f"{run} lacks {shown}, which its {TRACE_FILE} names: it {what}.", hint) from None
    return name


def _check_complete(run: Path, trace: Trace) -> None:
    """Raise NotRecorded for a run that an older version made, or that `record` saved without a lab."""
    missing = [key for key in ("config", "hash", "identity") if not trace.record.get(key)]
    paints = work((trace.record.get("config") or {}) | {"lab": trace.lab}).paints
    if paints and not (run / PICTURES_FILE).is_file():
        missing.append(PICTURES_FILE)
    if missing:
        hint = "It was made by an older version: make it again with the lab's command."
        if trace.record.get("recorded"):
            hint = "It was saved without pictures: save it with trace.save(folder, pictures=True), in the same process."
        raise NotRecorded(f"{run} cannot be drawn again: it has no {' and no '.join(missing)}.", hint)


def _spelt_out(lab: type[LabConfig], pairs: Sequence[str]) -> list[str]:
    """Return the pairs with film's own keys under film: theme=light is film.theme=light, where the lab has no theme."""
    film = lab.model_fields["film"].annotation
    known = set(getattr(film, "model_fields", {}))
    return [
        f"film.{pair}" if (key := pair.partition("=")[0].strip()) in known and key not in lab.model_fields else pair
        for pair in pairs
    ]


def _check_keys(run: Path, stored: LabConfig, config: LabConfig) -> None:
    lab = config.lab
    changed = [key for key in type(config).model_fields if getattr(stored, key) != getattr(config, key)]
    looks = keys(type(config), LOOK)
    wrong = [key for key in changed if key not in looks]
    if wrong:
        may = ", ".join(f"{key}.*" if key == "film" else key for key in looks)
        hint = f"Without the model these can change: {may}. For others: denoisecli {lab} {run}/config.yaml --set ..."
        raise UsageError(f"{', '.join(wrong)} cannot change without making the run anew.", hint)


def _link(source: Path, target: Path) -> None:
    """Give the file a second name, or copy it where the disk cannot; a file is never written in place, so both hold."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):  # some systems cannot name a link itself
        shutil.copyfile(source, target)
