"""What a run holds in memory at once does not grow with its steps and seeds, once its pictures go to the disk."""

import tracemalloc

import pytest

from denoisecli.diffusion.model_cache import ModelCache
from denoisecli.labs import room
from denoisecli.labs.sample import lab
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.report import Report

SIDE = 128
PICTURE = SIDE * SIDE * 3


@pytest.fixture(autouse=True)
def loaded_once():
    with ModelCache().lent():
        yield


def planned(folder, steps, seeds):
    config = SampleConfig(
        size=(SIDE, SIDE), steps=steps, seeds=tuple(range(seeds)), views=["guess"], film={"formats": []}
    )
    return lab.plan(config, folder / f"{steps}-{seeds}", None, force=True)


class FromDecodingOn(Report):
    """Begins to count what Python and NumPy allocate when the states are decoded: their pictures are made room for."""

    def stage(self, name, total):
        if name == "decode":
            tracemalloc.start()


def peak(folder, steps, seeds):
    """Return the most bytes that arrays and objects of Python take until a deck needs its model no longer."""
    plan = planned(folder, steps, seeds)
    try:
        begun = plan.begin(FromDecodingOn())
        found = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    begun.finish()
    return found


@pytest.mark.parametrize(("in_memory", "flat"), [(0, True), (1 << 30, False)], ids=["on the disk", "in memory"])
def test_peak_of_pictures(tmp_path, monkeypatch, in_memory, flat):
    monkeypatch.setattr(room, "IN_MEMORY", in_memory)
    planned(tmp_path, 2, 1).make(Report())  # what is loaded but once
    grown = peak(tmp_path, 8, 4) - peak(tmp_path, 2, 1)
    more = 2 * (4 * 9 - 3) * PICTURE
    assert (grown < 0.5 * more) == flat, (grown, more)


def test_pictures_share_the_room(tmp_path, monkeypatch):
    """It is all of them together that memory holds or not, and not each view by itself."""
    monkeypatch.setattr(room, "IN_MEMORY", 3 * PICTURE + 1)  # three states of one view, or of two
    plan = planned(tmp_path, 2, 1)
    begun = plan.begin(Report())
    assert {path.stem for path in plan.folder.work.glob("*.raw")} >= {"canvas", "guess"}
    begun.finish()
