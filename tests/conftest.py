"""What every test has: one thread a worker (two workers on two cores would wait for each other), no network."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.pop("DENOISECLI_RUNS_DIR", None)
os.environ["COLUMNS"] = "100"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden pictures anew")
