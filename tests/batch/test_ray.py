"""A Ray cluster of two nodes on this machine: nothing lost, nothing done twice, whoever dies."""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from denoisecli.batch.messages import Outcome
from denoisecli.batch.place import Place
from denoisecli.batch.processes import Stop
from denoisecli.batch.queue import Schedule
from denoisecli.batch.ray_engine import RayEngine, Request, check_room
from denoisecli.batch.remote import RemotePlace
from denoisecli.batch.variations import product
from denoisecli.config.yaml import read_documents
from denoisecli.errors import UsageError
from tests.batch.bodies import runs

from . import bodies
from .stores import files, new_url

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own, of which it has many
NOISE = b"lab: noise\nframes: 3\nsize: 64\nfilm: {size: 640x360, fps: 5, hold_s: 0.2}\n"
SMALL = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(autouse=True)
def one_cluster_at_a_time():
    """Hold off the other worker's tests of this module: "auto" finds whatever cluster the machine has."""
    with (Path(tempfile.gettempdir()) / "denoisecli-tests-of-ray.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        yield
        resource.setrlimit(resource.RLIMIT_NOFILE, before)  # Ray raises it; the server of `warm` has the usual one


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


@pytest.fixture(params=["disk", "s3"])
def place(request, tmp_path, monkeypatch):
    """A folder, or a URL; asked for before the cluster, whose nodes get this environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "disk":
        return Place(tmp_path / "runs")
    request.getfixturevalue("s3")
    return RemotePlace(None, False, new_url("s3"))


@pytest.mark.slow
def test_node_killed_in_the_middle(place, cluster):
    schedule = Schedule([product(read_documents(NOISE, "x")[0], [], ["seed=0-11"])], place)
    engine = RayEngine(cluster.address, None, place, Stop())  # a worker on each node
    outcomes = []
    for message in schedule.run(engine, 1):
        if isinstance(message, Outcome):
            outcomes.append(message)
            if len(outcomes) == 3:
                cluster.remove_node(cluster.second, allow_graceful=False)
    assert [outcome.number for outcome in outcomes] == list(range(12))
    assert {outcome.state for outcome in outcomes} <= {"made", "done"}
    held = files(getattr(place, "url", f"file://{place.root}"))
    assert {name.split("/")[1] for name in held} == {outcome.path.rpartition("/")[2] for outcome in outcomes}
    for outcome in outcomes:
        below = f"noise/{outcome.path.rpartition('/')[2]}"
        record = json.loads(held[f"{below}/trace.json"])
        assert {row["path"]: row["bytes"] for row in record["artifacts"]} == {
            name.removeprefix(f"{below}/"): len(body)
            for name, body in held.items()
            if name.startswith(below) and not name.endswith("trace.json")
        }


@pytest.mark.slow
def test_local_is_a_cluster_of_our_own(cluster, tmp_path, monkeypatch):
    """Also beside another one on this machine."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    engine = RayEngine("local", 1, Place(tmp_path), Stop(), Request(cpus=0.5), bodies.make)
    messages = engine.run(iter([tuple(runs(tmp_path, 1))]))
    assert next(messages).state == "made"
    assert ray.get_runtime_context().gcs_address != cluster.address
    assert list(messages) == []


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


IMPATIENT = """
from denoisecli.batch import cluster
cluster.LOOK_S, cluster.PATIENCE_S, cluster.LEAVE_S = 0.5, 4, 2
from denoisecli.cli import main
main()
"""


def nodes_alone(cluster):
    """Every node dies; the head lives, and Ray waits for others to come."""
    for node in (cluster.head_node, cluster.second):
        yield from ((pid, signal.SIGKILL) for pid in processes(node, "raylet"))


def everything(cluster):
    yield from nodes_alone(cluster)
    yield from ((pid, signal.SIGKILL) for pid in processes(cluster.head_node, "gcs_server"))


def head_that_hangs(cluster):
    """Its port still takes connections."""
    yield from ((pid, signal.SIGSTOP) for pid in processes(cluster.head_node, "gcs_server"))


def processes(node, name):
    return [one.process.pid for one in node.all_processes[name]]


@pytest.mark.slow
@pytest.mark.parametrize("gone", [nodes_alone, everything, head_that_hangs])
def test_a_cluster_that_is_gone_ends_the_batch(cluster, tmp_path, gone):
    (tmp_path / "noise.yaml").write_bytes(NOISE)
    command = [sys.executable, "-c", IMPATIENT, "batch", "noise.yaml", "--vary", "seed=0-999", "--ray", cluster.address]
    with (tmp_path / "err").open("wb") as err:
        batch = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=err, text=True)
    first = [batch.stdout.readline().strip() for _ in range(2)]
    killed = list(gone(cluster))
    try:
        for pid, number in killed:
            os.kill(pid, number)
        rest = batch.communicate(timeout=60)[0].split()
    finally:
        batch.kill()
        for pid, number in killed:
            if number == signal.SIGSTOP:
                os.kill(pid, signal.SIGCONT)
    said = (tmp_path / "err").read_text()
    assert batch.returncode == 3, said
    assert said.count("denoisecli: The Ray cluster is gone: ") == 1
    assert said.endswith("No more runs were begun; the same command goes on where this one stopped.\n")
    assert "Traceback" not in said
    assert all((tmp_path / run / "trace.json").is_file() for run in first + rest)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:6379", "127.0.0.1:99999", "auto"])
def test_no_cluster_is_told_at_once(tmp_path, address):
    pytest.importorskip("ray")
    began = time.monotonic()
    with pytest.raises(UsageError, match=f"no Ray cluster to be had at {address}"):
        next(RayEngine(address, 1, Place(tmp_path), Stop()).run(iter([])))
    assert time.monotonic() - began < 30


def node(cpu, gpu=0.0, alive=True):
    return {"Alive": alive, "Resources": {"CPU": cpu, "GPU": gpu}}


@pytest.mark.parametrize(
    ("nodes", "request_", "jobs"),
    [
        pytest.param([node(4.0), node(2.0)], Request(), 6, id="all cores"),
        pytest.param([node(8.0, 2.0), node(4.0)], Request(gpus=1), 2, id="all GPUs"),
        pytest.param([node(8.0)], Request(cpus=0), 1024, id="asks for nothing"),
    ],
)
def test_as_many_workers_as_fit(nodes, request_, jobs):
    assert check_room(nodes, request_, None) == jobs


def test_one_worker_is_the_least():
    with pytest.raises(UsageError, match="can never hold a worker of 1 CPU and 1 GPU"):
        check_room([node(8.0)], Request(gpus=1), None)


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
        assert check_room(nodes, request_, jobs) == jobs
        return
    with pytest.raises(UsageError, match="can never hold"):
        check_room(nodes, request_, jobs)
