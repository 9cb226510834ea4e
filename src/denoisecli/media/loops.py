"""Films as pictures that loop for ever, GIF and animated WebP: small enough to be mailed, pasted and shown inline.

A GIF's palette is made of all its frames, and how large a file gets is only known when it is there. So the frames wait
in a lossless file until they are made into a picture once or, where that is over the budget, again and smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from .ffmpeg import REPEATABLE, run_ffmpeg

BUDGET = 10_000_000  # bytes: what chats, READMEs and mail take
ONE_PICTURE = ("-f", "image2", "-pattern_type", "none")
"""Else a path with %d in it means a row of numbered pictures; so it does in the name of a WebP without -f webp."""
SIDES = {"gif": 800, "webp": 1280}  # pixels: longest side, however large the film is
LEAST_SIDE = 320  # pixels: rather fewer frames than smaller ones
MOST_FPS = 25  # GIF counts hundredths of a second, and browsers play those under two as ten
TRIES = 5
FIT = 0.93  # of the budget is aimed at in the next try

# To 6 bits a channel: palettes of noise are then found ten times as fast, and look the same.
SIX_BITS = "bitor(bitand(min(val+2\\,255)\\,252)\\,floor(min(val+2\\,255)/64))"
FEWER_COLOURS = f"lutrgb=r={SIX_BITS}:g={SIX_BITS}:b={SIX_BITS}"
PALETTE = "palettegen=max_colors=256:stats_mode=full"
DITHER = "paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle"


@dataclass(frozen=True)
class Loop:
    """How a film becomes a looping picture: its (width, height) in pixels and frames a second."""

    size: tuple[int, int]
    fps: Fraction

    def smaller(self, share: float) -> Loop:
        """Return one of about `share` (below 1) of the bytes: fewer pixels, then fewer frames."""
        side = math.sqrt(max(share, 0.05))
        least = min(1.0, LEAST_SIDE / max(self.size))
        size = scaled(self.size, max(side, least))
        pixels = (size[0] * size[1]) / (self.size[0] * self.size[1])
        slower = Fraction(min(1.0, share / pixels)).limit_denominator(100)
        return replace(self, size=size, fps=max(Fraction(1), self.fps * slower) if self.fps > 1 else self.fps)

    def __str__(self) -> str:
        """Say the size and the speed."""
        return f"{self.size[0]}×{self.size[1]} at {float(self.fps):.3g} frames a second"


def scaled(size: tuple[int, int], share: float) -> tuple[int, int]:
    """Return `size` times `share`, even."""
    width, height = (max(2, round(side * share / 2) * 2) for side in size)
    return width, height


def first_loop(name: str, size: tuple[int, int], fps: Fraction) -> Loop:
    """Return what is tried first for format `name` ("gif" or "webp") of a film of `size`."""
    share = min(1.0, SIDES[name] / max(size))
    return Loop(scaled(size, share) if share < 1 else size, min(fps, Fraction(MOST_FPS)))


def waiting_arguments(name: str, loop: Loop) -> list[str]:
    """Return ffmpeg's arguments for the file in which the frames wait."""
    colours = f",{FEWER_COLOURS}" if name == "gif" else ""
    scale = f"scale={loop.size[0]}:{loop.size[1]}:flags=lanczos,format=gbrp{colours}"
    return ["-vf", scale, "-c:v", "ffv1", "-level", "3", "-slices", "4", "-g", "1", *REPEATABLE]


def make_loop(path: Path, partial: Path, waiting: Path, loop: Loop) -> Loop:
    """Write `partial` from the frames in `waiting`, as large as the budget allows, and return how it came out.

    path: the name to speak of in errors. Raises MediaError where ffmpeg fails.
    """
    name = path.suffix.removeprefix(".").lower()
    made = loop
    for _ in range(TRIES):
        for arguments in _PASSES[name](waiting, partial, made, first=loop):
            run_ffmpeg(path, arguments)
        share = FIT * BUDGET / partial.stat().st_size
        if share >= FIT or made == made.smaller(share):
            break
        made = made.smaller(share)
    return made


def _gif(waiting: Path, partial: Path, loop: Loop, first: Loop) -> list[Sequence[str]]:
    palette = waiting.with_suffix(".png")
    steps = _steps(loop, first)
    return [
        ["-i", str(waiting), "-vf", f"{steps}{PALETTE}", "-update", "1", "-frames:v", "1", str(palette)],
        ["-i", str(waiting), *ONE_PICTURE, "-i", str(palette), "-filter_complex",
         f"[0:v]{steps}null[a];[a][1:v]{DITHER}", "-loop", "0", *REPEATABLE, "-f", "gif", str(partial)],
    ]  # fmt: skip


def _webp(waiting: Path, partial: Path, loop: Loop, first: Loop) -> list[Sequence[str]]:
    coded = ("-c:v", "libwebp_anim", "-quality", "80", "-compression_level", "2", "-loop", "0")
    steps = f"{_steps(loop, first)}null"
    return [["-i", str(waiting), "-vf", steps, *coded, *REPEATABLE, "-f", "webp", str(partial)]]


def _steps(loop: Loop, first: Loop) -> str:
    """Return the filters that bring the waiting frames to `loop`."""
    scale = f"scale={loop.size[0]}:{loop.size[1]}:flags=lanczos," if loop.size != first.size else ""
    slower = f"fps={loop.fps}," if loop.fps != first.fps else ""
    return scale + slower


_PASSES = {"gif": _gif, "webp": _webp}
