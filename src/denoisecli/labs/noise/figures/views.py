"""What a noise run holds to be seen: its schedules, and one picture for each of its views at each frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoisecli.figures.facts import three_figures
from denoisecli.figures.theme import RGB, Theme, mix
from denoisecli.process.forward import Levels
from denoisecli.trace import Trace

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]  # (H, W, 3), sRGB

LABELS = {
    "scaled_linear": "scaled linear (SD)",
    "linear": "linear (DDPM)",
    "cosine": "cosine",
    "zero_snr": "zero terminal SNR",
    "karras": "Karras (EDM)",
    "rectified_flow": "rectified flow",
}
FORMULAS = {
    "vp": "xₜ = √ᾱ · x₀ + √(1−ᾱ) · ε",
    "flow": "xₜ = (1−σ) · x₀ + σ · ε",
    "mixed": "xₜ = signal · x₀ + noise · ε",
}
STACKS = {"latent_pictures": "Latents, decoded", "guess_pictures": "Guess x̂₀"}  # what a model made, by its array
ERRORS = {"whole": "guess_error", "layout": "guess_error_layout", "detail": "guess_error_detail"}
CURVE_POINTS = 41


@dataclass(frozen=True)
class Lane(Levels):
    """One schedule: its levels at each frame, (frame,), and ᾱ at evenly spread t for its curve, (CURVE_POINTS,)."""

    label: str
    colour: RGB
    last: int  # the noisiest timestep
    curve: Floats


class View:
    """One panel: a picture, and what its label says, at each frame."""

    errors: Mapping[str, Floats] = MappingProxyType({})  # of a guess: "whole", "layout", "detail", (frame,)

    smooth = False  # whether it may be resampled: per-pixel noise may not

    def __init__(self, title: str, size: tuple[int, int], lane: Lane, *, coloured: bool = False) -> None:
        self.title, self.size, self.lane, self.coloured = title, size, lane, coloured

    def picture(self, index: int) -> Picture:
        """Return the picture at a frame, (h, w, 3)."""
        raise NotImplementedError

    def values(self, index: int) -> NDArray[np.float32]:
        """Return some of its values at a frame, on the scale −1 (black) to 1 (white), any shape."""
        return self.picture(index).astype(np.float32) / 127.5 - 1

    def label(self, index: int) -> str:
        """Return the number that stands over the picture."""
        return f"ᾱ {three_figures(self.lane.alpha_bars[index])}"

    def colour(self, theme: Theme) -> RGB:
        """Return the colour of its title: its curve's, where there are several."""
        return self.lane.colour if self.coloured else theme.ink


class PixelView(View):
    """x_t = signal·x0 + noise·ε, made for each frame: x0, ε (3, h, w) float32."""

    SAMPLE = 5  # every fifth value makes the histogram; prime to three channels

    def __init__(self, title: str, lane: Lane, x0: NDArray[Any], eps: NDArray[Any], *, coloured: bool = False) -> None:
        super().__init__(title, (x0.shape[2], x0.shape[1]), lane, coloured=coloured)
        self.x0, self.eps = (np.ascontiguousarray(array.transpose(1, 2, 0), np.float32) * 127.5 for array in (x0, eps))
        self.some = (self.x0.reshape(-1)[:: self.SAMPLE] / 127.5, self.eps.reshape(-1)[:: self.SAMPLE] / 127.5)

    def picture(self, index: int) -> Picture:
        """Return x_t as sRGB; what is beyond −1..1 is clipped."""
        x_t = self.x0 * np.float32(self.lane.signals[index])
        x_t += self.eps * np.float32(self.lane.noises[index])
        x_t += np.float32(128)  # 127.5, and a half to round
        return np.clip(x_t, 0, 255, out=x_t).astype(np.uint8)

    def values(self, index: int) -> NDArray[np.float32]:
        """Return every fifth value of x_t, not clipped."""
        x0, eps = self.some
        values: NDArray[np.float32] = x0 * np.float32(self.lane.signals[index]) + eps * np.float32(
            self.lane.noises[index]
        )
        return values


class StackView(View):
    """Pictures that were decoded before: (frame, H, W, 3) uint8."""

    smooth = True

    def __init__(
        self, title: str, lane: Lane, pictures: NDArray[Any], errors: Mapping[str, Floats] = MappingProxyType({})
    ) -> None:
        super().__init__(title, (pictures.shape[2], pictures.shape[1]), lane)
        self.pictures, self.errors = pictures, errors

    def picture(self, index: int) -> Picture:
        """Return the picture at a frame."""
        picture: Picture = self.pictures[index]
        return picture

    def label(self, index: int) -> str:
        """Return ᾱ, or the guess's error."""
        return f"error {three_figures(self.errors['whole'][index])}" if self.errors else super().label(index)


def lane_colours(theme: Theme) -> tuple[RGB, ...]:
    """Return the colours of up to six curves, told apart by lightness too."""
    return (theme.amber, theme.teal, theme.rose, theme.ink, theme.quiet, mix(theme.amber, theme.rose, 0.5))


def noise_lanes(trace: Trace, theme: Theme) -> list[Lane]:
    """Return the schedules of a noise run, in their order."""
    runs = trace.record["runs"]
    names = ("timesteps", "signals", "noises")
    arrays = {name: trace[name].astype(np.float64).reshape(len(runs), -1) for name in names}
    tables = trace["table_signals"].astype(np.float64), trace["table_noises"].astype(np.float64)
    lanes = []
    for number, run in enumerate(runs):
        signals, noises = (table.reshape(len(runs), -1)[number] for table in tables)
        table = Levels(np.arange(len(signals), dtype=np.float64), signals, noises, run["family"])
        last = len(signals) - 1
        curve = np.interp(np.linspace(0, last, CURVE_POINTS), table.timesteps, table.alpha_bars)
        label = LABELS.get(run["schedule"], run["schedule"])
        colour = lane_colours(theme)[number % 6]
        t, signals, noises = (arrays[name][number] for name in names)
        lanes.append(Lane(t, signals, noises, run["family"], label, colour, last, curve))
    return lanes


def noise_views(trace: Trace, lanes: list[Lane]) -> list[View]:
    """Return the panels of a noise run: x_t of each schedule, or of pixels, latents and the guess."""
    x0, eps = trace["x0"], trace["eps"]
    if len(lanes) > 1:
        return [PixelView(lane.label, lane, x0, eps, coloured=True) for lane in lanes]
    lane = lanes[0]
    found: list[View] = []
    pixels: Callable[[], View] = lambda: PixelView("Pixels", lane, x0, eps)  # noqa: E731
    if "latent_pictures" not in trace or trace.record.get("config", {}).get("space") == "latent":
        found.append(pixels())
    if "latent_pictures" in trace:
        found.append(StackView(STACKS["latent_pictures"], lane, trace["latent_pictures"]))
    if "guess_pictures" in trace:
        found.append(StackView(STACKS["guess_pictures"], lane, trace["guess_pictures"], guess_errors(trace)))
    return found


def guess_errors(trace: Trace) -> dict[str, Floats]:
    """Return how wrong the guess is at each frame, (frame,): "whole", "layout", "detail"."""
    return {name: trace[array].astype(np.float64) for name, array in ERRORS.items()}


def formula_of(lanes: Sequence[Lane]) -> str:
    """Return which of FORMULAS holds for all lanes."""
    families = {lane.family for lane in lanes}
    return str(families.pop()) if len(families) == 1 else "mixed"


def settings_of(trace: Trace, lanes: Sequence[Lane], size: tuple[int, int]) -> list[str]:
    """Return the words on how the run was made, the most telling first."""
    seed = trace.record.get("config", {}).get("seed")
    words = [lanes[0].label] if len(lanes) == 1 else ["one ε"]
    words += [f"seed {seed}"] if seed is not None else []
    return [*words, f"{size[0]}×{size[1]}"]
