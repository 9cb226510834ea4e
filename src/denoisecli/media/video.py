"""Frames to films: MP4 that plays everywhere, and WebM, GIF and WebP beside it, from one drawing."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from denoisecli.errors import MediaError
from denoisecli.safe_text import utf8

from .ffmpeg import REPEATABLE, Encoder, Frame, Stream, encoding, quoted
from .files import whole_file
from .loops import BUDGET, first_loop, make_loop, waiting_arguments

Say = Callable[[str], None]
Held = tuple[Frame, int]  # a frame and for how many ticks of the frame rate it is shown
THREADS = 2  # the same number everywhere: with another one, x264 writes other bytes
LOOKAHEAD = 10  # frames of which the tree is made: superfast takes none, and its films are then a third larger
FORMATS = ("mp4", "webm", "gif", "webp")
LOOPS = ("gif", "webp")

# RGB becomes BT.709 and says so: untagged, players guess, and the colours shift.
BT709 = (
    "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv420p,"
    "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
)


@dataclass(frozen=True)
class Quality:
    """How films are compressed. crf: 0..51, lower is better; preset: x264's, for how long it may search."""

    crf: int = 18
    preset: str = "superfast"
    threads: int = THREADS


@dataclass(frozen=True)
class Target:
    """One file to write, with the metadata to store in it (MP4 and WebM).

    Frames come at fps / tick; MP4 repeats them to `fps` after their colours were converted, which halves its cost.
    """

    path: Path
    fps: Fraction
    tick: int
    quality: Quality = Quality()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def format(self) -> str:
        """The format that the name asks for. Raises MediaError where it is none of FORMATS."""
        name = self.path.suffix.removeprefix(".").lower()
        if name not in FORMATS:
            raise MediaError(f"{self.path} is in no format we write; choose from: {', '.join(FORMATS)}.")
        return name


def write_video(
    frames: Iterable[Held],
    path: Path,
    fps: float,
    metadata: Mapping[str, str] | None = None,
    *,
    tick: int = 1,
) -> Path:
    """Write one film and return its path; the format follows from the suffix.

    frames: (uint8 H×W×3, repeats), consumed one at a time while ffmpeg encodes. fps: frames a second, constant.
    tick: a number that divides all repeats (their greatest common divisor makes encoding fastest).
    The same frames give the same bytes. Raises MediaError, and leaves nothing behind, where anything goes wrong.
    """
    return write_films(frames, [path], fps, metadata, tick=tick)[0]


def write_films(
    frames: Iterable[Held],
    paths: Sequence[Path],
    fps: float,
    metadata: Mapping[str, str] | None = None,
    *,
    tick: int = 1,
    quality: Quality = Quality(),
    say: Say = lambda _: None,
) -> list[Path]:
    """Write the same frames to several files, of any of FORMATS, drawing each frame once.

    say: is told where a looping picture had to be made smaller, or slower, to stay within its budget.
    """
    rate = Fraction(fps).limit_denominator(1001)
    targets = [Target(path, rate, tick, quality, metadata or {}) for path in paths]
    for target in targets:
        _ = target.format
    held = _even(_checked(frames, tick))
    first = next(held, None)
    if first is None:
        raise MediaError(f"{paths[0]} cannot be written: there are no frames.")
    height, width = first[0].shape[:2]
    with contextlib.ExitStack() as stack:
        partials = [stack.enter_context(whole_file(target.path)) for target in targets]
        encoders = [
            stack.enter_context(_encoder(target, partial, (width, height), say))
            for target, partial in zip(targets, partials, strict=True)
        ]
        for encoder in encoders:
            encoder.write(*first)
        for frame, ticks in held:
            for encoder in encoders:
                encoder.write(frame, ticks)
    return list(paths)


@contextlib.contextmanager
def _encoder(target: Target, partial: Path, size: tuple[int, int], say: Say) -> Iterator[Encoder]:
    """Yield what takes the frames; when the block ends well, `partial` is whole."""
    with tempfile.TemporaryDirectory(prefix="denoisecli-") as folder:
        if target.format in LOOPS:
            waiting = Path(folder) / "frames.mkv"
            first = first_loop(target.format, size, target.fps / target.tick)
            stream = Stream(size, target.fps / target.tick, waiting_arguments(target.format, first))
            with encoding(Encoder(target.path, waiting, stream)) as encoder:
                yield encoder
            made = make_loop(target.path, partial, waiting, first)
            if made != first:
                say(f"{target.path.name} is {made}, to stay under {BUDGET / 1e6:g} MB")
            return
        notes = Path(folder) / "metadata.txt"
        notes.write_bytes(utf8(quoted(target.metadata)))
        written = target.tick if target.format == "mp4" else 1
        stream = Stream(size, target.fps / target.tick, _ARGUMENTS[target.format](target, notes, size[0]), written)
        with encoding(Encoder(target.path, partial, stream)) as encoder:
            yield encoder


def _mp4(target: Target, notes: Path, width: int) -> list[str]:
    quality = target.quality
    # x264 weighs blocks by what later frames take from them. Its AVX-512 code takes a row's macroblocks (16 pixels) in
    # eights, and past the row's end reads what nobody wrote; without, one crf more looks the same. docs/decisions.md
    tree = -(-width // 16) % 8 == 0
    return [
        *("-i", str(notes), "-map", "0:v", "-map_metadata", "1", "-vf", f"{BT709},fps={target.fps}"),
        *("-c:v", "libx264", "-profile:v", "high", "-preset", quality.preset, "-crf", str(quality.crf + (not tree))),
        *("-x264-params", f"mbtree={tree:d}:rc-lookahead={LOOKAHEAD}"),
        *("-threads", str(quality.threads), "-fps_mode", "cfr"),
        *("-movflags", "+faststart+use_metadata_tags", *REPEATABLE),
    ]


def _webm(target: Target, notes: Path, _width: int) -> list[str]:
    return [
        *("-i", str(notes), "-map", "0:v", "-map_metadata", "1", "-vf", BT709),
        *("-c:v", "libvpx-vp9", "-crf", str(target.quality.crf + 12), "-b:v", "0", "-deadline", "realtime"),
        *("-cpu-used", "6", "-row-mt", "1", "-threads", str(target.quality.threads), *REPEATABLE),
    ]


_ARGUMENTS = {"mp4": _mp4, "webm": _webm}


def _checked(frames: Iterable[Held], tick: int) -> Iterator[Held]:
    """Pass frames on with their ticks; all must be uint8 H×W×3 of one size and be shown for whole ticks."""
    size: tuple[int, ...] | None = None
    for frame, repeats in frames:
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise ValueError(f"a frame must be uint8 (H, W, 3), not {frame.dtype} {frame.shape}")
        if frame.shape != (size or frame.shape):
            raise ValueError(f"frames differ in size: {frame.shape} after {size}")
        if repeats < 1 or repeats % tick:
            raise ValueError(f"a frame must be shown for whole ticks of {tick}, not {repeats} times")
        size = frame.shape
        yield frame, repeats // tick


def _even(frames: Iterable[Held]) -> Iterator[Held]:
    """Repeat the last row or column where the size is odd: 4:2:0 needs even sides, and scaling would blur."""
    for frame, repeats in frames:
        height, width = frame.shape[:2]
        if height % 2 or width % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")  # noqa: PLW2901
        yield frame, repeats
