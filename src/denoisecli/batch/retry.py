"""What becomes of a run whose worker died: once more, alone; then it has failed."""

from __future__ import annotations

from dataclasses import replace

from .messages import Outcome, Pack, Run
from .place import Place

MOST_TRIES = 2


def tried(run: Run, place: Place, cause: str, *, stopped: bool, worker: int = 0) -> Pack | Outcome:
    """Return a pack of the run alone for another try, or the outcome where there is none left."""
    if stopped:
        return Outcome(run.number, run.label, run.path, "stopped", worker=worker)
    if run.tries + 1 < MOST_TRIES:
        return (replace(run, tries=run.tries + 1),)
    error = f"The worker process died {MOST_TRIES} times in this run ({cause})."
    hint = "Often that is memory: try fewer --jobs, a smaller size, or --pack 1."
    place.note_failure(run, error, hint)
    return Outcome(run.number, run.label, run.path, "failed", error, hint, worker=worker)
