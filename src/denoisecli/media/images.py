"""Pictures to PNG, with text in them, and a user's pictures from any file."""

from __future__ import annotations

import contextlib
import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from denoisecli.errors import MediaError
from denoisecli.safe_files import open_file, why
from denoisecli.safe_text import safe

from .costs import MOST_PIXELS
from .files import whole_file
from .formats import KINDS, open_image, write_image

Picture = NDArray[np.uint8]  # (H, W, 3), sRGB
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation."""


def save_png(image: Image.Image | Picture, path: Path, text: Mapping[str, str] | None = None) -> Path:
    """Write a PNG with `text` chunks, whole or not at all; the same input gives the same bytes.

    Only runs of equal bytes are looked for (zlib's Z_RLE): with the rows' filters before it, made for PNG, and on
    pictures four times as fast as a search, whose files are no smaller.
    Text that Latin-1 holds becomes a tEXt chunk (what A1111 and ComfyUI write and read), other text iTXt in UTF-8.
    """
    notes = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        notes.add_text(key, safe(value))
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.ascontiguousarray(image))
    with whole_file(path) as partial:
        write_image(picture, partial, "PNG", pnginfo=notes, compress_type=zlib.Z_RLE)
    return path


def open_picture(
    path: Path, most_pixels: int = MOST_PIXELS, *, links: bool = True, kinds: Sequence[str] = KINDS
) -> Image.Image:
    """Return a user's picture upright, as 8-bit RGB; what is transparent becomes white (`info["flattened"]`).

    Of an animation its first picture (`info["animated"]`).

    links: whether `path` may be one. kinds: of `formats` that are taken. Raises MediaError for what is no picture, is
    damaged, or is larger than `most_pixels`, or is no file but a pipe, a device or a folder.
    """
    try:
        file = open_file(path, links=links)
    except OSError as error:
        raise MediaError(f"{path} {why(error)}.") from None
    try:
        with file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notes about odd metadata; the size is checked here
            with open_image(file, kinds) as image:
                if image.width * image.height > most_pixels:
                    raise _too_large(path, f"{image.width} × {image.height} pixels", most_pixels)
                image.load()
                found = _on_white(_eight_bits(_upright(image)))
                found.info["animated"] = getattr(image, "is_animated", False)  # to count them all may take minutes
                return found
    except UnidentifiedImageError:
        raise MediaError(f"{path} is not a picture in a format we can read.", "Use PNG, JPEG or WebP.") from None
    except Image.DecompressionBombError:
        raise _too_large(path, "far more pixels", most_pixels) from None
    except (MediaError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - each of Pillow's readers has errors of its own
        what = " ".join(str(error).split())[:200] or "it is damaged"
        raise MediaError(f"{path} cannot be read as a picture: {what}.") from None


def _too_large(path: Path, what: str, most_pixels: int) -> MediaError:
    return MediaError(f"{path} has {what}; at most {most_pixels / 1e6:g} million are read.", "Make it smaller first.")


def _upright(image: Image.Image) -> Image.Image:
    """Return a picture turned as its EXIF says. The other tags are not looked at: anything may stand in them."""
    turn = None
    with contextlib.suppress(Exception):  # EXIF that cannot be read says nothing
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info = {key: image.info[key] for key in ("transparency",) if key in image.info}
    return turned


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return images of 16 or 32 bits a pixel as 8-bit grey; others as they are. Their transparent value is cut last."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.nan_to_num(np.asarray(image))
    if image.mode == "F":  # 0..1 with highlights above, or 0..255
        factor = 255.0 if np.median(values) <= 1 else 1.0
    else:
        factor = 1 / 257 if image.mode.startswith("I;16") or values.max() > 255 else 1.0
    grey = np.empty(values.shape, np.uint8)
    for row, line in enumerate(values):  # wide numbers of all pixels at once would be gigabytes
        grey[row] = np.clip(line.astype(np.float64) * factor + 0.5, 0, 255)
    cut = Image.fromarray(grey)
    hole = image.info.get("transparency")
    if isinstance(hole, int):
        cut.putalpha(Image.fromarray(np.where(values == hole, 0, 255).astype(np.uint8)))
    return cut


def _on_white(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    hole = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(hole, tuple) and max(hole) > 255:  # of 16 bits, which Pillow has cut to 8
        image.info["transparency"] = tuple(value >> 8 for value in hole)
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
    found = Image.alpha_composite(white, layered).convert("RGB")
    if np.asarray(layered.getchannel("A")).min() < 255:
        found.info["flattened"] = True
    return found
