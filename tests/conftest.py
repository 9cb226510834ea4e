"""What every test has: one thread a worker (two workers on two cores would wait for each other), no network."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import warm

GOLDEN = Path(__file__).parent / "figures" / "golden"

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.pop("DENOISECLI_RUNS_DIR", None)
os.environ["COLUMNS"] = "100"
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a shell's background: what is started would not hear it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden pictures anew")


def pytest_configure(config):
    if warm.FOLDER not in os.environ:  # the workers have that of the process that started them
        serving = contextlib.ExitStack()
        serving.enter_context(warm.server())
        config.add_cleanup(serving.close)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Return a check that a picture looks like `golden/NAME.png`."""
    from tests.golden import check_golden  # NumPy comes after the threads are set

    update = request.config.getoption("--update-golden")
    return lambda name, picture: check_golden(GOLDEN / f"{name}.png", picture, update=update)
