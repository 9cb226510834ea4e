"""The branches: the trunk taken up at each state, with the change. One batch for all that share their steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.labs.sampling import Sample, Told, sample_each
from denoisecli.process.forward import corrupt
from denoisecli.scale import as_sampled, latent_sizes, to_unit_variance

from .config import ForkConfig, changed_config

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.diffusion.models import Model
    from denoisecli.labs.job import Job
    from denoisecli.trace import Trace


@dataclass(frozen=True)
class Branches:
    """What came out of every fork. at: the states, 0 first, which is the change from the start on.

    final: (at, seed, C, h, w), guess: the guesses of the first seed at every state, (at, state, C, h, w); both on the
    unit-variance scale.
    """

    at: tuple[int, ...]
    final: NDArray[np.float32]
    guess: NDArray[np.float32]


def sampled_branches(job: Job[ForkConfig], model: Model, trunk: Trace) -> Branches:
    """Sample what follows each fork, and from state 0 too where the config does not ask for that."""
    at = branched(job.config)
    job.report.stage("sample", len(at) * len(job.config.seeds) * job.config.steps)
    changed = changed_config(job.config)
    _put_on(model, job.config)
    anew = job.config.to.noise is not None or job.config.to.sampler is not None
    parts = _entered(job, model, trunk, at, changed) if anew else _replayed(job, model, trunk, at, changed)
    finals, guesses = zip(*parts, strict=True)
    return Branches(at, np.stack(finals), np.stack(guesses))


def branched(config: ForkConfig) -> tuple[int, ...]:
    """Return the states of all branches: those of the forks, and the one that the run begins at."""
    return tuple(sorted({config.begins, *config.forks}))


def _put_on(model: Model, config: ForkConfig) -> None:
    """Exchange the LoRAs for those of the change."""
    from denoisecli.diffusion.adapters import exchange_loras

    if config.to.loras is not None:
        exchange_loras(model, [(lora.file, lora.strengths) for lora in config.to.loras])


Branch = tuple["NDArray[np.float32]", "NDArray[np.float32]"]
"""Of one state: finals (seed, C, h, w), and the first seed's guesses (state, C, h, w)."""


def _replayed(
    job: Job[ForkConfig], model: Model, trunk: Trace, at: Sequence[int], changed: ForkConfig
) -> Iterator[Branch]:
    """Yield the branches that go on with the trunk's solver: rows of all forks in the same batches."""
    from denoisecli.diffusion.chain import Leaving, outputs_name

    seeds = len(job.config.seeds)
    states = np.repeat(at, seeds)
    solvers = [name for name in map(outputs_name, range(len(job.config.phases) + 2)) if name in trunk]

    def told(indices: list[int]) -> Told:
        rows = np.array(indices) - seeds
        outputs = [trunk[name][rows % seeds] for name in solvers]
        return Told(changed, leaving=Leaving(states[rows].tolist(), outputs))

    samples = [Sample(seed, changed.cfg) for seed in job.config.seeds] * (1 + len(at))
    batch = job.config.batch or seeds
    each = sample_each(job, model, samples, batch, start=seeds, thin=_thinned, told=told, uncounted=seeds)
    parts = list(each)
    x0 = np.concatenate([part["x0"] for _, part in parts]).reshape(len(at), seeds, *parts[0][1]["x0"].shape[1:])
    final = np.concatenate([_ready(part) for _, part in parts]).reshape(len(at), seeds, *x0.shape[3:])
    for k, state in enumerate(at):
        yield final[k], np.concatenate([trunk.x0[0, :state], x0[k, 0, state:], final[k, :1]])


def _thinned(trace: Trace) -> Trace:
    """Return what is kept of a branch: its guesses and its end."""
    from denoisecli.trace import Trace

    kept = {name: trace.arrays[name] for name in ("x0", "sigmas", "timesteps", "alpha_bars")}
    return Trace(trace.lab, kept | {"x_t": trace.x_t[:, -1:]}, trace.record)


def _ready(trace: Trace) -> NDArray[np.float32]:
    """Return the last latents, (n, C, h, w), as a decoder takes them."""
    kind = trace.record.get("schedule_kind", "vp")
    ready: NDArray[np.float32] = to_unit_variance(trace.x_t[:, -1:], trace.sigmas[-1:], kind)[:, 0]
    return ready


def _entered(
    job: Job[ForkConfig], model: Model, trunk: Trace, at: Sequence[int], changed: ForkConfig
) -> Iterator[Branch]:
    """Yield the branches that begin anew at their state: noised again, or under another sampler."""
    seeds, config, sizes = len(job.config.seeds), job.config, latent_sizes(trunk)
    noise = _fresh_noise(job, model) if config.to.noise is not None else None
    for k, state in enumerate(at):
        start = seeds * (1 + k)
        x_t = as_sampled(trunk.x_t[:, state], sizes[state]) if noise is None else noised(trunk, state, noise)
        samples = [Sample(seed, changed.cfg) for seed in config.seeds] * (2 + k)
        if state == 0 and noise is not None:
            unit = x_t / start_scale(trunk, model, config)
            samples[start:] = [
                Sample(seed, changed.cfg, noise=row) for seed, row in zip(config.seeds, unit, strict=True)
            ]
        told = _entering(trunk, state, x_t, start, (config, changed))
        batch = min(config.batch or seeds, seeds)
        each = sample_each(job, model, samples, batch, start=start, thin=_thinned, told=told, uncounted=seeds)
        parts = list(each)
        final = np.concatenate([_ready(part) for _, part in parts])
        yield final, np.concatenate([trunk.x0[0, :state], parts[0][1]["x0"][0], final[:1]])


def _entering(
    trunk: Trace, state: int, x_t: NDArray[np.float32], start: int, configs: tuple[ForkConfig, ForkConfig]
) -> Any:
    """Return what tells a batch to begin at a state with latents. configs: before the fork and behind it."""
    from denoisecli.diffusion.take_up import Handed

    before, changed = configs
    kind, samplers = trunk.record.get("schedule_kind", "vp"), (before.sampler, changed.sampler)

    def told(indices: list[int]) -> Told:
        rows = np.array(indices) - start
        if not state:
            return Told(changed.model_copy(update={"start": None}))
        return Told(changed, begins=(state, Handed(x_t[rows], float(trunk.sigmas[state]), kind, samplers)))

    return told


def _fresh_noise(job: Job[ForkConfig], model: Model) -> NDArray[np.float32]:
    """Return the noise of the experiment, (seed, C, h, w): a draw of its own for each run."""
    from denoisecli.diffusion.canvas import noise_for

    first = int(job.config.to.noise or 0)
    draws = [(first + index) % 2**64 for index in range(len(job.config.seeds))]
    size = job.config.size or (512, 512)
    return noise_for(model.pipe, draws, size).numpy()


def noised(trunk: Trace, state: int, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the trunk's finished latents, noised to the level of a state on the trunk's own scale, (seed, C, h, w)."""
    final, sigma = trunk.x_t[:, -1], float(trunk.sigmas[state])
    kind = trunk.record.get("schedule_kind", "vp")
    if kind == "ve":
        signal, spread = 1.0, sigma
    elif kind == "flow":
        signal, spread = 1 - sigma, sigma
    else:
        alpha_bar = float(trunk["alpha_bars"][state])
        signal, spread = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    return corrupt(final, noise, signal, spread)


def start_scale(trunk: Trace, model: Model, config: ForkConfig) -> float:
    """Return what the pipeline multiplies unit noise by to start, read from the trunk's own start."""
    from denoisecli.diffusion.canvas import noise_for

    unit = noise_for(model.pipe, config.seeds[:1], config.size or (512, 512)).numpy()
    return float((trunk.x_t[:1, 0] * unit).sum() / (unit * unit).sum())
