"""Which runs are made, in which packs, by which shard; and the order in which they are told."""

from pathlib import Path

import pytest

from denoisecli.batch.messages import Outcome, Run
from denoisecli.batch.packing import packed
from denoisecli.batch.place import Place
from denoisecli.batch.queue import Schedule, Shard
from denoisecli.batch.variations import product
from denoisecli.config.yaml import read_documents
from denoisecli.registry import CONFIGS
from tests.batch.bodies import outcome
from tests.hand_made import hand_made_run


def schedule(tmp_path, *vary, settings=("size=64", "steps=2"), **more):
    return Schedule([product(None, settings, vary)], Place(tmp_path / "runs"), **more)


class Backwards:
    """An engine that settles all runs, the last first; `fail` names those that fail."""

    def __init__(self, fail=()):
        self.fail, self.packs = fail, []

    def run(self, packs):
        self.packs = list(packs)
        for run in [run for pack in self.packs for run in pack][::-1]:
            yield outcome(run, "failed" if run.number in self.fail else "made")


def outcomes(found, engine, samples=8):
    return [message for message in found.run(engine, samples) if isinstance(message, Outcome)]


def deck(number, lab="sample", **keys):
    return Run(number, "", CONFIGS[lab](**{"size": (256, 256), "seeds": (number,), **keys}), f"run-{number}")


@pytest.mark.parametrize(
    ("runs", "samples", "packs"),
    [
        pytest.param([deck(i) for i in range(5)], 2, [[0, 1], [2, 3], [4]], id="alike"),
        pytest.param([deck(i) for i in range(3)], 1, [[0], [1], [2]], id="packing off"),
        pytest.param([deck(0), deck(1, steps=9), deck(2), deck(3, steps=9)], 2, [[0, 2], [1, 3]], id="two kinds"),
        pytest.param([deck(0, cfg=3.0), deck(1, cfg=9.0, prompt="a mill")], 8, [[0, 1]], id="scale, prompt may vary"),
        pytest.param([deck(0, cfg=1.0), deck(1, cfg=3.0)], 8, [[0], [1]], id="without guidance, alone"),
        pytest.param([deck(0, seeds=(1, 2, 3)), deck(1, seeds=(4, 5))], 4, [[0], [1]], id="too many samples"),
        pytest.param([deck(0, seeds=(1, 2, 3, 4, 5))], 4, [[0]], id="one run over the limit by itself"),
        pytest.param([deck(0, "cfg-sweep"), deck(1, "cfg-sweep")], 8, [[0], [1]], id="other labs go alone"),
        pytest.param([deck(i, size=(1024, 1024)) for i in range(6)], 64, [[0, 1, 2, 3], [4, 5]], id="large pictures"),
        pytest.param([deck(0, sampler="euler"), deck(1, eta=1.0), deck(2, dtype="float16"), deck(3)], 8,
                     [[0], [1], [2], [3]], id="what must be shared"),
        pytest.param([], 8, [], id="none"),
    ],
)  # fmt: skip
def test_packs(runs, samples, packs):
    assert [[run.number for run in pack] for pack in packed(runs, samples)] == packs


def test_packs_of_many_kinds_never_pile_up():
    waiting = packed((deck(i, steps=i + 1) for i in range(1000)), 8)
    assert next(waiting)[0].number == 0  # given away long before the end


def test_outcomes_come_in_the_order_of_the_product(tmp_path):
    done = outcomes(schedule(tmp_path, "seed=0-4"), Backwards(), 2)
    assert [message.number for message in done] == [0, 1, 2, 3, 4]


def test_runs_that_are_there_are_told_and_not_made(tmp_path):
    found = schedule(tmp_path, "seed=0-2")
    plan = found.place.plan(next(config for number, _, config in found.configs() if number == 1))
    hand_made_run(plan.folder.path, film=False, hash=plan.folder.hash)
    engine = Backwards()
    states = [message.state for message in outcomes(found, engine)]
    assert states == ["made", "done", "made"]
    assert [run.number for run in engine.packs[0]] == [0, 2]


def test_retry_failed_makes_only_what_failed(tmp_path):
    found = schedule(tmp_path, "seed=0-2", retry_failed=True)
    plans = [found.place.plan(config) for _, _, config in found.configs()]
    plans[1].folder.fail("The disk is full.", "Free some.")
    engine = Backwards()
    assert [message.state for message in outcomes(found, engine)] == ["skipped", "made", "skipped"]
    assert [run.number for run in engine.packs[0]] == [1]


def test_one_run_under_two_names_is_made_once(tmp_path):
    engine = Backwards()
    found = outcomes(schedule(tmp_path, "cfg=3,3.0,4"), engine)
    assert [message.state for message in found] == ["made", "skipped", "made"]


def test_two_runs_that_share_a_name_by_chance(tmp_path, monkeypatch):
    from denoisecli.labs import job as plan

    monkeypatch.setattr(plan, "run_hash", lambda *_: "00000000")
    found = outcomes(schedule(tmp_path, "seed=1-2"), Backwards())
    assert [message.state for message in found] == ["made", "failed"]
    assert "by chance, also the name of another run" in found[1].error


def test_run_that_cannot_be_planned_fails_alone(tmp_path):
    engine = Backwards()
    found = list(outcomes(schedule(tmp_path, "loras=[[{file: gone.safetensors}], []]"), engine))
    assert [message.state for message in found] == ["failed", "made"]
    assert "gone.safetensors" in found[0].error


@pytest.mark.parametrize(
    ("total", "count", "spans"),
    [
        pytest.param(10, 3, [(0, 3), (3, 6), (6, 10)], id="uneven"),
        pytest.param(2, 4, [(0, 0), (0, 1), (1, 1), (1, 2)], id="more shards than runs"),
        pytest.param(5, 1, [(0, 5)], id="one"),
    ],
)
def test_shards_part_the_runs(total, count, spans):
    assert [Shard(index, count).span(total) for index in range(1, count + 1)] == spans


def test_shards_of_several_configs_give_every_run_once(tmp_path):
    documents = read_documents(b"lab: sample\nsize: 64\n---\nlab: noise\nsize: 64\n---\nlab: sample\nsize: 128\n", "x")
    products = [product(document, [], ["seed=0-2"]) for document in documents]
    whole = [(number, label, config.lab) for number, label, config in Schedule(products, Place(tmp_path)).configs()]
    assert [number for number, _, _ in whole] == list(range(9))
    parts = [Schedule(products, Place(tmp_path), Shard(index, 4)) for index in range(1, 5)]
    assert [row for part in parts for row in [(n, label, c.lab) for n, label, c in part.configs()]] == whole
    assert [len(part) for part in parts] == [2, 2, 2, 3]


def test_first_number_of_a_shard_is_told_first(tmp_path):
    found = outcomes(schedule(tmp_path, "seed=0-5", shard=Shard(2, 2)), Backwards())
    assert [(message.number, message.label) for message in found] == [(3, "seeds=3"), (4, "seeds=4"), (5, "seeds=5")]


def test_runs_folder_of_outcomes(tmp_path):
    message = next(iter(outcomes(schedule(tmp_path, "seed=1"), Backwards())))
    assert isinstance(message, Outcome)
    assert Path(message.path).parent == tmp_path / "runs" / "sample"
