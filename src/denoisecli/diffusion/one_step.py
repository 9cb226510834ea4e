"""Pictures into a model's latents, and the model's guess of the clean latents in one jump from any noise level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from denoisecli.errors import ModelError
from denoisecli.process.x0 import Level, predicted_x0

from . import autoencoder, call
from .clock import Clock, trained_alpha_bars
from .families import family_named
from .guidance import guidance_of
from .quiet import quiet
from .recorder import record
from .scheduler import use_sampler
from .taps import tapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from .models import Model

AT_ONCE = 8  # latents to a forward pass


@torch.inference_mode()
def encode(model: Model, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the latents (C, h, w), float32, unit-variance scale, of one sRGB picture (H, W, 3).

    Autoencoders that say a distribution give its mode. Raises ModelError where they give no numbers.
    """
    vae = model.pipe.vae
    pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 127.5 - 1
    with autoencoder.wide_enough(vae):
        latents = autoencoder.encoded_mode(vae.encode(autoencoder.pixels_in(vae, pixels.to(model.device, vae.dtype))))
    scaled = autoencoder.from_encoder(vae, latents.float()).cpu().numpy()[0]
    if not np.isfinite(scaled).all():
        raise ModelError("The model's autoencoder gives no numbers for this picture.", "Try dtype: float32.")
    return np.asarray(scaled, dtype=np.float32)


def jump_levels(model: Model, alpha_bars: NDArray[np.float64]) -> list[Level]:
    """Return the model's own level for each ᾱ: the same ᾱ, and the t at which it was trained on it.

    Between two timesteps t is interpolated over log-SNR; beyond the model's noisiest or cleanest level, that level is
    taken, so that no guess is divided by √0.
    """
    known = trained_alpha_bars(model.pipe.scheduler)
    within = np.clip(alpha_bars, known[known > 0].min(), known.max())
    t = np.interp(-_log_snr(within), -_log_snr(known), np.arange(len(known)))
    near = np.round(t)
    t = np.where(np.abs(t - near) < 1e-3, near, t)
    return [Level(float(at), float(np.sqrt((1 - a) / a)), float(a)) for at, a in zip(t, within, strict=True)]


def _log_snr(alpha_bars: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        ratio: NDArray[np.float64] = np.log(alpha_bars) - np.log1p(-alpha_bars)
    return ratio


@torch.inference_mode()
def one_jump_guesses(
    model: Model, x0: NDArray[np.float32], eps: NDArray[np.float32], alpha_bars: NDArray[np.float64], prompt: str
) -> Iterator[NDArray[np.float32]]:
    """Yield batches of x̂0 (n, C, h, w): one denoiser evaluation of x_t = √ᾱ·x0 + √(1−ᾱ)·ε for each ᾱ, no guidance.

    x0, eps: (C, h, w). prompt: what the model is told; "" is its unconditional side. On a flow the mixture is
    (1 − σ)·x0 + σ·ε at the σ of the same signal-to-noise ratio. There, and where the denoiser wants more than x_t, t
    and the words (SDXL, PixArt), the pipeline itself takes one step, at the timestep next to that ᾱ.
    Raises ModelError for models that have no such levels.
    """
    if not len(alpha_bars):
        return
    steps = _step_guesses(model)
    if steps is not None:
        yield from steps(model, x0, eps, alpha_bars, prompt)
        return
    words = _embedded(model, prompt)
    kind = Clock(model.pipe.scheduler).prediction
    levels = jump_levels(model, alpha_bars)
    clean, noise = (torch.from_numpy(array).to(model.device) for array in (x0, eps))
    for start in range(0, len(levels), AT_ONCE):
        some = levels[start : start + AT_ONCE]
        x_t = torch.stack([at.alpha_bar**0.5 * clean + (1 - at.alpha_bar) ** 0.5 * noise for at in some])
        t = torch.tensor([at.timestep for at in some], device=model.device)
        output = model.pipe.unet(
            x_t.to(model.dtype), t, encoder_hidden_states=words.expand(len(some), -1, -1), return_dict=False
        )[0].float()
        guesses = [predicted_x0("vp", kind, x, out, at) for x, out, at in zip(x_t, output, some, strict=True)]
        yield torch.stack(guesses).cpu().numpy()


def _flow_guesses(
    model: Model, x0: NDArray[np.float32], eps: NDArray[np.float32], alpha_bars: NDArray[np.float64], prompt: str
) -> Iterator[NDArray[np.float32]]:
    """Yield x̂0 (1, C, h, w) for each ᾱ: the pipeline itself takes one step, from σ = √(1−ᾱ)/(√ᾱ + √(1−ᾱ)) to 0."""
    pipe = model.pipe
    use_sampler(pipe, "flow_euler")
    for alpha_bar in alpha_bars:
        sigma = float(np.clip(np.sqrt(1 - alpha_bar) / (np.sqrt(alpha_bar) + np.sqrt(1 - alpha_bar)), 1e-4, 1))
        levels = {"sigmas": [sigma, 0.0], "timesteps": [sigma * pipe.scheduler.config.num_train_timesteps]}
        yield _stepped(model, (1 - sigma) * x0 + sigma * eps, prompt, levels)


def _angle_guesses(
    model: Model, x0: NDArray[np.float32], eps: NDArray[np.float32], alpha_bars: NDArray[np.float64], prompt: str
) -> Iterator[NDArray[np.float32]]:
    """Yield x̂0 (1, C, h, w) for each ᾱ = cos²t: the pipeline itself takes one step, from the angle t to 0."""
    for alpha_bar in alpha_bars:
        angle = float(np.clip(np.arccos(np.sqrt(alpha_bar)), 1e-4, np.pi / 2))
        yield _stepped(model, np.cos(angle) * x0 + np.sin(angle) * eps, prompt, {"timesteps": [angle, 0.0]})


def _ddim_guesses(
    model: Model, x0: NDArray[np.float32], eps: NDArray[np.float32], alpha_bars: NDArray[np.float64], prompt: str
) -> Iterator[NDArray[np.float32]]:
    """Yield x̂0 (1, C, h, w) for each ᾱ: the pipeline itself takes one step of DDIM, from the nearest t to the end."""
    pipe = model.pipe
    use_sampler(pipe, "ddim")
    known = trained_alpha_bars(pipe.scheduler)
    for level in jump_levels(model, alpha_bars):
        t = round(level.timestep)
        x_t = known[t] ** 0.5 * x0 + (1 - known[t]) ** 0.5 * eps
        yield _stepped(model, x_t, prompt, {"timesteps": [t]})


def _stepped(
    model: Model, x_t: NDArray[np.floating[Any]], prompt: str, levels: dict[str, list[float]]
) -> NDArray[np.float32]:
    """Return x̂0 (1, C, h, w) of one step of the pipeline from x_t (C, h, w), without guidance.

    levels: the scheduler's own arrays, as they are for this one step.
    """

    def set_timesteps(original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        for name, values in levels.items():
            own = getattr(pipe.scheduler, name)
            setattr(pipe.scheduler, name, torch.tensor(values, dtype=own.dtype, device=own.device))
        pipe.scheduler.num_inference_steps = 1

    pipe, factor = model.pipe, model.info.scale_factor
    family = family_named(type(pipe).__name__)
    scale = (family.scale if guidance_of(pipe) == "embedded" else family.unguided) if family else 1.0
    told = call.prompts(pipe, prompt, "", 1, guided=False) | call.scale(pipe, scale) | call.steps(pipe, 1)
    told |= {"num_inference_steps": 1, "output_type": "latent"}
    told |= {"height": x_t.shape[1] * factor, "width": x_t.shape[2] * factor}
    told["latents"] = call.latents(pipe, torch.from_numpy(x_t).float()[None], model.device, model.dtype)
    with quiet(), tapped(pipe.scheduler, "set_timesteps", set_timesteps), record(pipe) as trace:
        pipe(**call.known(pipe, told))
    found: NDArray[np.float32] = trace.x0[:, 0]
    return found


def _step_guesses(model: Model) -> Callable[..., Iterator[NDArray[np.float32]]] | None:
    """Return the way in which the pipeline takes one step itself; None where the denoiser alone will do."""
    clock, unet = Clock(model.pipe.scheduler), getattr(model.pipe, "unet", None)
    if clock.kind == "flow":
        return _flow_guesses
    if clock.prediction == "trigflow":
        return _angle_guesses
    if not hasattr(model.pipe.scheduler, "alphas_cumprod"):
        hint = "Choose pocket, or a model with DDPM's levels or a flow's."
        raise ModelError(f"The one-jump guess is not made for models such as {model.info.ref}.", hint)
    return None if unet is not None and not unet.config.get("addition_embed_type") else _ddim_guesses


def _embedded(model: Model, prompt: str) -> torch.Tensor:
    embedded: Any = model.pipe.encode_prompt(prompt, model.device, 1, do_classifier_free_guidance=False)[0]
    return embedded.to(model.dtype)  # type: ignore[no-any-return]


def facts(model: Model) -> dict[str, Any]:
    """Return what trace.json says of the model and of what it ran on."""
    import platform

    import diffusers

    info = model.info
    return {
        "model": {
            "ref": info.ref,
            "family": info.family,
            "sha256": info.sha256,
            "prediction_type": info.prediction_type,
            "latent_shape": list(info.latent_shape),
            "scale_factor": info.scale_factor,
        },
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "device": str(model.device),
            "dtype": str(model.dtype).removeprefix("torch."),
        }
        | model.placement,
    }
