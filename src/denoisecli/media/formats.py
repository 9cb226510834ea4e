"""The kinds of picture that are read and written, and Pillow's parts for them: the one place that opens or encodes.

Pillow finds a reader by loading every one it has, those that start other programs too (Ghostscript, for EPS), and a
part that cannot be loaded, be it for want of memory, is to it one that was never there. So the parts of the kinds
listed here are loaded by name, and no other kind is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import IO, Any

from PIL import Image

from denoisecli.errors import MediaError, is_of_memory

from .costs import MOST_SIDE, checked

PARTS = {
    "PNG": ("PngImagePlugin",),
    "JPEG": ("MpoImagePlugin", "JpegImagePlugin"),  # pictures of phones are several in one
    "WEBP": ("_webp", "WebPImagePlugin"),
    "AVIF": ("_avif", "AvifImagePlugin"),
    "GIF": ("GifImagePlugin",),
    "BMP": ("BmpImagePlugin",),
    "TIFF": ("TiffImagePlugin",),
    "PPM": ("PpmImagePlugin",),
}
"""Each kind's modules of Pillow; what is compiled stands first, since its plugin hides why it could not be loaded."""

KINDS = tuple(PARTS)


def open_image(file: IO[bytes], kinds: Sequence[str] = KINDS) -> Image.Image:
    """Open a picture of one of these kinds as `Image.open` does; its pixels are not read yet.

    Raises UnidentifiedImageError for any other kind, MemoryError where a reader cannot be loaded for want of memory,
    ValueError where reading it would cost more than any picture does, and whatever Pillow raises for a damaged file.
    """
    image = Image.open(checked(file), formats=[kind for kind in kinds if _is_here(kind)])
    if max(image.size) > MOST_SIDE:
        raise ValueError(f"it is {image.width} × {image.height} pixels, and a side has at most {MOST_SIDE:,}")
    return image


def write_image(image: Image.Image, file: Any, kind: str, **options: Any) -> None:
    """Encode a picture into a file or a buffer. Raises MediaError where this Pillow was built without that kind."""
    if not _is_here(kind):
        raise MediaError(f"This Pillow cannot write {kind}.", "Install it anew: pip install --force-reinstall pillow")
    image.save(file, kind, **options)


@cache  # what is here once stays; errors are not kept
def _is_here(kind: str) -> bool:
    """Load Pillow's parts for a kind, and return whether it was built with them."""
    try:
        for part in PARTS[kind]:
            import_module(f"PIL.{part}")
    except ImportError as error:
        if is_of_memory(error):
            raise MemoryError(str(error)) from error
        return False
    return True
