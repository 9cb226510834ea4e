"""The noise lab with a model beside it: corruption in its latent space, and its one-jump guess at every level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from denoisecli.labs.pictures import decoded_parts
from denoisecli.metrics import LAYOUT_CYCLES, cycles_across, significant
from denoisecli.process.forward import Levels, corrupt, draw_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from denoisecli.diffusion.decode import Decoder
    from denoisecli.diffusion.models import Model
    from denoisecli.labs.job import Job
    from denoisecli.trace import Trace

    from .config import NoiseConfig


def add_model_views(job: Job[NoiseConfig], trace: Trace, picture: NDArray[np.uint8], levels: Levels) -> None:
    """Add to the trace what the model sees: decoded latents of every frame and, if asked for, its guesses.

    latent_x0, latent_eps: (C, h, w); latent_pictures, guess_pictures: (frame, H, W, 3) uint8; guess_error,
    guess_error_layout, guess_error_detail: (frame,), see `guess_errors`. ε of the latents is drawn from the same seed.
    """
    from denoisecli.diffusion.decode import decoder
    from denoisecli.diffusion.one_step import encode, facts

    model = _load(job)
    trace.record |= facts(model)
    with job.timed("sample"):
        x0 = encode(model, picture)
        eps = draw_noise(job.config.seed, x0.shape)
    trace.arrays |= {"latent_x0": x0, "latent_eps": eps}
    by = decoder(model, "vae")
    trace.record["decoders"] = {"states": by.name}
    guesses = _guess(job, model, x0, eps, levels) if job.config.guess else None
    job.report.stage("decode", len(levels.timesteps) * (2 if guesses is not None else 1))
    factors = zip(levels.signals, levels.noises, strict=True)
    x_t = np.stack([corrupt(x0, eps, signal, noise) for signal, noise in factors])
    trace.arrays["latent_pictures"] = _decoded(job, by, x_t, 0)
    if guesses is not None:
        trace.arrays["guess_pictures"] = _decoded(job, by, guesses, len(x_t))
        errors = guess_errors(guesses, x0)
        trace.arrays |= errors
        _add_to_states(trace, errors)


def guess_errors(guesses: NDArray[np.float32], x0: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return how far each guess (frame, C, h, w) is from x0 (C, h, w), (frame,): 0 is right, 1 as wrong as no guess.

    guess_error: ‖x̂0 − x0‖/‖x0‖. guess_error_layout, guess_error_detail: the same in the slow waves and in the fast ones
    alone, split in the Fourier domain at `metrics.LAYOUT_CYCLES` across the picture; the mean colour is in neither.
    """
    cycles = cycles_across(x0)
    clean = np.fft.rfft2(x0)
    wrong = np.square(np.abs(np.fft.rfft2(guesses) - clean))

    def error(band: NDArray[np.bool_]) -> NDArray[np.float64]:
        size = max(float((np.square(np.abs(clean)) * band).sum()), 1e-12)
        shares: NDArray[np.float64] = (wrong * band).sum(axis=(1, 2, 3)) / size
        return np.sqrt(shares)

    differences = (guesses - x0).reshape(len(guesses), -1)
    return {
        "guess_error": np.linalg.norm(differences, axis=1).astype(np.float64) / max(float(np.linalg.norm(x0)), 1e-12),
        "guess_error_layout": error((cycles > 0) & (cycles < LAYOUT_CYCLES)),
        "guess_error_detail": error(cycles >= LAYOUT_CYCLES),
    }


def _load(job: Job[NoiseConfig]) -> Model:
    from denoisecli.diffusion.memory import Saving, Work
    from denoisecli.diffusion.models import load_model
    from denoisecli.diffusion.one_step import AT_ONCE
    from denoisecli.labs.loading import warn_of_lost_words

    config = job.config
    job.report.stage("load", 1)
    with job.timed("load"):
        saving, work = Saving.of(config), Work(config.size or (512, 512), AT_ONCE, 1)
        model = load_model(config.model, config.device, config.dtype, saving=saving, work=work, told=job.report.note)
    if config.guess:
        warn_of_lost_words(job, model, config.told)
    job.report.step(1)
    return model


def _guess(
    job: Job[NoiseConfig], model: Model, x0: NDArray[np.float32], eps: NDArray[np.float32], levels: Levels
) -> NDArray[np.float32]:
    """Return x̂0 of every frame, (frame, C, h, w). Finished batches are kept for a killed run to go on."""
    from denoisecli.diffusion.one_step import one_jump_guesses

    job.report.stage("sample", len(levels.timesteps))
    found: list[NDArray[np.float32]] = []
    store = job.folder.batches
    while (length := store.length_from(len(found))) and (kept := store.get(range(len(found), len(found) + length))):
        found.extend(kept[0]["guesses"])
        job.report.passed(len(found))
    with job.timed("sample"):
        for batch in one_jump_guesses(model, x0, eps, levels.alpha_bars[len(found) :], job.config.told):
            store.put(range(len(found), len(found) + len(batch)), {"guesses": batch}, {})
            found.extend(batch)
            job.report.step(len(found))
    return np.stack(found)


def _decoded(job: Job[Any], by: Decoder, latents: NDArray[np.float32], done: int) -> NDArray[np.uint8]:
    pictures: list[NDArray[np.uint8]] = []
    with job.timed("decode"):
        for drawn in decoded_parts(by, list(latents)):
            pictures.extend(drawn)
            job.report.step(done + len(pictures))
    return np.stack(pictures)


def _add_to_states(trace: Trace, errors: dict[str, NDArray[np.float64]]) -> None:
    for index, state in enumerate(trace.record["runs"][0]["states"]):
        state |= {name: significant(values[index], 8) for name, values in errors.items()}
