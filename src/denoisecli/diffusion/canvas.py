"""The latents that a pipeline wants for a picture: their shape, the noise that starts them, and how they are given.

Noise is drawn for each seed by itself, on the CPU, in the axes in which the pipeline would draw it, so a seed means
what it means in the plain pipeline with a generator of that seed. Between the two ends, latents are (n, C, h, w).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denoisecli.errors import UsageError

from .families import Family, Latents, family_named
from .latent_layout import Layout, frames_each, vae_channels
from .noise import starting_noise
from .sampler_rules import no_clips

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

FACTORS = ("vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio", "vae_spatial_scale_factor")


def scale_factor(pipe: Any) -> int:
    """Return how many pixels one latent pixel stands for, along a side."""
    family = family_named(type(pipe).__name__)
    factor = next(int(getattr(pipe, name)) for name in FACTORS if getattr(pipe, name, None))
    return factor // family.patch if family and family.factor_has_patch else factor


def size_step(pipe: Any) -> int:
    """Return the pixels that a side has to be a multiple of: latents are cut into patches."""
    family = family_named(type(pipe).__name__)
    denoiser = getattr(pipe, "transformer", None)
    told = denoiser.config.get("patch_size") if denoiser is not None else 1
    if family and (told is None or family.given in ("packed", "patched")):
        return scale_factor(pipe) * family.patch
    return scale_factor(pipe) * max(told if isinstance(told, (list, tuple)) else [told or 1])


def latent_channels(pipe: Any) -> int:
    """Return the channels of unpacked latents."""
    from .denoiser import denoiser_of

    return vae_channels(pipe) or int(denoiser_of(pipe).config.in_channels)


def noise_for(
    pipe: Any,
    seeds: Sequence[int],
    size: tuple[int, int],
    drawn: Sequence[torch.Generator] | None = None,
    frames: int = 1,
) -> torch.Tensor:
    """Return unit normal starting noise (n, C, h, w), float32, for pictures of `size` = (width, height) in pixels.

    drawn: see `starting_noise`. frames: of a clip; of more than one, the noise is (n, C, f, h, w).
    """
    latent_frames = (frames - 1) // frames_each(pipe) + 1
    shape = (latent_channels(pipe), latent_frames, size[1] // scale_factor(pipe), size[0] // scale_factor(pipe))
    layout = _layout(_family(pipe), _family(pipe).drawn, shape)
    return layout.unpack(starting_noise(seeds, _axes(layout, shape), drawn))


def as_given(pipe: Any, latents: torch.Tensor) -> torch.Tensor:
    """Return latents (n, C, h, w), or (n, C, f, h, w) of a clip, as the pipeline's call takes them."""
    family, (h, w) = _family(pipe), latents.shape[-2:]
    shape = (latents.shape[1], latents.shape[2] if latents.ndim == 5 else 1, h, w)
    return _layout(family, family.given, shape).pack(latents)


def clip_length(pipe: Any, latents: torch.Tensor) -> int:
    """Return the frames of the clip that latents (n, C, h, w) or (n, C, f, h, w) stand for."""
    return (latents.shape[2] - 1) * frames_each(pipe) + 1 if latents.ndim == 5 else 1


def check_frames(pipe: Any, count: int, ref: str = "this model") -> None:
    """Raise UsageError where a pipeline paints no clip of `count` frames."""
    each = frames_each(pipe)
    if count > 1 and not _family(pipe).fps:
        raise no_clips(ref)
    if (count - 1) % each:
        near = max(1, round((count - 1) / each)) * each + 1
        raise UsageError(f"video: {ref} paints 1 frame or 1 more than a multiple of {each}.", f"Try {near}.")


def from_given(pipe: Any, latents: torch.Tensor, sides: tuple[int, int]) -> torch.Tensor:
    """Return latents that the pipeline's call gave back as (n, C, h, w), of clips (n, C, f, h, w): `as_given` undone.

    sides: (h, w).
    """
    family, frames = _family(pipe), 1
    if family.fps:
        frames = latents.shape[2] if latents.ndim == 5 else latents.shape[1] * family.patch**2 // (sides[0] * sides[1])
    return _layout(family, family.given, (latent_channels(pipe), frames, *sides)).unpack(latents)


def check_size(pipe: Any, size: tuple[int, int], ref: str = "this model") -> None:
    """Raise UsageError where a size, (width, height), does not fit the pipeline's patches or its list of sizes."""
    step = size_step(pipe)
    if any(side % step for side in size):
        near = "x".join(str(max(1, round(side / step)) * step) for side in size)
        raise UsageError(
            f"size: {size[0]}x{size[1]} does not fit this model: it paints in steps of {step}.", f"Try {near}."
        )
    painted = painted_size(pipe, size)
    if painted != size:
        raise UsageError(
            f"size: {ref} has sizes of its own and would paint {painted[0]}x{painted[1]}, not {size[0]}x{size[1]}.",
            f"Try {painted[0]}x{painted[1]}.",
        )


def painted_size(pipe: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) that the pipeline paints when it is asked for `size`."""
    width, height = size
    family = _family(pipe)
    if family.name == "kandinsky5" and size not in pipe.resolutions:
        sizes: list[tuple[int, int]] = list(pipe.resolutions)
        return min(sizes, key=lambda one: abs(one[0] / one[1] - width / height))
    if family.name == "hidream":
        cell, area = pipe.vae_scale_factor * 2, (pipe.default_sample_size * pipe.vae_scale_factor) ** 2
        scale = (area / (width * height)) ** 0.5
        return int(width * scale // cell * cell), int(height * scale // cell * cell)
    return size


def _family(pipe: Any) -> Family:
    name = type(pipe).__name__
    return family_named(name) or Family(name, name, (name,))


def _layout(family: Family, kind: Latents, shape: tuple[int, int, int, int]) -> Layout:
    """Return the layout of latents (C, f, h, w): a family of clips has its axis of frames for one frame, too."""
    patch = family.patch if kind in ("packed", "patched") else 1
    named = "frames" if kind == "plain" and family.fps else kind
    return Layout(named, (shape[1], shape[2] // patch, shape[3] // patch), patch)


def _axes(layout: Layout, shape: tuple[int, int, int, int]) -> tuple[int, ...]:
    """Return the axes of one sample in a layout."""
    channels, (frames, rows, columns) = shape[0] * layout.patch**2, layout.grid
    by_kind = {
        "channels last": (frames, rows, columns, channels),
        "packed": (frames * rows * columns, channels),
        "frames": (channels, frames, rows, columns),
    }
    return by_kind.get(layout.kind, (channels, rows, columns))
