"""The texts that image generators leave in a picture's file, whatever the container. Bounded; never runs anything.

PNG has text chunks; JPEG, WebP and AVIF have EXIF: `UserComment` (A1111's infotext) or plain ASCII tags of the form
`prompt:{...}` (ComfyUI's WebP).
"""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from ..errors import NotRecorded

MOST_BYTES = 8_000_000  # of all texts of a file together; graphs of a thousand nodes have one
MOST_PIXELS = 64_000_000  # of which 256 MB of memory come, for what stands behind the pixels
TEXT = ""  # the key of a file that is text as a whole
EXIF_PART, USER_COMMENT = 0x8769, 0x9286
UTF8, UTF16 = (b"ASCII\0\0\0", b"UTF-8\0\0\0"), b"UNICODE\0"


def texts_of(path: Path) -> dict[str, str]:
    """Return the texts in a file: those of an image, or all of a text file (a saved workflow, an infotext).

    Raises NotRecorded for what is neither, or too large.
    """
    if path.is_file() and not _is_image(path):
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) <= MOST_BYTES and raw.strip() and b"\0" not in raw:
            with contextlib.suppress(UnicodeDecodeError):
                return {TEXT: raw.decode("utf-8-sig")}
    return image_texts(path)


def _is_image(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path):
                return True
    except UnidentifiedImageError:
        return False
    except Exception:  # noqa: BLE001 - a damaged image is an image; `image_texts` says what is wrong with it
        return True


def image_texts(path: Path) -> dict[str, str]:
    """Return the texts of an image by their key. Raises NotRecorded for what is no image or has texts too large."""
    if not path.is_file():
        raise NotRecorded(f"{path} is not there." if not path.exists() else f"{path} is not a file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                found = _texts(image)
    except UnidentifiedImageError:
        raise NotRecorded(f"{path} is not an image that we can read.", "Use PNG, JPEG or WebP.") from None
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise NotRecorded(f"{path} cannot be looked into: {str(error) or 'it is damaged'}.") from None
    if sum(map(len, found.values())) > MOST_BYTES:
        raise NotRecorded(f"{path} holds more than {MOST_BYTES // 1_000_000} MB of text, so these are no settings.")
    return found


def _texts(image: Any) -> dict[str, str]:
    """Return PNG chunks, those after the pixels too where these are few enough to be read, then what EXIF adds."""
    behind = hasattr(image, "text") and image.width * image.height <= MOST_PIXELS
    chunks = image.text if behind else image.info
    found = {str(key): value for key, value in chunks.items() if isinstance(value, str)}
    return _exif_texts(image.getexif()) | found


def _exif_texts(exif: Any) -> dict[str, str]:
    found = {}
    comment = _decoded(exif.get_ifd(EXIF_PART).get(USER_COMMENT))
    if comment:
        found["parameters"] = comment
    for value in exif.values():
        key, colon, text = value.partition(":") if isinstance(value, str) else ("", "", "")
        if colon and key.lower() in ("prompt", "workflow"):
            found[key.lower()] = text.rstrip("\0")
    return found


def _decoded(raw: Any) -> str:
    """Return a UserComment as text: eight bytes name its encoding; UTF-16 is big-endian but where it clearly is not."""
    if not isinstance(raw, bytes):
        return raw if isinstance(raw, str) else ""
    head, body = raw[:8], raw[8:]
    if head == UTF16:
        big = body.decode("utf-16-be", "replace")
        little = body.decode("utf-16-le", "replace")
        return max((big, little), key=lambda text: sum(c < "\u0250" for c in text)).strip("\0\ufeff")
    return (body if head in UTF8 or not head.strip(b"\0") else raw).decode("utf-8", "replace").strip("\0")
