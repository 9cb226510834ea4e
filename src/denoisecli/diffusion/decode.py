"""Latents become pictures.

Two decoders: `vae`, the model's own, and `preview`, cheap enough for every state of a run: a small autoencoder beside
the model's own, or the model's own where that is small, else the least-squares linear map from latents to colours.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch

from denoisecli.clips import first_of_each
from denoisecli.cores import in_order
from denoisecli.errors import SamplingError

from . import autoencoder, fitted_colours
from . import fitted_decoder as preview
from .blame import blamed
from .placing import computes_on
from .quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from .fitted_colours import Colours
    from .models import Model

Kind = Literal["preview", "vae"]
Place = tuple[torch.device, torch.dtype]  # where an autoencoder computes, and in what

PIXELS_PER_BATCH = 4 * 256 * 256
"""Pixels decoded at once, in a batch or side by side: more fall out of a CPU's caches, and cost memory."""

# Linear maps from scaled latents to RGB in −1..1, four channels and a constant. Sources: sd1 is the fit published in
# https://discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204, sdxl that of InvokeAI's
# invokeai/app/util/step_callback.py.
_KNOWN_FACTORS = {
    "sd1": (
        (0.298, 0.207, 0.208),
        (0.187, 0.286, 0.173),
        (-0.158, 0.189, 0.264),
        (-0.184, -0.271, -0.473),
        (0.0, 0.0, 0.0),
    ),
    "sdxl": (
        (0.3816, 0.4930, 0.5320),
        (-0.3753, 0.1631, 0.1739),
        (0.1770, 0.3588, -0.2048),
        (-0.4350, -0.2644, -0.4289),
        (0.0, 0.0, 0.0),
    ),
}
_KNOWN_FACTORS["sd2"] = _KNOWN_FACTORS["sd1"]  # its autoencoder is a fine-tuned decoder for the same latents


class Decoder(Protocol):
    """Turns latents into pictures; `name` goes into the trace, so that it says which one drew what."""

    name: str

    def decode(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        """Return sRGB pictures, (n, H, W, 3), for latents on the unit-variance scale, (n, C, h, w).

        Of clips, (n, C, f, h, w), the pictures are (n, f, H, W, 3): one for each frame of the latents.
        """
        ...


def decoder(model: Model, kind: Kind, examples: NDArray[Any] | None = None, own: NDArray[Any] | None = None) -> Decoder:
    """Return the model's decoder of this kind.

    examples: (n, C, h, w), some of the many latents to come; a tiny autoencoder's preview is fitted to them.
    own: (n, C, h, w), a few of the run's own; a linear preview is fitted to what the full decoder draws of them.
    """
    vae, small = model.pipe.vae, model.preview
    tiny = is_tiny(vae)
    if kind == "preview" and examples is not None and (tiny or small is not None):
        by, like = vae if small is None else small, vae if tiny else small
        if preview.can_fit(by, like):
            for one in (by, like):
                VaeDecoder(one, "tiny autoencoder")  # in its fast memory layout before it is copied
            return VaeDecoder(preview.fitted(by, examples, like), preview.NAME if small is None else preview.SMALL_NAME)
    if kind == "preview" and small is not None and not tiny:
        return VaeDecoder(small, "preview autoencoder")
    if kind == "vae" or tiny:
        name = "tiny autoencoder" if tiny else "vae"
        return VaeDecoder(vae, name, model.info.scale_factor, model.info.ref)
    if own is not None and len(own) > 1 and np.isfinite(own).all():
        return FittedDecoder(fitted_colours.fitted(decoder(model, "vae"), own), model.info.scale_factor)
    return LinearDecoder(rgb_factors(model), model.info.scale_factor)


def is_tiny(vae: Any) -> bool:
    """Tell whether an autoencoder is small by its making."""
    return type(vae).__name__ == "AutoencoderTiny"


@contextmanager
def layout_kept(vae: Any) -> Iterator[None]:
    """Give an autoencoder that is somebody else's back in the memory layout that it came in."""
    plain = [value for value in vae.parameters() if value.ndim == 4 and value.is_contiguous()]
    try:
        yield
    finally:
        for value in plain:
            value.data = value.data.contiguous()


class VaeDecoder:
    """The model's own autoencoder, in batches of bounded memory.

    On a CPU small pictures are decoded side by side, each by its share of torch's threads: threads that share a small
    picture wait for each other longer than they compute.
    """

    def __init__(
        self,
        vae: Any,
        name: str,
        scale_factor: int | None = None,
        ref: str = "pocket",
    ) -> None:
        self.vae, self.name, self.ref = vae, name, ref
        blocks = getattr(vae.config, "block_out_channels", None) or ()
        self.scale_factor: int = scale_factor or 2 ** max(len(blocks) - 1, 0)
        if is_tiny(vae):  # all convolutions: a third faster on a CPU in this layout
            vae.to(memory_format=torch.channels_last)

    def decode(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        """Return sRGB pictures, (n, H, W, 3), or (n, f, H, W, 3) of clips, uint8.

        Raises SamplingError where even float32 gives no numbers.
        """
        if latents.ndim == 5:
            frames = latents.shape[2]
            return np.stack([first_of_each(self.clip(one), frames) for one in latents])
        size = self._batch(latents.shape)
        place = self._place()  # once for all: to look for it walks through all modules
        if size > 1 and self._takes_several():
            work = partial(self._decode, place=place)
            return np.concatenate(list(side_by_side(work, np.split(latents, len(latents)), size)))
        parts = [self._decode(latents[i : i + size], place) for i in range(0, len(latents), size)]
        return np.concatenate(parts)

    def decodes_each_alone(self, shape: Sequence[int]) -> bool:
        """Tell whether latents of this shape, (C, h, w), are decoded one by one, whatever they come with."""
        return len(shape) == 3 and self._batch(shape) > 1 and self._takes_several()

    def _takes_several(self) -> bool:
        """Tell whether threads may decode at once: on a CPU, where nothing of the autoencoder changes meanwhile.

        In half precision its dtype may, and those of videos remember what they have decoded.
        """
        vae = self.vae
        return computes_on(vae).type == "cpu" and vae.dtype == torch.float32 and not autoencoder.has_frames(vae)

    def clip(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        """Return every frame, (F, H, W, 3), of one clip's latents (C, f, h, w).

        An autoencoder of pictures (AnimateDiff) decodes them one by one; one of clips all at once, or in parts where it
        has been asked to (`vae: {tiling: true}`).
        """
        if not autoencoder.has_frames(self.vae):
            return self.decode(np.ascontiguousarray(latents.swapaxes(0, 1)))
        return self._decode(latents[None], self._place())

    def _batch(self, shape: Sequence[int]) -> int:
        return max(1, PIXELS_PER_BATCH // (shape[-1] * shape[-2] * self.scale_factor**2))

    def _place(self) -> Place:
        return computes_on(self.vae), self.vae.dtype

    def _decode(self, latents: NDArray[Any], place: Place) -> NDArray[np.uint8]:
        config, (_, dtype) = self.vae.config, place
        if dtype == torch.float16 and config.get("force_upcast"):
            return self._decode_float32(latents)
        pictures = self._run(latents, place)
        if not bool(torch.isfinite(pictures).all()):
            return self._decode_float32(latents)
        return to_uint8(pictures)

    def _decode_float32(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        """Decode once more in float32: half precision overflows in some decoders, SDXL's first of all."""
        with quiet(), autoencoder.in_float32(self.vae):
            pictures = self._run(latents, self._place())
        if not bool(torch.isfinite(pictures).all()):
            raise SamplingError(f"The {self.name} gives no picture for these latents: its values are not numbers.")
        return to_uint8(pictures)

    @torch.inference_mode()
    def _run(self, latents: NDArray[Any], place: Place) -> torch.Tensor:
        x = torch.from_numpy(np.ascontiguousarray(latents)).to(*place)
        with blamed(self.ref):
            x = autoencoder.to_decoder(self.vae, x)
            if is_tiny(self.vae):
                x = x.contiguous(memory_format=torch.channels_last)
            made = autoencoder.decoded(self.vae, x)
        # of one clip, its frames are the pictures
        return made[0].swapaxes(0, 1) if latents.ndim == 5 else autoencoder.pixels_out(self.vae, made)


def can_draw_ahead(model: Model, kind: Kind, shape: Sequence[int]) -> bool:
    """Tell whether threads may draw states, of latents (C, h, w), while others are sampled.

    A linear preview is fitted to the finished pictures; and what decodes on a card has no need of it.
    """
    vae = model.preview if kind != "vae" and model.preview is not None else model.pipe.vae
    if kind != "vae" and not is_tiny(vae):
        return False
    return VaeDecoder(vae, "", model.info.scale_factor, model.info.ref).decodes_each_alone(shape)


def _frame_by_frame(decode: Callable[[NDArray[Any]], NDArray[np.uint8]], latents: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the pictures (n, f, H, W, 3) of clips (n, C, f, h, w) by a decoder that knows pictures alone."""
    n, frames = latents.shape[0], latents.shape[2]
    drawn = decode(latents.swapaxes(1, 2).reshape(n * frames, latents.shape[1], *latents.shape[3:]))
    return drawn.reshape(n, frames, *drawn.shape[1:])


def side_by_side(
    work: Callable[[NDArray[Any]], NDArray[np.uint8]], items: Sequence[NDArray[Any]], most: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield work(item) for every item, up to `most` at once; torch's threads are divided among them meanwhile.

    Each has as many threads as among many items, however few there are: the last bits hang on it.
    """
    threads = torch.get_num_threads()
    workers = max(1, min(threads, most))
    torch.set_num_threads(max(1, threads // workers))  # holds for threads that begin now
    try:
        yield from in_order(work, items, workers)
    finally:
        torch.set_num_threads(threads)


class LinearDecoder:
    """A linear map from latents to colours, enlarged to the size of the picture: a sketch, but almost free."""

    name = "linear"

    def __init__(self, factors: NDArray[np.float32], scale_factor: int) -> None:
        self.factors, self.scale_factor = factors, scale_factor

    def decode(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        """Return sRGB pictures, (n, H, W, 3), or (n, f, H, W, 3) of clips, uint8."""
        if latents.ndim == 5:
            return _frame_by_frame(self.decode, latents)
        return np.concatenate([self._enlarged(linear_rgb(one[None], self.factors)) for one in latents])

    def _enlarged(self, small: NDArray[np.uint8]) -> NDArray[np.uint8]:
        x = torch.from_numpy(small).permute(0, 3, 1, 2).float()
        large = torch.nn.functional.interpolate(x, scale_factor=self.scale_factor, mode="bilinear")
        return np.asarray(large.round().to(torch.uint8).permute(0, 2, 3, 1).numpy())


class FittedDecoder:
    """The linear map that was fitted to this run, enlarged to the size of the picture."""

    def __init__(self, colours: Colours, scale_factor: int) -> None:
        self.colours, self.scale_factor, self.name = colours, scale_factor, colours.name

    def decode(self, latents: NDArray[Any]) -> NDArray[np.uint8]:
        """Return sRGB pictures, (n, H, W, 3), or (n, f, H, W, 3) of clips, uint8."""
        if latents.ndim == 5:
            return _frame_by_frame(self.decode, latents)
        size = (latents.shape[-2] * self.scale_factor, latents.shape[-1] * self.scale_factor)
        return np.concatenate([self._enlarged(latents[i : i + 1], size) for i in range(len(latents))])

    def _enlarged(self, latents: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
        small = torch.from_numpy(self.colours.draw(latents)).permute(0, 3, 1, 2)
        return to_uint8(torch.nn.functional.interpolate(small, size=size, mode="bilinear"))


def to_uint8(pictures: torch.Tensor) -> NDArray[np.uint8]:
    """Return (n, 3, H, W) in −1..1 as (n, H, W, 3) in 0..255, rounded as diffusers does it."""
    scaled = (pictures.float() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
    return np.asarray(scaled.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def linear_rgb(latents: NDArray[Any], factors: NDArray[Any]) -> NDArray[np.uint8]:
    """Return small sRGB pictures, (n, h, w, 3): latents (n, C, h, w) times factors (C + 1, 3), the last row added."""
    colours = np.einsum("nchw,cr->nhwr", latents, factors[:-1]) + factors[-1]
    bytes_: NDArray[np.uint8] = np.clip(np.rint((np.nan_to_num(colours) / 2 + 0.5) * 255), 0, 255).astype(np.uint8)
    return bytes_


def rgb_factors(model: Model) -> NDArray[np.float32]:
    """Return the linear map latents -> RGB in −1..1, (C + 1, 3): published where known, else fitted to the decoder."""
    known = _KNOWN_FACTORS.get(model.info.family)
    if known is not None:
        return np.array(known, dtype=np.float32)
    return _fitted(
        VaeDecoder(model.pipe.vae, "vae", model.info.scale_factor, model.info.ref), model.info.latent_shape[0]
    )


def _fitted(vae: VaeDecoder, channels: int) -> NDArray[np.float32]:
    """Return the least-squares map from smooth random latents to the pictures that the decoder makes of them."""
    generator = torch.Generator("cpu").manual_seed(0)
    coarse = torch.randn(8, channels, 4, 4, generator=generator)
    latents = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bicubic").numpy()
    pictures = vae.decode(latents).astype(np.float32) / 127.5 - 1
    block = pictures.shape[1] // latents.shape[2]
    n, height, width = len(pictures), latents.shape[2], latents.shape[3]
    means = pictures.reshape(n, height, block, width, block, 3).mean(axis=(2, 4)).reshape(-1, 3)
    columns = latents.transpose(0, 2, 3, 1).reshape(-1, channels)
    design = np.concatenate([columns, np.ones((len(columns), 1), np.float32)], axis=1)
    factors: NDArray[np.float32] = np.linalg.lstsq(design, means, rcond=None)[0].astype(np.float32)
    return factors
