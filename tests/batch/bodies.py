"""What workers of the tests do instead of making runs: quick, and faulty in chosen ways."""

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

from denoisecli.batch.messages import Outcome, Run
from denoisecli.batch.worker import BESIDE
from denoisecli.registry import CONFIGS
from tests.waiting import wait_until


def outcome(run, state="made", worker=1, **more):
    return Outcome(run.number, run.label, run.path, state, worker=worker, **more)


def make(pack, place, worker, tell, stopping):
    """Make nothing, at once."""
    for run in pack:
        tell(outcome(run, "stopped" if stopping() else "made", worker))


def leave_marks(pack, place, worker, tell, stopping):
    """Write a file under each run's name, which must not be there yet; tell this process's number."""
    for run in pack:
        if stopping():
            tell(outcome(run, "stopped", worker))
            continue
        time.sleep(0.05)
        with Path(run.path).open("x", encoding="utf-8") as file:
            file.write(str(os.getpid()))
        tell(outcome(run, "made", worker))


def die_once(pack, place, worker, tell, stopping):
    """Be killed in run 3, the first time it comes."""
    for run in pack:
        if run.number == 3 and not run.tries:
            os.kill(os.getpid(), signal.SIGKILL)
        make((run,), place, worker, tell, stopping)


def die_always(pack, place, worker, tell, stopping):
    """Be killed in run 3, whenever it comes."""
    for run in pack:
        if run.number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        make((run,), place, worker, tell, stopping)


def leave_by_exit(pack, place, worker, tell, stopping):
    """End without a word."""
    os._exit(7)


def sleep(pack, place, worker, tell, stopping):
    """Say who we are, then hang."""
    Path(pack[0].path).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(60)


def threads(pack, place, worker, tell, stopping):
    """Tell how many threads this worker may use."""
    for run in pack:
        tell(outcome(run, error=os.environ["OMP_NUM_THREADS"], worker=worker))


def shout(pack, place, worker, tell, stopping):
    """Write to stdout, which belongs to the parent."""
    print("noise")  # noqa: T201
    make(pack, place, worker, tell, stopping)


def die_in_three_until_alone(pack, place, worker, tell, stopping):
    """Be killed in run 3 for as long as it is in one pack with others."""
    for run in pack:
        if run.number == 3 and len(pack) > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        make((run,), place, worker, tell, stopping)


def fail(pack, place, worker, tell, stopping):
    """Raise what nobody foresaw."""
    raise RuntimeError("no such thing")


def go_on_beside(pack, place, worker, tell, stopping):
    """Leave each run to go on until the next one is there, which comes only to a worker that is free before."""

    def rest(run):
        folder = Path(run.path).parent
        wait_until(lambda: (folder / f"run-{run.number + 1}").exists() or (folder / "last").exists(), 60)
        tell(outcome(run, worker=worker))

    for run in pack:
        BESIDE.room()
        Path(run.path).touch()
        BESIDE.go_on(partial(rest, run), threading.Event())


def die_beside(pack, place, worker, tell, stopping):
    """Leave each run to go on; run 1 kills the worker there as soon as run 2 is in hand, and then whenever it comes."""

    def rest(run, ended):
        others = [path for path in Path(run.path).parent.glob("beside-*") if path.name != f"beside-{run.number}"]
        if run.tries and others:
            Path(run.path).with_name("not-alone").touch()
        if run.number == 1:
            wait_until(lambda: run.tries or Path(run.path).with_name("run-2").exists(), 60)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2)
        Path(run.path).with_name(f"beside-{run.number}").unlink()
        tell(outcome(run, worker=worker))

    for run in pack:
        BESIDE.room()
        for path in Path(run.path).parent.glob("beside-*") if run.tries else ():
            if path.read_text() != str(os.getpid()):  # of the worker that died
                path.unlink()
        Path(run.path).touch()
        Path(run.path).with_name(f"beside-{run.number}").write_text(str(os.getpid()))
        ended = threading.Event()
        BESIDE.go_on(partial(rest, run, ended), ended)


def hang_beside(pack, place, worker, tell, stopping):
    """Leave each run to go on until it is told to end, and say so."""

    def rest(run, ended):
        Path(run.path).write_text(str(os.getpid()))
        ended.wait()
        Path(run.path).with_name(f"ended-{run.number}").touch()

    for run in pack:
        ended = threading.Event()
        BESIDE.go_on(partial(rest, run, ended), ended)


def runs(tmp_path, count):
    config = CONFIGS["noise"](size=(64, 64))
    return [Run(number, f"n={number}", config, str(tmp_path / f"run-{number}")) for number in range(count)]
