"""One ffmpeg process that is fed raw frames, and whose every way of failing is noticed."""

from __future__ import annotations

import contextlib
import queue
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from denoisecli.errors import MediaError

from .files import disk_full

Frame = NDArray[np.uint8]  # (H, W, 3), sRGB
WAITING = 4  # frames that may wait for ffmpeg, so that drawing and encoding overlap
REPEATABLE = ("-fflags", "+bitexact", "-flags:v", "+bitexact")  # no dates, no versions: the same bytes every time
NO_FFMPEG = "Install it with: pip install imageio-ffmpeg, or point IMAGEIO_FFMPEG_EXE to one."


def ffmpeg_path() -> str:
    """Return the ffmpeg to run: IMAGEIO_FFMPEG_EXE, else the one that imageio-ffmpeg brings, else the system's."""
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise MediaError("No ffmpeg was found, so no film can be written.", NO_FFMPEG) from None


@dataclass(frozen=True)
class Stream:
    """What ffmpeg gets and does: frames of `size` (width, height, even) at `fps`.

    arguments: what stands between the input and the output name. written: frames that must come out for each that
    goes in; 0 where the format counts in another way (an animated WebP is one packet).
    """

    size: tuple[int, int]
    fps: Fraction
    arguments: Sequence[str]
    written: int = 1


class Encoder:
    """Feeds frames to one ffmpeg that writes `partial`; `path` is the name to speak of in errors."""

    def __init__(self, path: Path, partial: Path, stream: Stream) -> None:
        self.path, self.partial, self.stream = path, partial, stream
        self.frames = 0
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`; a pipe could fill up and block)
        width, height = stream.size
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(stream.fps), "-i", "-"]
        command = [ffmpeg_path(), "-y", "-nostdin", "-hide_banner", "-loglevel", "info", *source, *stream.arguments]
        try:
            self.process = subprocess.Popen(
                [*command, str(partial.absolute())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self.log,
                start_new_session=True,  # Ctrl-C is ours to handle: it must not end ffmpeg as if the film were whole
            )
        except OSError as error:
            self.log.close()
            raise _does_not_start(path, error) from None
        assert self.process.stdin is not None
        self.waiting: queue.Queue[tuple[Frame, int] | None] = queue.Queue(WAITING)
        self.broken = threading.Event()
        self.feeder = threading.Thread(target=self._feed, args=(self.process.stdin,), daemon=True)
        self.feeder.start()

    def write(self, frame: Frame, repeats: int) -> None:
        """Hand over a frame to be shown `repeats` times. Raises MediaError where ffmpeg has died."""
        if self.broken.is_set():
            self.finish()
        self.waiting.put((frame, repeats))
        self.frames += repeats

    def finish(self) -> None:
        """Wait for the end and check it. Raises MediaError unless every frame was written."""
        try:
            self.waiting.put(None)
            self.feeder.join()
            code = self.process.wait()
            said = self._log()
        finally:
            self.abort()
        problem = _problem(code, said, self.frames * self.stream.written, self.partial)
        if problem is not None:
            raise _failure(self.path, problem, said)

    def abort(self) -> None:
        """Stop ffmpeg at once, if it still runs, and let go of everything."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        while self.feeder.is_alive():  # it drains what waits, since nobody reads any more, and then sees the end
            with contextlib.suppress(queue.Full):
                self.waiting.put(None, timeout=0.05)
            self.feeder.join(timeout=0.05)
        if not self.log.closed:
            self.log.close()

    def _feed(self, pipe: IO[bytes]) -> None:
        try:
            with pipe:
                for frame, repeats in iter(self.waiting.get, None):
                    if not self.broken.is_set():
                        self._send(pipe, frame, repeats)
        except OSError:  # closing flushes; ffmpeg's exit code and log tell what happened
            self.broken.set()

    def _send(self, pipe: IO[bytes], frame: Frame, repeats: int) -> None:
        picture = np.ascontiguousarray(frame).data
        try:
            for _ in range(repeats):
                pipe.write(picture)
        except OSError:
            self.broken.set()

    def _log(self) -> str:
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


def run_ffmpeg(path: Path, arguments: Sequence[str]) -> None:
    """Run ffmpeg from files to the file that is named last. path: the name to speak of in errors; raises MediaError."""
    command = [ffmpeg_path(), "-y", "-nostdin", "-hide_banner", "-loglevel", "info", *arguments]
    try:
        ran = subprocess.run(command, capture_output=True, start_new_session=True, check=False)
    except OSError as error:
        raise _does_not_start(path, error) from None
    said = ran.stderr.decode(errors="replace")
    problem = _problem(ran.returncode, said, 0, Path(arguments[-1]))
    if problem is not None:
        raise _failure(path, problem, said)


def _does_not_start(path: Path, error: OSError) -> MediaError:
    why = (error.strerror or str(error)).lower()
    return MediaError(f"{path} cannot be written: ffmpeg does not start ({why}).", NO_FFMPEG)


@contextlib.contextmanager
def encoding(encoder: Encoder) -> Iterator[Encoder]:
    """Finish the encoder when the block ends well, stop it when it does not."""
    try:
        yield encoder
    except BaseException:
        encoder.abort()
        raise
    encoder.finish()


def _problem(code: int, said: str, frames: int, partial: Path) -> str | None:
    """Return what went wrong, or None: exit code, frame count and size are all looked at."""
    if code < 0:
        return f"was stopped by signal {-code}"
    if code > 0:
        return f"failed with exit code {code}"
    counts = re.findall(r"frame=\s*(\d+)", said)
    written = int(counts[-1]) if counts else 0
    if frames and written != frames:
        return f"wrote {written} of {frames} frames"
    if not partial.is_file() or partial.stat().st_size == 0:
        return "wrote an empty file"
    return None


def _failure(path: Path, problem: str, said: str) -> MediaError:
    full = "No space left on device" in said or "File too large" in said or problem.endswith("signal 25")
    if full:
        return disk_full(path)
    if lacks_memory(said):
        return MediaError(
            f"{path} cannot be written: there is not enough memory for ffmpeg.", "Try a smaller film.size."
        )
    lines = [line.strip() for line in said.splitlines() if re.search("error|invalid|fail|cannot|unable", line, re.I)]
    lines = [line for line in lines if line != "Conversion failed!"]  # its last word, whatever went wrong
    detail = f": {lines[-1][:200].rstrip('.')}" if lines else ""
    return MediaError(f"{path} could not be written: ffmpeg {problem}{detail}.", "Nothing was left behind; try again.")


def lacks_memory(said: str) -> bool:
    """Return whether ffmpeg's log tells of no memory, or of no thread, which is for want of memory mostly."""
    return re.search("Cannot allocate memory|malloc of size|Resource temporarily unavailable", said) is not None


def quoted(metadata: Mapping[str, str]) -> str:
    """Return `metadata` as an ffmetadata file, its special characters escaped."""
    lines = [f"{_escaped(key)}={_escaped(value)}" for key, value in metadata.items()]
    return "\n".join([";FFMETADATA1", *lines, ""])


def _escaped(text: str) -> str:
    return re.sub(r"([=;#\\\n])", r"\\\1", text)
