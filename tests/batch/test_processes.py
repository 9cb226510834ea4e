"""Worker processes: all runs are told once, whoever dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from denoisecli.batch.messages import Outcome
from denoisecli.batch.place import Place
from denoisecli.batch.processes import Stop, Workers, gpus, share_machine
from tests.batch import bodies
from tests.batch.bodies import runs
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


def told(tmp_path, body, packs, jobs=2, stop=None):
    engine = Workers(jobs, Place(tmp_path), stop or Stop(), body)
    return [message for message in engine.run(iter(packs)) if isinstance(message, Outcome)]


def test_every_run_is_told_once(tmp_path):
    packs = [(run,) for run in runs(tmp_path, 40)]
    outcomes = told(tmp_path, bodies.leave_marks, packs)
    assert sorted(outcome.number for outcome in outcomes) == list(range(40))
    assert {outcome.state for outcome in outcomes} == {"made"}
    assert {outcome.worker for outcome in outcomes} == {1, 2}
    assert len({path.read_text() for path in tmp_path.glob("run-*")}) == 2


def test_killed_worker_is_replaced_and_its_runs_are_made_one_by_one(tmp_path):
    five = runs(tmp_path, 5)
    outcomes = told(tmp_path, bodies.die_once, [tuple(five)], jobs=1)
    assert sorted((outcome.number, outcome.state) for outcome in outcomes) == [(n, "made") for n in range(5)]


def test_run_that_kills_every_worker_fails_alone(tmp_path):
    outcomes = told(tmp_path, bodies.die_always, [tuple(runs(tmp_path, 5))])
    assert sorted((outcome.number, outcome.state) for outcome in outcomes) == [
        (0, "made"), (1, "made"), (2, "made"), (3, "failed"), (4, "made"),
    ]  # fmt: skip
    failed = next(outcome for outcome in outcomes if outcome.state == "failed")
    assert failed.error == "The worker process died 2 times in this run (killed by SIGKILL)."
    assert "fewer --jobs" in failed.hint
    assert list(tmp_path.rglob("error.json"))


def test_worker_that_leaves(tmp_path):
    (outcome,) = told(tmp_path, bodies.leave_by_exit, [tuple(runs(tmp_path, 1))], jobs=1)
    assert (outcome.state, "exit code 7" in outcome.error) == ("failed", True)


def test_asked_once_runs_in_hand_are_finished_and_no_more_begun(tmp_path):
    stop = Stop()
    engine = Workers(1, Place(tmp_path), stop, bodies.leave_marks)
    five = runs(tmp_path, 5)
    outcomes = []
    for message in engine.run(iter([tuple(five[:3]), tuple(five[3:])])):
        outcomes.append((message.number, message.state))
        stop.asked = 1
    assert outcomes[0] == (0, "made")
    assert [state for _, state in outcomes[-1:]] == ["stopped"]
    assert len(outcomes) == 3
    assert not (tmp_path / "run-3").exists()


def test_asked_twice_it_ends_at_once(tmp_path):
    stop = Stop()
    engine = Workers(1, Place(tmp_path), stop, bodies.sleep)
    began = time.monotonic()
    messages = engine.run(hanging(tmp_path, stop))
    assert [message.state for message in messages] == ["stopped"]
    assert time.monotonic() - began < 20


def hanging(tmp_path, stop):
    """Yield a pack that hangs; a thread asks to stop twice when it is in hand."""
    import threading

    (run,) = runs(tmp_path, 1)

    def ask():
        while not (tmp_path / "run-0").exists():
            time.sleep(0.05)
        stop.asked = 2

    threading.Thread(target=ask, daemon=True).start()
    yield (run,)


def test_next_pack_is_taken_beside_the_last_one(tmp_path):
    """Each run ends only when the one behind it has begun, though a worker has one pack at a time."""
    packs = [(run,) for run in runs(tmp_path, 6)]
    (tmp_path / "run-6").touch()
    outcomes = told(tmp_path, bodies.go_on_beside, packs, jobs=1)
    assert sorted((outcome.number, outcome.state) for outcome in outcomes) == [(n, "made") for n in range(6)]


def test_run_that_kills_beside_another_takes_none_along(tmp_path):
    packs = [(run,) for run in runs(tmp_path, 5)]
    outcomes = {outcome.number: outcome for outcome in told(tmp_path, bodies.die_beside, packs, jobs=1)}
    states = [outcomes[number].state for number in range(5)]
    assert states == ["made", "failed", "made", "made", "made"]
    assert "died 2 times in this run (killed by SIGKILL)" in outcomes[1].error
    assert not (tmp_path / "not-alone").exists()


def test_asked_twice_what_goes_on_beside_ends_too(tmp_path):
    stop = Stop()
    two = runs(tmp_path, 2)

    def packs():
        yield from ((run,) for run in two)
        wait_until(lambda: all(Path(run.path).exists() and Path(run.path).read_text() for run in two))
        stop.asked = 2

    engine = Workers(1, Place(tmp_path), stop, bodies.hang_beside)
    messages = [message for message in engine.run(packs()) if isinstance(message, Outcome)]
    assert sorted((message.number, message.state) for message in messages) == [(0, "stopped"), (1, "stopped")]
    assert all((tmp_path / f"ended-{number}").exists() for number in range(2))
    assert not alive(int((tmp_path / "run-0").read_text()))


ORPHAN = """
import sys
from pathlib import Path
from denoisecli.batch.place import Place
from denoisecli.batch.processes import Stop, Workers
from tests.batch import bodies
from tests.batch.bodies import runs
if __name__ == "__main__":
    where = Path(sys.argv[1])
    list(Workers(1, Place(where), Stop(), bodies.sleep).run(iter([tuple(runs(where, 1))])))
"""


def test_worker_dies_with_its_parent(tmp_path):
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, script, tmp_path], env=env) as process:
        mark = tmp_path / "run-0"
        wait_until(lambda: mark.exists() and mark.read_text())
        process.kill()
    worker = int(mark.read_text())
    wait_until(lambda: not alive(worker))


def alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("jobs", [1, 2, 64])
def test_threads_are_split(tmp_path, monkeypatch, jobs):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    share_machine(1, jobs)
    assert os.environ["OMP_NUM_THREADS"] == str(max(1, len(os.sched_getaffinity(0)) // jobs))


def test_workers_get_their_share(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    outcomes = told(tmp_path, bodies.threads, [(run,) for run in runs(tmp_path, 2)])
    assert {outcome.error for outcome in outcomes} == {str(max(1, len(os.sched_getaffinity(0)) // 2))}


def test_stdout_belongs_to_the_parent(tmp_path, capfd):
    told(tmp_path, bodies.shout, [tuple(runs(tmp_path, 1))], jobs=1)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "noise\n")


@pytest.mark.parametrize(
    ("told", "cards"),
    [
        pytest.param("0,2", ["0", "2"], id="two of them"),
        pytest.param("", [], id="none"),
        pytest.param("GPU-8f, GPU-9a", ["GPU-8f", "GPU-9a"], id="by name"),
    ],
)
def test_gpus(monkeypatch, told, cards):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert gpus() == cards


def test_signals_are_named():
    from denoisecli.batch.processes import _cause

    assert _cause(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert _cause(1) == "exit code 1"
