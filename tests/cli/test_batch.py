"""`denoisecli batch` in real processes: what it prints, and what happens when things go wrong."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from denoisecli.diffusion.references import POCKET
from tests import warm
from tests.waiting import wait_until

CONFIG = "lab: sample\nsteps: 3\nsize: 64\nviews: [guess]\nfilm: {size: 320x320, fps: 5, hold_s: 0.2}\nseeds: [1]\n"
NOISE = "lab: noise\nframes: 3\nsize: 64\nfilm: {size: 640x360, fps: 5, hold_s: 0.2}\n"


@pytest.fixture
def batch(tmp_path, heavy):
    """Start `denoisecli batch` in a folder with two configs, and return the process."""
    (tmp_path / "deck.yaml").write_text(CONFIG)
    (tmp_path / "noise.yaml").write_text(NOISE)
    started = []

    def start(*arguments, cold=False, **how):
        """cold: the process that was started is the command itself, and not one that asks the server for it."""
        program = [sys.executable, "-m", "denoisecli"] if cold else [warm.command()]
        command = [*program, "batch", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, cwd=tmp_path, **pipes, **how))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ended(process, timeout=120):
    """Wait, and return (exit code, lines on stdout, stderr)."""
    out, err = process.communicate(timeout=timeout)
    assert "Traceback" not in err
    return process.returncode, out.splitlines(), err


def children(number):
    """Return the worker processes of a batch: those that were spawned, not the one that counts semaphores."""
    found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def lora_that_fails_in_the_second_step(path):
    """Write a LoRA under which the first step ends far out, and the second beyond all numbers."""
    width = json.loads((POCKET / "unet" / "config.json").read_text())["block_out_channels"][0]
    weights = {
        "unet.conv_out.lora_A.weight": np.ones((1, width, 3, 3), np.float32),
        "unet.conv_out.lora_B.weight": np.full((4, 1, 1, 1), 1e19, np.float32),
    }
    save_file(weights, path)


def test_order_failure_and_another_try(batch, tmp_path):
    lora_that_fails_in_the_second_step(tmp_path / "bad.safetensors")
    vary = ["noise.yaml", "deck.yaml", "--vary", "seed=1-2"]
    loras = ["--vary", "loras=[[{file: bad.safetensors}], []]"]
    first = batch(*vary)
    wait_until((tmp_path / "runs" / ".batch.lock").exists)
    code, out, err = ended(batch(*vary))
    assert (code, out) == (1, [])
    assert "runs is being filled by another batch (process" in err
    code, out, _ = ended(first)
    assert code == 0
    records = [json.loads((tmp_path / run / "trace.json").read_text()) for run in out]
    assert [(record["lab"], record["runs"][0]["seed"]) for record in records] == [
        ("noise", 1), ("noise", 2), ("sample", 1), ("sample", 2),
    ]  # fmt: skip
    code, out, err = ended(batch("deck.yaml", "--vary", "seed=2-3", *loras, "--json"))
    assert code == 3, err
    told = [json.loads(line) for line in out]
    assert all(event["number"] in range(4) for event in told)
    events = [event for event in told if event["event"] in ("done", "error")]
    assert [(event["event"], event["vary"].split()[0], event.get("fresh")) for event in events] == [
        ("error", "seeds=2", None), ("done", "seeds=2", False), ("error", "seeds=3", None), ("done", "seeds=3", True),
    ]  # fmt: skip
    assert "stopped being numbers (NaN or infinite) in step 2 of 3" in events[0]["message"]
    assert err.count("failed: ") == 2
    note = json.loads((tmp_path / f"{events[0]['run']}.partial" / "error.json").read_text())
    assert note["error"] == events[0]["message"]
    code, out, err = ended(batch("deck.yaml", "--vary", "seed=2-3", *loras, "--retry-failed"))
    assert (code, out, err.count("failed: ")) == (3, [], 2)


def test_configs_as_they_come(batch, tmp_path):
    """Each is answered before the next is written; one that cannot be read is told, and skipped."""
    process = batch("-", "--set", "film.size=320x320", "--steps", 2, "--json", stdin=subprocess.PIPE)

    def ask(text):
        process.stdin.write(text)
        process.stdin.flush()
        return next(one for one in map(json.loads, process.stdout) if one["event"] in ("done", "error"))

    deck = {"lab": "sample", "size": 64, "seeds": [1]}
    first, bad = ask(json.dumps(deck) + "\n"), ask("lab: sample\nstesp: 3\n---\n")
    second = ask("lab: noise\nframes: 2\nsize: 64\n---\n")
    process.stdin.close()
    process.stdin = None
    code, _, _ = ended(process)
    assert code == 3
    assert [one["number"] for one in (first, bad, second)] == [0, 1, 2]
    assert bad["message"].startswith("document 2:2: stesp: unknown key")
    for made in (first, second):
        assert (tmp_path / made["run"] / "film.mp4").is_file()


def test_stdin_that_has_ended_asks_for_nothing(batch):
    assert ended(batch("-", stdin=subprocess.DEVNULL)) == (0, [], "")


def test_ctrl_c_ends_the_waiting_for_configs(batch):
    process = batch("-", stdin=subprocess.PIPE, cold=True)
    wait_until(lambda: children(process.pid), 60)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130


def test_first_ctrl_c_finishes_what_is_in_hand(batch, tmp_path):
    process = batch("noise.yaml", "--vary", "seed=0-99", "--pack", "1", cold=True)
    first = process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert code == 130
    assert "Interrupted. The same command goes on with the runs that are not finished." in err
    runs = [tmp_path / run for run in [first, *out]]
    assert 1 <= len(runs) < 100
    assert all((run / "trace.json").is_file() for run in runs)
    assert not list((tmp_path / "runs" / "noise").glob("*.partial"))
    code, out, err = ended(batch("noise.yaml", "--vary", "seed=0-3", "--pack", "1"))
    assert (code, len(out)) == (0, 4)
    assert "was there" in err


def test_second_ctrl_c_ends_at_once(batch, tmp_path):
    process = batch("deck.yaml", "--vary", "seed=0-2", "--set", "steps=400", cold=True)
    wait_until(lambda: list(tmp_path.glob("runs/sample/*.partial")))
    (worker,) = children(process.pid)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # another one: two alike are one where the first was not looked at yet
    code, out, _ = ended(process, timeout=20)
    assert (code, out) == (130, [])
    assert not Path(f"/proc/{worker}").exists()  # nobody is left behind
    assert not [run for run in tmp_path.glob("runs/sample/*") if run.suffix != ".partial"]


def test_killed_worker_is_replaced(batch, tmp_path):
    process = batch("deck.yaml", "--vary", "seed=0-3", cold=True)
    wait_until(lambda: list(tmp_path.glob("runs/sample/*.partial/work/batch-*.safetensors")))
    (worker,) = children(process.pid)
    os.kill(worker, signal.SIGKILL)
    code, out, _ = ended(process)
    assert (code, len(out), len(set(out))) == (0, 4, 4)
    assert all((tmp_path / run / "trace.json").is_file() for run in out)


def test_full_disk_ends_the_batch_in_one_sentence(batch, tmp_path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = batch("noise.yaml", "--vary", "seed=0-5", "--pack", "1", cold=True, preexec_fn=small_files)
    code, out, err = ended(process)
    assert (code, out) == (3, [])
    assert err.count("failed: ") == 1
    assert "the disk is full" in err
    assert "No more runs were begun" in err
    assert not [run for run in tmp_path.glob("runs/noise/*") if run.suffix != ".partial"]


def on_a_disk_of_its_own(tmp_path, size, script):
    """Run a shell script in which `runs` is a small disk that nobody else sees, and `batch` the command."""
    unshare = ["unshare", "-rm", "sh", "-c"]
    mount = [*unshare, "mount -t tmpfs tmpfs /mnt"]
    if shutil.which("unshare") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    (tmp_path / "runs").mkdir()
    head = f'mount -t tmpfs -o size={size} tmpfs runs; batch() {{ {sys.executable} -m denoisecli batch "$@"; }}\n'
    return subprocess.run([*unshare, head + script], cwd=tmp_path, capture_output=True, text=True, check=False)


def test_disk_that_fills_up_in_the_middle(batch, tmp_path):
    """What was made before stays, the batch ends in one sentence, and goes on where there is room again."""
    done = on_a_disk_of_its_own(tmp_path, "4m", """
        batch noise.yaml --vary seed=0-7 > first; echo $? > code; cp -r runs full
        mount -o remount,size=64m runs; batch noise.yaml --vary seed=0-7 > second && cp -r runs roomy
    """)  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (tmp_path / "first").read_text().split(), (tmp_path / "second").read_text().split()
    assert (tmp_path / "code").read_text() == "3\n"
    assert 1 <= len(first) < 8
    assert done.stderr.count("failed: ") == 1
    assert "No more runs were begun; the same command goes on where this one stopped." in done.stderr
    kept = [run for run in second if run in first]  # two were drawn side by side: the later may have found room
    assert (kept, len(second)) == (first, 8)
    assert done.stderr.count("was there") == len(first)
    for folder, runs in (("full", first), ("roomy", second)):
        assert all((tmp_path / run.replace("runs", folder, 1) / "trace.json").is_file() for run in runs)
    assert not list((tmp_path / "roomy").rglob("*.partial"))


def test_disk_that_nobody_may_write(batch, tmp_path):
    script = "batch noise.yaml > first; mount -o remount,ro runs; batch noise.yaml --vary seed=1-2 > second"
    done = on_a_disk_of_its_own(tmp_path, "4m", script)
    assert (done.returncode, (tmp_path / "second").read_text()) == (1, "")
    assert "denoisecli: runs cannot be written: Read-only file system.\nChoose another folder" in done.stderr


def test_clock_that_was_set_back(batch, tmp_path):
    """What is there bears times of the future, and is still what it is."""
    code, first, _ = ended(batch("noise.yaml", "--vary", "seed=0-1"))
    future = time.time() + 400 * 24 * 3600
    for path in (tmp_path / "runs").rglob("*"):
        os.utime(path, (future, future))
    code, out, err = ended(batch("noise.yaml", "--vary", "seed=0-2"))
    assert (code, out[:2], err.count("was there")) == (0, first, 2)
    code, _, err = ended(batch("noise.yaml", "--vary", "seed=0-3", "--dry-run"))
    assert re.search(r"\n1 run: about \d+ s of one worker and \d", err)
    listed = subprocess.run([warm.command(), "ls"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert sorted(listed.stdout.split()) == sorted(out)


def test_two_workers(batch, tmp_path):
    code, out, _ = ended(batch("noise.yaml", "--vary", "seed=0-5", "--jobs", "2", "--json"))
    assert code == 0
    events = [json.loads(line) for line in out]
    assert [event["number"] for event in events if event["event"] == "done"] == list(range(6))
    for number in range(6):
        mine = [event for event in events if event["number"] == number]
        names = [event["event"] for event in mine]
        assert names[0] == "start"
        assert names[-1] == "done"
        assert {event["path"] for event in mine if event["event"] == "artifact"} >= {"film.mp4", "page.html"}
        assert {event["stage"] for event in mine if event["event"] == "step"} == {"figures"}
        assert len({event["run"] for event in mine}) == 1


@pytest.mark.slow
def test_request_that_no_cluster_meets(batch, tmp_path):
    pytest.importorskip("ray")
    code, out, err = ended(batch("noise.yaml", "--ray", "local", "--ray-gpus", "64"))
    assert (code, out) == (2, [])
    assert "can never hold a worker of 1 CPU and 64 GPU." in err
    assert not list((tmp_path / "runs").glob("*/*"))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["-", "--shard", "1/2"], 2, "--shard: how many runs stdin will ask for is not known"),
        pytest.param(["--vary", "stesp=3"], 2, 'stesp: unknown key; did you mean "steps"?', id="unknown key"),
        pytest.param(["--vary", "prompt=@empty.txt"], 2, "empty.txt is empty", id="no prompts"),
        pytest.param(["--vary", "seed=0-999", "--vary", "steps=1-1000"], 2, "1,000,000 runs", id="a million"),
        pytest.param(["--runs-dir", "/proc/nowhere"], 1, "/proc/nowhere cannot be written", id="read-only folder"),
        pytest.param(["--shard", "3/2"], 2, "want I/N with I from 1 to N", id="shard"),
        pytest.param(["--vary", "cfg=3,-1"], 2, "-1 is out of range (want 0 to 100)", id="bad value"),
        pytest.param(["nowhere.yaml"], 2, "there is no such config file", id="no config"),
    ],
)
def test_refused(batch, tmp_path, arguments, code, says):
    (tmp_path / "empty.txt").write_text("\n")
    found, out, err = ended(batch(*arguments))
    assert (found, out) == (code, [])
    assert says in err
    assert not (tmp_path / "runs").exists()


def test_dry_run_lists_all_and_makes_nothing(batch, tmp_path):
    nothing_known = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    vary = ["--vary", "seed=0-2", "--vary", "film.theme=dark,light"]
    code, out, err = ended(batch("deck.yaml", *vary, "--dry-run", env=nothing_known))
    assert (code, len(set(out))) == (0, 6)
    assert "6 runs; how long that takes will be known when one like them has been made" in err
    assert not (tmp_path / "runs").exists()
