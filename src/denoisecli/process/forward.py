"""The forward process: how a picture drowns in noise, for every schedule in use. NumPy only, no torch.

x_t = signal_t · x0 + noise_t · ε reaches any t in one jump from the clean x0. Two families differ in their factors:

vp    signal = √ᾱ, noise = √(1−ᾱ)     on the unit circle: the variance of unit-variance data stays 1
flow  signal = 1 − σ, noise = σ         on a straight line: rectified flow

ᾱ = signal²/(signal² + noise²) and SNR = signal²/noise² mean the same in both. A schedule given as VE noise levels
(x0 + σ·ε, Karras) is brought to unit variance by dividing by √(1+σ²), which is vp with ᾱ = 1/(1+σ²).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

TIMESTEPS = 1000
SNR_LIMIT_DB = 40.0  # beyond it a step in SNR shows nothing more; keeps infinite ends out of the pacing

Family = Literal["vp", "flow"]


@dataclass(frozen=True)
class Levels:
    """Noise levels at chosen timesteps, each array (frame,), float64.

    x_t = signals · x0 + noises · ε. sigmas: √((1−ᾱ)/ᾱ), infinite where no signal is left; flow: its own σ in 0..1.
    """

    timesteps: Floats
    signals: Floats
    noises: Floats
    family: Family

    @property
    def alpha_bars(self) -> Floats:
        """Share of the signal in the power, ᾱ = signal²/(signal² + noise²), in 0..1."""
        return self.signals**2 / (self.signals**2 + self.noises**2)

    @property
    def sigmas(self) -> Floats:
        """Noise level σ: noise/signal, or the flow's own."""
        if self.family == "flow":
            return self.noises
        with np.errstate(divide="ignore"):
            return self.noises / self.signals

    @property
    def snr_db(self) -> Floats:
        """Signal-to-noise ratio in decibels, 10·log10(signal²/noise²); −∞ where no signal is left."""
        with np.errstate(divide="ignore"):
            return 20 * (np.log10(self.signals) - np.log10(self.noises))

    def expected_correlation(self, x0_std: float) -> Floats:
        """Return the correlation of x_t with x0 over infinitely many pixels: signal·s / √(signal²·s² + noise²).

        x0_std: standard deviation s of x0 over all its values. At s = 1 and on a vp schedule this is √ᾱ.
        """
        signal = self.signals * x0_std
        total = np.hypot(signal, self.noises)
        return np.divide(signal, total, out=np.zeros_like(total), where=total > 0)


@dataclass(frozen=True)
class Schedule:
    """The factors of signal and noise at t = 0 … T−1, each (T,), float64; t = 0 is nearly clean."""

    name: str
    signals: Floats
    noises: Floats
    family: Family = "vp"

    @property
    def last(self) -> int:
        """The noisiest timestep, T − 1."""
        return len(self.signals) - 1

    def at(self, timesteps: ArrayLike) -> Levels:
        """Return the levels at `timesteps` in 0..T−1; between two of them the factors are interpolated."""
        t = np.asarray(timesteps, dtype=np.float64)
        grid = np.arange(len(self.signals))
        signals, noises = np.interp(t, grid, self.signals), np.interp(t, grid, self.noises)
        if self.family == "vp":  # back onto the circle; a whole t is there already
            radius = np.where(t == np.floor(t), 1.0, np.hypot(signals, noises))
            signals, noises = signals / radius, noises / radius
        return Levels(t, signals, noises, self.family)

    def paced(self, frames: int, pacing: Literal["t", "snr"] = "t") -> Levels:
        """Return `frames` levels from t = 0 to T−1: evenly in t (whole numbers), or evenly in log-SNR."""
        if pacing == "t":
            return self.at(np.round(np.linspace(0, self.last, frames)))
        snr = np.clip(self.at(np.arange(self.last + 1)).snr_db, -SNR_LIMIT_DB, SNR_LIMIT_DB)
        wanted = np.linspace(snr[0], snr[-1], frames)
        t = np.interp(-wanted, -snr, np.arange(self.last + 1))
        t[0], t[-1] = 0, self.last
        return self.at(t)


# Schedules by their papers


def linear_betas(timesteps: int = TIMESTEPS, start: float = 1e-4, end: float = 0.02) -> Floats:
    """Return β evenly from start to end, (T,). Source: Ho et al. 2020, arXiv 2006.11239, section 4."""
    betas: Floats = np.linspace(start, end, timesteps)
    return betas


def scaled_linear_betas(timesteps: int = TIMESTEPS, start: float = 0.00085, end: float = 0.012) -> Floats:
    """Return β with √β evenly from √start to √end, (T,).

    Source: Rombach et al. 2022, arXiv 2112.10752, and the configuration of Stable Diffusion 1.
    """
    betas: Floats = np.linspace(start**0.5, end**0.5, timesteps) ** 2
    return betas


def alpha_bars_of(betas: Floats) -> Floats:
    """Return ᾱ_t = Π_{s≤t} (1 − β_s), (T,). Source: Ho et al. 2020, eq. 4."""
    alpha_bars: Floats = np.cumprod(1 - betas, dtype=np.float64)
    return alpha_bars


def cosine_betas(timesteps: int = TIMESTEPS, offset: float = 0.008, most: float = 0.999) -> Floats:
    """Return β_t = 1 − f(t)/f(t−1) at most `most`, f(t) = cos²((t/T + s)/(1 + s) · π/2), s = offset, (T,).

    Source: Nichol & Dhariwal 2021, arXiv 2102.09672, eq. 17.
    """
    f = np.cos((np.arange(timesteps + 1) / timesteps + offset) / (1 + offset) * np.pi / 2) ** 2
    betas: Floats = np.minimum(1 - f[1:] / f[:-1], most)
    return betas


def zero_terminal_snr(alpha_bars: Floats) -> Floats:
    """Return ᾱ with √ᾱ shifted to end at 0 and stretched to begin where it began, (T,).

    Source: Lin et al. 2023, arXiv 2305.08891, algorithm 1.
    """
    roots: Floats = np.sqrt(alpha_bars)
    rescaled: Floats = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    return rescaled


def karras_sigmas(n: int, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> Floats:
    """Return σ_i = (σmax^(1/ρ) + i/(n−1) · (σmin^(1/ρ) − σmax^(1/ρ)))^ρ, i = 0 … n−1, falling, (n,).

    Source: Karras et al. 2022, arXiv 2206.00364, eq. 5, and the EDM values of its table 1.
    """
    sigmas: Floats = np.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), n) ** rho
    return sigmas


def flow_sigmas(timesteps: int = TIMESTEPS) -> Floats:
    """Return σ = (t+1)/T, rising to 1, (T,). Source: Liu et al. 2022, arXiv 2209.03003."""
    return np.arange(1, timesteps + 1) / timesteps


def _vp(name: str, alpha_bars: Floats) -> Schedule:
    return Schedule(name, np.sqrt(alpha_bars), np.sqrt(1 - alpha_bars))


def _karras() -> Schedule:
    sigmas = karras_sigmas(TIMESTEPS)[::-1]
    size = np.hypot(1, sigmas)
    return Schedule("karras", 1 / size, sigmas / size)


def _flow() -> Schedule:
    sigmas = flow_sigmas()
    return Schedule("rectified_flow", 1 - sigmas, sigmas, "flow")


_SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "scaled_linear": lambda: _vp("scaled_linear", alpha_bars_of(scaled_linear_betas())),
    "linear": lambda: _vp("linear", alpha_bars_of(linear_betas())),
    "cosine": lambda: _vp("cosine", alpha_bars_of(cosine_betas())),
    "zero_snr": lambda: _vp("zero_snr", zero_terminal_snr(alpha_bars_of(scaled_linear_betas()))),
    "karras": _karras,
    "rectified_flow": _flow,
}


def schedule_named(name: str) -> Schedule:
    """Return the schedule `name`, one of `config.noise.SCHEDULES`, with T = 1000."""
    return _SCHEDULES[name]()


# The process itself


def draw_noise(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return ε ~ N(0, 1) of `shape`, float32, from NumPy's PCG64 seeded with `seed`: the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, dtype=np.float32)


def corrupt(x0: NDArray[Any], eps: NDArray[Any], signal: float, noise: float) -> NDArray[Any]:
    """Return x_t = signal · x0 + noise · ε, of the arrays' shape and dtype. Source: Ho et al. 2020, eq. 4."""
    x_t: NDArray[Any] = x0 * x0.dtype.type(signal)
    x_t += eps * eps.dtype.type(noise)
    return x_t


def measured_correlations(x0: NDArray[Any], eps: NDArray[Any], levels: Levels) -> Floats:
    """Return Pearson's correlation of each x_t with x0, over all values, (frame,); 0 where x0 or x_t is constant.

    From the second moments of x0 and ε, of which every x_t is a sum: no x_t is made.
    """
    clean, noise = (values.ravel().astype(np.float64) - values.mean(dtype=np.float64) for values in (x0, eps))
    var_x0, var_eps, shared = (float(a @ b) / clean.size for a, b in ((clean, clean), (noise, noise), (clean, noise)))
    a, b = levels.signals, levels.noises
    covariance = a * var_x0 + b * shared
    size = np.sqrt(np.maximum((a**2 * var_x0 + b**2 * var_eps + 2 * a * b * shared) * var_x0, 0))
    correlations: Floats = np.divide(covariance, size, out=np.zeros_like(size), where=size > 0)
    return correlations
