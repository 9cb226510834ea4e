"""The one data structure that all parts share: what a run did, as named arrays and a dict that serialises.

Arrays of a sampled run and their axes (`states.safetensors`):

============  ===========================  ==========================================================
x_t           (seed, state, C, h, w)       latents; state 0 is the starting noise, the last is the result
x0            (seed, step, C, h, w)        predicted clean latents at each step
eps_uncond    (seed, step, C, h, w)        the denoiser's raw output without the prompt; absent at cfg 1
eps_cond      (seed, step, C, h, w)        the denoiser's raw output with the prompt
words         (seed, step, word, h, w)     float16: how much each place reads of a word, where it was listened to
negative_words  likewise                   of the negative prompt's words
sigmas        (state,)                     noise level σ = √((1−ᾱ)/ᾱ); flow models: their own σ in 0..1
timesteps     (state,)                     the scheduler's t; 0 at the last state
alpha_bars    (state,)                     ᾱ = 1/(1+σ²)
============  ===========================  ==========================================================

Latents of clips have an axis of frames behind their channels, (seed, state, C, f, h, w).

The denoiser's raw outputs are ε for ε-models, v for v-models:
`record["model"]["prediction_type"]` says which.
"""

from __future__ import annotations

import base64
import html
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .clips import frames_of
from .errors import DenoiseError, NotRecorded, UsageError
from .registry import axes as axes_of
from .registry import part
from .safe_files import BadName, check_file, inside, read_file
from .trace_files import STATES_FILE, TRACE_FILE, read_run, write_arrays, write_record

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE_FILE = "page.html"
FILM_FILE = "film.mp4"
SHEET_FILE = "sheet.png"
MOST_SHOWN = 1 << 28  # of a page, film or sheet in a notebook


_EMPTY_HINT = (
    "Call the pipeline inside `with denoisecli.record(pipe) as trace:`; the trace is filled when the block ends, "
    "and stays empty where a call failed."
)


@dataclass
class Source:
    """What `record` knows of a trace beside its record, for `save` to make a run of it.

    pipe: returns the pipeline as long as somebody has it, then None. prompts, negative_prompts: of each row, "" where
    the call named none. sampler: the scheduler's name among our samplers, else its
    class. pipeline, scheduler: their classes.
    """

    pipe: Callable[[], Any]
    prompts: list[str]
    negative_prompts: list[str]
    sampler: str
    pipeline: str
    scheduler: str
    studio: Any = None  # where it is drawn before it is saved


@dataclass(repr=False)
class Trace:
    """What a run did: `arrays` by name, and `record`, the body of `trace.json`.

    `denoisecli.record` fills one, `denoisecli.load` reads one back. A notebook shows its page.
    """

    lab: str = "sample"
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False)  # where it was loaded from, or saved to
    source: Source | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """Return one line: the lab and the axes, never the numbers."""
        return f"Trace({', '.join([self.lab, *self._axes()])})"

    def _axes(self) -> list[str]:
        if "x_t" in self.arrays and self.arrays["x_t"].ndim >= 4:
            shape = self.arrays["x_t"].shape
            axes, own = (*(axes_of(self.lab) or ()), "state"), 4 if frames_of(self.record) > 1 else 3
            leading = list(zip(axes[-(len(shape) - own) :], shape, strict=False))
            return [*(_counted(size, axis) for axis, size in leading), _by(shape[len(leading) :])]
        if "x_T" in self.arrays:
            return [_counted(len(self.arrays["x_T"]), "frame"), _by(self.arrays["x_T"].shape[1:])]
        names = sorted(self.arrays)
        shown = [f"{name} {_by(self.arrays[name].shape)}".rstrip() for name in names[:3]]
        return [*shown, *([f"{len(names) - 3} more arrays"] if len(names) > 3 else [])] or ["empty"]

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the array `name`. Raises NotRecorded where this run has none."""
        try:
            return self.arrays[name]
        except KeyError:
            if not self.arrays:
                raise NotRecorded(f"This trace holds no {name!r}: it is empty.", _EMPTY_HINT) from None
            held = ", ".join(sorted(self.arrays))
            raise NotRecorded(f"This trace holds no {name!r}{self._why_without(name)}.", f"It holds: {held}.") from None

    def _why_without(self, name: str) -> str:
        """Return the reason why an array that other runs have is not here, as the end of a sentence."""
        kind = (self.record.get("guidance") or {}).get("kind")
        if name == "eps_uncond" and "eps_cond" in self.arrays:
            how = "took its scale as an input" if kind == "embedded" else "ran without guidance"
            return f": the model {how}, so no step had a half without the prompt"
        if name in ("eps_uncond", "eps_cond") and "x_t" in self.arrays:
            return ": what the denoiser returned does not explain what the scheduler got"
        return "" if self.lab == "sample" else f", as no run of {self.lab} does"

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
        """Return the run's page in a frame, for notebooks; None, so that they print one line, where there is none."""
        try:
            return self.page()._repr_html_()
        except (DenoiseError, OSError, ValueError):
            return None

    def save(self, folder: str | Path, *, pictures: bool | None = None, force: bool = False, **look: Any) -> Path:
        """Make a run of what was recorded, in `folder`, and return it. Every command that takes a run takes it.

        folder: where the run will lie; an unfinished run is never seen there.
        pictures: True decodes every state and draws film, sheet and page, as the labs do; False writes arrays and
            numbers alone, in a moment; None, the default, draws where the pipeline is still there and has a decoder.
        force: replace also a run that a command made; one that was recorded is replaced anyway, other files never are.
        look: how it is drawn, by the keys of a config's `film`: theme="light", size="1080x1080", fps, hold_s, formats.

        A trace that was loaded, or made by hand, is written as it is.
        Raises NotRecorded where nothing was recorded, or with pictures=True where none can be decoded, and
        RunFolderError where something else lies in `folder`, ConfigError for a look that there is not.
        """
        if not self.arrays and not self.record:
            raise NotRecorded("This trace is empty, so there is nothing to save.", _EMPTY_HINT)
        folder = Path(folder)
        if self.source is not None:
            saved: Path = part(self.lab, "keep")(self, folder, pictures=pictures, force=force, look=look)
            return saved
        if pictures:
            hint = "Trace.save draws what record() recorded; draw a stored run with: denoisecli render RUN"
            raise NotRecorded("This trace was not recorded here, so no pipeline is there to decode pictures.", hint)
        return self.write(folder)

    def film(self, path: str | Path | None = None) -> Drawing:
        """Return the film (.mp4), drawn where it is not yet there; with `path`, a copy under that name.

        Until the trace is saved, the file lives as long as the trace. Raises NotRecorded where nothing can be drawn.
        """
        return self._drawing(FILM_FILE, path)

    def sheet(self, path: str | Path | None = None) -> Drawing:
        """Return the contact sheet (.png), drawn where it is not yet there; with `path`, a copy under that name.

        Until the trace is saved, the file lives as long as the trace. Raises NotRecorded where nothing can be drawn.
        """
        return self._drawing(SHEET_FILE, path)

    def page(self, path: str | Path | None = None) -> Drawing:
        """Return the page (.html), one offline file; with `path`, a copy under that name.

        Until the trace is saved, the file lives as long as the trace. Raises NotRecorded where nothing can be drawn.
        """
        return self._drawing(PAGE_FILE, path)

    def _drawing(self, name: str, path: str | Path | None) -> Drawing:
        if path is not None and Path(path).suffix.lower() != Path(name).suffix:
            raise UsageError(f"{path} is to be a {Path(name).suffix} file.", "Give it that ending.")
        made = self._made(name)
        if path is None:
            return Drawing(made)
        shutil.copyfile(made, path)
        return Drawing(path)

    def _made(self, name: str) -> Path:
        """Return the run's file of this name: stored, or drawn now."""
        if self.folder is not None:
            try:
                return check_file(inside(self.folder, name), links=False)
            except (BadName, OSError):
                pass
        if self.source is not None:
            drawn: Path = part(self.lab, "drawing")(self, name)
            return drawn
        if self.folder is None:
            raise NotRecorded(f"This trace has no {name}: it is in no folder, and no pipeline is there to draw it.")
        raise NotRecorded(f"{self.folder} holds no {name}.", f"Draw it with: denoisecli render {self.folder}")

    def write(self, folder: Path) -> Path:
        """Write `states.safetensors` and `trace.json` alone into `folder` and return it.

        A trace that `record` made gets its settling numbers here, so that recording itself costs nothing more.
        """
        from .metrics import measured

        folder.mkdir(parents=True, exist_ok=True)
        self.record["runs"] = measured(self)
        write_arrays(self.arrays, folder / STATES_FILE)
        self.write_record(folder / TRACE_FILE)
        return folder

    def write_record(self, path: Path) -> None:
        """Write `trace.json` alone, every field of docs/trace.schema.json in it."""
        write_record(self.lab, self.record, path)


class Drawing(type(Path())):  # type: ignore[misc]
    """The path of a film, sheet or page. A notebook shows what it holds."""

    def _repr_html_(self) -> str | None:
        """Return the page in a frame, or the film or picture itself, so that the notebook keeps it."""
        content, kind = read_file(self, MOST_SHOWN, links=False), self.suffix.lower()
        if kind == ".html":
            frame = 'width="100%" height="880" style="border:0" sandbox="allow-scripts" allow="clipboard-write"'
            return f'<iframe title="denoisecli" {frame} srcdoc="{html.escape(content.decode())}"></iframe>'
        coded = base64.b64encode(content).decode()
        if kind == ".mp4":
            return f'<video controls loop width="100%" src="data:video/mp4;base64,{coded}"></video>'
        return f'<img alt="{html.escape(self.name)}" style="max-width:100%" src="data:image/png;base64,{coded}">'


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def load(folder: str | Path) -> Trace:
    """Read a run folder back, its record and arrays checked.

    Raises NotRecorded where `folder` holds no run, or one that is not as we write them, naming the file and the key.
    """
    folder = Path(folder)
    record, arrays = read_run(folder)
    return Trace(str(record.get("lab", "sample")), arrays, record, folder)
