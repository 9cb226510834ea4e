"""A run that starts from a picture: its latents, noised to the level where the run begins (image to image).

As diffusers' own image-to-image pipelines do it, draw for draw: each seed's generator first gives what the encoder's
distribution is sampled with, where it is one, and then the noise. A mask keeps a part of the picture: outside it the
latents are replaced after every step by the picture's, noised with the same noise to the level that was reached
(diffusers' inpainting with an ordinary model).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from denoisecli.errors import ModelError, UsageError
from denoisecli.process.forward import corrupt
from denoisecli.scale import repeated

from . import autoencoder
from .canvas import noise_for
from .chain import Opening
from .noise import generators, slerp
from .noised import Picture, noised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from denoisecli.process.x0 import Levels
    from denoisecli.scale import ScheduleKind
    from denoisecli.trace import Trace

    from .latent_layout import Layout
    from .models import Model


@dataclass(frozen=True)
class Repainting:
    """What is painted anew of a picture: where the mask (1, 1, h, w) is 1; the rest is kept."""

    mask: torch.Tensor
    picture: Picture

    def put_back(self, result: Any, scheduler: Any, call: int, layout: Layout, rows: slice) -> Any:
        """Return what a scheduler's step returned at a call for these rows, with the picture where it is kept."""
        painted = result[0] if isinstance(result, tuple) else result.prev_sample
        kept = layout.pack(self.picture.x0[rows]).to(painted.device, painted.dtype)
        if call + 1 < len(scheduler.timesteps):
            noise = layout.pack(self.picture.noise[rows]).to(painted.device, painted.dtype)
            kept = noised(scheduler, kept, noise, scheduler.timesteps[call + 1].reshape(1))
        mask = layout.pack(self.mask.expand_as(self.picture.x0[rows])).to(painted.device, painted.dtype)
        mixed = (1 - mask) * kept + mask * painted
        if isinstance(result, tuple):
            return (mixed, *result[1:])
        result.prev_sample = mixed
        return result


@torch.inference_mode()
def picture_of(
    model: Model, picture: NDArray[np.uint8], seeds: Sequence[int], noise: Sequence[NDArray[np.float32] | None]
) -> Picture:
    """Return what runs of these seeds start from. picture: (H, W, 3), sRGB, of the size that is painted.

    noise: of each sample, (C, h, w), where it is not its seed's own. Raises ModelError where the model has no encoder,
    or gives no numbers.
    """
    drawn = generators(seeds)
    encoded = _encoded(model, picture)
    x0 = torch.cat([_latents(encoded, one) for one in drawn])
    x0 = autoencoder.from_encoder(model.pipe.vae, x0).to(model.dtype)
    if not bool(torch.isfinite(x0).all()):
        raise ModelError("The model's autoencoder gives no numbers for this picture.", "Try dtype: float32.")
    start = noise_for(model.pipe, seeds, (picture.shape[1], picture.shape[0]), drawn)
    for index, own in enumerate(noise):
        if own is not None:
            start[index] = start.new_tensor(own)
    return Picture(x0.cpu(), start.to(model.dtype), tuple(drawn))


def opening_at(
    model: Model,
    state: int,
    picture: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    seeds: Sequence[int],
    noise: Sequence[NDArray[np.float32] | None],
) -> tuple[Opening, Picture]:
    """Return where runs that start from a picture (H, W, 3) begin, and what from. mask: (H, W), white is painted.

    At state 0 a run under a mask begins with noise alone, as diffusers' do; the others, flows excepted, with the
    picture under the most noise. seeds, noise: see `picture_of`.
    """
    found = picture_of(model, picture, seeds, noise)
    if mask is None:
        if not state and not hasattr(model.pipe, "prepare_latents"):
            raise UsageError(f"{model.info.ref} cannot start from a picture at its full strength.", "Try 0.95.")
        return Opening(state, found, None, found.drawn), found
    found = replace(found, x0=found.x0.contiguous())  # as diffusers has them here; the strides choose the kernels
    kept = Repainting(mask_of(mask, (found.x0.shape[-2], found.x0.shape[-1])), found)
    return Opening(state, found if state else None, kept, found.drawn), found


def between(a: Picture, b: Picture, share: float) -> Picture:
    """Return what lies at a share of the way between two pictures of one sample each: latents on their great arc.

    Both have the same noise, which stays, and their seed's draws behind it.
    """
    return Picture(slerp(a.x0, b.x0, share), a.noise, (_copied(a.drawn[0]),))


def side_by_side(pictures: Sequence[Picture], state: int) -> tuple[Opening, Picture]:
    """Return where the runs of a batch begin at a state, each from its own picture."""
    x0, noise = (torch.cat(rows) for rows in zip(*((one.x0, one.noise) for one in pictures), strict=True))
    found = Picture(x0, noise, tuple(drawn for one in pictures for drawn in one.drawn))
    return Opening(state, found, None, found.drawn), found


def _copied(generator: torch.Generator) -> torch.Generator:
    """Return a generator that draws what the other will draw."""
    other = torch.Generator(generator.device)
    other.set_state(generator.get_state())
    return other


@torch.inference_mode()
def mode_of(model: Model, picture: NDArray[np.uint8]) -> torch.Tensor:
    """Return the latents x0 (1, C, h, w) of a picture (H, W, 3); of a distribution its mode, so nothing is drawn."""
    x0 = autoencoder.encoded_mode(_encoded(model, picture))
    return autoencoder.from_encoder(model.pipe.vae, x0).to(model.dtype)


def _encoded(model: Model, picture: NDArray[np.uint8]) -> Any:
    """Return what the autoencoder makes of a picture, in float32 where half precision overflows in it."""
    vae = model.pipe.vae
    if not callable(getattr(vae, "encode", None)) or getattr(vae, "encoder", vae) is None:
        raise ModelError(f"The model {model.info.ref} has no encoder, so no run can start from a picture.")
    pixels = torch.from_numpy(picture[None].astype(np.float32) / 255).permute(0, 3, 1, 2)  # strides choose the kernels
    with autoencoder.wide_enough(vae):
        return vae.encode(autoencoder.pixels_in(vae, (2 * pixels - 1).to(model.device, vae.dtype)))


def _latents(encoded: Any, generator: torch.Generator) -> torch.Tensor:
    """Return the latents in what was encoded; of a distribution a sample."""
    if hasattr(encoded, "latent_dist"):
        return encoded.latent_dist.sample(generator)  # type: ignore[no-any-return]
    return autoencoder.encoded_mode(encoded)


def mask_of(mask: NDArray[np.uint8], shape: tuple[int, int]) -> torch.Tensor:
    """Return a mask (H, W), white where is painted, at the latents' (height, width): (1, 1, h, w), 0 or 1."""
    cells = torch.from_numpy((mask >= 128).astype(np.float32))[None, None]
    return torch.nn.functional.interpolate(cells, size=shape)


def with_way(trace: Trace, before: Levels, picture: Picture) -> Trace:
    """Return a run that started from a picture with the states before its start: the picture at their levels.

    The guesses of those steps are the picture, and the halves what a model that knew it would say.
    """
    from denoisecli.process.x0 import Levels, true_output
    from denoisecli.trace import Trace

    from .transcript import schedule_rows

    if not len(before.sigmas):
        return trace
    kind: ScheduleKind = trace.record["schedule_kind"]
    x0, noise = (part.float().numpy() for part in (picture.x0, picture.noise))
    levels = [*zip(before.sigmas, before.alpha_bars, strict=True)]
    said = np.stack([true_output(trace.record["model"]["prediction_type"], x0, noise, a) for _, a in levels], 1)
    first = (
        _unheard(trace, len(levels))
        | {
            "x_t": np.stack([corrupt(x0, noise, *factors(kind, s, a)) for s, a in levels], 1),
            "x0": np.stack([x0] * len(levels), 1),
        }
        | dict.fromkeys(("eps_cond", "eps_uncond"), said)
    )
    size = trace.x_t.shape[-2], trace.x_t.shape[-1]
    arrays = {
        name: np.concatenate([repeated(first[name], size).astype(array.dtype), array], axis=1)
        if name in first
        else array
        for name, array in trace.arrays.items()
    }
    names = {"sigmas": before.sigmas, "timesteps": before.timesteps, "alpha_bars": before.alpha_bars}
    arrays |= {name: np.concatenate([values, trace[name]]) for name, values in names.items()}
    asked = [{"scale": None, "residual": None} for _ in levels]
    record = dict(trace.record)
    record["schedule"] = schedule_rows(Levels(arrays["timesteps"], arrays["sigmas"], arrays["alpha_bars"]))
    record["guidance_measured"] = [*asked, *record.get("guidance_measured", [])]
    if "words_rest" in record:
        record["words_rest"] = {name: [*[0.0] * len(levels), *row] for name, row in record["words_rest"].items()}
    for row in record.get("extra_evaluations", []):
        row["step"] += len(levels)
    return Trace(trace.lab, arrays, record)


def _unheard(trace: Trace, steps: int) -> dict[str, NDArray[np.float32]]:
    """Return the maps of words in steps that no model took: zeros."""
    found = {name: trace[name] for name in ("words", "negative_words") if name in trace}
    return {name: np.zeros((len(maps), steps, *maps.shape[2:]), np.float32) for name, maps in found.items()}


def factors(kind: ScheduleKind, sigma: float, alpha_bar: float) -> tuple[float, float]:
    """Return what a picture and unit noise are multiplied by at a level, on a scheduler's scale."""
    if kind == "ve":
        return 1.0, float(sigma)
    if kind == "flow":
        return 1 - float(sigma), float(sigma)
    return float(alpha_bar) ** 0.5, (1 - float(alpha_bar)) ** 0.5
