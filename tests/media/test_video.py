import hashlib
import resource
import stat
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from denoisecli.errors import MediaError
from denoisecli.media.ffmpeg import ffmpeg_path
from denoisecli.media.loops import SIDES
from denoisecli.media.video import FORMATS, write_films, write_video

NOTES = {"title": "a=b; c#\\d", "prompt": "ᾱ\nline two"}


def moving(n: int = 6, height: int = 64, width: int = 96) -> list[np.ndarray]:
    """Return n frames: a colour field with a block that wanders."""
    frames = []
    for k in range(n):
        frame = np.full((height, width, 3), (200, 30, 60), np.uint8)
        frame[8:24, 8 + 8 * k : 24 + 8 * k] = (240, 240, 240)
        frames.append(frame)
    return frames


def held(frames: list[np.ndarray], repeats: int = 4) -> list[tuple[np.ndarray, int]]:
    return [(frame, repeats) for frame in frames]


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def boxes(data: bytes) -> list[str]:
    """Return the names of an MP4's top-level boxes in order."""
    names, at = [], 0
    while at < len(data):
        names.append(data[at + 4 : at + 8].decode())
        at += int.from_bytes(data[at : at + 4], "big")
    return names


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return write_video(held(moving()), tmp_path_factory.mktemp("film") / "film.mp4", 10, NOTES, tick=4)


def test_an_mp4_plays_everywhere(film):
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
        assert stream.average_rate == stream.base_rate == Fraction(10)
        times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
    assert len(times) == 24
    assert len(set(np.diff(times))) == 1
    names = boxes(film.read_bytes())
    assert names.index("moov") < names.index("mdat")


def test_an_mp4_is_tagged_bt709(film):
    with av.open(str(film)) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
        assert (int(context.color_primaries), int(context.color_trc)) == (1, 1)


def test_colours_and_timing_come_back(film):
    frames = decoded(film)
    assert np.abs(frames[0][40:, :].astype(int) - (200, 30, 60)).max() <= 6
    whites = [(frame[16] > 200).all(-1).nonzero()[0].mean() for frame in frames]
    assert whites == pytest.approx(np.repeat([15.5 + 8 * k for k in range(6)], 4), abs=1)


def test_metadata_comes_back(film):
    with av.open(str(film)) as container:
        assert container.metadata["title"] == "a=b; c#\\d"
        assert container.metadata["prompt"] == "ᾱ\nline two"


@pytest.mark.parametrize("fps", [1, 6, 10, 24, 29.97, 60])
@pytest.mark.parametrize(("repeats", "tick"), [([1], 1), ([7, 7, 35], 7), ([2, 3, 1], 1), ([6, 12], 3)])
def test_every_frame_is_held_as_long_as_asked(tmp_path, fps, repeats, tick):
    path = write_video(zip(moving(len(repeats), 32, 48), repeats, strict=True), tmp_path / "x.mp4", fps, tick=tick)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == sum(repeats)
        assert float(container.streams.video[0].average_rate) == pytest.approx(fps, rel=1e-3)


def test_the_same_frames_give_the_same_bytes(film, tmp_path):
    again = write_video(held(moving()), tmp_path / "film.mp4", 10, NOTES, tick=4)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(film.read_bytes()).digest()


@pytest.mark.parametrize("name", FORMATS)
def test_no_byte_hangs_on_what_lies_in_memory(tmp_path, monkeypatch, name):
    """The C library fills what it hands out with a byte of our choice, of which x264's AVX-512 code reads some."""
    rng = np.random.default_rng(0)
    for width in (368, 384, 480) if name == "mp4" else (368,):  # 23, 24 and 30 macroblocks in a row
        y, x = np.mgrid[0:96, 0 : width + 8]
        field = np.stack([128 + 60 * np.sin(x / 9 + k) * np.cos(y / 7 - k) for k in range(3)], -1)
        frames = [np.uint8(field[:, k : k + width] + rng.uniform(0, 20, (96, width, 3))) for k in range(8)]
        kinds = set()
        for filled in ("1", "85", "170"):
            monkeypatch.setenv("MALLOC_PERTURB_", filled)
            kinds.add(write_video(held(frames, 1), tmp_path / f"film.{name}", 10).read_bytes())
        assert len(kinds) == 1, width


@pytest.mark.parametrize(("height", "width"), [(63, 65), (1, 1), (17, 64), (1080 // 8, 33)])
def test_odd_sizes_are_padded_not_stretched(tmp_path, height, width):
    frame = np.full((height, width, 3), 90, np.uint8)
    frame[:, -1] = 250
    got = decoded(write_video([(frame, 2)], tmp_path / "odd.mp4", 10))[0]
    assert got.shape == (height + height % 2, width + width % 2, 3)
    if width > 40:
        assert got[0, 8].mean() == pytest.approx(90, abs=6)


def test_all_formats_from_one_drawing(tmp_path):
    drawn = []

    def frames():
        for frame in moving():
            drawn.append(1)
            yield frame, 4

    paths = write_films(frames(), [tmp_path / f"film.{name}" for name in FORMATS], 10, tick=4)
    assert len(drawn) == 6
    assert [path.suffix for path in paths] == [f".{name}" for name in FORMATS]
    for path in (tmp_path / "film.gif", tmp_path / "film.webp"):
        with Image.open(path) as picture:
            assert picture.n_frames == 6
            picture.load()
            assert picture.info["loop"] == 0
            assert picture.info["duration"] == 400
    assert len(decoded(tmp_path / "film.webm")) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)


def fake_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(script))


LAST = 'for last; do :; done; echo half > "$last"; '


@pytest.mark.parametrize(("name", "error"), [("webm", 4), ("gif", 4), ("webp", 4)])
def test_every_format_shows_the_pictures_that_were_drawn(tmp_path, name, error):
    """Frame by frame, by the mean over pixels: a GIF has 256 dithered colours, WebM and WebP are lossy."""
    share = np.tile(np.abs(np.linspace(-1, 1, 96)), (64, 1))[..., None]  # teal, amber, teal
    field = (242 - share * 142, 185 + share * 23, 80 + share * 108)
    drawn = [np.roll(np.concatenate(field, axis=-1), 12 * k, axis=1).astype(np.uint8) for k in range(6)]
    path = write_films([(frame, 4) for frame in drawn], [tmp_path / f"film.{name}"], 10, tick=4)[0]
    if name == "webm":
        shown = decoded(path)
    else:
        with Image.open(path) as picture:
            shown = []
            for k in range(picture.n_frames):
                picture.seek(k)
                shown.append(np.asarray(picture.convert("RGB")))
    assert len(shown) == len(drawn)
    for got, frame in zip(shown, drawn, strict=True):
        assert np.abs(got.astype(int) - frame).mean() < error


REAL = 'exec "$REAL_FFMPEG" "$@"'


@pytest.mark.parametrize("name", ["gif", "webp"])
@pytest.mark.parametrize(
    ("second", "match"),
    [
        pytest.param("kill -9 $$", "signal 9", id="killed"),
        pytest.param("echo 'No space left on device' >&2; exit 1", "disk is full", id="full"),
        pytest.param(LAST + ': > "$last"', "wrote an empty file", id="nothing"),
    ],
)
def test_a_loop_whose_frames_wait_in_vain_leaves_nothing(tmp_path, monkeypatch, name, second, match):
    """The first ffmpeg, which takes the frames, ends well; the one that makes the picture of them dies."""
    monkeypatch.setenv("REAL_FFMPEG", ffmpeg_path())
    fake_ffmpeg(tmp_path, monkeypatch, f'case "$*" in *ffv1*) {REAL};; esac; {second}')
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(MediaError, match=match) as error:
        write_films(held(moving()), [folder / f"film.{name}"], 10, tick=4)
    assert f"film.{name}" in error.value.message
    assert not list(folder.iterdir())
    assert not list(tmp_path.glob("denoisecli-*"))


def test_a_gif_is_bounded_in_size(tmp_path):
    frame = np.zeros((1080, 1920, 3), np.uint8)
    with Image.open(write_video([(frame, 1)], tmp_path / "big.gif", 5)) as picture:
        assert max(picture.size) == SIDES["gif"]


@pytest.mark.parametrize(
    ("frames", "match"),
    [
        pytest.param([(np.zeros((8, 8, 3), np.float32), 1)], "uint8", id="float"),
        pytest.param([(np.zeros((8, 8), np.uint8), 1)], "H, W, 3", id="grey"),
        pytest.param([(np.zeros((8, 8, 3), np.uint8), 1), (np.zeros((8, 10, 3), np.uint8), 1)], "differ", id="sizes"),
        pytest.param([(np.zeros((8, 8, 3), np.uint8), 0)], "ticks", id="never"),
    ],
)
def test_wrong_frames_are_refused(tmp_path, frames, match):
    with pytest.raises(ValueError, match=match):
        write_video(frames, tmp_path / "x.mp4", 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "match"), [("x.avi", "no format we write"), ("missing/x.mp4", "no folder"), ("x.mp4", "no frames")]
)
def test_what_cannot_be_written_is_said(tmp_path, name, match):
    frames = [] if match == "no frames" else held(moving(1))
    with pytest.raises(MediaError, match=match):
        write_video(frames, tmp_path / name, 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "match"),
    [
        pytest.param(LAST + "echo 'Error while encoding' >&2; exit 1", "code 1: Error while encoding", id="at once"),
        pytest.param(LAST + "head -c 40000 > /dev/null; exit 187", "exit code 187", id="half-way"),
        pytest.param(LAST + "cat > /dev/null; exit 0", "wrote 0 of 240 frames", id="silently short"),
        pytest.param("cat > /dev/null; echo frame= 240 >&2", "wrote an empty file", id="nothing"),
        pytest.param(LAST + "kill -9 $$", "signal 9", id="killed"),
        pytest.param(LAST + "cat > /dev/null; echo 'No space left on device' >&2; exit 0", "disk is full", id="full"),
    ],
)
def test_an_ffmpeg_that_dies_leaves_nothing(tmp_path, monkeypatch, body, match):
    fake_ffmpeg(tmp_path, monkeypatch, body)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "film.mp4").write_bytes(b"the old film")
    with pytest.raises(MediaError, match=match) as error:
        write_video(held(moving(60)), folder / "film.mp4", 10)
    assert "film.mp4" in error.value.message
    assert "\n" not in error.value.message
    assert [path.name for path in folder.iterdir()] == ["film.mp4"]
    assert (folder / "film.mp4").read_bytes() == b"the old film"


def test_a_missing_ffmpeg_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nowhere"))
    with pytest.raises(MediaError, match="ffmpeg") as error:
        write_video(held(moving(1)), tmp_path / "film.mp4", 10)
    assert "pip install" in error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_drawing_stops_the_film(tmp_path):
    def frames():
        yield from held(moving(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_films(frames(), [tmp_path / "a.mp4", tmp_path / "a.gif"], 10)
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from denoisecli.errors import MediaError
from denoisecli.media.images import save_png
from denoisecli.media.video import write_video
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0).integers(0, 256, (12, 128, 128, 3), dtype=np.uint8)
folder = Path(sys.argv[1])
film = [(frame, 2) for frame in noise]
for write, what, name in ((write_video, film, "film.mp4"), (save_png, noise[0], "x.png")):
    try:
        write(what, folder / name, *([10] if name == "film.mp4" else []))
    except MediaError as error:
        print(error.message)
"""


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    lines = run.stdout.splitlines()
    assert len(lines) == 2, run.stderr
    assert all("the disk is full or the file would be larger than allowed" in line for line in lines)
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000
