"""What reading a picture may cost: a few bytes of some kinds ask for minutes of work, before or behind their pixels.

The checks look at how a file is built and at nothing that it holds. They raise ValueError in words; readers of
pictures tell of it as of any other damage.
"""

from __future__ import annotations

import io
import re
import struct
from typing import IO

MOST_PIXELS = 64_000_000  # 8000 × 8000; far more than any model paints, far less than memory
MOST_SIDE = 100_000  # pixels; each row takes memory of its own, however short
MOST_DRAWN = 1_280_000_000  # pixels of a JPEG, counted in each of its scans: a progressive one has ten
MOST_JPEG = 1 << 28  # bytes: four for each pixel of the largest picture that is read
MOST_CHUNKS = 200_000  # of a PNG: the largest picture has 60,000, if they are small
MOST_HEAD = 4096  # bytes before the pixels of a PPM, which Pillow reads one by one
PPM_HEAD = re.compile(rb"P.(?:CMYK|RGBA)?(?:(?:\s|#[^\r\n]*[\r\n])+[-+.\deE]+){2,3}\s")
JPEG_MARK = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")  # not what stands amid coded pixels
SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # marks of a JPEG's size
SCAN, END = 0xDA, 0xD9


def checked(file: IO[bytes]) -> IO[bytes]:
    """Return the file to read a picture from: this one, or its bytes where all of them were looked at.

    Raises ValueError where a file at its start is a picture that asks for more work than any has.
    """
    start = file.read(MOST_HEAD)
    file.seek(0)
    if start.startswith(b"\xff\xd8"):
        return _with_few_scans(file)
    if start.startswith(b"\x89PNG"):
        _check_chunks(file)
    elif re.match(rb"P[0-6fFy]", start) and len(start) == MOST_HEAD and not PPM_HEAD.match(start):
        raise ValueError("its head is longer than that of any picture")
    file.seek(0)
    return file


def _with_few_scans(file: IO[bytes]) -> IO[bytes]:
    """Return a JPEG's bytes: what was looked at is what is decoded, also where the file changes meanwhile."""
    data = file.read(MOST_JPEG + 1)
    if len(data) > MOST_JPEG:
        raise ValueError(f"it is larger than {MOST_JPEG / 1e6:.0f} MB")
    at, scans, pixels = 2, 0, 1_000_000  # in small ones a scan costs more than its pixels
    while found := JPEG_MARK.search(data, at):
        at = found.start()
        kind, head = data[at + 1], data[at + 2 : at + 9].ljust(7, b"\0")
        length, _, height, width = struct.unpack(">HBHH", head)
        pixels = max(pixels, height * width) if kind in SIZES else pixels
        scans += kind == SCAN
        if scans * pixels > MOST_DRAWN:
            raise ValueError(f"it is drawn in {scans} rounds or more")
        if kind == END:  # what stands behind it is no part of the picture
            break
        at += 2 + length
    return io.BytesIO(data)


def _check_chunks(file: IO[bytes]) -> None:
    file.seek(8)
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        file.seek(4 + int(struct.unpack(">I", head[:4])[0]), 1)
    raise ValueError(f"it is in more than {MOST_CHUNKS:,} pieces")
