"""The noise lab's page: x_t of one picture and one ε, computed in the page at any t and on any schedule.

What a model made of it was computed at the run's own levels, so it comes along as pictures, and the run's schedule is
then the only one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli import glossary
from denoisecli.figures.page_body import Body, shown_states
from denoisecli.figures.text import clean
from denoisecli.metrics import significant
from denoisecli.process.forward import Schedule
from denoisecli.trace import Trace

from .figures.views import LABELS, STACKS, guess_errors

SCRIPT = Path(__file__).with_name("page.js")

LONGEST = 512  # pixels a side at most: the page computes all of them at every frame
EPS_UNIT = 4096  # ε is embedded as whole multiples of 1/4096, up to ±8: 1/64 of a grey level is lost
TITLE = "A picture drowns in noise: one ε, any t in one jump"
OPENS_AT = 0.3  # ᾱ of the t that is seen first


def noise_page(trace: Trace, tables: Mapping[str, Schedule]) -> Body:
    """Return the page of a noise run. tables: every schedule that can be switched to, by name, the run's among them."""
    run = [str(row["schedule"]) for row in trace.record["runs"]]
    model = _model(trace)
    names = run if model else [*run, *(name for name in tables if name not in run)]
    picture, eps = bounded(trace["x0"], trace["eps"])
    height, width = picture.shape[:2]
    seed = trace.record["runs"][0].get("seed")
    alpha_bars = tables[names[0]].signals ** 2
    guesses = bool(model and model["errors"])
    data: dict[str, Any] = {
        "title": "What a model guesses in one jump from every noise level" if guesses else TITLE,
        "settings": f"{_subject(trace)} · seed {seed} · {trace['x0'].shape[-1]}×{trace['x0'].shape[-2]}",
        "note": _note(trace["x0"].shape, (width, height), model),
        "size": [width, height],
        "schedules": [{"name": LABELS.get(name, name), "family": tables[name].family} for name in names],
        "last": len(alpha_bars) - 1,
        "start": int(np.argmin(np.abs(alpha_bars - OPENS_AT))),
        "view": "model" if guesses else "x_t",
        "model": model,
        "eps_unit": EPS_UNIT,
        "terms": glossary.terms("t", "ᾱ", "σ", "SNR", *(["guess", "guess's error"] if guesses else []), "seed"),
        "captions": glossary.captions("alpha_bar", "guess_error"),
    }
    arrays: dict[str, NDArray[Any]] = {
        "x0": picture,
        "eps": np.clip(np.rint(eps * EPS_UNIT), -32768, 32767).astype(np.int16),
        "signals": np.stack([tables[name].signals for name in names]).astype(np.float32),
        "noises": np.stack([tables[name].noises for name in names]).astype(np.float32),
    }
    pictures = [(name, index) for name in model["names"] for index in model["frames"]] if model else []
    return Body(SCRIPT, data, pictures, arrays)


def model_pictures(trace: Trace) -> dict[str, NDArray[np.uint8]]:
    """Return what a model made of the noisy picture, (frame, H, W, 3) by name; nothing where no model was asked."""
    return {name: trace[name] for name in STACKS if name in trace}


def _model(trace: Trace) -> dict[str, Any] | None:
    """Return what the page says of those pictures: the frames that it shows, their t, and how wrong the guesses are."""
    stacks = model_pictures(trace)
    if not stacks:
        return None
    frames = shown_states(len(trace["timesteps"]), len(stacks))
    errors = guess_errors(trace) if "guess_pictures" in stacks else {}
    return {
        "tab": "Guess x̂₀" if errors else "Latents",
        "names": list(stacks),
        "panels": [STACKS[name] for name in stacks],
        "frames": frames,
        "timesteps": [float(trace["timesteps"][index]) for index in frames],
        "errors": {name: [significant(values[k]) for k in frames] for name, values in errors.items()} or None,
    }


def bounded(x0: NDArray[Any], eps: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return x0 as (h, w, 3) uint8 and ε as (h, w, 3), both (3, H, W) before, at most LONGEST a side.

    The picture is resampled; of ε the upper left corner is taken, because averaged noise would be weaker.
    """
    picture = np.clip(x0.transpose(1, 2, 0) * 127.5 + 128, 0, 255).astype(np.uint8)
    scale = min(1.0, LONGEST / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    if scale < 1:
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    return picture, np.ascontiguousarray(eps.transpose(1, 2, 0)[: size[1], : size[0]])


def _subject(trace: Trace) -> str:
    """Return what the picture is: the name of the user's file, or the built-in scene."""
    image = (trace.record.get("config") or {}).get("image")
    return clean(PurePath(image).name) if image else "lighthouse"


def _note(shape: tuple[int, ...], size: tuple[int, int], model: Mapping[str, Any] | None) -> str | None:
    found = []
    if (shape[-1], shape[-2]) != size:
        found.append(
            f"The page computes {size[0]}×{size[1]} of the run's {shape[-1]}×{shape[-2]} pixels: "
            "the picture made smaller, and the upper left corner of ε."
        )
    if model:
        found.append("The model's pictures are those of the run's frames, the nearest to each t.")
    return " ".join(found) or None
