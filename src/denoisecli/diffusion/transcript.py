"""What a tape says, as a trace: arrays by name, and the record that describes them.

Which evaluation was which half is proven here against what the scheduler got (`branches`), and the guidance scale of
every step is measured from it.
"""

from __future__ import annotations

import math
import platform
import weakref
from datetime import datetime, timezone
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from denoisecli.errors import UsageError
from denoisecli.process.x0 import Levels
from denoisecli.trace import Source, Trace

from .branches import Mixture, measured_row
from .canvas import FACTORS
from .denoiser import denoiser_of
from .families import family_named
from .guidance import scale_at
from .scheduler import name_of
from .tape import TEXTS, Tape
from .tape_run import Run, as_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


def fill(trace: Trace, tape: Tape) -> None:
    """Put what was heard into the trace: arrays by name, and the record that describes them."""
    if tape.pipe.scheduler is not tape.scheduler:
        raise UsageError("The scheduler was exchanged inside record().", "Set the scheduler first, then record.")
    runs = [run for run in tape.runs if run.steps]
    if not runs:
        _not_stepped_elsewhere(tape)
        return
    _same_shapes(tape.pipe, runs)
    _same_levels(runs)
    for step in (step for run in runs for step in run.steps):
        step.mixed()
    at = Levels.stack([*(step.level for step in runs[0].steps), runs[0].end or tape.clock.after(runs[0].told)])
    trace.arrays |= _arrays(runs)
    trace.arrays |= {"sigmas": at.sigmas, "timesteps": at.timesteps, "alpha_bars": at.alpha_bars}
    trace.record |= _record(tape, runs, at, trace.arrays["x_t"].shape[2:])
    if tape.listener is not None:
        maps = [run.maps for run in runs]
        trace.arrays |= tape.listener.arrays(maps)
        told = tape.listener.record(maps, trace.arrays)
        notes = [*trace.record.get("notes", []), *told.pop("notes")]
        trace.record |= told | ({"notes": notes} if notes else {})
    trace.source = _source(tape, runs)


def _source(tape: Tape, runs: list[Run]) -> Source:
    """Return what making a run of the trace takes beside it. The pipeline is not kept alive by it."""
    prompts, negative = ([text for run in runs for text in run.texts[name]] for name in TEXTS)
    kinds = type(tape.pipe).__name__, type(tape.scheduler).__name__
    return Source(_weakly(tape.pipe), prompts, negative, name_of(tape.scheduler), *kinds)


def _record(tape: Tape, runs: list[Run], at: Levels, latent_shape: tuple[int, ...]) -> dict[str, Any]:
    cfgs = [cfg for run in runs for cfg in _cfg(tape, run)]
    seeds = [seed for run in runs for seed in run.seeds]
    labels = [{"seed": seed, "cfg": cfg} for seed, cfg in zip(seeds, cfgs, strict=True)]
    entry = _describe(tape.pipe, tape.clock.prediction, runs[0].steps[0].x_t, latent_shape) | {
        "schedule_kind": tape.clock.kind,
        "schedule": schedule_rows(at),
        "latents": runs[0].layout.record,
        "guidance": _guidance(runs[0]),
        "guidance_measured": _measured(runs),
        "runs": labels,
    }
    if runs[0].extra:
        entry["extra_evaluations"] = runs[0].extra
    if len({step.denoiser for step in runs[0].steps}) > 1:
        entry["denoisers"] = [step.denoiser for step in runs[0].steps]
    return entry


def _cfg(tape: Tape, run: Run) -> list[float | None]:
    """Return each sample's guidance scale, as it was used: the pipeline's number where that explains the steps.

    1 where one evaluation was all and no scale was told to the denoiser; None where nothing explains the steps.
    """
    n = len(run.seeds)
    if tape.scales is not None:
        before = sum(len(r.seeds) for r in tape.runs[: tape.runs.index(run)])
        own = tape.scales[before : before + n] if len(tape.scales) > n else tape.scales
        return [scale_at(scale, 0) for scale in own]
    made = [step.made for step in run.steps if step.made is not None]
    if any(one.uncond is not None for one in made):
        return [_used_scale([one.scales[i] for one in made if one.uncond is not None], run) for i in range(n)]
    if run.embedded:
        return [run.told_scale] * n
    alone = made or not getattr(tape.pipe, "do_classifier_free_guidance", False)
    unexplained = made and all(one.scale is None for one in made)
    return [1.0 if alone and not unexplained else None] * n


def _used_scale(measured: list[float | None], run: Run) -> float | None:
    """Return the pipeline's own number where the steps follow it, by either formula; else what was measured."""
    known = [scale for scale in measured if scale is not None]
    if not known:
        return run.told_scale
    told = run.told_scale
    if told is not None and any(abs(scale - told - shift) < 5e-3 * (1 + told) for scale in known for shift in (0, 1)):
        return told
    return float(f"{median(known):.4g}")


def _weakly(pipe: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(pipe)
    except TypeError:  # somebody's own class, with slots
        return lambda: None


def _guidance(run: Run) -> dict[str, Any]:
    """Return how the guidance of a run worked: of what halves, in which sign, and what the denoiser was told."""
    made = [step.made for step in run.steps if step.made is not None]
    both = next((one for one in made if one.uncond is not None), None)
    extras = dict.fromkeys(name for one in made for name in one.extras)
    kind = "two halves" if both else "embedded" if run.embedded else "none"
    entry: dict[str, Any] = {"kind": kind, "sign": (both or made[0]).sign if made else 1}
    if run.embedded:
        entry["embedded_scale"] = run.told_scale
    if extras:
        entry["extra_branches"] = list(extras)
    if both and both.preconditioned:
        entry["preconditioned"] = True
    return entry


def _measured(runs: list[Run]) -> list[dict[str, Any]]:
    """Return `guidance_measured`: of each step the scale and the residual, over all calls of the pipeline."""
    rows = []
    for steps in zip(*(run.steps for run in runs), strict=True):
        found = [step.made for step in steps]
        if len(found) == 1 or any(made is None for made in found):
            rows.append(measured_row(found[0]))
            continue
        known = [made for made in found if made is not None]
        scales = tuple(scale for made in known for scale in made.scales)
        one = max(known, key=lambda made: made.residual)
        rows.append(
            measured_row(Mixture(one.cond, one.uncond, {}, one.weights, one.sign, scales, one.residual, one.gain))
        )
    return rows


def schedule_rows(at: Levels) -> list[dict[str, float | int | None]]:
    """Return the rows of `schedule` in trace.json; null stands for an infinite σ or signal-to-noise ratio."""
    rows = zip(at.timesteps.tolist(), at.sigmas.tolist(), at.alpha_bars.tolist(), strict=True)
    return [
        {
            "index": index,
            "timestep": timestep,
            "alpha_bar": alpha_bar,
            "sigma": sigma if math.isfinite(sigma) else None,
            "snr_db": 10 * math.log10(alpha_bar / (1 - alpha_bar)) if 0 < alpha_bar < 1 else None,
        }
        for index, (timestep, sigma, alpha_bar) in enumerate(rows)
    ]


def _arrays(runs: list[Run]) -> dict[str, NDArray[Any]]:
    """Return the trace's arrays, unpacked; the calls of the pipeline follow each other along the seed axis.

    Where only some steps ran the half without the prompt, the others have the conditional one in its place: that is
    what they used.
    """
    tracks: dict[str, list[list[torch.Tensor]]] = {
        "x_t": [_unpacked(run, [*(step.x_t for step in run.steps), run.final]) for run in runs],
        "x0": [_unpacked(run, [step.x0 for step in run.steps]) for run in runs],
        "extra_x_t": [_unpacked(run, run.extra_x_t) for run in runs],
        "outputs": [_unpacked(run, run.outputs) for run in runs],
    }
    if all(step.made is not None for run in runs for step in run.steps):
        made = [[step.made for step in run.steps if step.made is not None] for run in runs]
        tracks["eps_cond"] = [_unpacked(run, [m.cond for m in row]) for run, row in zip(runs, made, strict=True)]
        if any(m.uncond is not None for row in made for m in row):
            halves = [[m.half_without for m in row] for row in made]
            tracks["eps_uncond"] = [_unpacked(run, row) for run, row in zip(runs, halves, strict=True)]
        tracks |= _extra_tracks(runs, made)
    return {
        name: as_array(torch.cat([torch.stack(track, dim=1) for track in parts]))
        for name, parts in tracks.items()
        if all(parts)
    }


def _extra_tracks(runs: list[Run], made: list[list[Mixture]]) -> dict[str, list[list[torch.Tensor]]]:
    """Return the branches beside the two halves; a step that ran without one has the conditional half in its place."""
    names = dict.fromkeys(name for row in made for m in row for name in m.extras)
    return {
        f"eps_{name.replace(' ', '_').replace('-', '_')}": [
            _unpacked(run, [m.extras.get(name, m.cond) for m in row]) for run, row in zip(runs, made, strict=True)
        ]
        for name in names
    }


def _unpacked(run: Run, tensors: Sequence[torch.Tensor | None]) -> list[torch.Tensor]:
    return [run.layout.unpack(tensor.float()) for tensor in tensors if tensor is not None]


def _not_stepped_elsewhere(tape: Tape) -> None:
    """Raise UsageError where a denoiser was evaluated and the scheduler that is heard never stepped."""
    if tape.pending:
        raise UsageError(
            f"{type(tape.pipe).__name__} never steps its own scheduler but copies of it (in diffusion forcing one for "
            "each frame), each on levels of its own, so the whole clip has no state, and nothing was recorded.",
            "Where the family has a pipeline whose frames share their levels (SkyReelsV2Pipeline), record that one.",
        )


def _same_shapes(pipe: Any, runs: list[Run]) -> None:
    """Raise UsageError where one run's states are of several shapes: Cosmos 1 steps twice, once on both halves."""
    shapes = {tuple(step.x_t.shape) for run in runs[:1] for step in run.steps}
    if len(shapes) > 1:
        named = " and ".join("×".join(map(str, shape)) for shape in sorted(shapes))
        raise UsageError(
            f"{type(pipe).__name__} hands its scheduler latents of several shapes in one run ({named}), "
            "so they are no states of one picture, and nothing was recorded."
        )


def _same_levels(runs: list[Run]) -> None:
    """Raise UsageError where the calls inside one record() cannot share their axes."""

    def axes(run: Run) -> tuple[Any, ...]:
        return [step.level for step in run.steps], run.steps[0].x_t.shape[1:], run.layout

    if any(axes(run) != axes(runs[0]) for run in runs[1:]):
        took = ", ".join(str(len(run.steps)) for run in runs)
        raise UsageError(
            f"The calls inside one record() differ in steps, schedule or size (steps: {took}).",
            "Record each by itself.",
        )


def _describe(pipe: Any, prediction_type: str, x_t: torch.Tensor, latent_shape: tuple[int, ...]) -> dict[str, Any]:
    """Return what the pipeline itself can say for trace.json."""
    import diffusers

    from denoisecli import __version__

    from .models import family_of, ref_of

    denoiser = denoiser_of(pipe)
    config = getattr(denoiser, "config", {})
    entry = {
        "version": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "environment": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "diffusers": diffusers.__version__,
            "device": str(x_t.device),
            "dtype": str(getattr(denoiser, "dtype", x_t.dtype)).removeprefix("torch."),
        },
        "model": {
            "ref": (ref := ref_of(pipe)),
            "family": "pocket"
            if ref == "pocket"
            else family_of(type(pipe).__name__, config.get("cross_attention_dim")),
            "sha256": None,
            "prediction_type": prediction_type,
            "latent_shape": list(latent_shape),
            "scale_factor": _scale_factor(pipe),
        },
    }
    if family_named(type(pipe).__name__) is None:
        entry["notes"] = [f"{type(pipe).__name__} is not in the list of known families: recorded by the general rules."]
    return entry


def _scale_factor(pipe: Any) -> int | None:
    return next((int(getattr(pipe, name)) for name in FACTORS if getattr(pipe, name, None)), None)
