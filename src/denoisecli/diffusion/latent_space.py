"""Whether two models mean the same by their latents, so that one can go on with a run of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denoisecli.errors import ModelError

from .canvas import latent_channels
from .clock import Clock
from .scheduler import process_of

if TYPE_CHECKING:
    from .models import Model

SCALING = ("scaling_factor", "shift_factor", "latents_mean", "latents_std")
"""What an autoencoder's config says of how latents are scaled for the denoiser."""


def check_same_space(first: Model, other: Model) -> None:
    """Raise ModelError where latents of one model are no latents of the other, naming both and what differs.

    Told by their configs: channels, pixels a latent pixel, how the autoencoder scales them, and the noise process.
    Two autoencoders of one config are taken for one: SD 1 and SD 2 share latents, and decode them differently.
    """
    ours, theirs = _space(first), _space(other)
    for what, own in ours.items():
        if own != theirs[what]:
            raise ModelError(
                f"{other.info.ref} cannot go on with a run of {first.info.ref}: their latents differ in {what}, "
                f"{_shown(own)} in {first.info.ref} and {_shown(theirs[what])} in {other.info.ref}.",
                "Take models of one family, such as SDXL's base and refiner.",
            )


def _space(model: Model) -> dict[str, Any]:
    config = getattr(model.pipe.vae, "config", {})
    return {
        "channels": latent_channels(model.pipe),
        "pixels a side": model.info.scale_factor,
        "process": process_of(Clock(model.pipe.scheduler)),
    } | {name: config.get(name) for name in SCALING}


def _shown(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)[:60]
