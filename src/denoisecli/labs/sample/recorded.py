"""What `record` heard becomes a run of this lab: decoded, drawn and stored as the deck's own command does it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import warnings
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from denoisecli.clips import frames_as_channels, frames_of
from denoisecli.config.load import Layer, build
from denoisecli.errors import DenoiseError, NotRecorded, RunFolderError
from denoisecli.labs.job import Job, Plan
from denoisecli.media.picture_file import PICTURES_FILE, PictureFile
from denoisecli.report import Report
from denoisecli.runs.folder import RunFolder, run_hash
from denoisecli.trace import FILM_FILE, PAGE_FILE, SHEET_FILE, Trace
from denoisecli.trace_files import TRACE_FILE, read_table

from . import lab
from .config import RecordedConfig, SampleConfig, Video

if TYPE_CHECKING:
    from denoisecli.config.base import Film
    from denoisecli.diffusion.models import Model
    from denoisecli.labs.pictures import Pictures

MOST_PROMPT = 100_000  # letters, as in any config


def keep(trace: Trace, folder: Path, *, pictures: bool | None, force: bool, look: dict[str, Any]) -> Path:
    """Make a run of the trace in `folder`; see `Trace.save`."""
    film = build(SampleConfig, [Layer({"film": look}, source="look")]).film
    studio = None if pictures is False else studio_of(trace, needed=bool(pictures))
    if studio:
        studio.look_like(film)
    config = studio.job.config if studio else config_of(trace)
    identity = f"recorded {_digest(trace)}"
    place = RunFolder(folder, run_hash(json.loads(config.model_dump_json()), identity), force or _was_recorded(folder))
    made: list[Trace] = []

    def recipe(job: Job[SampleConfig]) -> Trace:
        record = dict(studio.finished(job).record) if studio else trace.record | _about(trace, config)
        made.append(Trace(trace.lab, trace.arrays, record))
        return made[0]

    plan = Plan(config, place, recipe, identity)
    try:
        plan.make(Aloud())
    except RunFolderError as error:
        raise RunFolderError(
            error.message, "Choose another folder, or replace the run there with force=True."
        ) from None
    trace.record, trace.folder = made[0].record, folder
    return folder


def drawing(trace: Trace, name: str) -> Path:
    """Return the film, sheet or page of a trace that is not saved, or was without pictures. Raises NotRecorded."""
    studio = studio_of(trace, needed=True)
    assert studio is not None
    return studio.drawn(name)


def studio_of(trace: Trace, *, needed: bool) -> Studio | None:
    """Return where the trace is drawn; None where it cannot be, or NotRecorded if that is `needed`."""
    source = trace.source
    assert source is not None
    if source.studio is None:
        pipe = source.pipe()
        why = _why_not(trace, pipe)
        if why is None:
            try:
                source.studio = Studio(trace, pipe)
            except (DenoiseError, RuntimeError, ValueError, TypeError, AttributeError) as error:
                why = f"its decoder cannot be used ({' '.join(str(error).split())[:200]})"
        if why is not None and needed:
            hint = "Arrays and numbers are saved by trace.save(folder, pictures=False)."
            raise NotRecorded(f"No pictures can be made of this trace: {why}.", hint)
        if why is not None and pipe is not None:
            warnings.warn(f"saved without pictures: {why}", stacklevel=4)
    found: Studio | None = source.studio
    return found


def _why_not(trace: Trace, pipe: Any) -> str | None:
    """Return why nothing can be drawn, as a clause; None where it can."""
    if "x_t" not in trace or "x0" not in trace:
        return "it is empty"
    if pipe is None:
        return "its pipeline is gone"
    if getattr(pipe, "vae", None) is None:
        return f"{type(pipe).__name__} has no decoder (vae)"
    if frames_as_channels(trace.x_t, trace.record).ndim != 5:
        return "its latents have no rows and columns"
    return None


class Studio:
    """Where a recorded trace is drawn before it is saved: everything once, in a folder that is gone with the trace."""

    def __init__(self, trace: Trace, pipe: Any) -> None:
        from denoisecli.diffusion.decode import layout_kept
        from denoisecli.diffusion.models import model_of

        room = tempfile.mkdtemp(prefix="denoisecli-")
        self._end = weakref.finalize(self, shutil.rmtree, room, ignore_errors=True)
        folder = RunFolder(Path(room) / "run", "")
        folder.work.mkdir(parents=True)
        self.trace = Trace(trace.lab, trace.arrays, dict(trace.record))
        model = model_of(pipe)
        config = config_of(trace)
        size = _painted_size(model, trace)
        self.job: Job[SampleConfig] = Job(config.model_copy(update={"size": size}), folder, Aloud())
        self.trace.record |= _about(trace, self.job.config)
        with layout_kept(pipe.vae):
            self._paint(model)

    def _paint(self, model: Model) -> None:
        """Decode every state, measure, and keep the pictures."""
        from denoisecli.labs.images import save_clips
        from denoisecli.labs.pictures import decode_states, describe, stored

        pictures = decode_states(self.job, model, self.trace)
        describe(self.job, self.trace, pictures)
        save_clips(self.job, model, pictures.clips, self._save_finals(model, pictures))
        stored(self.job, {"canvas": pictures.canvas, "guess": pictures.guess}).close()

    def _save_finals(self, model: Model, pictures: Pictures) -> list[str]:
        """Write the finished pictures, with their settings inside where all of them are known; return their names."""
        from PIL import Image

        from denoisecli.media.images import save_png

        runs, folder = self.trace.record["runs"], self.job.folder.partial / "images"
        folder.mkdir()
        count = Counter(run.get("seed") for run in runs)
        names = []
        for row, (run, picture) in enumerate(zip(runs, pictures.finals, strict=True), 1):
            alone = run.get("seed") is not None and count[run["seed"]] == 1
            names.append(f"seed-{run['seed']}" if alone else f"picture-{row}")
            texts, path = self._inside(model, row - 1, picture), folder / f"{names[-1]}.png"
            self.job.artifact(save_png(Image.fromarray(picture), path, texts), "image")
        return names

    def _inside(self, model: Model, row: int, picture: np.ndarray[Any, Any]) -> dict[str, str]:
        from denoisecli.interop.recipe import Shot
        from denoisecli.labs.sampling import settings_inside

        run = self.trace.record["runs"][row]
        try:
            told = json.loads(self.job.config.model_dump_json()) | {"cfg": run.get("cfg"), "seeds": [run.get("seed")]}
            config = SampleConfig.model_validate(told)
        except ValidationError:
            return {}
        return settings_inside(model, config, Shot(config.seeds[0], config.cfg, run["prompt"], ()), picture)

    def drawn(self, name: str) -> Path:
        """Return the film, sheet or page, drawn if it is not there yet."""
        path = self.job.folder.partial / name
        if not path.is_file():
            timed = contextlib.nullcontext() if name == PAGE_FILE else self.job.timed("figures")  # a page times itself
            with self._pictures() as pictures, timed:
                DRAWN[name](self._that_films() if name == FILM_FILE else self.job, self.trace, pictures)
        return path

    def _that_films(self) -> Job[SampleConfig]:
        """Return the job with a film in it: who asks for one by name gets it, though the look leaves films away."""
        config = self.job.config
        if config.film.formats:
            return self.job
        film = config.film.model_copy(update={"formats": ("mp4",)})
        return replace(self.job, config=config.model_copy(update={"film": film}))

    def look_like(self, film: Film) -> None:
        """Draw in another look from now on; what was drawn in the old one is forgotten."""
        if film != self.job.config.film:
            self.job.config = self.job.config.model_copy(update={"film": film})
            self.trace.record["config"] = json.loads(self.job.config.model_dump_json())
            rows, self.job.folder.artifacts = self.job.folder.artifacts, []
            for row in rows:
                if row["kind"] in DRAWN_KINDS:
                    (self.job.folder.partial / row["path"]).unlink()
                else:
                    self.job.folder.artifacts.append(row)

    def _pictures(self) -> PictureFile:
        return PictureFile.open(self.job.folder.partial / PICTURES_FILE)

    def finished(self, job: Job[Any]) -> Trace:
        """Draw what is missing, put all files into the folder of `job`, and return the measured trace."""
        films = bool(self.job.config.film.formats)
        for name in DRAWN:
            if films or name != FILM_FILE:
                self.drawn(name)
        with self._pictures() as pictures, self.job.timed("figures"):
            for view in self.job.config.views:
                if films and not (self.job.folder.partial / "views" / f"{view}.mp4").is_file():
                    lab.draw_view(self.job, self.trace, pictures, view)
        for row in self.job.folder.artifacts:
            target = job.folder.partial / row["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.job.folder.partial / row["path"], target)
            job.artifact(target, row["kind"])
        job.timings |= self.job.timings
        return self.trace


DRAWN_KINDS = ("film", "sheet", "page")
DRAWN: dict[str, Callable[..., None]] = {
    FILM_FILE: lab.draw_film,
    SHEET_FILE: lab.draw_sheet,
    PAGE_FILE: lab.draw_page,
}


class Aloud(Report):
    """Hands warnings on as Python's."""

    def warn(self, text: str) -> None:
        """Warn whoever called us."""
        warnings.warn(text, stacklevel=2)


def config_of(trace: Trace) -> RecordedConfig:
    """Return what the pipeline was told, as a config."""
    from denoisecli.diffusion.latent_layout import frames_each

    source, record = trace.source, trace.record
    assert source is not None
    runs = record.get("runs") or []
    seeds = [run.get("seed") for run in runs]
    scales = {float(run["cfg"]) if isinstance(run.get("cfg"), (int, float)) else None for run in runs}
    model = record.get("model") or {}
    pipe, frames = source.pipe(), frames_of(record)
    return RecordedConfig(
        video=None if frames == 1 else Video(frames=(frames - 1) * (frames_each(pipe) if pipe else 1) + 1),
        model=model.get("ref") or source.pipeline,
        prompt=_together(source.prompts),
        negative_prompt=_together(source.negative_prompts),
        seeds=tuple(dict.fromkeys(seed for seed in seeds if seed is not None)),
        steps=max(1, min(1000, trace.steps)),
        cfg=scales.pop() if len(scales) == 1 else None,
        sampler=source.sampler,
    )


def _together(texts: list[str]) -> str:
    return " | ".join(dict.fromkeys(text for text in texts if text))[:MOST_PROMPT]


def _about(trace: Trace, config: SampleConfig) -> dict[str, Any]:
    """Return what a recorded run's record holds beside what `record` and the lab put there."""
    source = trace.source
    assert source is not None
    runs = trace.record.get("runs") or []
    prompts = [*source.prompts, *[""] * len(runs)]
    return {
        "config": json.loads(config.model_dump_json()),
        "command": None,
        "recorded": {"pipeline": source.pipeline, "scheduler": source.scheduler},
        "runs": [run | {"prompt": prompt} for run, prompt in zip(runs, prompts, strict=False)],
    }


def _painted_size(model: Model, trace: Trace) -> tuple[int, int]:
    """Return the (width, height) of the pictures that the decoder makes: one is decoded to see, of a clip one frame."""
    from denoisecli.diffusion.decode import decoder, layout_kept
    from denoisecli.scale import canvas_latents

    last = canvas_latents(trace)[:1, -1]
    with layout_kept(model.pipe.vae):
        picture = decoder(model, "vae").decode(last if last.ndim == 4 else last[:, :, 0])[0]
    return int(picture.shape[1]), int(picture.shape[0])


def _was_recorded(folder: Path) -> bool:
    return bool((read_table(folder / TRACE_FILE) or {}).get("recorded"))


def _digest(trace: Trace) -> str:
    """Return what tells this recording from any other: a hash of its numbers."""
    found = hashlib.sha256()
    for name, array in sorted(trace.arrays.items()):
        found.update(f"{name}{array.shape}{array.dtype}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
