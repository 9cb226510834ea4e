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
from .safe_files import BadName, check_file, inside, read_inside, why, write_file
from .safe_json import parse
from .safe_text import utf8

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = "denoisecli/trace/1"
STATES_FILE = "states.safetensors"
TRACE_FILE = "trace.json"
PAGE_FILE = "page.html"
MOST_RECORD = 16 << 20  # bytes of a record: 64 seeds of 100 steps have 2 MB
MOST_PAGE = 1 << 28


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
            page = read_inside(self.folder, PAGE_FILE, MOST_PAGE).decode()
        except (OSError, ValueError):
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
    """Read a run folder back, its record and arrays checked.

    Raises NotRecorded where `folder` holds no run, or one that is not as we write them, naming the file and the key.
    """
    folder = Path(folder)
    record = load_record(folder)
    try:
        arrays = read_arrays(inside(folder, STATES_FILE))
    except BadName as error:
        raise _unreadable(folder, f"{STATES_FILE} {error}") from None
    except OSError as error:
        raise _unread(folder, STATES_FILE, error) from None
    except ValueError as error:
        raise _unreadable(folder, f"{STATES_FILE} is damaged: {error}") from None
    trace = Trace(str(record.get("lab", "sample")), arrays, record, folder)
    if wrong := arrays_fault(trace):
        raise _unreadable(folder, wrong)
    return trace


def load_record(folder: str | Path) -> dict[str, Any]:
    """Read a run's `trace.json` alone, checked. Raises NotRecorded where `folder` holds no run."""
    from .trace_schema import record_fault

    folder = Path(folder)
    try:
        found = parse(read_inside(folder, TRACE_FILE, MOST_RECORD))
    except OSError as error:
        raise _unread(folder, TRACE_FILE, error) from None
    except ValueError as error:
        raise _unreadable(folder, f"{TRACE_FILE} is damaged: {error}") from None
    if not isinstance(found, dict):
        raise _unreadable(folder, f"{TRACE_FILE} holds no record")
    if wrong := record_fault(found):
        raise _unreadable(folder, f"{TRACE_FILE} is not as denoisecli writes it: {wrong}")
    return found


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file that is no link.

    Raises OSError as `open_file` does, ValueError for a damaged file, or one with numbers that NumPy does not have.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_file(path, links=False)
    try:
        return load_file(path)
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None


FINITE = frozenset({"x_t", "x0", "eps_uncond", "eps_cond", "eps", "x_T", "final", "delta_w"})
"""Arrays of numbers alone: a level of pure noise has an infinite sigma, but no latent has."""

LEADING = {
    "x_t": ("row", "state"), "x0": ("row", "step"), "eps_uncond": ("row", "step"), "eps_cond": ("row", "step"),
    "sigmas": ("state",), "timesteps": ("state",), "alpha_bars": ("state",),
}  # fmt: skip
"""The axes of what a sampler leaves, from the left; in a sweep a scale's stands before a row's."""


def arrays_fault(trace: Trace) -> str | None:
    """Return what is wrong with a trace's arrays: by themselves, among each other, beside the record; None if nothing.

    Which arrays a drawing needs is not asked here.
    """
    for name, array in trace.arrays.items():
        if array.dtype.kind not in "fiub" or array.size == 0:
            shape = "×".join(map(str, array.shape)) or "1"
            return f"{name} in {STATES_FILE} holds {shape} of {array.dtype}"
        if name in FINITE and array.dtype.kind != "f":
            return f"{name} in {STATES_FILE} is of {array.dtype}"
        if name in FINITE and not np.isfinite(array).all():
            return f"{name} in {STATES_FILE} holds what is no number"
    if "x_t" not in trace or trace.lab in ("noise", "walk", "lora-rank"):
        return None
    return _axes_fault(trace)


def _axes_fault(trace: Trace) -> str | None:
    """Return which array of a sampled run has another length than the rest, or than the record says."""
    record = trace.record
    before = ("scale",) if trace.lab == "cfg-sweep" else ()
    told = {"state": len(record.get("schedule") or []), "scale": len(record.get("scales") or [])}
    sizes = {axis: (length, "the record") for axis, length in told.items() if length}
    for name, leading in LEADING.items():
        if name not in trace:
            continue
        axes = (*before, *leading) if leading[0] == "row" else leading
        shape = trace[name].shape
        if len(shape) < len(axes) or (len(axes) == 1 and len(shape) > 1):
            return f"{name} in {STATES_FILE} has {len(shape)} axes"
        for axis, size in zip(axes, shape, strict=False):
            kind, length = ("state", size + 1) if axis == "step" else (axis, size)
            other, whose = sizes.setdefault(kind, (length, name))
            if other != length:
                return f"{name} in {STATES_FILE} is not as long as {whose} says, along its axis of {kind}s"
    return None


def _unread(folder: Path, name: str, error: OSError) -> NotRecorded:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotRecorded(f"{folder} is not a run folder: it has no {name}.")
    return _unreadable(folder, f"{name} {why(error)}")


def _unreadable(folder: Path, why: object) -> NotRecorded:
    return NotRecorded(f"{folder} cannot be read: {why}.", "Make the run again with --force.")
