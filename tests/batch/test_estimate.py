"""What a batch will take, judged by the runs that are there."""

import pytest

from denoisecli.batch.estimate import estimate
from denoisecli.cli.batch_report import duration, words
from denoisecli.labs.sample.config import SampleConfig
from tests.hand_made import hand_made_run


def deck(**keys):
    return SampleConfig(**{"size": (64, 64), "steps": 4, "seeds": (1, 2)} | keys)


def row(size):
    return {"path": f"views/{size}.mp4", "sha256": "0" * 64, "bytes": size, "kind": "film"}


@pytest.fixture
def root(tmp_path):
    """One run of two seeds and four steps: 8 s beside loading, 4,000 bytes."""
    hand_made_run(
        tmp_path / "sample" / "one", "sample", "size=64", "steps=4", "seeds=1-2", film=False,
        timings={"load": 99.0, "sample": 3.0, "figures": 5.0}, artifacts=[row(3000), row(1000)],
    )  # fmt: skip
    return tmp_path


@pytest.mark.parametrize(
    ("configs", "runs", "seconds", "size"),
    [
        pytest.param([deck()], 10, 80, 40_000, id="ten alike"),
        pytest.param([deck(seeds=(1,)), deck(steps=8)], 2, 4 + 16, 10_000, id="fewer seeds, more steps"),
        pytest.param([deck(), deck(size=(128, 128))], 4, 32, 16_000, id="the known stand for the unknown"),
    ],
)
def test_estimate(root, configs, runs, seconds, size):
    found = estimate(configs, runs, root)
    assert (found.seconds, found.bytes) == (seconds, size)


def test_share_of_a_pack_counts(root):
    hand_made_run(
        root / "sample" / "two", "sample", "size=64", "steps=4", "seeds=1-2", film=False, artifacts=[row(4000)],
        timings={"load": 0.0, "figures": 4.0}, packed={"samples": 8, "seconds": 16.0, "rows": [2, 4]},
    )  # fmt: skip
    assert estimate([deck()], 1, root).seconds == 8


@pytest.mark.parametrize("configs", [[], [deck(size=(128, 128))], [deck(film={"size": "640x360"})]])
def test_nothing_to_judge_by(root, configs):
    found = estimate(configs, 12_000, root)
    assert (found.seconds, found.bytes) == (None, None)
    assert words(found) == "12,000 runs; how long that takes will be known when one like them has been made"


def test_torn_records_teach_nothing(root):
    for name, text in {"torn": "{", "list": "[]", "strange": '{"config": {"lab": "sample"}}', "old": "{}"}.items():
        (root / "sample" / name).mkdir()
        (root / "sample" / name / "trace.json").write_text(text)
    assert estimate([deck()], 1, root).seconds == 8


def test_words(root):
    assert words(estimate([deck()], 1000, root)) == "1,000 runs: about 2 h 13 min of one worker and 4.0 MB of disk"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.2, "4 s"), (89, "89 s"), (100, "2 min"), (3599, "1 h 00 min"), (20_000, "5 h 33 min"), (400_000, "4 d 15 h")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
