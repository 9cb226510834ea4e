"""Looks into a film: its size, its length, one of its frames."""

from __future__ import annotations

import io
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from denoisecli.errors import MediaError
from denoisecli.media.ffmpeg import ffmpeg_path, lacks_memory
from denoisecli.media.formats import open_image
from denoisecli.safe_files import check_file, why

AGAIN = "Make the run again with --force."
ONE_PNG = ("-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-")
ONLY_MP4 = ("-protocol_whitelist", "file", "-f", "mov")  # a playlist that is called film.mp4 would have others read
TIMEOUT_S = 60
LENGTH = re.compile(rb"^  Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", re.MULTILINE)  # not a title that says such things
RATE = re.compile(rb"^  Stream #.*: Video: .*, (\d+(?:\.\d+)?) fps,", re.MULTILINE)


@dataclass(frozen=True)
class FilmInfo:
    """Size in pixels (width, height), length in seconds, frames a second."""

    size: tuple[int, int]
    duration_s: float
    fps: float


def film_info(path: Path) -> FilmInfo:
    """Return a film's size and length. Raises MediaError where it is missing or damaged."""
    return _read(path, 0.0)[0]


def film_frame(path: Path, share: float, before_s: float = 0, after_s: float = 0) -> NDArray[np.uint8]:
    """Return the frame (H, W, 3) at `share` (0..1) of a film's length, and none of the cards at its ends.

    before_s, after_s: seconds that the cards take. A film that is no longer than they are has none.
    """
    info = film_info(path)
    if before_s + after_s >= info.duration_s:
        before_s = after_s = 0
    last = info.duration_s - after_s - 1 / info.fps  # ffmpeg gives nothing for a time within the last frame
    return _read(path, max(before_s, min(share * info.duration_s, last)))[1]


def _read(path: Path, at_s: float) -> tuple[FilmInfo, NDArray[np.uint8]]:
    try:
        check_file(path, links=False)
    except OSError as error:
        raise MediaError(f"{path} {why(error)}.", AGAIN) from None
    command = [
        ffmpeg_path(),
        "-nostdin",
        "-hide_banner",
        *ONLY_MP4,
        "-ss",
        f"{at_s:.3f}",
        "-i",
        f"file:{path.absolute()}",
    ]
    try:
        done = subprocess.run([*command, *ONE_PNG], capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise MediaError(f"{path} is not a film that ffmpeg can read in {TIMEOUT_S} s.", AGAIN) from None
    if done.returncode and lacks_memory(done.stderr.decode(errors="replace")):
        raise MediaError(f"{path} cannot be read: there is not enough memory for ffmpeg.")
    length, rate = LENGTH.search(done.stderr), RATE.search(done.stderr)
    if done.returncode or not done.stdout or not length or not rate or not float(rate[1]):
        raise MediaError(f"{path} is not a film that ffmpeg can read.", AGAIN)
    try:
        with open_image(io.BytesIO(done.stdout), ["PNG"]) as image:
            frame = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path} is not a film that can be shown: {error}.", AGAIN) from None
    hours, minutes, seconds = map(float, length.groups())
    return FilmInfo((frame.shape[1], frame.shape[0]), 3600 * hours + 60 * minutes + seconds, float(rate[1])), frame
