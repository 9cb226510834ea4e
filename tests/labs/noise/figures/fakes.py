"""A noise run's trace, in an instant."""

import numpy as np

from denoisecli.labs.noise.config import NoiseConfig
from denoisecli.labs.noise.lab import forward_trace
from denoisecli.labs.noise.scene import lighthouse
from denoisecli.process.forward import schedule_named


def noise_trace(names=("scaled_linear",), size=(64, 64), frames=5, guess=False):
    config = NoiseConfig(schedule=names[0]) if len(names) == 1 else NoiseConfig(schedules=names)
    schedules = [schedule_named(name) for name in names]
    trace = forward_trace(config, lighthouse(size), schedules, [schedule.paced(frames) for schedule in schedules])
    trace.record["config"] = {"seed": 7, "space": "latent" if guess else "pixel"}
    if guess:
        pictures = np.stack([np.full((size[1], size[0], 3), 40 * k % 256, np.uint8) for k in range(frames)])
        trace.arrays |= {"latent_pictures": pictures, "guess_pictures": pictures[::-1].copy()}
        trace.arrays |= {name: np.linspace(0.05, 1.2, frames) for name in
                         ("guess_error", "guess_error_layout", "guess_error_detail")}  # fmt: skip
    return trace
