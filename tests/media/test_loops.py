"""Looping pictures: how large they become, and that they stay within their budget."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from denoisecli.media import loops
from denoisecli.media.loops import LEAST_SIDE, Loop, first_loop
from denoisecli.media.video import write_films

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "size", "fps", "found"),
    [
        pytest.param("gif", (1920, 1080), 30, Loop((800, 450), Fraction(25)), id="a large film"),
        pytest.param("webp", (1080, 1920), 24, Loop((720, 1280), Fraction(24)), id="a tall one"),
        pytest.param("gif", (640, 360), Fraction(5, 2), Loop((640, 360), Fraction(5, 2)), id="a small slow one"),
    ],
)
def test_first_try(name, size, fps, found):
    assert first_loop(name, size, Fraction(fps)) == found


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_smaller_is_smaller_never_unreadable_and_keeps_its_shape(share):
    loop = Loop((800, 450), Fraction(25))
    less = loop.smaller(share)
    assert max(less.size) >= LEAST_SIDE - 2
    assert all(side % 2 == 0 for side in less.size)
    assert less.size[0] / less.size[1] == pytest.approx(800 / 450, rel=0.02)
    cost = np.prod(less.size) * less.fps / (np.prod(loop.size) * loop.fps)
    assert float(cost) == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize("name", ["gif", "webp"])
def test_a_film_of_noise_is_made_smaller_until_it_fits_and_says_so(tmp_path, monkeypatch, name):
    monkeypatch.setattr(loops, "BUDGET", 400_000)
    rng, said = np.random.default_rng(0), []
    frames = [(rng.integers(0, 255, (360, 640, 3), np.uint8), 1) for _ in range(10)]
    [path] = write_films(frames, [tmp_path / f"film.{name}"], 10, say=said.append)
    assert path.stat().st_size <= 400_000
    with Image.open(path) as image:
        assert image.size[0] < 640
        assert image.info["loop"] == 0
        seconds = 0
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            seconds += image.info["duration"] / 1000
    assert seconds == pytest.approx(1.0, abs=0.25)
    [words] = said
    assert words.startswith(f"film.{name} is {image.size[0]}×{image.size[1]} at ")


@pytest.mark.parametrize("folder", ["%d", "%03d", "100%", "%%", "a:b"])
def test_a_folder_with_marks_that_ffmpeg_reads(tmp_path, monkeypatch, folder):
    """A path with %d in it is a row of numbered pictures to ffmpeg, where the format is one of pictures."""
    (tmp_path / folder).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / folder))
    frames = [(np.full((64, 64, 3), 40 * k, np.uint8), 1) for k in range(3)]
    paths = [tmp_path / folder / f"film.{name}" for name in ("mp4", "webm", "gif", "webp")]
    assert write_films(frames, paths, 2) == paths
    with Image.open(paths[3]) as image:
        assert image.n_frames == 3
