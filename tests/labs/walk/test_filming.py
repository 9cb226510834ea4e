"""The walk's films beside its sampling: they follow the frames that have come, and end when the sampling ends."""

import contextlib
import threading

import numpy as np
import pytest

from denoisecli.config.load import load_configs, settings
from denoisecli.errors import MediaError
from denoisecli.labs.job import Job
from denoisecli.labs.walk import filming as walk_film
from denoisecli.labs.walk import lab as walk
from denoisecli.labs.walk.config import WalkConfig
from denoisecli.labs.walk.figures.facts import walk_facts
from denoisecli.labs.walk.filming import Arrivals, Stopped, filming
from denoisecli.report import Report
from denoisecli.runs.folder import RunFolder
from tests.figures.fakes import scene
from tests.labs.walk.figures.fakes import record
from tests.waiting import wait_until

FRAMES = 9  # of `record`: two legs of five, one shared
ENDS = [0, 4, 8]


class Finals:
    """Finished pictures that note when they are asked for."""

    def __init__(self):
        self.asked = []

    def __getitem__(self, frame):
        self.asked.append(frame)
        return (scene(frame, 32, 32) * 255).astype(np.uint8)


@pytest.fixture
def job(tmp_path):
    pairs = ["film.size=640x360", "film.hold_s=0.1", "cross_fade=true"]
    folder = RunFolder(tmp_path / "run", "0" * 8)
    with folder.open():
        yield Job(load_configs(WalkConfig, [], [settings(WalkConfig, pairs)])[0], folder, Report())


def films(job):
    return {path.name: path.read_bytes() for path in job.folder.partial.rglob("*.mp4")}


def facts_to_come(frames=5):
    """What is known of a walk of which no frame has come."""
    facts = walk_facts(record(frames=frames))
    jumps = facts.jumps.copy()
    facts.jumps[:] = np.nan
    return facts, jumps


def test_frames_are_drawn_as_they_come_and_the_films_are_the_same(job):
    facts, jumps = facts_to_come()
    finals = Finals()
    with filming(job, facts, finals, beside=True) as going:
        going.add(ENDS)
        wait_until(lambda: sorted(finals.asked) == sorted(2 * ENDS))  # by each of the two films
        finals.asked.clear()
        facts.jumps[:4] = jumps[:4]
        going.add([1, 2, 3])
        wait_until(lambda: finals.asked.count(2) == 2)
        assert set(finals.asked) == {0, 1, 2}  # frame 4 is there, but 3 needs 5 for its curve
        facts.jumps[:] = jumps
        going.add([5, 6, 7])
    beside = films(job)
    assert beside.keys() == {"film.mp4", "cross-fade.mp4"}
    assert {row["path"] for row in job.folder.artifacts} == {"film.mp4", "views/cross-fade.mp4"}
    with filming(job, walk_facts(record()), Finals(), beside=False) as after:
        assert after.films == []
        after.add(range(FRAMES))
    assert films(job) == beside


def test_progress_rises_by_one_whichever_film_tells(job):
    told = []
    job.report.stage = lambda name, total: told.append((name, total))
    job.report.step = lambda done, **_: told.append(done)
    with filming(job, walk_facts(record()), Finals(), beside=False) as going:
        going.add(range(FRAMES))
    shown = 2 * (2 * FRAMES - 1)  # there and back, twice
    assert told == [("figures", shown), *range(1, shown + 1)]


def test_sampling_that_fails_ends_its_films(job):
    with pytest.raises(KeyboardInterrupt), filming(job, facts_to_come()[0], Finals(), beside=True) as going:
        going.add([*ENDS, 1, 2])
        raise KeyboardInterrupt
    assert not [path for path in job.folder.partial.rglob("*") if path.suffix == ".mp4"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("film")]


def test_a_film_that_fails_stops_the_sampling(job, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    facts, jumps = facts_to_come(frames=20)
    with pytest.raises(MediaError, match="ffmpeg"), filming(job, facts, Finals(), beside=True) as going:
        facts.jumps[:] = jumps
        going.add([*range(30), 38])
        wait_until(lambda: any(film.done() for film in going.films))
        going.add([30])
        pytest.fail("the failure was not told")


def test_waiting():
    arrivals = Arrivals(4)
    arrivals.add([0, 3])
    arrivals.wait_for([0, 3])
    arrivals.wait_up_to(0)
    waiter = threading.Thread(target=arrivals.wait_up_to, args=(9,))  # beyond the last: all of them
    waiter.start()
    arrivals.add([2])
    waiter.join(0.05)
    assert waiter.is_alive()
    arrivals.add([1])
    waiter.join(5)
    assert not waiter.is_alive()
    arrivals.stop()
    with pytest.raises(Stopped):
        arrivals.wait_up_to(0)  # those who draw shall end too, whatever is there


@pytest.mark.parametrize("pacing", ["even", "perceptual"])
def test_a_walk_filmed_beside_is_the_walk_filmed_after(tmp_path, monkeypatch, pacing):
    pairs = ["seeds=[7, 21]", "steps=2", "size=64", "frames=5", "batch=2", "film.size=640x360", "film.fps=5",
             "film.hold_s=0.2", f"pacing={pacing}"]  # fmt: skip
    config = load_configs(WalkConfig, [], [settings(WalkConfig, pairs)])[0]
    after = walk.plan(config, tmp_path / "after", None, force=False).make(Report())
    original = walk_film.filming

    @contextlib.contextmanager
    def beside(*arguments, **_):
        with original(*arguments, beside=True) as going:
            yield going

    monkeypatch.setattr(walk_film, "filming", beside)
    made = walk.plan(config, tmp_path / "beside", None, force=False).make(Report())
    for name in ("film.mp4", "pictures.zip", "page.html", "sheet.png", "states.safetensors"):
        assert (made / name).read_bytes() == (after / name).read_bytes()
