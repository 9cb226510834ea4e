"""The latents that a pipeline wants for a picture: their shape, the noise that starts them, and how they are given.

Noise is drawn for each seed by itself, on the CPU, in the axes in which the pipeline would draw it, so a seed means
what it means in the plain pipeline with a generator of that seed. Between the two ends, latents are (n, C, h, w).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denoisecli.errors import UsageError

from .families import Family, Latents, family_named
from .latent_layout import Layout, vae_channels
from .noise import starting_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

_FACTORS = ("vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio")


def scale_factor(pipe: Any) -> int:
    """Return how many pixels one latent pixel stands for, along a side."""
    family = family_named(type(pipe).__name__)
    factor = next(int(getattr(pipe, name)) for name in _FACTORS if getattr(pipe, name, None))
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
    pipe: Any, seeds: Sequence[int], size: tuple[int, int], drawn: Sequence[torch.Generator] | None = None
) -> torch.Tensor:
    """Return unit normal starting noise (n, C, h, w), float32, for pictures of `size` = (width, height) in pixels.

    drawn: see `starting_noise`.
    """
    shape = (latent_channels(pipe), size[1] // scale_factor(pipe), size[0] // scale_factor(pipe))
    layout = _layout(_family(pipe).drawn, shape, _family(pipe).patch)
    return layout.unpack(starting_noise(seeds, _axes(layout, shape), drawn))


def as_given(pipe: Any, latents: torch.Tensor) -> torch.Tensor:
    """Return latents (n, C, h, w) as the pipeline's call takes them."""
    family, shape = _family(pipe), (latents.shape[1], latents.shape[2], latents.shape[3])
    if family.extra.get("num_frames") == 1:
        return latents[:, :, None]
    return _layout(family.given, shape, family.patch).pack(latents)


def from_given(pipe: Any, latents: torch.Tensor, sides: tuple[int, int]) -> torch.Tensor:
    """Return latents that the pipeline's call gave back as (n, C, h, w): the inverse of `as_given`. sides: (h, w)."""
    family = _family(pipe)
    if latents.ndim == 5 and family.extra.get("num_frames") == 1:
        return latents[:, :, 0]
    return _layout(family.given, (latent_channels(pipe), *sides), family.patch).unpack(latents)


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


def _layout(kind: Latents, shape: tuple[int, ...], patch: int) -> Layout:
    patch = patch if kind in ("packed", "patched") else 1
    return Layout(kind, (1, shape[1] // patch, shape[2] // patch), patch)


def _axes(layout: Layout, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of one sample in a layout."""
    channels, (_, rows, columns) = shape[0] * layout.patch**2, layout.grid
    if layout.kind == "channels last":
        return (1, rows, columns, channels)
    return (rows * columns, channels) if layout.kind == "packed" else (channels, rows, columns)
