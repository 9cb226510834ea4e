"""The texts that image generators leave in a picture's file, whatever the container. Bounded; never runs anything.

PNG has text chunks; JPEG, WebP and AVIF have EXIF: `UserComment` (A1111's infotext) or plain ASCII tags of the form
`prompt:{...}` (ComfyUI's WebP).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import PngImagePlugin, UnidentifiedImageError

from denoisecli.errors import NotRecorded
from denoisecli.media.costs import MOST_PIXELS
from denoisecli.media.formats import open_image
from denoisecli.safe_files import NotAFile, open_file, read_file, why
from denoisecli.safe_text import safe

MOST_BYTES = 8_000_000  # of all texts of a file together; graphs of a thousand nodes have one
TEXT = ""  # the key of a file that is text as a whole
EXIF_PART, USER_COMMENT = 0x8769, 0x9286
IMAGE_DESCRIPTION, XP_COMMENT = 0x010E, 0x9C9C
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
"""The bytes that a text file may begin with, and what they say of it."""
COMMENTS = ("comment", "Comment", "Description")
UTF8, UTF16 = (b"ASCII\0\0\0", b"UTF-8\0\0\0"), b"UNICODE\0"


def texts_of(path: Path) -> dict[str, str]:
    """Return the texts in a file: those of an image, or all of a text file (a saved workflow, an infotext).

    Raises NotRecorded for what is neither, or too large.
    """
    try:
        return image_texts(path)
    except NoImage:
        try:
            raw = read_file(path, MOST_BYTES)
        except OSError as error:
            raise NotRecorded(f"{path} {why(error)}.") from None
        text = _text_file(raw) if raw.strip() else None
        if text is None:
            raise
        return {TEXT: safe(text)}


class NoImage(NotRecorded):
    """A file is of no kind of image that Pillow knows."""


def _text_file(raw: bytes) -> str | None:
    """Return a text file's text: by its mark, as UTF-8, or as Windows wrote it; None for what is no text."""
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            return raw.decode(encoding, "replace").lstrip("\ufeff")
    if b"\0" in raw:
        return _utf16_without_mark(raw)
    with contextlib.suppress(UnicodeDecodeError):
        return raw.decode("utf-8")
    return None if any(byte < 32 and byte not in b"\t\n\f\r" for byte in raw) else raw.decode("cp1252", "replace")


def _utf16_without_mark(raw: bytes) -> str | None:
    """Return text in UTF-16 without a mark, which has a zero in every other byte; None for what is no text."""
    for at, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(raw) % 2 == 0 and raw[at::2].count(0) > 0.6 * len(raw[at::2]) and not raw[1 - at :: 2].count(0):
            with contextlib.suppress(UnicodeDecodeError):
                return raw.decode(encoding)
    return None


@contextlib.contextmanager
def _long_texts() -> Iterator[None]:
    """Let Pillow read compressed texts as long as we take; its own bound is 1 MB each."""
    most, together = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MOST_BYTES
    try:
        yield
    finally:
        PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = most, together


def image_texts(path: Path) -> dict[str, str]:
    """Return the texts of an image by their key. Raises NotRecorded for what is no image or has texts too large."""
    if not path.is_file():
        raise NotRecorded(f"{path} is not there." if not path.exists() else f"{path} is not a file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _long_texts(), open_file(path) as file, open_image(file) as image:
                found = {safe(key): safe(text) for key, text in _texts(image).items()}
    except UnidentifiedImageError:
        raise NoImage(f"{path} is not an image that we can read.", "Use PNG, JPEG or WebP.") from None
    except (NotAFile, FileNotFoundError, PermissionError) as error:
        raise NotRecorded(f"{path} {why(error)}.") from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's readers of rare formats raise whatever they meet
        raise NotRecorded(f"{path} cannot be looked into: {str(error) or 'it is damaged'}.") from None
    if sum(map(len, found.values())) > MOST_BYTES:
        raise NotRecorded(f"{path} holds more than {MOST_BYTES // 1_000_000} MB of text, so these are not settings.")
    return found


def _texts(image: Any) -> dict[str, str]:
    """Return PNG chunks, those after the pixels too where these are few enough to be read, then what EXIF adds."""
    behind = hasattr(image, "text") and image.width * image.height <= MOST_PIXELS
    chunks = image.text if behind else image.info
    found = {str(key): _mended(value) for key, value in chunks.items() if isinstance(value, str)}
    for key in COMMENTS:  # a JPEG's COM marker, a GIF's comment
        raw = image.info.get(key)
        if isinstance(raw, bytes) and raw.strip(b"\0 "):
            found.setdefault("parameters", _by_guess(raw))
    return _exif_texts(image.getexif()) | found


def _mended(text: str) -> str:
    """Return a PNG's text: Latin-1 by the book, and UTF-8 where a tool wrote that, which its bytes show."""
    with contextlib.suppress(UnicodeError):
        raw = text.encode("latin-1")
        if not raw.isascii():
            return raw.decode("utf-8")
    return text


def _exif_texts(exif: Any) -> dict[str, str]:
    found = {}
    comments = (exif.get_ifd(EXIF_PART).get(USER_COMMENT), exif.get(USER_COMMENT))
    plain = (exif.get(XP_COMMENT), exif.get(IMAGE_DESCRIPTION))
    texts = [*map(_decoded, comments), *map(_plain, plain)]
    comment = next((text for text in texts if text), "")
    if comment:
        found["parameters"] = comment
    for value in exif.values():
        key, colon, text = value.partition(":") if isinstance(value, str) else ("", "", "")
        if colon and key.lower() in ("prompt", "workflow"):
            found[key.lower()] = text.rstrip("\0")
    return found


def _plain(value: Any) -> str:
    """Return a tag that is plain text: ImageDescription, or Windows' comment in UTF-16."""
    if isinstance(value, tuple) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        value = bytes(value)
    if isinstance(value, bytes):
        return _by_guess(value)
    return "" if not isinstance(value, str) or value.lower().startswith(("prompt:", "workflow:")) else _mended(value)


def _decoded(raw: Any) -> str:
    """Return a UserComment as text: eight bytes name its encoding, but many tools write another than they name."""
    if isinstance(raw, tuple) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in raw):
        raw = bytes(raw)
    if not isinstance(raw, bytes):
        return _mended(raw).strip("\0") if isinstance(raw, str) else ""
    head, body = raw[:8], raw[8:]
    named = head == UTF16 or head in UTF8 or not head.strip(b"\0")
    return _by_guess(body if named else raw)


def _by_guess(raw: bytes) -> str:
    """Return bytes as text: strictly UTF-8 where they have no zeros, else UTF-16 in the order that reads as Latin."""
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            return raw.decode(encoding, "replace").strip("\0\ufeff")
    trimmed = raw.strip(b"\0")
    if b"\0" not in trimmed:
        with contextlib.suppress(UnicodeDecodeError):
            return trimmed.decode("utf-8")
    big, little = raw.decode("utf-16-be", "replace"), raw.decode("utf-16-le", "replace")
    best = max((big, little), key=lambda text: sum(c < "\u0250" for c in text))
    if b"\0" not in trimmed and sum(c < "\u0250" for c in best) < len(best) / 4:  # not UTF-16 either
        return trimmed.decode("cp1252", "replace")
    return best.strip("\0\ufeff")
