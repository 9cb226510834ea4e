"""A run's drawings side by side: what they tell comes in their order, and a fault ends the others."""

import threading

import numpy as np
import pytest

from denoisecli.config.load import load_configs, settings
from denoisecli.errors import MediaError
from denoisecli.labs.films import Ended, write_film
from denoisecli.labs.job import Job
from denoisecli.labs.noise.config import NoiseConfig
from denoisecli.report import Report
from denoisecli.runs.folder import RunFolder


class Heard(Report):
    """Notes what is said, and by which thread."""

    def __init__(self):
        self.said, self.threads = [], set()

    def _note(self, *what):
        self.said.append(what)
        self.threads.add(threading.current_thread())

    def stage(self, name, total):
        self._note(name, total)

    def step(self, done, **_):
        self._note("step", done)

    def warn(self, text):
        self._note("warn", text)

    def note(self, text):
        self._note("note", text)

    def artifact(self, _, row):
        self._note(row["path"], row["kind"])


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    folder = RunFolder(tmp_path / "run", "0" * 8)
    with folder.open():
        yield Job(load_configs(NoiseConfig, [], [settings(NoiseConfig, [])])[0], folder, Heard())


def test_drawings_meet_and_are_told_of_in_their_order(job):
    both = threading.Barrier(2, timeout=10)

    def drawing(name):
        def draw(job):
            both.wait()  # would break if one had to end before the other begins
            job.report.warn(f"{name} is odd")
            job.report.note(f"{name} is small")
            path = job.folder.partial / f"{name}.png"
            path.write_bytes(b"x")
            job.artifact(path, "sheet")

        return draw

    job.draw(drawing("a"), drawing("b"))
    told = [[("warn", f"{name} is odd"), ("note", f"{name} is small"), (f"{name}.png", "sheet")] for name in "ab"]
    assert job.report.said == [("figures", 2), *told[0], ("step", 1), *told[1], ("step", 2)]
    assert job.report.threads == {threading.current_thread()}
    assert [row["path"] for row in sorted(job.folder.artifacts, key=lambda row: row["path"])] == ["a.png", "b.png"]
    assert job.timings["figures"] > 0


def test_a_film_ends_where_another_drawing_fails(job):
    began, how = threading.Event(), []

    def fails(_):
        began.wait(10)
        raise MediaError("no room.")

    def frames():
        while True:
            began.set()
            yield np.zeros((32, 32, 3), np.uint8)

    def film(job):
        try:
            write_film(job, frames(), [1] * 1_000_000, job.folder.partial / "film.mp4")
        except Ended:
            how.append("ended")
            raise

    with pytest.raises(MediaError, match="no room"):
        job.draw(fails, film)
    assert how == ["ended"]
    assert job.folder.artifacts == []
    assert not list(job.folder.partial.glob("*.mp4"))
