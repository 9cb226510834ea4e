"""A cheaper last stage for a tiny autoencoder: the linear map that best imitates the one it has.

The last stage works at the size of the picture and costs most of a decode. What it adds can be had from the features
before it by one convolution, fitted by least squares to a dozen of the run's own latents: each feature pixel, with its
eight neighbours, gives one block of picture pixels. On the pocket model a decode takes about a third of the time and
differs from the full one by 35 to 40 dB PSNR, which nobody sees in a film.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NAME = "tiny autoencoder, last stage fitted"
SMALL_NAME = "preview autoencoder, last stage fitted"
EXAMPLES = 12  # latents that are enough to fit the map to
WORTH_IT = 4 * EXAMPLES  # pictures from which on the fit pays for itself
EVERY = 5  # feature pixels taken, one in so many; odd, so that every column of the picture has its turn
RIDGE = 1e-8  # of the mean feature power, for features that never vary


def examples(latents: Sequence[NDArray[Any]], pictures: int | None = None) -> NDArray[Any] | None:
    """Return EXAMPLES latents (n, C, h, w) spread evenly over arrays (seed, state, C, h, w); None for few pictures.

    pictures: that are to be decoded; by default these latents are all.
    """
    places = [(array, place) for array in latents for place in np.ndindex(array.shape[:2])]
    if not places or (len(places) if pictures is None else pictures) < WORTH_IT:
        return None
    chosen = np.linspace(0, len(places) - 1, EXAMPLES).round().astype(int)
    return np.stack([places[index][0][places[index][1]] for index in chosen])


def can_fit(vae: Any, like: Any = None) -> bool:
    """Return whether the decoder is a plain chain of layers whose last stage follows an upsampling.

    like: another one, whose pictures it is to imitate; it must be such a chain as well.
    """
    layers = [getattr(getattr(one, "decoder", None), "layers", None) for one in (vae, vae if like is None else like)]
    return all(isinstance(one, torch.nn.Sequential) and _cut(one) is not None for one in layers)


@torch.inference_mode()
def fitted(vae: Any, latents: NDArray[Any], like: Any = None) -> Any:
    """Return a copy of the autoencoder that shares all weights but decodes with a fitted last stage.

    latents: (n, C, h, w), a few like those that are to be decoded. like: the autoencoder whose pictures it is to
    imitate, of the same latents; by default its own.
    """
    layers = vae.decoder.layers
    cut = _cut(layers)
    assert cut is not None  # see can_fit
    block = int(layers[cut].scale_factor)
    head = _head(vae, vae if like is None else like, latents, layers[cut])
    stages = [*layers[:cut], head, torch.nn.PixelShuffle(block)]
    return _with_layers(vae, torch.nn.Sequential(*stages))


def _cut(layers: torch.nn.Sequential) -> int | None:
    """Return the index of the last upsampling, None where there is none or nothing precedes it."""
    found = [index for index, layer in enumerate(layers) if isinstance(layer, torch.nn.Upsample)]
    return found[-1] if found and found[-1] > 0 else None


def _head(vae: Any, like: Any, latents: NDArray[Any], upsampling: Any) -> torch.nn.Conv2d:
    """Return the 3×3 convolution W that minimises ‖unfold(features) · W − blocks of the picture‖² + ridge.

    The features are those of `vae` before its last upsampling, the pictures those of `like`.
    """
    block = int(upsampling.scale_factor)
    gram: Any = 0.0
    moment: Any = 0.0
    channels = 0
    for latent in latents:
        features, drawn = _heard(vae, like, latent, upsampling)
        channels = features.shape[1]
        rows = torch.nn.functional.unfold(features, 3, padding=1)[0].T[::EVERY]
        rows = torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)
        wanted = torch.nn.functional.pixel_unshuffle(drawn, block)[0].flatten(1).T[::EVERY]
        gram = gram + rows.T @ rows
        moment = moment + rows.T @ wanted
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    solution = torch.linalg.solve(gram + ridge, moment)
    head = torch.nn.Conv2d(channels, solution.shape[1], 3, padding=1)
    head.weight.copy_(solution[:-1].T.reshape(head.weight.shape))
    assert head.bias is not None
    head.bias.copy_(solution[-1])
    return head.to(vae.device, vae.dtype)


def _heard(vae: Any, like: Any, latent: NDArray[Any], upsampling: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Decode one latent in full; return what goes into vae's upsampling and what like's layers give, in float64."""
    heard: list[torch.Tensor] = []
    here = threading.get_ident()

    def hear(tensor: torch.Tensor) -> None:
        if threading.get_ident() == here:  # others may decode meanwhile
            heard.append(tensor)

    hooks = [
        upsampling.register_forward_pre_hook(lambda _, arguments: hear(arguments[0])),
        like.decoder.layers[-1].register_forward_hook(lambda _, __, output: hear(output)),
    ]
    try:
        for one in (vae,) if like is vae else (vae, like):
            one.decode(torch.from_numpy(latent[None]).to(one.device, one.dtype) / one.config.scaling_factor)
    finally:
        for hook in hooks:
            hook.remove()
    features, drawn = (tensor.detach().cpu().double().contiguous() for tensor in (heard[0], heard[-1]))
    return features, drawn


def _with_layers(vae: Any, layers: torch.nn.Sequential) -> Any:
    """Return a shallow copy of the autoencoder with other decoder layers; the original keeps its own."""
    decoder = copy.copy(vae.decoder)
    decoder._modules = dict(decoder._modules) | {"layers": layers}  # noqa: SLF001 - a module's registry is not copied
    other = copy.copy(vae)
    other._modules = dict(other._modules) | {"decoder": decoder}  # noqa: SLF001
    return other
