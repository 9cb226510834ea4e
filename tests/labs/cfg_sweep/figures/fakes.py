"""A sweep that was never sampled."""

import numpy as np

from denoisecli.labs.cfg_sweep.figures.facts import Anatomy
from tests.figures.fakes import fake_run

STEPS = 4


def fake_sweep(labels=("1", "7.5", "12→3"), seeds=1, size=(64, 64), **config):
    """Return a trace of a sweep that was never sampled, and its pictures."""
    count = len(labels) * seeds
    trace, pictures = fake_run(count, STEPS, size)
    rng = np.random.default_rng(0)
    for index, run in enumerate(trace.record["runs"]):
        run |= {"seed": index % seeds, "scale": index // seeds}
        for state in run["states"]:
            state |= {
                name: float(rng.uniform(0.1, 0.4)) for name in ("clipped", "contrast", "saturation", "latent_std")
            }
            state["guidance"] = None if state["index"] == STEPS else 0.1
            state["distance_to_scales"] = [abs(index // seeds - k) / 2 for k in range(len(labels))]
    steps = [[float(label.split("→")[0])] * STEPS for label in labels]
    if "12→3" in labels:
        steps[labels.index("12→3")] = [12.0, 7.5, 3.0, 3.0]
    rows = zip(labels, steps, strict=True)
    trace.record["scales"] = [{"cfg": values[0], "label": label, "steps": values} for label, values in rows]
    trace.record["sameness"] = [{"cfg": 1, "states": [0.1] * (STEPS + 1)}] * len(labels) if seeds > 1 else []
    trace.record["config"] |= {"cfg": None} | config
    return trace, pictures


def fake_anatomy(pictures, ran=(True,) * STEPS):
    guesses = pictures["guess"][1][:STEPS]
    pull = np.random.default_rng(1).uniform(0, 0.2, (STEPS, 16, 16)).astype(np.float32)
    return Anatomy(1, 1, ran, guesses, guesses, guesses, pull)
