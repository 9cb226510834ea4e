"""A run that was never sampled: hills under a sky, drawn, noised and blurred, as a trace and its pictures."""

import numpy as np

from denoisecli.metrics import measure
from denoisecli.trace import Trace

PROMPT = "rolling hills under a low sun, a thin cloud, oil painting"


def scene(seed: int, height: int = 64, width: int = 64) -> np.ndarray:
    """Return a small picture (height, width, 3) in 0..1; another one for each seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    sky = np.stack([0.55 + 0.4 * y, 0.35 + 0.3 * y, 0.55 - 0.1 * y], -1)
    sun = np.exp(-((x - rng.uniform(0.2, 0.8)) ** 2 + (y - rng.uniform(0.2, 0.4)) ** 2) / 0.01)
    picture = sky + sun[..., None] * np.array([0.5, 0.4, 0.1])
    for level, colour in ((0.6, (0.30, 0.36, 0.30)), (0.78, (0.16, 0.24, 0.20))):
        edge = level + 0.08 * np.sin(rng.uniform(4, 9) * x + rng.uniform(0, 6))
        picture = np.where((y > edge)[..., None], colour, picture)
    return np.clip(picture, 0, 1)


def blurred(picture: np.ndarray, cycles: float) -> np.ndarray:
    """Return `picture` (H, W, C) without the waves faster than about `cycles` across it."""
    h, w = picture.shape[:2]
    rate = np.hypot(np.fft.fftfreq(h)[:, None] * h, np.fft.fftfreq(w)[None, :] * w)
    keep = np.exp(-((rate / cycles) ** 2))[..., None]
    return np.fft.ifft2(np.fft.fft2(picture, axes=(0, 1)) * keep, axes=(0, 1)).real


def fake_run(
    seeds: int = 4, steps: int = 10, size: tuple[int, int] = (64, 64), prompt: str = PROMPT, channels: int = 4
) -> tuple[Trace, dict[str, np.ndarray]]:
    """Return a trace and its "canvas" and "guess" (seed, state, H, W, 3); size: (height, width) in pixels."""
    names = [7, 21, 42, 99, *range(100, 200)][:seeds]
    alpha_bars = np.append(np.linspace(0.02, 0.96, steps) ** 1.5, 1.0)
    sigmas = np.sqrt((1 - alpha_bars) / alpha_bars)
    x_t, x0, canvas, guess = [], [], [], []
    for name in names:
        clean = scene(name, *size)
        noise = np.random.default_rng(name + 1).normal(size=(*size, 3))
        guesses = [blurred(clean, 1.5 + 20 * (k / steps) ** 2) for k in range(steps)] + [clean]
        states = [np.sqrt(a) * (2 * clean - 1) + np.sqrt(1 - a) * noise for a in alpha_bars]
        guess.append([_bytes(picture) for picture in guesses])
        canvas.append([_bytes(state / 2 + 0.5) for state in states])
        x_t.append([_pooled(state, channels) for state in states])
        x0.append([_pooled(2 * picture - 1, channels) for picture in guesses[:-1]])
    arrays = {"x_t": np.float32(x_t), "x0": np.float32(x0), "sigmas": sigmas, "alpha_bars": alpha_bars}
    trace = Trace("sample", arrays | {"timesteps": np.linspace(950, 0, steps + 1).round()})
    rows = zip(trace.timesteps, alpha_bars, sigmas, strict=True)
    trace.record = {
        "config": {"prompt": prompt, "sampler": "ddim", "steps": steps, "cfg": 7.5},
        "schedule": [
            {"index": k, "timestep": float(t), "alpha_bar": float(a), "sigma": float(s)}
            for k, (t, a, s) in enumerate(rows)
        ],
        "runs": [{"seed": name, "cfg": 7.5} | row for name, row in zip(names, measure(trace), strict=True)],
    }
    return trace, {"canvas": np.array(canvas), "guess": np.array(guess)}


def _bytes(picture: np.ndarray) -> np.ndarray:
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _pooled(picture: np.ndarray, channels: int) -> np.ndarray:
    h, w = picture.shape[:2]
    small = picture.reshape(h // 4, 4, w // 4, 4, 3).mean((1, 3))
    return np.moveaxis(small[..., [k % 3 for k in range(channels)]], -1, 0)
