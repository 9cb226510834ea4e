"""What the figures of a sweep say, read once from its trace: words, colours and curves of every scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from denoisecli.figures.curves import Curve, Plot
from denoisecli.figures.drawn import drawn_scales
from denoisecli.figures.facts import model_name, run_facts
from denoisecli.figures.text import clean
from denoisecli.figures.theme import RGB, Theme, mix
from denoisecli.glossary import caption_line
from denoisecli.runs.course import course
from denoisecli.runs.summary import sampling

if TYPE_CHECKING:
    from denoisecli.trace import Trace

Series = NDArray[np.float64]  # (scale, seed, state), NaN where nothing is known
TOPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2, 3, 4, 5, 8, 10)


@dataclass(frozen=True)
class Anatomy:
    """One sample taken apart, step by step: pictures (step, H, W, 3) of three guesses, and the pull (step, h, w).

    pull: the root mean square over channels of cond − uncond. ran: whether the uncond half was run in each step.
    sample, scale: which one of the trace, and of the record's scales.
    """

    sample: int
    scale: int
    ran: tuple[bool, ...]
    uncond: NDArray[np.uint8]
    cond: NDArray[np.uint8]
    guided: NDArray[np.uint8]
    pull: NDArray[np.float32]
    drawn_scale: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def scale_of(self, name: str, step: int) -> float:
        """Return by how much the guess called `name` was scaled to be drawn."""
        return float(self.drawn_scale[name][step]) if name in self.drawn_scale else 1.0


@dataclass(frozen=True)
class SweepFacts:
    """The words and numbers of a sweep. steps: each scale's value in each step. guided: from which state to which.

    drawn_scale: by how much each guess was scaled to be drawn, (sample, state).
    """

    prompt: str
    negative: str
    settings: str
    labels: tuple[str, ...]
    seeds: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    steps: tuple[tuple[float, ...], ...]
    guided: tuple[int, int]
    numbers: dict[str, Series]
    sameness: Series | None  # (scale, state)
    drawn_scale: NDArray[np.float64]
    turns: tuple[tuple[int, str], ...] = ()

    @property
    def last(self) -> int:
        """Number of the last state."""
        return len(self.rows) - 1

    def varies(self, scale: int) -> bool:
        """Tell whether a scale changes on the way."""
        return len(set(self.steps[scale])) > 1

    def colours(self, theme: Theme) -> list[RGB]:
        """Return a colour for each scale, by rank of its mean: quiet, teal, amber and, for the strongest, rose."""
        return [ramp(theme, share) for share in self.strengths]

    @property
    def strengths(self) -> list[float]:
        """Where each scale stands from the weakest, 0, to the strongest, 1, by rank of its mean."""
        means = [sum(steps) / len(steps) for steps in self.steps]
        order = sorted(range(len(means)), key=lambda index: means[index])
        return [order.index(index) / max(1, len(means) - 1) for index in range(len(means))]


def ramp(theme: Theme, share: float) -> RGB:
    """Return the colour at 0..1 of the way from no guidance to the strongest."""
    stops = (theme.quiet, theme.teal, theme.amber, theme.rose)
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    index = min(int(place), len(stops) - 2)
    return mix(stops[index], stops[index + 1], place - index)


def sweep_facts(trace: Trace) -> SweepFacts:
    """Read the facts of a sweep's trace; `runs` go scale by scale, in each seed by seed."""
    record = trace.record
    facts, config, scales = run_facts(trace), record.get("config", {}), record["scales"]
    seeds = facts.seeds[: len(facts.seeds) // len(scales)]
    names = ("clipped", "contrast", "saturation", "latent_std", "guidance")
    same = [row["states"] for row in record.get("sameness", [])]
    return SweepFacts(
        prompt=facts.prompt,
        negative=clean(str(config.get("negative_prompt") or "")),
        settings=" · ".join(
            [settings_line(config, [scale["label"] for scale in scales], facts.steps), *course(config, record)]
        ),
        turns=facts.turns,
        labels=tuple(scale["label"] for scale in scales),
        seeds=seeds,
        rows=facts.rows,
        steps=tuple(tuple(scale["steps"]) for scale in scales),
        guided=_guided(config.get("guidance_interval") or (0, 1), facts.steps),
        numbers={name: _series(record["runs"], name, len(scales), facts.steps + 1) for name in names}
        | {"from_first": _from_first(record["runs"], len(scales), facts.steps + 1)},
        sameness=np.array(same, dtype=np.float64) if same else None,
        drawn_scale=drawn_scales(record["runs"], facts.steps + 1),
    )


def settings_line(config: dict[str, Any], labels: Sequence[str], steps: int) -> str:
    """Return "DDIM · 20 steps · cfg 1, 3, 7.5 · rescale 0.7 · guided 20–80 % · not: blur" of a config."""
    sampler = config.get("sampler") or "ddim"
    parts = [*map(clean, sampling({"sampler": sampler, "steps": steps})), "cfg " + ", ".join(labels)]
    if config.get("guidance_rescale"):
        parts.append(f"rescale {config['guidance_rescale']:g}")
    low, high = config.get("guidance_interval") or (0, 1)
    if (low, high) != (0, 1):
        parts.append(f"guided from {100 * low:g} to {100 * high:g} % of the way")
    parts += model_name(config)
    if config.get("negative_prompt"):
        parts.append(f"not: {clean(str(config['negative_prompt']))}")
    return " · ".join(parts)


def _guided(interval: Sequence[float], steps: int) -> tuple[int, int]:
    """Return the first state that a guided step leaves, and the state where the last guided step ends."""
    inside = [step for step in range(steps) if interval[0] <= step / steps < interval[1]]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)


def _series(runs: Sequence[dict[str, Any]], name: str, n_scales: int, n_states: int) -> Series:
    values = [[state.get(name) for state in run["states"]] for run in runs]
    return np.array(values, dtype=np.float64).reshape(n_scales, -1, n_states)


def _from_first(runs: Sequence[dict[str, Any]], n_scales: int, n_states: int) -> Series:
    values = [[state["distance_to_scales"][0] for state in run["states"]] for run in runs]
    return np.array(values, dtype=np.float64).reshape(n_scales, -1, n_states)


def sweep_plots(facts: SweepFacts, theme: Theme) -> list[Plot]:
    """Return the strip's plots, two so that a room can read them: contrast, and sameness or the distance of scales.

    Their edges are those of the later states, where the scales differ; what the earliest guesses have beyond them stays
    at the edge.
    """
    numbers = facts.numbers
    plots = [scale_plot(facts, numbers["contrast"], "contrast", theme, caption="contrast", close=True)]
    if facts.sameness is not None:
        same = facts.sameness[:, None]
        plots.append(scale_plot(facts, same, "sameness of the seeds", theme, short="sameness", caption="sameness"))
    elif len(facts.labels) > 1:
        title = f"distance to cfg {facts.labels[0]}"
        apart = numbers["from_first"]
        plots.append(scale_plot(facts, apart, title, theme, caption="distance", close=True))
    else:
        plots.append(scale_plot(facts, numbers["saturation"], "saturation", theme, percent=True, caption="saturation"))
    return plots


def settled(facts: SweepFacts) -> float:
    """Return the upper edge for distances between scales: the earliest guesses may leave the plot."""
    return 1.5 * float(np.nanmax(facts.numbers["from_first"][:, :, facts.last // 4 :], initial=0))


def scale_plot(
    facts: SweepFacts,
    series: Series,
    title: str,
    theme: Theme,
    *,
    percent: bool = False,
    short: str = "",
    caption: str = "",
    close: bool = False,
) -> Plot:
    """Return the plot of one number: a curve for each scale, its seeds faintly behind.

    series: (scale, seed, state). The title says what the edges are worth; short: it where there is no room. caption: of
    the glossary. close: the edges are as near to the later states as round numbers can be, so that the scales lie
    apart; the lower one need not be 0 then.
    """
    low, top = close_edges(series) if close else edges(series)
    edge = f"{100 * top:.3g} %" if percent else f"{top:.3g}"
    floor = f"{100 * low:.3g}" if percent else f"{low:.3g}"
    curves = [
        Curve(_mean(rows), "", colour, tuple(rows) if 1 < len(rows) <= 6 else ())
        for rows, colour in zip(series, facts.colours(theme), strict=True)
        if np.isfinite(rows).any()
    ]
    return Plot(
        curves, (f"{title} · {floor} to {edge}", f"{title} ≤ {edge}", title, short or title), top=top, bottom=low,
        caption=caption_line(caption) if caption else "",
    )  # fmt: skip


def edges(series: Series, most: float = math.inf) -> tuple[float, float]:
    """Return what the lower and upper edge of a number's plot are worth: 0 or less, and a round number."""
    highest = min(most, float(np.nanmax(series, initial=0)))
    top = next((top for top in TOPS if top >= highest), highest)
    return math.floor(10 * float(np.nanmin(series, initial=0))) / 10, float(top)


def close_edges(series: Series) -> tuple[float, float]:
    """Return edges near to the values of the last three quarters of the states, in steps of a tenth of their range."""
    later = series[..., series.shape[-1] // 4 :]
    if not np.isfinite(later).any():
        return edges(series)
    low, high = float(np.nanmin(later)), float(np.nanmax(later))
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-3))) / 2
    return math.floor(low / step) * step, math.ceil(high / step) * step or step


def _mean(rows: Series) -> Series:
    """Return the mean over seeds, (state,); NaN where nothing is known."""
    known = np.isfinite(rows)
    total = np.where(known, rows, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
