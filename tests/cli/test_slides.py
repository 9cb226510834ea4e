"""`denoisecli slides` as a person and a pipeline call it."""

import json

from tests.hand_made import hand_made_run


def test_runs_from_arguments_and_from_stdin(run, tmp_path):
    hand_made_run(tmp_path / "a"), hand_made_run(tmp_path / "b", "noise")
    done = run("slides", "a", "-", "-o", "talk.pptx", "--json", stdin="b\n")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["start", "step", "step", "done"]
    assert events[-1]["run"] == "talk.pptx"
    assert (tmp_path / "talk.pptx").is_file()


def test_path_is_all_that_stdout_says(run, tmp_path):
    hand_made_run(tmp_path / "a")
    done = run("slides", "a", "-o", "talk.md", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "talk.md\n", "")


def test_what_is_not_there_is_wrong_usage(run):
    done = run("slides", "nothing", "-o", "talk.md")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("denoisecli: nothing is not there.\n")


def test_empty_stdin_is_wrong_usage(run):
    done = run("slides", "-", "-o", "talk.md", stdin="")
    assert done.returncode == 2
    assert "No run folders were named" in done.stderr
