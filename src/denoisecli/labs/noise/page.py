"""The noise lab's page: x_t of one picture and one ε, computed in the page at any t and on any schedule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli import glossary
from denoisecli.figures.page_body import Body
from denoisecli.figures.text import clean
from denoisecli.trace import Trace

from .figures.views import LABELS

SCRIPT = Path(__file__).with_name("page.js")

LONGEST = 512  # pixels a side at most: the page computes all of them at every frame
EPS_UNIT = 4096  # ε is embedded as whole multiples of 1/4096, up to ±8: 1/64 of a grey level is lost
OPENS_AT = 0.3  # ᾱ of the t that is seen first


class Table(Protocol):
    """A schedule: the factors of signal and noise at t = 0 … T−1, each (T,), and its family, "vp" or "flow"."""

    @property
    def signals(self) -> NDArray[np.float64]:
        """Factors of x0."""
        ...

    @property
    def noises(self) -> NDArray[np.float64]:
        """Factors of ε."""
        ...

    @property
    def family(self) -> str:
        """vp or flow."""
        ...


def noise_page(trace: Trace, tables: Mapping[str, Table]) -> Body:
    """Return the page of a noise run. tables: every schedule that can be switched to, by name, the run's among them."""
    run = [str(row["schedule"]) for row in trace.record["runs"]]
    names = [*run, *(name for name in tables if name not in run)]
    picture, eps = bounded(trace["x0"], trace["eps"])
    height, width = picture.shape[:2]
    seed = trace.record["runs"][0].get("seed")
    alpha_bars = tables[names[0]].signals ** 2
    data: dict[str, Any] = {
        "title": "A picture drowns in noise: one ε, any t in one jump",
        "settings": f"{_subject(trace)} · seed {seed} · {trace['x0'].shape[-1]}×{trace['x0'].shape[-2]}",
        "note": _note(trace["x0"].shape, (width, height)),
        "size": [width, height],
        "schedules": [{"name": LABELS.get(name, name), "family": tables[name].family} for name in names],
        "last": len(alpha_bars) - 1,
        "start": int(np.argmin(np.abs(alpha_bars - OPENS_AT))),
        "eps_unit": EPS_UNIT,
        "terms": glossary.terms("t", "ᾱ", "σ", "SNR", "seed"),
        "captions": glossary.captions("alpha_bar"),
    }
    arrays: dict[str, NDArray[Any]] = {
        "x0": picture,
        "eps": np.clip(np.rint(eps * EPS_UNIT), -32768, 32767).astype(np.int16),
        "signals": np.stack([tables[name].signals for name in names]).astype(np.float32),
        "noises": np.stack([tables[name].noises for name in names]).astype(np.float32),
    }
    return Body(SCRIPT, data, arrays=arrays)


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


def _note(shape: tuple[int, ...], size: tuple[int, int]) -> str | None:
    if (shape[-1], shape[-2]) == size:
        return None
    return (
        f"The page computes {size[0]}×{size[1]} of the run's {shape[-1]}×{shape[-2]} pixels: "
        "the picture made smaller, and the upper left corner of ε."
    )
