"""Between latents of unit variance, (n, C, h, w), and what a pipeline's autoencoder takes and gives.

Three ways are in use: a factor (and a shift), a mean and a deviation for each channel, and the running statistics of a
batch norm over 2 × 2 patches (FLUX.2). Video autoencoders have a frame axis besides. The config says which it is.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from .latent_layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator


def to_decoder(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Return latents (n, C, h, w), or (n, C, f, h, w) of a clip, of unit variance as the autoencoder decodes them."""
    scale, mean, _ = _statistics(vae, latents)
    x = _by_patch(vae, latents, lambda patches: patches * scale + mean)
    return x[:, :, None] if has_frames(vae) and x.ndim == 4 else x


def decoded(vae: Any, x: torch.Tensor) -> torch.Tensor:
    """Return what the autoencoder decodes of `to_decoder`'s latents; one that is told a timestep gets 0 (LTX)."""
    told = {"temb": x.new_zeros(len(x))} if getattr(vae.config, "timestep_conditioning", False) else {}
    return vae.decode(x, **told, return_dict=False)[0]  # type: ignore[no-any-return]


def overflows(vae: Any) -> bool:
    """Tell whether an autoencoder is in float16 and says that it overflows there, as SDXL's does."""
    return vae.dtype == torch.float16 and bool(vae.config.get("force_upcast"))


@contextmanager
def in_float32(vae: Any) -> Iterator[None]:
    """Have an autoencoder in float32 inside, and as it was behind."""
    dtype = vae.dtype
    try:
        vae.to(torch.float32)
        yield
    finally:
        vae.to(dtype)


def wide_enough(vae: Any) -> AbstractContextManager[None]:
    """Have an autoencoder that overflows in float16 in float32 inside."""
    return in_float32(vae) if overflows(vae) else nullcontext()


def from_encoder(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Return what the autoencoder encoded as latents (n, C, h, w) of unit variance: the inverse of `to_decoder`."""
    x = latents[:, :, 0] if has_frames(vae) else latents
    _, mean, factor = _statistics(vae, x)
    return _by_patch(vae, x, lambda patches: (patches - mean) * factor)


def pixels_in(vae: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Return pictures (n, 3, H, W) as the autoencoder encodes them."""
    return pixels[:, :, None] if has_frames(vae) else pixels


def pixels_out(vae: Any, decoded: torch.Tensor) -> torch.Tensor:
    """Return decoded pictures as (n, 3, H, W); of a clip the first frame."""
    return decoded[:, :, 0] if has_frames(vae) else decoded


def encoded_mode(encoded: Any) -> torch.Tensor:
    """Return the latents in what an autoencoder's `encode` returned; the mode where it is a distribution."""
    for name in ("latents", "latent"):
        if hasattr(encoded, name):
            return getattr(encoded, name)  # type: ignore[no-any-return]
    return encoded.latent_dist.mode()  # type: ignore[no-any-return]


def _statistics(vae: Any, like: torch.Tensor) -> tuple[Any, Any, Any]:
    """Return (deviation, mean, 1 / deviation): numbers, or tensors for the channels of a patch."""
    config = vae.config
    if hasattr(vae, "bn"):
        deviation = torch.sqrt(vae.bn.running_var + config.batch_norm_eps)
        deviation = _for_channels(deviation, like)
        return deviation, _for_channels(vae.bn.running_mean, like), 1 / deviation
    factor = getattr(config, "scaling_factor", None) or 1.0
    mean, deviations = (_told(vae, name) for name in ("latents_mean", "latents_std"))
    if mean is not None and deviations is not None:
        deviation = _for_channels(torch.as_tensor(deviations) / factor, like)
        return deviation, _for_channels(torch.as_tensor(mean), like), 1 / deviation
    tiny = type(vae).__name__ == "AutoencoderTiny"
    return 1 / factor, 0.0 if tiny else getattr(config, "shift_factor", None) or 0.0, factor


def _told(vae: Any, name: str) -> Any:
    """Return a list of the config's, or a buffer of this name: LTX-Video keeps its statistics among the weights."""
    listed = getattr(vae.config, name, None)
    return listed if listed is not None else dict(vae.named_buffers(recurse=False)).get(name)


def _for_channels(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.to(like.device, like.dtype).reshape(1, -1, *[1] * (like.ndim - 2))


def _by_patch(vae: Any, x: torch.Tensor, change: Any) -> torch.Tensor:
    if not hasattr(vae, "bn"):
        return change(x)  # type: ignore[no-any-return]
    patches = Layout("patched", (1, x.shape[2] // 2, x.shape[3] // 2), 2)
    return patches.unpack(change(patches.pack(x)))


def has_frames(vae: Any) -> bool:
    """Return whether it decodes clips, with an axis of frames before the rows."""
    if getattr(vae.config, "temperal_downsample", None) is not None:  # diffusers' spelling, of Wan and Qwen-Image
        return True
    own = getattr(vae.config, "temporal_compression_ratio", None) or vars(vae).get("temporal_compression_ratio") or 1
    return bool(own > 1)
