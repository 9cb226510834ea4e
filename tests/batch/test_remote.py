"""Runs in a store behind a URL: whole or not to be seen, the same as on a disk, and made once."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest

from denoisecli.batch import remote
from denoisecli.batch.messages import Outcome, Run
from denoisecli.batch.patience import Patient
from denoisecli.batch.place import Place
from denoisecli.batch.processes import Stop, Workers
from denoisecli.batch.queue import Schedule
from denoisecli.batch.remote import RemotePlace
from denoisecli.batch.variations import product
from denoisecli.batch.worker import make_pack
from denoisecli.config.load import build, settings
from denoisecli.config.yaml import read_documents
from denoisecli.errors import RemoteError, SamplingError, UsageError
from denoisecli.labs.noise import lab as noise
from denoisecli.registry import CONFIGS
from denoisecli.report import Report
from tests import warm

from .stores import Between, files, new_url

SMALL = ["seed=2", "frames=3", "size=64", "film.size=640x360"]
NOISE = b"lab: noise\nframes: 3\nsize: 64\nfilm: {size: 640x360}\n"
DECK = b"lab: sample\nsteps: 2\nsize: 64\nviews: [guess]\nfilm: {size: 640x360}\nseeds: [1]\n"


@pytest.fixture(params=["memory", "s3"])
def url(request, tmp_path, monkeypatch):
    """The URL of an empty place, in memory and on the S3 server; the staging folder is the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "s3":
        request.getfixturevalue("s3")
    return new_url(request.param)


class Here:
    """An engine that makes all runs in this process."""

    def __init__(self, place):
        self.place = place

    def run(self, packs):
        for pack in packs:
            told = []
            make_pack(pack, self.place, 1, told.append, lambda: False)
            yield from told


def made(url, text, *vary, samples=8, force=False, engine=Here, **more):
    """Make all runs of a config here; return their outcomes."""
    place = RemotePlace(None, force, url)
    found = Schedule([product(read_documents(text, "x")[0], [], vary)], place, **more)
    return [message for message in found.run(engine(place), samples) if isinstance(message, Outcome)]


def whole(url, outcome):
    """Return the record of a run in the store, every file of it checked."""
    held = files(outcome.path)
    record = json.loads(held["trace.json"])
    assert {row["path"]: row["bytes"] for row in record["artifacts"]} == {
        name: len(body) for name, body in held.items() if name != "trace.json"
    }
    return record


def test_runs_are_there_whole_and_made_once(url, tmp_path):
    first = made(url, NOISE, "seed=1-2")
    assert [outcome.state for outcome in first] == ["made", "made"]
    assert all(outcome.path.startswith(f"{url}/noise/lighthouse-") for outcome in first)
    assert [whole(url, outcome)["config"]["seed"] for outcome in first] == [1, 2]
    assert not list((tmp_path / "cache" / "denoisecli" / "staging").glob("*/*/*"))
    again = made(url, NOISE, "seed=1-3")
    assert [outcome.state for outcome in again] == ["done", "done", "made"]
    assert [outcome.path for outcome in again[:2]] == [outcome.path for outcome in first]


def test_same_bytes_as_on_a_disk(url, tmp_path):
    (outcome,) = made(url, NOISE, "seed=1")
    place = Place(tmp_path / "runs")
    (config,) = [c for _, _, c in Schedule([product(read_documents(NOISE, "x")[0], [], ["seed=1"])], place).configs()]
    plan = place.plan(config)
    place.begin(plan, Report()).finish()
    disk = {path.relative_to(plan.folder.path).as_posix(): path.read_bytes()
            for path in plan.folder.path.rglob("*") if path.is_file()}  # fmt: skip
    store = files(outcome.path)
    assert store.keys() == disk.keys()
    assert {name for name in disk if store[name] != disk[name]} <= {"trace.json"}  # the times


def test_decks_are_packed(url):
    outcomes = made(url, DECK, "seed=1-3")
    assert [whole(url, outcome)["packed"]["samples"] for outcome in outcomes] == [3, 3, 3]


def test_half_a_run_is_none(url):
    """What an interruption left has no trace.json, so the run is made again."""
    (outcome,) = made(url, NOISE, "seed=1")
    store, path = fsspec.core.url_to_fs(outcome.path, use_listings_cache=False)
    store.rm_file(f"{path}/trace.json")
    store.pipe_file(f"{path}/film.mp4", b"half")
    assert [again.state for again in made(url, NOISE, "seed=1")] == ["made"]
    whole(url, outcome)


def test_force_leaves_nothing_of_the_old_run(url):
    (outcome,) = made(url, NOISE, "seed=1")
    store, path = fsspec.core.url_to_fs(outcome.path, use_listings_cache=False)
    store.pipe_file(f"{path}/stray.png", b"old")
    assert [again.state for again in made(url, NOISE, "seed=1", force=True)] == ["made"]
    assert "stray.png" not in files(outcome.path)
    whole(url, outcome)


class Refusing:
    """A store that takes no trace.json."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    def put_file(self, local, remote):
        assert remote.endswith("/trace.json")
        raise OSError("Connection reset by peer")


def test_trace_comes_last(url, monkeypatch):
    """Where the trace cannot be put, all else is there already, and the run is not taken for whole."""
    put = remote._put
    with monkeypatch.context() as patched:
        patched.setattr(remote, "_put", lambda store, *given: put(Refusing(store), *given))
        (outcome,) = made(url, NOISE, "seed=1")
    assert (outcome.state, "Connection reset by peer" in outcome.error) == ("failed", True)
    assert {"film.mp4", "states.safetensors"} <= files(outcome.path).keys()
    monkeypatch.setattr(noise, "make", None)  # the next try goes on with what the staging folder holds
    (outcome,) = made(url, NOISE, "seed=1")
    assert outcome.state == "made"
    whole(url, outcome)


def test_failure_is_recorded(url, monkeypatch):
    def refuse(_):
        raise SamplingError("The latents stopped being numbers.", "Try float32.")

    with monkeypatch.context() as patched:
        patched.setattr(noise, "make", refuse)
        (outcome,) = made(url, NOISE, "seed=1")
    assert outcome.state == "failed"
    note = json.loads(files(f"{outcome.path}.partial")["error.json"])
    assert (note["error"], note["hint"]) == ("The latents stopped being numbers.", "Try float32.")
    assert [again.state for again in made(url, NOISE, "seed=1")] == ["made"]
    assert list(files(f"{outcome.path}.partial")) == []


def test_failed_run_is_found_by_retry_failed(url):
    place = RemotePlace(None, False, url)
    found = Schedule([product(read_documents(NOISE, "x")[0], [], ["seed=1-2"])], place)
    plans = [place.plan(config, label) for _, label, config in found.configs()]
    place.fail(plans[1], "The disk is full.", "Free some.")
    assert json.loads(files(url)[f"noise/{plans[1].folder.path.name}.partial/error.json"])["hint"] == "Free some."
    states = [outcome.state for outcome in made(url, NOISE, "seed=1-2", retry_failed=True)]
    assert states == ["skipped", "made"]
    assert not [name for name in files(url) if name.endswith("error.json")]


def test_many_runs_are_looked_up_in_one_listing(url, monkeypatch):
    made(url, NOISE, "seed=1")
    store = fsspec.core.url_to_fs(url, use_listings_cache=False)[0]
    asked = []
    monkeypatch.setattr(type(store), "exists", lambda *given, **_: asked.append(given))
    place = RemotePlace(None, False, url)
    found = Schedule([product(read_documents(NOISE, "x")[0], [], ["seed=0-99"])], place).looked_at()
    assert [getattr(one, "state", "todo") for one in found].count("done") == 1
    assert asked == []


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        pytest.param("s3://no-such-bucket/runs", RemoteError, "s3://no-such-bucket/runs cannot be used", id="bucket"),
        pytest.param("gopher://host/runs", UsageError, "gopher:// cannot be used: Protocol not known", id="scheme"),
        pytest.param("gs://bucket/runs", UsageError, "gs:// cannot be used: Please install gcsfs", id="package"),
    ],
)
def test_refused(s3, url, error, says):
    with pytest.raises(error) as refused:
        RemotePlace(None, False, url).check()
    assert says in refused.value.message


def test_check_leaves_nothing(url):
    RemotePlace(None, False, url).check()
    assert files(url) == {}


# Through the command line, and by workers


def cli(tmp_path, *arguments, env=None):
    command = [warm.command(), *map(str, arguments)]
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    return subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **cache, **(env or {})}, capture_output=True, text=True, check=False
    )


def test_batch_of_two_workers_into_s3(s3, tmp_path):
    (tmp_path / "noise.yaml").write_bytes(NOISE)
    url = new_url("s3")
    command = ["batch", "noise.yaml", "--vary", "seed=1-4", "--jobs", "2", "--runs-dir", url]
    done = cli(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [json.loads(files(line)["trace.json"])["config"]["seed"] for line in lines] == [1, 2, 3, 4]
    began = time.monotonic()
    again = cli(tmp_path, *command)
    assert (again.stdout, again.stderr.count("was there")) == (done.stdout, 4)
    assert time.monotonic() - began < 20
    dry = cli(tmp_path, *command, "--dry-run")
    assert (dry.stdout, dry.stderr.count("is done already")) == (done.stdout, 4)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["batch", "--runs-dir", "s3://no-bucket/runs"], 1, "s3://no-bucket/runs cannot be", id="bucket"),
        pytest.param(["batch", "--runs-dir", "sftp://me:secret@host/runs"], 2, "a password in a URL", id="password"),
        pytest.param(["sample", "--runs-dir", "s3://bucket/runs"], 2, "Only batch writes to URLs", id="sample"),
        pytest.param(["ls", "s3://bucket/runs"], 2, "copy the runs to this machine first", id="ls"),
        pytest.param(["render", "s3://bucket/runs/x"], 2, "copy the runs to this machine first", id="render"),
        pytest.param(["rm", "-y", "s3://bucket/runs/x"], 2, "copy the runs to this machine first", id="rm"),
        pytest.param(["compare", "s3://b/x", "s3://b/y"], 2, "copy the runs to this machine first", id="compare"),
    ],
)  # fmt: skip
def test_refused_by_the_command(s3, tmp_path, arguments, code, says):
    done = cli(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def test_file_url_is_a_folder(tmp_path):
    (tmp_path / "noise.yaml").write_bytes(NOISE)
    done = cli(tmp_path, "batch", "noise.yaml", "--runs-dir", f"file://{tmp_path}/out")
    assert done.returncode == 0, done.stderr
    assert (Path(done.stdout.strip()) / "trace.json").is_file()
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "out")
    listed = cli(tmp_path, "ls", f"file://{tmp_path}/out")
    assert listed.stdout == done.stdout


@pytest.fixture
def silent():
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_store_that_never_answers_is_told_in_time(silent, s3, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent)
    monkeypatch.setattr(Patient, "ANSWER_S", 1.0)
    fsspec.filesystem("s3").clear_instance_cache()
    began = time.monotonic()
    for _ in range(2):  # the thread that was left behind holds up nobody
        with pytest.raises(RemoteError, match=r"s3://bucket/runs cannot be used: no answer came in 1 s"):
            RemotePlace(None, False, "s3://bucket/runs").check()
    assert time.monotonic() - began < 20
    fsspec.filesystem("s3").clear_instance_cache()


def test_a_store_that_hangs_fails_a_run_for_good(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = new_url("s3")
    with Between(s3["AWS_ENDPOINT_URL"]) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.address)
        fsspec.filesystem("s3").clear_instance_cache()
        (first,) = made(url, NOISE, "seed=1")
        monkeypatch.setattr(Patient, "ANSWER_S", 2.0)
        monkeypatch.setattr(Patient, "SLOWEST", 1e6)
        between.hang()
        told = []
        place = RemotePlace(None, False, url)
        run = Run(1, "seed=2", place.plan(build(CONFIGS["noise"], [settings(CONFIGS["noise"], SMALL)])).config, "x")
        make_pack((run,), place, 1, told.append, lambda: False)
    fsspec.filesystem("s3").clear_instance_cache()
    assert first.state == "made"
    assert [(one.state, one.fatal) for one in told if isinstance(one, Outcome)] == [("failed", True)]
    assert "no answer came in" in told[-1].error


def test_a_store_that_goes_away_ends_the_batch(s3, tmp_path):
    """What is there stays there, and the same command goes on when the store is back."""
    (tmp_path / "noise.yaml").write_bytes(NOISE)
    url, env = new_url("s3"), {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "denoisecli", "batch", "noise.yaml", "--vary", "seed=1-200", "--runs-dir", url]
    with Between(s3["AWS_ENDPOINT_URL"]) as between:
        batch = subprocess.Popen(
            command, cwd=tmp_path, text=True, env=env | {"AWS_ENDPOINT_URL": between.address},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            first = [batch.stdout.readline().strip() for _ in range(2)]
            between.close()
            out, err = batch.communicate(timeout=300)
        finally:
            batch.kill()
    assert batch.returncode == 3, err
    assert err.count(f"denoisecli: {url} cannot be used: ") == 1
    assert err.endswith("No more runs were begun; the same command goes on where this one stopped.\n")
    assert err.count("failed: ") == 1
    assert "Traceback" not in err
    there = {name.rpartition("/")[0] for name in files(url) if name.endswith("trace.json")}
    assert {f"{url}/{name}" for name in there} == set(first + out.split())
    again = cli(tmp_path, "batch", "noise.yaml", "--vary", f"seed=1-{len(there) + 1}", "--runs-dir", url)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("was there") == len(there)


def test_worker_processes_put_what_they_make(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    outcomes = made(new_url("s3"), NOISE, "seed=1-3", engine=lambda place: Workers(2, place, Stop()))
    assert [outcome.state for outcome in outcomes] == ["made"] * 3
    assert {outcome.worker for outcome in outcomes} <= {1, 2}
