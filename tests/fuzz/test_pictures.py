"""Damaged pictures of every kind that Pillow reads: texts, or one of our own errors."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from denoisecli.errors import DenoiseError
from denoisecli.interop.metadata import texts_of
from denoisecli.media.images import open_picture

MODES = ("RGB", "L", "1", "CMYK", "F")


def encoded():
    """Yield (format, bytes) of a small picture in every format that is written here."""
    Image.init()
    notes = PngImagePlugin.PngInfo()
    notes.add_text("parameters", "a cat\nSteps: 1, Seed: 2, CFG scale: 3", zip=True)
    exif = Image.Exif()
    exif[0x010F] = "prompt:{}"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "a cat".encode("utf-16-be")
    for kind in sorted(Image.SAVE.keys() & Image.OPEN.keys()):
        for mode in MODES:
            buffer = io.BytesIO()
            more = {"pnginfo": notes} if kind == "PNG" else {}
            if kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "MPO"):
                more["exif"] = exif
            with suppress(Exception):  # a format that this build of Pillow, or this mode, has not
                Image.linear_gradient("L").resize((16, 12)).convert(mode).save(buffer, kind, **more)
                yield kind, buffer.getvalue()
                break


FILES = list(encoded())
MAGIC = [b"DDS \x7c\0\0\0" + bytes(120), b"8BPS" + bytes(40), b"\0\0\0\x1cftypavif" + bytes(60), b"FLIF", b"II*\0",
         b"\x59\xa6\x6a\x95" + bytes(40), b"GIMP" + bytes(40), b"qoif" + bytes(20), b"SIMPLE  =", b"\x1aE\xdf\xa3",
         bytes(1084), b"%!PS-Adobe-3.0 EPSF\n%%BoundingBox: 1 2 3 4\n", b"\x01\xda" + bytes(510)]  # fmt: skip
HOW = st.sampled_from(["over", "in", "cut"])
DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4), HOW), max_size=4)


def damaged(raw, damage):
    """Return bytes with others written over them or put in, or cut off, at shares of their length."""
    for share, piece, how in damage:
        at = int(share * len(raw))
        raw = raw[:at] if how == "cut" else raw[:at] + piece + raw[at + len(piece) * (how == "over") :]
    return raw


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures") / "x"


def test_there_is_something_to_damage():
    assert {"PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"} <= {kind for kind, _ in FILES}


@given(raw=st.sampled_from([raw for _, raw in FILES] + MAGIC), damage=DAMAGE)
def test_damaged_pictures(file, raw, damage):
    file.write_bytes(damaged(raw, damage))
    with suppress(DenoiseError):
        texts = texts_of(file)
        "".join(texts.values()).encode()
    with suppress(DenoiseError):
        open_picture(file)
