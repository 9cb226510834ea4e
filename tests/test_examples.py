"""Every example runs as a user would run it (made small through the environment)."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.shell import surroundings

EXAMPLES = Path(__file__).parents[1] / "examples"
TESTED = {
    "github_actions.yml", "in_parallel.sh", "prompts_from_a_file.sh", "record_in_a_notebook.ipynb",
    "record_your_own_pipeline.py", "slides.mk", "slurm_array.sh", "sweep_to_gallery.sh", "watch_folder.sh",
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("heavy")


def run(command, cwd, code=0, **environment):
    env = surroundings(STEPS="2", **environment)
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


def test_every_example_is_tested():
    assert {file.name for file in EXAMPLES.iterdir()} == TESTED


def test_record_your_own_pipeline(tmp_path):
    out = run([sys.executable, EXAMPLES / "record_your_own_pipeline.py"], tmp_path)
    assert "latents at every state: (1, 3, 4, 32, 32)" in out
    assert "layout was fixed at state" in out
    assert (tmp_path / "recorded" / "trace.json").is_file()


NOTEBOOK = """
import sys, nbclient, nbformat
book = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(book, timeout=600, kernel_name="python3").execute()
nbformat.write(book, "done.ipynb")
"""


@pytest.mark.slow
def test_record_in_a_notebook(tmp_path):
    """Every cell runs; the trace shows its page, and the sheet its picture."""
    run([sys.executable, "-c", NOTEBOOK, EXAMPLES / "record_in_a_notebook.ipynb"], tmp_path)
    cells = json.loads((tmp_path / "done.ipynb").read_text())["cells"]
    outputs = ["".join(map(json.dumps, cell["outputs"])) for cell in cells if cell["cell_type"] == "code"]
    assert "Trace(sample, 2 seeds, 3 states, 4×32×32)" in json.loads(json.dumps(cells[2]["outputs"]))[-1]["text"][0]
    assert "<iframe" in outputs[2]
    assert "<img" in outputs[3]
    assert "latents at every state: (2, 3, 4, 32, 32)" in outputs[4]
    assert "seed 21: layout fixed at state" in outputs[5]
    assert "a windmill on a grassy hill" in outputs[6]


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_prompts_from_a_file(tmp_path):
    (tmp_path / "prompts.txt").write_text("a castle\n\na windmill\n")
    lines = run([EXAMPLES / "prompts_from_a_file.sh", "prompts.txt"], tmp_path).splitlines()
    assert [line.split("/")[2].split("-")[1] for line in lines] == ["castle", "windmill"]
    assert all("seed 1: layout fixed at state" in line for line in lines)


def test_sweep_to_gallery(tmp_path):
    assert run([EXAMPLES / "sweep_to_gallery.sh", "mine"], tmp_path) == "mine/index.html\n"
    assert (tmp_path / "mine" / "index.html").read_text().count('"folder":"sample/') == 4


def test_watch_folder(tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "good.yaml").write_text("lab: sample\nprompt: a mill\n")
    (inbox / "bad.yaml").write_text("lab: sample\npromt: a mill\n")
    [made] = run([EXAMPLES / "watch_folder.sh", inbox, "--once"], tmp_path).splitlines()
    assert (tmp_path / made / "trace.json").is_file()
    assert [path.name for path in sorted(inbox.rglob("*.yaml"))] == ["good.yaml", "bad.yaml"]
    assert (inbox / "done" / "good.yaml").is_file()


def test_watch_folder_ends_with_ctrl_c(tmp_path):
    """A terminal's Ctrl-C reaches script and run: the config is not called failed, and the next does not begin."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for name in ("a", "b"):
        (inbox / f"{name}.yaml").write_text("lab: sample\nprompt: a zzz\n")
    env = surroundings(DENOISECLI_STEPS="1000")
    command = [EXAMPLES / "watch_folder.sh", inbox]
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as watch:
        try:
            assert "zzz" in watch.stderr.readline()  # the run has begun: it warns of the word it does not know
            os.killpg(watch.pid, signal.SIGINT)
            _, rest = watch.communicate(timeout=20)
        finally:
            if watch.poll() is None:
                os.killpg(watch.pid, signal.SIGKILL)
    assert watch.returncode == 130
    assert rest.count("Interrupted") == 1
    assert sorted(path.name for path in inbox.glob("*.yaml")) == ["a.yaml", "b.yaml"]


def test_slurm_array(tmp_path):
    (tmp_path / "deck.yaml").write_text("lab: sample\nprompt: a mill\n")
    parts = [
        run([EXAMPLES / "slurm_array.sh", "deck.yaml"], tmp_path, SLURM_ARRAY_TASK_ID=task, SLURM_ARRAY_TASK_COUNT="2")
        for task in ("1", "2")
    ]
    runs = [line for part in parts for line in part.splitlines()]
    assert len(set(runs)) == len(runs) == 8
    assert all((tmp_path / made / "trace.json").is_file() for made in runs)


def test_in_parallel(tmp_path):
    (tmp_path / "prompts.txt").write_text('a castle\n\nan old mill, "at dusk"\n')
    runs = run([EXAMPLES / "in_parallel.sh", "prompts.txt"], tmp_path).splitlines()
    assert sorted(made.split("/")[2].rsplit("-", 1)[0] for made in runs) == ["a-castle", "an-old-mill-at-dusk"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_slides_makefile(tmp_path):
    (tmp_path / "deck.yaml").write_text("lab: sample\nprompt: a mill\n")
    command = ["make", "-s", "-f", EXAMPLES / "slides.mk", "talk.md"]
    run(command, tmp_path)
    talk = (tmp_path / "talk.md").read_text()
    assert talk.startswith("---")
    assert "a mill" in talk
    before = (tmp_path / "made" / "deck" / "trace.json").stat().st_mtime_ns
    run(command, tmp_path)
    assert (tmp_path / "made" / "deck" / "trace.json").stat().st_mtime_ns == before


def test_github_actions(tmp_path):
    """The steps that are ours run as they are; installing is what the test's environment has done."""
    workflow = YAML(typ="safe").load((EXAMPLES / "github_actions.yml").read_text())
    steps = {step.get("name"): step for step in workflow["jobs"]["deck"]["steps"] if "run" in step}
    assert list(steps) == ["Install", "Make"]
    (tmp_path / "decks").mkdir()
    (tmp_path / "decks" / "mill.yaml").write_text("lab: sample\nprompt: a mill\n")
    run(["bash", "-e", "-c", steps["Make"]["run"]], tmp_path)
    [upload] = [step["with"]["path"] for step in workflow["jobs"]["deck"]["steps"] if "upload" in step.get("uses", "")]
    assert (tmp_path / upload / "index.html").is_file()
