"""A small file that asks for minutes of work, or gigabytes, is refused or read without it; pictures as people have
them, odd ones too, are read."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import GifImagePlugin, Image, TiffImagePlugin

from denoisecli.errors import MediaError, NotRecorded
from denoisecli.interop.metadata import texts_of
from denoisecli.media import costs
from denoisecli.media.formats import open_image
from denoisecli.media.images import open_picture

SMALL = Image.linear_gradient("L").resize((64, 48)).convert("RGB")


def encoded(kind, **options):
    buffer = io.BytesIO()
    SMALL.save(buffer, kind, **options)
    return buffer.getvalue()


def progressive(times):
    """Return a JPEG whose last scan is there several times over."""
    raw = encoded("JPEG", progressive=True)
    last = raw[raw.rindex(b"\xff\xda") : -2]
    return raw[:-2] + last * times + raw[-2:]


def png(width, height, more=()):
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((width + 1) * height))
    parts = [(b"IHDR", head), *more, (b"IDAT", pixels), (b"IEND", b"")]
    body = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def ppm(head):
    return head + bytes(64 * 48 * 3)


DEAR = {
    "JPEG of a thousand scans": (progressive(1500), "rounds"),
    "JPEG with filling between its scans": (progressive(1500).replace(b"\xff\xda", b"\xff\xff\xda"), "rounds"),
    "PNG of many pieces": (png(8, 8, [(b"tEXt", b"a\0b")] * (costs.MOST_CHUNKS + 1)), "pieces"),
    "PPM behind a comment": (ppm(b"P6 #" + b"x" * costs.MOST_HEAD + b"\n64 48 255\n"), "head"),
    "PPM behind blanks": (ppm(b"P6" + b" " * costs.MOST_HEAD + b"64 48 255\n"), "head"),
    "PPM behind comments that may be taken apart": (ppm(b"P6" + b"#" * costs.MOST_HEAD), "head"),
    "a row of pixels without an end": (png(costs.MOST_SIDE + 1, 1), "a side has at most"),
    "a column of pixels without an end": (png(1, costs.MOST_SIDE + 1), "a side has at most"),
}


@pytest.mark.parametrize("name", DEAR)
def test_what_costs_more_than_any_picture_is_refused(tmp_path, name):
    raw, says = DEAR[name]
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(MediaError, match=says):
        open_picture(tmp_path / "x")
    with pytest.raises(NotRecorded, match=says):
        texts_of(tmp_path / "x")


USUAL = {
    "JPEG": encoded("JPEG"),
    "progressive JPEG": encoded("JPEG", progressive=True),
    "JPEG with a clip behind its end": encoded("JPEG") + b"\xff\xda\0\2" * 5000,
    "JPEG with marks in what it says of itself": encoded("JPEG", exif=b"Exif\0\0" + b"\xff\xda\0\2" * 5000),
    "JPEG in many intervals": encoded("JPEG", restart_marker_blocks=1),
    "PNG": encoded("PNG"),
    "PPM": encoded("PPM"),
    "PPM with a comment": ppm(b"P6\n# by a camera\n64 48\n# of 8 bits\n255\n"),
    "large PPM": b"P6 64 48 65535 " + bytes(64 * 48 * 6),
}


@pytest.mark.parametrize("name", USUAL)
def test_what_people_have_is_read(tmp_path, name):
    (tmp_path / "x").write_bytes(USUAL[name])
    assert open_picture(tmp_path / "x").size == (64, 48)
    texts_of(tmp_path / "x")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_read_once(tmp_path, progressive):
    """It was read for its scans, and again for its pixels: another file then, where somebody wrote to it meanwhile."""

    class Heard(io.BytesIO):
        taken = 0

        def read(self, *size):
            got = super().read(*size)
            self.taken += len(got)
            return got

    Image.effect_noise((256, 256), 80).save(tmp_path / "x.jpg", progressive=progressive)
    raw = (tmp_path / "x.jpg").read_bytes()
    file = Heard(raw)
    with open_image(file) as image:
        image.load()
    assert len(raw) <= file.taken <= len(raw) + costs.MOST_HEAD < 2 * len(raw)


@pytest.mark.parametrize("kind", [GifImagePlugin.GifImageFile, TiffImagePlugin.TiffImageFile])
def test_the_pictures_of_an_animation_are_not_counted(tmp_path, monkeypatch, kind):
    """A GIF has two million of them in 34 MB."""
    monkeypatch.setattr(kind, "n_frames", property(lambda _: pytest.fail("counted")))
    for frames, name in ((1, "still"), (3, "moves")):
        more = [SMALL.rotate(90 * turn) for turn in range(1, frames)]
        (tmp_path / name).write_bytes(encoded(kind.format, save_all=True, append_images=more))
        assert open_picture(tmp_path / name).info["animated"] is (frames > 1)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_wide_pixels_take_no_gigabytes(tmp_path, mode):
    """64 million of 16 bits took 2 GB."""
    pixels = np.zeros((1000, 1000), {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode])
    Image.fromarray(pixels).save(tmp_path / "x.tif")
    open_picture(tmp_path / "x.tif")  # what is loaded once does not count
    tracemalloc.start()
    try:
        open_picture(tmp_path / "x.tif")
        assert tracemalloc.get_traced_memory()[1] < 4 * pixels.size * pixels.itemsize
    finally:
        tracemalloc.stop()
