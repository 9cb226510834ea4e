"""A Ray cluster of two nodes on this machine: nothing lost, nothing done twice, whoever dies."""

import json
import os

import pytest

from denoisecli.batch.place import Place
from denoisecli.batch.ray_engine import RayEngine, Request, check_room
from denoisecli.batch.runs import Outcome
from denoisecli.batch.schedule import Schedule
from denoisecli.batch.variations import product
from denoisecli.batch.workers import Stop
from denoisecli.config.yaml import read_documents
from denoisecli.errors import UsageError

from . import bodies
from .test_workers import runs

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own, of which it has many
NOISE = b"lab: noise\nframes: 3\nsize: 64\nfilm: {size: 640x360}\n"
SMALL = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture
def cluster():
    """Two nodes of one CPU each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args=SMALL | {"include_dashboard": False})
    cluster.second = cluster.add_node(**SMALL)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_node_killed_in_the_middle(cluster, tmp_path):
    schedule = Schedule([product(read_documents(NOISE, "x")[0], [], ["seed=0-11"])], Place(tmp_path / "runs"))
    engine = RayEngine(cluster.address, 2, schedule.place, Stop())
    outcomes = []
    for message in schedule.run(engine, 1):
        if isinstance(message, Outcome):
            outcomes.append(message)
            if len(outcomes) == 3:
                cluster.remove_node(cluster.second, allow_graceful=False)
    assert [outcome.number for outcome in outcomes] == list(range(12))
    assert {outcome.state for outcome in outcomes} <= {"made", "done"}
    folders = list((tmp_path / "runs" / "noise").iterdir())
    assert sorted(map(str, folders)) == sorted(outcome.path for outcome in outcomes)
    for folder in folders:
        record = json.loads((folder / "trace.json").read_text())
        assert all((folder / row["path"]).stat().st_size == row["bytes"] for row in record["artifacts"])


@pytest.mark.slow
def test_dead_worker_errors_and_stopping(cluster, tmp_path):
    five = runs(tmp_path, 5)

    def told(body, packs, stop=None):
        engine = RayEngine(cluster.address, 1, Place(tmp_path), stop or Stop(), Request(cpus=0.5), body)
        return [(message.number, message.state) for message in engine.run(iter(packs))]

    ray = pytest.importorskip("ray")
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")  # once for all that follow
    assert sorted(told(bodies.die_in_three_until_alone, [tuple(five)])) == [(n, "made") for n in range(5)]
    assert told(bodies.fail, [(five[0],)]) == [(0, "failed")]
    stop = Stop(asked=1)
    assert told(bodies.make, [(five[0],)], stop) == []
    with pytest.raises(UsageError, match=r"can never hold 9 workers of 1 CPU each"):
        next(RayEngine(cluster.address, 9, Place(tmp_path), Stop()).run(iter([])))


def node(cpu, gpu=0.0, alive=True):
    return {"Alive": alive, "Resources": {"CPU": cpu, "GPU": gpu}}


@pytest.mark.parametrize(
    ("nodes", "request_", "jobs", "fits"),
    [
        pytest.param([node(4.0)], Request(), 4, True, id="all cores"),
        pytest.param([node(4.0)], Request(), 5, False, id="one too many"),
        pytest.param([node(1.0), node(1.0)], Request(cpus=2), 1, False, id="no node is large enough"),
        pytest.param([node(4.0, 1.0)], Request(gpus=0.25), 4, True, id="quarters of a GPU"),
        pytest.param([node(4.0, 1.0)], Request(gpus=0.3), 4, False, id="more than the GPU holds"),
        pytest.param([node(4.0)], Request(gpus=1), 1, False, id="no GPU"),
        pytest.param([node(4.0, alive=False)], Request(), 1, False, id="a dead node"),
        pytest.param([node(0.0)], Request(cpus=0), 9, True, id="asks for nothing"),
    ],
)
def test_room(nodes, request_, jobs, fits):
    if fits:
        check_room(nodes, request_, jobs)
        return
    with pytest.raises(UsageError, match="can never hold"):
        check_room(nodes, request_, jobs)
