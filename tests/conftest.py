"""What every test has: one thread a worker (two workers on two cores would wait for each other), no network.

Property tests draw the same few examples each time, so that a suite that passed passes again. With FUZZ_MINUTES set
(`make fuzz MINUTES=30`) they draw others, over and over, each test for its share of that time.
"""

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import warm

GOLDEN = Path(__file__).parent / "figures" / "golden"

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")  # as `load_model` has it, before another test multiplies
os.environ.pop("DENOISECLI_RUNS_DIR", None)
os.environ["COLUMNS"] = "100"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes would compile the same modules anew
sys.dont_write_bytecode = False
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a shell's background: what is started would not hear it
    signal.signal(signal.SIGINT, signal.default_int_handler)

FUZZ_S = float(os.environ.get("FUZZ_MINUTES", "0")) * 60
PLAIN = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # a busy machine is no fault
settings.register_profile("suite", settings(derandomize=True, **PLAIN))
settings.register_profile("fuzz", settings(max_examples=100, print_blob=True, **PLAIN))
settings.load_profile("fuzz" if FUZZ_S else "suite")


HEAVY = (
    "torch", "diffusers", "transformers", "accelerate", "peft", "ray", "fsspec", "s3fs", "moto", "playwright", "cv2",
)  # fmt: skip


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden pictures anew")
    parser.addoption("--light", action="store_true", help="only what needs no torch, cluster, store, browser")
    parser.addoption("--shuffle", type=int, metavar="SEED", help="draw the order of files, and of the tests in each")


def pytest_report_header(config):
    return [] if (seed := config.getoption("--shuffle")) is None else f"shuffled: --shuffle {seed}"


def pytest_collection_modifyitems(config, items):
    if FUZZ_S:  # only the property tests: the others say the same each time
        config.hook.pytest_deselected(items=[item for item in items if not hasattr(item.obj, "hypothesis")])
        items[:] = [item for item in items if hasattr(item.obj, "hypothesis")]
    if (seed := config.getoption("--shuffle")) is not None:
        rng, places = random.Random(seed), {}
        items.sort(key=lambda item: (places.setdefault(item.path, rng.random()), rng.random()))


class Light:
    """Skips the test, or the module of tests, that imports something heavy, as where that is not installed."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in HEAVY:
            pytest.skip(f"needs {name}", allow_module_level=True)


def pytest_configure(config):
    if config.getoption("--light"):
        sys.meta_path.insert(0, Light)
    if warm.FOLDER not in os.environ:  # the workers have that of the process that started them
        serving = contextlib.ExitStack()
        serving.enter_context(warm.program(HEAVY if config.getoption("--light") else ()))
        config.add_cleanup(serving.close)


@pytest.fixture(scope="session")
def heavy(request: pytest.FixtureRequest) -> None:
    """Ask for it where a process loads what is heavy: --light leaves the test out."""
    if request.config.getoption("--light"):
        pytest.skip("a process of it loads torch, or is a browser")


@pytest.fixture(scope="module")
def kept_model():
    """Let the runs of a module take the model of the run before, as a batch does: loading is half of a small run."""
    from denoisecli.diffusion.model_cache import ModelCache

    with ModelCache().lent():
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Return a check that a picture looks like `golden/NAME.png`."""
    from tests.golden import check_golden  # NumPy comes after the threads are set

    update = request.config.getoption("--update-golden")
    return lambda name, picture: check_golden(GOLDEN / f"{name}.png", picture, update=update)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a property test again and again while its share of the time lasts; each call draws other examples."""
    began = time.monotonic()
    found = yield
    if FUZZ_S and hasattr(pyfuncitem.obj, "hypothesis"):
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        share = FUZZ_S * workers / max(1, sum(hasattr(item.obj, "hypothesis") for item in pyfuncitem.session.items))
        given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        while time.monotonic() - began < share:
            pyfuncitem.obj(**given)
    return found
