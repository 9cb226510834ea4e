"""How a pipeline lays out its latents, and the way to (n, C, h, w) and back, bit for bit.

plain          (n, C, h, w), or (n, C, f, h, w) of a video
packed         (n, tokens, C·p²): patches of p × p latent pixels in a row (FLUX, Qwen-Image, Krea 2, LTX)
patched        (n, C·p², h/p, w/p): patches in the channels (ERNIE)
channels last  (n, f, h, w, C) (Kandinsky 5)
frames first   (n, f, C, h, w) (CogVideoX)
as it came     anything else: what has no rows and columns
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .families import family_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

CHANNEL_ARGUMENTS = ("num_channels_latents", "num_latents_channels", "latent_channels", "latent_dim")


@dataclass
class Hints:
    """What a pipeline's own calls said about the picture: its size in pixels, its frames, the latents' channels."""

    height: int | None = None
    width: int | None = None
    frames: int | None = None
    channels: int | None = None
    grid: tuple[int, int, int] | None = field(default=None)
    """(frames, rows, columns) of the tokens, where the denoiser is told them."""

    def hear(self, arguments: Mapping[str, Any]) -> None:
        """Take what is there of height, width, frames and channels."""
        self.height = _whole(arguments.get("height")) or self.height
        self.width = _whole(arguments.get("width")) or self.width
        self.frames = _whole(arguments.get("num_frames")) or self.frames
        told = (_whole(arguments.get(name)) for name in CHANNEL_ARGUMENTS[:3])
        self.channels = next((channels for channels in told if channels), self.channels)

    def hear_denoiser(self, arguments: Mapping[str, Any]) -> None:
        """Take the grid of tokens from what the denoiser is told of their positions."""
        if (shapes := arguments.get("img_shapes")) is not None:
            while isinstance(shapes, list) and shapes:
                shapes = shapes[0]
            if isinstance(shapes, tuple) and len(shapes) == 3:
                self.grid = (int(shapes[0]), int(shapes[1]), int(shapes[2]))


@dataclass(frozen=True)
class Layout:
    """One way of laying out latents. grid: (frames, rows, columns) before unpatching; scale: that of the latents."""

    kind: str
    grid: tuple[int, int, int] = (1, 1, 1)
    patch: int = 1
    patch_first: bool = False
    scale: float = 1.0
    lone: bool = False
    """An axis of length 1 stands behind the samples' (Cosmos 3)."""

    def unpack(self, latents: torch.Tensor) -> torch.Tensor:
        """Return (n, C, h, w), or (n, C, f, h, w) of several frames, on the unit-variance scale."""
        if self.kind == "as it came":
            return latents
        n, p, (f, rows, columns) = len(latents), self.patch, self.grid
        x = self._channels_first(latents[:, 0] if self.lone else latents)
        if p > 1:
            if self.patch_first:
                x = x.reshape(n, p, p, -1, f, rows, columns).permute(0, 3, 4, 5, 1, 6, 2)
            else:
                x = x.reshape(n, -1, p, p, f, rows, columns).permute(0, 1, 4, 5, 2, 6, 3)
            x = x.reshape(n, -1, f, rows * p, columns * p)
        x = x[:, :, 0] if f == 1 else x
        return x if self.scale == 1 else x / self.scale

    def pack(self, latents: torch.Tensor) -> torch.Tensor:
        """Return (n, C, h, w) or (n, C, f, h, w) as the pipeline has them: the inverse of `unpack`."""
        if self.kind == "as it came":
            return latents
        n, p, (f, rows, columns) = len(latents), self.patch, self.grid
        x = latents if self.scale == 1 else latents * self.scale
        x = x if x.ndim == 5 else x[:, :, None]
        if p > 1:
            x = x.reshape(n, -1, f, rows, p, columns, p)
            x = x.permute(0, 4, 6, 1, 2, 3, 5) if self.patch_first else x.permute(0, 1, 4, 6, 2, 3, 5)
            x = x.reshape(n, -1, f, rows, columns)
        if self.kind == "packed":
            return x.reshape(n, x.shape[1], -1).transpose(1, 2).contiguous()
        if self.kind == "channels last":
            return x.movedim(1, -1).contiguous()
        if self.kind == "frames first":
            return x.transpose(1, 2).contiguous()
        x = x if self.kind == "frames" else x[:, :, 0]
        return x[:, None] if self.lone else x

    def _channels_first(self, latents: torch.Tensor) -> torch.Tensor:
        """Return (n, channels, frames, rows, columns)."""
        if self.kind == "packed":
            return latents.transpose(1, 2).reshape(len(latents), latents.shape[-1], *self.grid)
        if self.kind == "channels last":
            return latents.movedim(-1, 1)
        if self.kind == "frames first":
            return latents.transpose(1, 2)
        return latents if latents.ndim == 5 else latents[:, :, None]

    @property
    def record(self) -> dict[str, Any]:
        """What trace.json says of it."""
        told = {"kind": "plain" if self.kind == "frames" else self.kind, "patch": self.patch, "scale": self.scale}
        return told | ({"frames": self.grid[0]} if self.grid[0] > 1 else {})


def layout_of(pipe: Any, x_t: torch.Tensor, hints: Hints, scale: float = 1.0) -> Layout:
    """Return the layout of the latents x_t that a pipeline hands to its scheduler.

    hints: what its own calls said. scale: of the latents, `Clock.data_scale`.
    """
    channels = hints.channels or vae_channels(pipe)
    if x_t.ndim == 4:
        patch = _patch(x_t.shape[1], vae_channels(pipe)) if hasattr(pipe, "_unpatchify_latents") else 1
        grid = (1, x_t.shape[2], x_t.shape[3])
        return Layout("patched" if patch > 1 else "plain", grid, patch, scale=scale)
    if x_t.ndim == 6 and x_t.shape[1] == 1:
        return replace(_of_frames(x_t[:, 0], channels, scale), lone=True)
    if x_t.ndim == 5:
        return _of_frames(x_t, channels, scale)
    if x_t.ndim == 3:
        family = family_named(type(pipe).__name__)
        patch = _patch(x_t.shape[2], channels) if channels else (2 if hasattr(pipe, "_pack_latents") else 1)
        grid_of_tokens = _grid(pipe, x_t.shape[1], hints)
        if grid_of_tokens is not None:
            return Layout("packed", grid_of_tokens, patch, bool(family and family.patch_first), scale)
    return Layout("as it came", scale=scale)


def vae_channels(pipe: Any) -> int | None:
    """Return the channels of the autoencoder's latents, None where it does not say."""
    config = getattr(getattr(pipe, "vae", None), "config", {})
    return next((int(config[name]) for name in ("latent_channels", "z_dim", "z_channels") if config.get(name)), None)


def _of_frames(x_t: torch.Tensor, channels: int | None, scale: float) -> Layout:
    """Return the layout of five axes: which of them is the channels is told by their number."""
    a, b, c, d = x_t.shape[1:]
    if channels and a != channels and d == channels and b != channels:
        return Layout("channels last", (a, b, c), scale=scale)
    if channels and a != channels and b == channels:
        return Layout("frames first", (a, c, d), scale=scale)
    return Layout("frames", (b, c, d), scale=scale)


def _patch(found: int, channels: int | None) -> int:
    """Return p where `found` channels are p² times those of the latents; 1 where they are not."""
    if not channels or found % channels:
        return 1
    side = math.isqrt(found // channels)
    return side if side * side * channels == found else 1


def _grid(pipe: Any, tokens: int, hints: Hints) -> tuple[int, int, int] | None:
    """Return (frames, rows, columns) of a row of tokens; None where no such grid fits."""
    if hints.grid and math.prod(hints.grid) == tokens:
        return hints.grid
    frames = (hints.frames - 1) // frames_each(pipe) + 1 if hints.frames else 1
    if tokens % frames:
        return None
    wanted = (hints.height or 1) / (hints.width or 1)
    each = tokens // frames
    rows = min((r for r in range(1, each + 1) if each % r == 0), key=lambda r: abs(math.log(r * r / each / wanted)))
    far = abs(math.log(rows * rows / each / wanted)) > math.log(1.5)
    return None if far else (frames, rows, each // rows)


def frames_each(pipe: Any) -> int:
    """Return for how many frames of a clip one of its latents' frames stands; the first is one alone."""
    names = ("vae_temporal_compression_ratio", "vae_scale_factor_temporal", "vae_temporal_scale_factor")
    return int(next((getattr(pipe, name) for name in names if getattr(pipe, name, None)), 1))


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else None
