"""The one data structure that all parts share: what a run did, as named arrays and a dict that serialises.

Arrays of a sampled run and their axes (`states.safetensors`):

============  ===========================  ==========================================================
x_t           (seed, state, C, h, w)       latents; state 0 is the starting noise, the last is the result
x0            (seed, step, C, h, w)        predicted clean latents at each step
eps_uncond    (seed, step, C, h, w)        the denoiser's raw output without the prompt; absent at cfg 1
eps_cond      (seed, step, C, h, w)        the denoiser's raw output with the prompt
sigmas        (state,)                     noise level σ = √((1−ᾱ)/ᾱ); flow models: their own σ in 0..1
timesteps     (state,)                     the scheduler's t; 0 at the last state
alpha_bars    (state,)                     ᾱ = 1/(1+σ²)
============  ===========================  ==========================================================

The denoiser's raw outputs are ε for ε-models, v for v-models:
`record["model"]["prediction_type"]` says which.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .errors import NotRecorded
from .safe_files import write_file
from .safe_text import utf8

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = "denoisecli/trace/1"
STATES_FILE = "states.safetensors"
TRACE_FILE = "trace.json"
PAGE_FILE = "page.html"


_EMPTY: dict[str, Any] = {
    "version": __version__, "created": None, "command": None, "config": {}, "environment": None, "model": None,
    "schedule": [], "runs": [], "timings": {}, "artifacts": [],
}  # fmt: skip


@dataclass
class Trace:
    """What a run did: `arrays` by name, and `record`, the body of `trace.json`."""

    lab: str = "sample"
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False)  # where it was loaded from

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the array `name`. Raises NotRecorded where this run has none."""
        try:
            return self.arrays[name]
        except KeyError:
            held = ", ".join(sorted(self.arrays)) or "nothing yet"
            raise NotRecorded(f"This trace holds no {name!r}.", f"It holds: {held}.") from None

    def __contains__(self, name: object) -> bool:
        return name in self.arrays

    @property
    def x_t(self) -> NDArray[Any]:
        """Latents at every state, (seed, state, C, h, w), on the scheduler's own scale (VE: not divided)."""
        return self["x_t"]

    @property
    def x0(self) -> NDArray[Any]:
        """Predicted clean latents at every step, (seed, step, C, h, w)."""
        return self["x0"]

    @property
    def eps_uncond(self) -> NDArray[Any]:
        """The denoiser's raw output without the prompt, (seed, step, C, h, w)."""
        return self["eps_uncond"]

    @property
    def eps_cond(self) -> NDArray[Any]:
        """The denoiser's raw output with the prompt, (seed, step, C, h, w)."""
        return self["eps_cond"]

    @property
    def sigmas(self) -> NDArray[Any]:
        """Noise level σ of every state, (state,)."""
        return self["sigmas"]

    @property
    def timesteps(self) -> NDArray[Any]:
        """The scheduler's t of every state, (state,); 0 at the last."""
        return self["timesteps"]

    @property
    def alpha_bars(self) -> NDArray[Any]:
        """Cumulative signal share ᾱ of every state, (state,)."""
        return self["alpha_bars"]

    @property
    def steps(self) -> int:
        """Number of denoising steps; there is one state more."""
        return len(self.timesteps) - 1

    @property
    def guesses(self) -> NDArray[Any]:
        """x0 with the final latents appended, (seed, state, C, h, w): one guess for every state."""
        return np.concatenate([self.x0, self.x_t[:, -1:]], axis=1)

    def _repr_html_(self) -> str | None:
        """Return the run's page in a frame, for notebooks; None for a trace without a folder or a page."""
        if self.folder is None:
            return None
        try:
            page = (self.folder / PAGE_FILE).read_text(encoding="utf-8")
        except OSError:
            return None
        frame = 'width="100%" height="880" style="border:0" sandbox="allow-scripts" allow="clipboard-write"'
        return f'<iframe title="denoisecli" {frame} srcdoc="{html.escape(page)}"></iframe>'

    def save(self, folder: str | Path) -> Path:
        """Write `states.safetensors` and `trace.json` into `folder` and return it.

        A trace that `record` made gets its settling numbers here, so that recording itself costs nothing more.
        """
        from .metrics import measured

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.record["runs"] = measured(self)
        write_arrays(self.arrays, folder / STATES_FILE)
        self.write_record(folder / TRACE_FILE)
        return folder

    def write_record(self, path: Path) -> None:
        """Write `trace.json` alone, every field of docs/trace.schema.json in it."""
        record = {"schema": SCHEMA, "lab": self.lab} | _EMPTY | self.record
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
        write_file(path, utf8(f"{text}\n"))


def write_arrays(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """Write named arrays as safetensors, in the order of their names.

    Not by `save_file`: it makes files of mode 0600, which no web server may read, and hides the system's errors.
    """
    from safetensors.numpy import save

    write_file(path, save({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}))


def load(folder: str | Path) -> Trace:
    """Read a run folder back. Raises NotRecorded where `folder` holds no run."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    record = load_record(folder)
    try:
        arrays = load_file(folder / STATES_FILE)
    except FileNotFoundError:
        raise _not_a_run(folder, STATES_FILE) from None
    except (ValueError, OSError, SafetensorError) as error:
        raise _unreadable(folder, error) from None
    return Trace(str(record.get("lab", "sample")), arrays, record, folder)


def load_record(folder: str | Path) -> dict[str, Any]:
    """Read a run's `trace.json` alone. Raises NotRecorded where `folder` holds no run."""
    folder = Path(folder)
    try:
        record = json.loads((folder / TRACE_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise _not_a_run(folder, TRACE_FILE) from None
    except (ValueError, OSError, RecursionError) as error:
        raise _unreadable(folder, error) from None
    if not isinstance(record, dict):
        raise _unreadable(folder, f"{TRACE_FILE} holds no record")
    return record


def _not_a_run(folder: Path, missing: str) -> NotRecorded:
    return NotRecorded(f"{folder} is not a run folder: it has no {missing}.")


def _unreadable(folder: Path, why: object) -> NotRecorded:
    return NotRecorded(f"{folder} cannot be read: {why}.", "Make the run again with --force.")
